"""The sum of each subject's stored versions: their number, the sum of their marks, and its root.

A row is replaced in the transaction that adds versions, and its root goes into the entry of that write on
the ledger (`exchange.crypto.version_sums`). Records of a format before have no sums until a node opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, Table, select

from exchange.crypto.version_sums import WrittenSum
from exchange.store.engine.dialect import BIGINT, insert_many, run
from exchange.store.engine.freshness import freshness
from exchange.store.records.documents import TOKEN_BYTES
from exchange.store.records.schema import metadata
from exchange.store.records.watched import WRITTEN

_AT_ONCE = 500
_SUMS = "SELECT subject, versions, total, root FROM written WHERE subject IN ({})"

written = Table(
    "written",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("versions", BIGINT, nullable=False),
    Column("total", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)


def sums(connection: Connection, subjects: Sequence[bytes]) -> dict[bytes, tuple[WrittenSum, str]]:
    """Return sum and root of each of `subjects` that has any.

    Raises:
        DamagedError: one of them is not the one that was written last.
    """
    known = freshness(connection)
    found: dict[bytes, tuple[WrittenSum, str]] = {}
    stamps: dict[bytes, object] = dict.fromkeys(subjects)
    for start in range(0, len(subjects), _AT_ONCE):
        some = tuple(subjects[start : start + _AT_ONCE])
        statement = _SUMS.format(",".join("?" * len(some)))
        rows: Iterable[Sequence[Any]] = run(connection, statement, some)
        for subject, versions, total, root in rows:
            found[subject] = WrittenSum(versions, int.from_bytes(total, "big")), root.hex()
            stamps[subject] = known.stamp(WRITTEN, subject, [(versions, total, root)])
    known.check(connection, WRITTEN, stamps)
    return found


def is_summed(connection: Connection) -> bool:
    """Return whether any subject has a sum."""
    return connection.execute(select(written.c.subject).limit(1)).first() is not None


def every_sum(connection: Connection) -> dict[bytes, tuple[WrittenSum, str]]:
    """Return sum and root of every subject that has any."""
    return {
        row.subject: (WrittenSum(row[1], int.from_bytes(row.total, "big")), row.root.hex())
        for row in connection.execute(select(*written.c))
    }


def put_sums(
    connection: Connection,
    rows: Mapping[bytes, tuple[WrittenSum, str]],
    *,
    before: Mapping[bytes, tuple[WrittenSum, str]],
) -> None:
    """Replace sum and root of each subject in `rows`; `before` are those that are there now."""
    known = freshness(connection)
    values = [(subject, *_fields(*row)) for subject, row in rows.items()]
    for subject, *fields in values:
        old = before.get(subject)
        gone = [] if old is None else [_fields(*old)]
        known.stage(WRITTEN, subject, removed=gone, added=[tuple(fields)], alone=True)
    head = "INSERT INTO written (subject, versions, total, root)"
    insert_many(connection, head, ("bytea", "bigint", "bytea", "bytea"), values, tail=_REPLACE)


def _fields(one: WrittenSum, root: str) -> tuple[int, bytes, bytes]:
    return one.versions, one.total_bytes(), bytes.fromhex(root)


_REPLACE = (
    "ON CONFLICT (subject) DO UPDATE SET versions = excluded.versions, total = excluded.total, "
    "root = excluded.root"
)
