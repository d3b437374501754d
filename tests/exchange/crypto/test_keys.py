"""Subject keys are random and bound to their subject; cursors are bound to their client."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from exchange.crypto.cursors import Cursors
from exchange.crypto.keys import KeyRing
from exchange.crypto.references import References
from exchange.errors import BadRequestError
from exchange.vault.errors import VaultError
from exchange.vault.file import FileVault, create_vault

ALICE, BOB = b"a" * 16, b"b" * 16


class Place(msgspec.Struct, frozen=True):
    after: int


@pytest.fixture
def vault(tmp_path: Path) -> FileVault:
    create_vault(tmp_path / "root.key")
    return FileVault(tmp_path / "root.key")


def test_keys_open_again_with_their_name(vault: FileVault) -> None:
    wrapped = KeyRing(vault).create(ALICE, "patient-1")
    keys = KeyRing(vault).open(ALICE, wrapped)
    assert (keys.token, keys.name) == (ALICE, "patient-1")
    assert len({keys.data, keys.secret, keys.metadata}) == 3
    assert keys == KeyRing(vault).open(ALICE, wrapped)


def test_two_subjects_share_nothing_and_wrapped_bytes_hide_the_name(vault: FileVault) -> None:
    ring = KeyRing(vault)
    first, second = (ring.open(ALICE, ring.create(ALICE, "same-name")) for _ in range(2))
    assert {first.data, first.secret}.isdisjoint({second.data, second.secret})
    assert b"same-name" not in ring.create(ALICE, "same-name")
    assert "same-name" not in repr(first)


def test_wrapped_keys_open_for_their_own_subject_alone(vault: FileVault) -> None:
    ring = KeyRing(vault)
    wrapped = ring.create(ALICE, "patient-1")
    with pytest.raises(VaultError):
        ring.open(BOB, wrapped)
    for at in (0, 11, 12, 40, len(wrapped) - 1):
        changed = bytearray(wrapped)
        changed[at] ^= 128
        with pytest.raises(VaultError):
            ring.open(ALICE, bytes(changed))


def test_a_forgotten_subject_is_opened_anew_and_the_cache_is_bounded(vault: FileVault) -> None:
    ring = KeyRing(vault, capacity=2)
    tokens = [bytes([n]) * 16 for n in range(3)]
    for token in tokens:
        ring.open(token, ring.create(token, "x"))
    assert [ring.cached(token) is None for token in tokens] == [True, False, False]
    ring.forget(tokens[1])
    assert ring.cached(tokens[1]) is None


def test_a_subject_token_has_sixteen_bytes(vault: FileVault) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        KeyRing(vault).create(b"short", "x")


def test_references_are_apart_by_kind_and_key() -> None:
    one, other = References(b"1" * 32), References(b"2" * 32)
    names = {
        one.record("Patient", "x"), one.subject("x"), one.subject("Patient/x"), one.of_type("x"),
        one.compartment(one.subject("x")), one.unknown_subject(), one.directory,
        other.record("Patient", "x"), other.subject("x"), other.directory,
    }  # fmt: skip
    assert len(names) == 10
    assert {len(name) for name in names} == {16}


def test_a_cursor_opens_for_its_client_alone() -> None:
    cursors = Cursors(b"k" * 32)
    text = cursors.seal(Place(7), client="lake")
    assert cursors.open(text, Place, client="lake") == Place(7)
    assert "7" not in text or cursors.seal(Place(7), client="lake") != text
    for opener, client in ((cursors, "ridge"), (Cursors(b"x" * 32), "lake")):
        with pytest.raises(BadRequestError, match="page link does not hold"):
            opener.open(text, Place, client=client)


def test_every_changed_character_of_a_cursor_is_refused() -> None:
    cursors = Cursors(b"k" * 32)
    text = cursors.seal(Place(7), client="lake")
    for at in range(len(text) - 1):  # the last character holds bits that stand for nothing
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(BadRequestError):
            cursors.open(changed, Place, client="lake")
    for broken in ("", "A", "é" * 9, text[:-2], text + "AA", "=" * 20, "A" * 100_000):
        with pytest.raises(BadRequestError):
            cursors.open(broken, Place, client="lake")
