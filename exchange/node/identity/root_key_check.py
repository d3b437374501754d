"""A root or epoch key that a database was not made with is refused: what it seals would be lost."""

from __future__ import annotations

from sqlalchemy import Connection, Table

from exchange.errors import DamagedError
from exchange.node.keys import NodeKeys
from exchange.store.engine.check_value import record_fingerprint, recorded_fingerprint
from exchange.store.engine.place import Place
from exchange.store.keys import wrapped_keys
from exchange.vault.errors import VaultError


class RootKeyError(VaultError):
    """A database was made with another root key or epoch key, or does not say with which."""


_REMEDY = "restore keys/root.key from its backup"
OPENS_NOTHING = f"the root key is not this node's: it opens no record; {_REMEDY}"


def spelt(fingerprint: bytes) -> str:
    """Return a fingerprint as it is printed: 20 hexadecimal digits in groups of four."""
    return fingerprint.hex("-", 2)


def check_root_key(connection: Connection, table: Table, keys: NodeKeys, place: Place) -> None:
    """Refuse `keys` where the database at `place`, with its check value in `table`, is of another root key.

    Raises:
        RootKeyError: it is, and both fingerprints are named; or the database has no check value.
    """
    try:
        made_with = recorded_fingerprint(connection, table)
    except DamagedError as why:
        raise RootKeyError(f"{place}: {why}; restore a backup, docs/operations/backup.md says how") from None
    if made_with != keys.fingerprint:
        raise RootKeyError(
            f"the root key is not this node's: its fingerprint is {spelt(keys.fingerprint)}, and {place} was "
            f"made with {spelt(made_with)}; {_REMEDY}"
        )


def record_root_key(connection: Connection, table: Table, keys: NodeKeys) -> None:
    """Write the check value of the root key into a database that has none."""
    record_fingerprint(connection, table, keys.fingerprint)


def check_epochs(connection: Connection, keys: NodeKeys, place: Place) -> None:
    """Refuse `keys` without an epoch key under which the key store at `place` has keys of subjects.

    Raises:
        RootKeyError: one is missing, or is another's; or the key store has no check value.
    """
    recorded = wrapped_keys.recorded_epochs(connection)
    if not recorded:
        raise RootKeyError(f"{place}: the check values of the epoch keys are missing; restore a backup")
    here = keys.epochs()
    for epoch, fingerprint in recorded.items():
        if here.get(epoch) != fingerprint:
            state = "missing" if epoch not in here else "another"
            raise RootKeyError(
                f"{place} is wrapped under epoch key {epoch}, and keys/epoch-{epoch}.key is {state}: "
                "restore the key store and the epoch keys from backups of the same time"
            )


def prove_root_key(connection: Connection, keys: NodeKeys) -> None:
    """Refuse `keys` where they do not open what is in the key store.

    Raises:
        VaultError: the root key is another node's.
    """
    for subject, wrapped in wrapped_keys.any_wrapped_key(connection).items():
        try:
            keys.ring.open(subject, wrapped)
        except VaultError:
            raise VaultError(OPENS_NOTHING) from None
