"""The settings that say who is who, recorded in the database of records under a MAC of the node.

One row. It is read by every process of the node, and changed by commands alone.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Connection, LargeBinary, Table, delete, insert, select

from exchange.errors import DamagedError
from exchange.store.engine.check_value import root_key_table
from exchange.store.engine.dialect import bounded_text
from exchange.store.records.schema import metadata

recorded_settings = Table(
    "recorded_settings",
    metadata,
    Column("name", bounded_text(32), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("mac", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)

records_root_key = root_key_table("records_root_key", metadata)
"""The check value of the root key that the records are used with."""

_NAME = "identity"


class Recorded(msgspec.Struct, frozen=True):
    """The settings as their row says, encoded, and the MAC that the row carries."""

    value: bytes
    mac: bytes


def find(connection: Connection, *, lock: bool = False) -> Recorded | None:
    """Return the recorded settings, if any; with `lock` no other transaction changes them meanwhile.

    Raises:
        DamagedError: the row is of another kind than any that was written.
    """
    statement = select(recorded_settings.c.value, recorded_settings.c.mac)
    statement = statement.where(recorded_settings.c.name == _NAME)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        return None
    if not isinstance(row.value, bytes) or not isinstance(row.mac, bytes):
        raise DamagedError("the recorded settings can't be read; run `consentry verify`")
    return Recorded(row.value, row.mac)


def replace(connection: Connection, recorded: Recorded) -> None:
    """Record `recorded` in place of what was there."""
    connection.execute(delete(recorded_settings).where(recorded_settings.c.name == _NAME))
    connection.execute(
        insert(recorded_settings), {"name": _NAME, "value": recorded.value, "mac": recorded.mac}
    )
