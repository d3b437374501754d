"""The check value of a node's root key in each of its databases: a wrong key is refused before it seals.

The value tells nothing about the key (`exchange.node.keys.NodeKeys.fingerprint`).
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, LargeBinary, MetaData, Table, insert, select

from exchange.errors import DamagedError


def root_key_table(name: str, metadata: MetaData) -> Table:
    """Declare the table with the check value, which has one row."""
    return Table(
        name, metadata, Column("fingerprint", LargeBinary(10), primary_key=True), sqlite_with_rowid=False
    )


def record_fingerprint(connection: Connection, table: Table, fingerprint: bytes) -> None:
    """Say with which root key the database, a new one or one without such a row, is used."""
    connection.execute(insert(table), {"fingerprint": fingerprint})


def recorded_fingerprint(connection: Connection, table: Table) -> bytes:
    """Return the fingerprint of the root key that the database is used with.

    Raises:
        DamagedError: it does not say so, or says it twice.
    """
    found = connection.execute(select(table.c.fingerprint)).scalars().all()
    if len(found) != 1 or not isinstance(found[0], bytes):
        raise DamagedError(f"the check value of the root key is missing ({table.name})")
    return found[0]
