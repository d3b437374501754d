"""The root key in a file: a key that others can read is refused, and none is ever written over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exchange.vault.errors import VaultError
from exchange.vault.file import FileVault, create_epoch_key, create_vault

REFERENCES = "5842d9faae753dcff0c6c17e4669ffdb5fa2ec9f4cfb307c3f353d39a4d18e57"
ROOTED = "f0e1b69d8a3efd3cc5cf0adddb7b24072b7fe6026962dc58d38009e3d4bf9b259861"

WRAPPED = "00000001fbf657a1da4b61fae9909ed8654f28ecb7a97a27f0c4cec5e878d6bb12e1ead644fe"
EPOCH = "74e6c901496c02a949ec"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_vault(tmp_path / "root.key")
    return tmp_path / "root.key"


def test_a_secret_opens_in_another_process_with_the_same_file(key: Path) -> None:
    wrapped = FileVault(key).wrap(b"secret", bound_to=b"row")
    assert FileVault(key).unwrap(wrapped, bound_to=b"row") == b"secret"
    assert FileVault(key).derive("cursors") == FileVault(key).derive("cursors")


def test_what_a_root_key_wrapped_and_derived_long_ago_stays_the_same(key: Path) -> None:
    key.write_bytes(bytes(range(32)))
    key.with_name("epoch-1.key").write_bytes(bytes(range(32, 64)))
    vault = FileVault(key)
    assert vault.derive("references").hex() == REFERENCES
    assert vault.unwrap_rooted(bytes.fromhex(ROOTED), bound_to=b"row") == b"secret"
    assert vault.unwrap(bytes.fromhex(WRAPPED), bound_to=b"row") == b"secret"
    assert vault.epochs()[1].hex() == EPOCH


def test_nothing_opens_without_the_root_key_and_without_the_epoch_key(key: Path, tmp_path: Path) -> None:
    wrapped = FileVault(key).wrap(b"secret", bound_to=b"row")
    for lost in ("root.key", "epoch-1.key"):
        other = tmp_path / lost.partition(".")[0] / "root.key"
        other.parent.mkdir()
        create_vault(other)
        kept = "epoch-1.key" if lost == "root.key" else "root.key"
        other.with_name(kept).write_bytes(key.with_name(kept).read_bytes())
        with pytest.raises(VaultError, match="does not open"):
            FileVault(other).unwrap(wrapped, bound_to=b"row")


def test_an_epoch_key_that_was_destroyed_is_named_and_nothing_is_wrapped_without_one(key: Path) -> None:
    wrapped = FileVault(key).wrap(b"secret", bound_to=b"row")
    key.with_name("epoch-1.key").unlink()
    with pytest.raises(VaultError, match="its epoch key is not in this vault"):
        FileVault(key).unwrap(wrapped, bound_to=b"row")
    with pytest.raises(VaultError, match="there is no epoch key in"):
        FileVault(key).wrap(b"secret", bound_to=b"row")
    create_epoch_key(key.parent, 2)
    with pytest.raises(VaultError, match="its epoch key is not in this vault"):
        FileVault(key).unwrap(wrapped, bound_to=b"row")


def test_the_newest_epoch_key_wraps_and_those_before_open(key: Path) -> None:
    open_before = FileVault(key)
    old = open_before.wrap(b"secret", bound_to=b"row")
    create_epoch_key(key.parent, 2)
    new = FileVault(key).wrap(b"secret", bound_to=b"row")
    assert (old[:4], new[:4]) == (b"\0\0\0\1", b"\0\0\0\2")
    for vault in (open_before, FileVault(key)):  # one that was open already reads what it lacks
        assert vault.unwrap(old, bound_to=b"row") == vault.unwrap(new, bound_to=b"row") == b"secret"


def test_an_epoch_key_is_never_written_over_and_one_that_was_cut_off_is_begun_anew(key: Path) -> None:
    before = key.with_name("epoch-1.key").read_bytes()
    with pytest.raises(FileExistsError):
        create_epoch_key(key.parent, 1)
    assert key.with_name("epoch-1.key").read_bytes() == before
    key.with_name("epoch-2.unfinished").write_bytes(b"cut off")
    assert set(FileVault(key).epochs()) == {1}
    create_epoch_key(key.parent, 2)
    assert set(FileVault(key).epochs()) == {1, 2}
    assert not list(key.parent.glob("*.unfinished"))


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_an_epoch_key_that_others_reach_is_refused(key: Path, mode: int) -> None:
    key.with_name("epoch-1.key").chmod(mode)
    with pytest.raises(VaultError, match=r"epoch-1\.key can be read by others; call chmod 600"):
        FileVault(key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_a_key_that_others_reach_is_refused(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(VaultError, match="can be read by others; call chmod 600"):
        FileVault(key)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_of_another_size_is_refused(key: Path, size: int) -> None:
    key.write_bytes(bytes(size))
    with pytest.raises(VaultError, match=f"holds {size} bytes, not 32"):
        FileVault(key)


def test_a_missing_key_is_refused_and_an_existing_one_never_written_over(key: Path) -> None:
    with pytest.raises(FileExistsError):
        create_vault(key)
    key.unlink()
    with pytest.raises(VaultError, match="can't be read"):
        FileVault(key)


def test_a_new_key_is_its_owners_alone(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.stat().st_uid == os.getuid()
