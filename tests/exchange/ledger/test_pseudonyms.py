"""One name for each patient and recipient, and nothing that joins two of them."""

from __future__ import annotations

import pytest

from exchange.ledger.pseudonyms import PatientSecret


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


def test_a_secret_has_256_bits() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PatientSecret(bytes(16))


def test_a_secret_does_not_show_itself() -> None:
    secret = PatientSecret(bytes(range(32)))
    for text in (repr(secret), str(secret), f"{secret}"):
        assert bytes(secret).hex() not in text
        assert "\\x01" not in text
