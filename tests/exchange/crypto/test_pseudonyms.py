"""One name for each patient and recipient, and nothing that joins two of them."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.crypto.pseudonyms import PatientSecret


def test_a_pair_is_the_same_every_time_and_another_for_another() -> None:
    one, other = PatientSecret.generate(), PatientSecret.generate()
    assert one.pair("HospitalAMSP") == PatientSecret(bytes(one)).pair("HospitalAMSP")
    names = {secret.pair(msp_id) for secret in (one, other) for msp_id in ("HospitalAMSP", "HospitalBMSP")}
    assert len(names) == 4
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)


def test_a_salt_says_nothing_about_the_pair() -> None:
    secret = PatientSecret.generate()
    salt = secret.salt("HospitalBMSP")
    assert len(salt) == 32
    assert secret.pair("HospitalBMSP") not in salt.hex()
    assert salt != secret.salt("HospitalAMSP")


def test_an_attempt_is_recognised_by_its_own_secret_and_recipient_alone() -> None:
    one, other = PatientSecret.generate(), PatientSecret.generate()
    for _ in range(200):
        name = one.one_time_pseudonym("HospitalBMSP")
        assert re.fullmatch(r"[0-9a-f]{32}", name)
        assert one.is_one_time_pseudonym(name, "HospitalBMSP")
        assert not one.is_one_time_pseudonym(name, "HospitalCMSP")
        assert not other.is_one_time_pseudonym(name, "HospitalBMSP")
        assert not one.is_one_time_pseudonym(name.upper() if name.upper() != name else "", "HospitalBMSP")
    for secret in (one, other):
        assert not one.is_one_time_pseudonym(secret.pair("HospitalBMSP"), "HospitalBMSP")


@given(st.text(max_size=40))
def test_what_is_no_name_is_no_attempt(text: str) -> None:
    assert not PatientSecret(bytes(32)).is_one_time_pseudonym(text, "HospitalBMSP")


def test_no_bit_of_an_attempt_can_be_changed() -> None:
    secret = PatientSecret(bytes(32))
    name = bytes.fromhex(secret.one_time_pseudonym("HospitalBMSP"))
    for bit in range(128):
        changed = (int.from_bytes(name, "big") ^ (1 << bit)).to_bytes(16, "big").hex()
        assert not secret.is_one_time_pseudonym(changed, "HospitalBMSP")


def test_no_two_attempts_share_a_part_or_a_salt() -> None:
    """Of a thousand names no two halves are equal, of any patient towards any recipient."""
    secrets = [PatientSecret.generate() for _ in range(5)]
    names = [
        (secret, secret.one_time_pseudonym(recipient))
        for secret, recipient, _ in itertools.product(secrets, ("HospitalBMSP", "HospitalCMSP"), range(100))
    ]
    halves = [half for _, name in names for half in (name[:16], name[16:])]
    assert len(set(halves)) == len(halves)
    salts = {secret.one_time_salt(name) for secret, name in names}
    assert len(salts) == len(names)
    assert {len(salt) for salt in salts} == {32}


def test_a_secret_has_256_bits() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PatientSecret(bytes(16))


def test_a_secret_does_not_show_itself() -> None:
    secret = PatientSecret(bytes(range(32)))
    for text in (repr(secret), str(secret), f"{secret}"):
        assert bytes(secret).hex() not in text
        assert "\\x01" not in text
