"""The root key in a file: a key that others can read is refused, and none is ever written over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exchange.vault.errors import VaultError
from exchange.vault.file import FileVault, create_root_key

REFERENCES = "5842d9faae753dcff0c6c17e4669ffdb5fa2ec9f4cfb307c3f353d39a4d18e57"
WRAPPED = "f0e1b69d8a3efd3cc5cf0adddb7b24072b7fe6026962dc58d38009e3d4bf9b259861"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_root_key(tmp_path / "root.key")
    return tmp_path / "root.key"


def test_a_secret_opens_in_another_process_with_the_same_file(key: Path) -> None:
    wrapped = FileVault(key).wrap(b"secret", bound_to=b"row")
    assert FileVault(key).unwrap(wrapped, bound_to=b"row") == b"secret"
    assert FileVault(key).derive("cursors") == FileVault(key).derive("cursors")


def test_what_a_root_key_wrapped_and_derived_long_ago_stays_the_same(key: Path) -> None:
    key.write_bytes(bytes(range(32)))
    vault = FileVault(key)
    assert vault.derive("references").hex() == REFERENCES
    assert vault.unwrap(bytes.fromhex(WRAPPED), bound_to=b"row") == b"secret"


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
        create_root_key(key)
    key.unlink()
    with pytest.raises(VaultError, match="can't be read"):
        FileVault(key)


def test_a_new_key_is_its_owners_alone(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.stat().st_uid == os.getuid()
