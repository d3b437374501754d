"""The positions that loads have reached in their files, written together with the records from there.

Files are named by a fingerprint: exports carry patients' names in file names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Boolean, Column, Connection, Table, select

from exchange.store.engine.dialect import BIGINT, bounded_text, upsert
from exchange.store.records.schema import metadata

load_positions = Table(
    "load_positions",
    metadata,
    Column("fingerprint", bounded_text(32), primary_key=True),
    Column("lines", BIGINT, nullable=False),
    Column("offset", BIGINT, nullable=False),
    Column("finished", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

PositionRow = tuple[str, int, int, bool]
"""A file's fingerprint, the lines and decompressed bytes of it that are done, and whether all of it is."""


def every_position(connection: Connection) -> Iterator[PositionRow]:
    """Read the position of each file, in no certain order."""
    for row in connection.execute(select(load_positions)):
        yield row.fingerprint, row.lines, row.offset, bool(row.finished)


def put_positions(connection: Connection, rows: Sequence[PositionRow]) -> None:
    """Write the positions of files; of a file that occurs twice the last one stands."""
    last = {row[0]: row for row in rows}
    if not last:
        return
    statement = upsert(connection, load_positions)
    changed = {name: statement.excluded[name] for name in ("lines", "offset", "finished")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=[load_positions.c.fingerprint], set_=changed),
        [
            {"fingerprint": fingerprint, "lines": lines, "offset": offset, "finished": finished}
            for fingerprint, lines, offset, finished in last.values()
        ],
    )
