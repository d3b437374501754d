"""One suite for the port, run on every adapter: a secret opens as it was wrapped, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from exchange.crypto.keys import KeyRing
from exchange.node.keys import NodeKeys
from exchange.vault.errors import VaultError
from exchange.vault.file import FileVault, create_vault
from exchange.vault.port import Vault
from tests.support.memory_vault import MemoryVault

Make = Callable[[], Vault]
"""Makes a vault with a root key of its own."""


def _of_files(folder: Path) -> Make:
    numbers = count()

    def make() -> Vault:
        path = folder / str(next(numbers)) / "root.key"
        path.parent.mkdir()
        create_vault(path)
        return FileVault(path)

    return make


@pytest.fixture(params=["file", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return _of_files(tmp_path) if request.param == "file" else MemoryVault


@pytest.fixture
def vault(make: Make) -> Vault:
    return make()


@pytest.mark.parametrize("secret", [b"", b"secret", bytes(4096)])
def test_a_wrapped_secret_opens_again(vault: Vault, secret: bytes) -> None:
    wrapped = vault.wrap(secret, bound_to=b"row")
    assert vault.unwrap(wrapped, bound_to=b"row") == secret
    assert secret == b"" or secret not in wrapped


def test_a_secret_is_wrapped_otherwise_each_time(vault: Vault) -> None:
    assert len({vault.wrap(b"secret", bound_to=b"row") for _ in range(50)}) == 50


def test_every_changed_byte_of_a_wrapped_secret_is_refused(vault: Vault) -> None:
    wrapped = vault.wrap(b"secret", bound_to=b"row")
    for at in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 1
        with pytest.raises(VaultError):
            vault.unwrap(bytes(changed), bound_to=b"row")
    for broken, row in ((wrapped[:-1], b"row"), (b"", b"row"), (wrapped[:12], b"row"), (wrapped, b"another")):
        with pytest.raises(VaultError):
            vault.unwrap(broken, bound_to=row)


def test_another_root_key_opens_nothing(make: Make) -> None:
    wrapped = make().wrap(b"secret", bound_to=b"row")
    with pytest.raises(VaultError, match="does not open with this root key"):
        make().unwrap(wrapped, bound_to=b"row")


def test_derived_keys_differ_by_purpose_and_stay_the_same(make: Make) -> None:
    vault = make()
    names = ("cursors", "references", "search-tokens", "operator", "wrap", "")
    assert {len(vault.derive(name)) for name in names} == {32}
    assert len({vault.derive(name) for name in names}) == len(names)
    assert vault.derive("cursors") == vault.derive("cursors")
    assert make().derive("cursors") != vault.derive("cursors")


def test_a_node_needs_no_more_than_the_port(vault: Vault) -> None:
    keys = NodeKeys(vault)
    subject = keys.references.subject("patient-1")
    opened = keys.ring.open(subject, keys.ring.create(subject, "patient-1"))
    assert opened == KeyRing(vault).cached(subject) or opened == keys.ring.cached(subject)
    assert keys.cursors.open(keys.cursors.seal(7, client="lake"), int, client="lake") == 7
