"""The root key in a file: what it wraps opens with it alone, and a key that others can read is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exchange.vault.errors import VaultError
from exchange.vault.file import FileVault, create_root_key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_root_key(tmp_path / "root.key")
    return tmp_path / "root.key"


def test_a_wrapped_secret_opens_again(key: Path) -> None:
    wrapped = FileVault(key).wrap(b"secret", bound_to=b"row")
    assert b"secret" not in wrapped
    assert FileVault(key).unwrap(wrapped, bound_to=b"row") == b"secret"


def test_every_changed_byte_of_a_wrapped_secret_is_refused(key: Path) -> None:
    vault = FileVault(key)
    wrapped = vault.wrap(b"secret", bound_to=b"row")
    for at in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 1
        with pytest.raises(VaultError):
            vault.unwrap(bytes(changed), bound_to=b"row")
    for broken, row in ((wrapped[:-1], b"row"), (b"", b"row"), (wrapped[:12], b"row"), (wrapped, b"another")):
        with pytest.raises(VaultError):
            vault.unwrap(broken, bound_to=row)


def test_another_root_key_opens_nothing(key: Path, tmp_path: Path) -> None:
    wrapped = FileVault(key).wrap(b"secret", bound_to=b"row")
    create_root_key(tmp_path / "other.key")
    with pytest.raises(VaultError, match="does not open with this root key"):
        FileVault(tmp_path / "other.key").unwrap(wrapped, bound_to=b"row")


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


def test_derived_keys_differ_by_purpose_and_stay_the_same(key: Path) -> None:
    vault = FileVault(key)
    assert vault.derive("cursors") == FileVault(key).derive("cursors")
    assert len({vault.derive(name) for name in ("cursors", "references", "search-tokens", "wrap")}) == 4
