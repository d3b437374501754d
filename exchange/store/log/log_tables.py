"""The gateway's projection of the access log, and the sealed details that belong to its own entries.

`entries` is rebuilt from the ledger's events and holds nothing that the ledger does not. `details` name
user and request, sealed under the patient's key; they are written before a disclosure is
released. `searches` have the words of a request about several patients, for the officer alone; `words` and
`terms` find entries by their details (`exchange.store.log.log_terms`). The file is not flushed at every
commit: entries come again from the ledger, and a power cut can cost only the wording of the last details,
never an entry.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    FromClause,
    Index,
    LargeBinary,
    MetaData,
    Select,
    Table,
    TypeDecorator,
    and_,
    false,
    func,
    literal_column,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnElement

from chaincode.access.log_keys import LogPosition
from exchange.store.engine.check_value import root_key_table
from exchange.store.engine.dialect import BIGINT, bounded_text, columns, insert_many, is_postgres, run, unnest
from exchange.store.log.packed_records import BESIDE, pack_record, unpack_record

metadata = MetaData()

log_root_key = root_key_table("log_root_key", metadata)
"""The check value of the root key, in the database of the log."""


class HexBytes(TypeDecorator[str]):
    """Hexadecimal digits that are stored as bytes; another text is equal to none of them."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> bytes | None:
        """Return the bytes, none for another text."""
        return None if value is None else _bytes_of(value)

    def process_result_value(self, value: bytes | None, _dialect: Dialect) -> str | None:
        """Return the digits; of a PostgreSQL driver, which may give a view of the bytes, too."""
        return value.hex() if isinstance(value, bytes | memoryview) else value


def _bytes_of(digits: str) -> bytes:
    return bytes.fromhex(digits) if _DIGITS.fullmatch(digits) else b""


_DIGITS = re.compile(r"(?:[0-9a-f]{2})*")
_BEGINNING = 8
"""Bytes of a transaction's id by which its rows are found. Two ids with the same ones only take longer, but
for two that this gateway itself submitted.
"""
_INDEXED = f"substr(tx, 1, {_BEGINNING})"


# A partial index serves a query with the same condition, in the same words.
_REFUSED = "outcome = 'deny'"

entries = Table(
    "entries",
    metadata,
    Column("sequence", BIGINT, primary_key=True),
    Column("tx", HexBytes(32), nullable=False),
    Column("n", BIGINT, nullable=False),
    Column("block", BIGINT, nullable=False),
    Column("time", BIGINT, nullable=False),
    Column("pair", HexBytes(16), nullable=False),
    Column("custodian", bounded_text(255), nullable=False),
    Column("recipient", bounded_text(255), nullable=False),
    Column("user", bounded_text(32), nullable=False),
    Column("action", bounded_text(16), nullable=False),
    Column("purpose", bounded_text(16), nullable=False),
    Column("outcome", bounded_text(8), nullable=False),
    Column("record", LargeBinary, nullable=False),
    Index("entries_tx", text(_INDEXED)),
    Index("entries_pair", "pair", "sequence"),
    Index("entries_time", "time"),
    Index("entries_refused", "sequence", sqlite_where=text(_REFUSED), postgresql_where=text(_REFUSED)),
)

details = Table(
    "details",
    metadata,
    Column("tx", HexBytes(32), nullable=False),
    Column("n", BIGINT, nullable=False),
    Column("subject", LargeBinary(16), nullable=False),
    Column("attempt", Boolean, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("released", LargeBinary, nullable=True),
    # Rows are appended: a key that begins with a random id would leave a quarter of each page empty.
    Index("details_tx", text(_INDEXED), text("n"), unique=True),
    # Entries under a pair are found by its name; only those under an attempt's name need this.
    Index("details_attempts", "subject", sqlite_where=text("attempt = 1"), postgresql_where=text("attempt")),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("name", bounded_text(32), primary_key=True),
    Column("block", BIGINT, nullable=False),
    Column("position", BIGINT, nullable=False),
)


words = Table(
    "words",
    metadata,
    Column("id", BIGINT, primary_key=True, autoincrement=False),
    Column("token", LargeBinary(16), nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
)

terms = Table(
    "terms",
    metadata,
    Column("term", BIGINT, primary_key=True, autoincrement=False),
    Column("sequence", BIGINT, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)


searches = Table(
    "searches",
    metadata,
    Column("tx", HexBytes(32), primary_key=True),
    Column("first", BIGINT, primary_key=True, autoincrement=False),
    Column("entries", BIGINT, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)


late_releases = Table(
    "late_releases",
    metadata,
    Column("tx", HexBytes(32), primary_key=True),
    Column("n", BIGINT, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One projected log record; `record` is its form on the ledger."""

    tx: str
    n: int
    block: int
    time: int
    pair: str
    custodian: str
    recipient: str
    user: str
    action: str
    purpose: str
    outcome: str
    record: bytes


@dataclass(frozen=True, slots=True)
class LogRow:
    """A projected entry with the sealed details this gateway has for it, if any."""

    sequence: int
    place: LogPosition
    record: bytes
    block: int
    subject: bytes | None
    sealed: bytes | None
    released: bytes | None


OfSubject = tuple[Sequence[str], bytes]
"""One subject's entries: those under these names, and attempts with details of this subject (its token)."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A condition that an entry meets by a column's value, by one of `terms`, or as one of a subject's.

    A column's value counts for no entry that has one of the terms `unless`.
    """

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    terms: Sequence[int] = ()
    of: Sequence[OfSubject] = ()
    unless: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of entries: each field that is set must match. Times are half-open ranges in ms.

    `party` is the custodian or the recipient. `until` is the last sequence that counts. All of
    `conditions` must be met.
    """

    custodian: str | None = None
    party: str | None = None
    tx_start: str | None = None
    n: int | None = None
    times: Sequence[tuple[int | None, int | None]] = ()
    until: int | None = None
    conditions: Sequence[AnyOf] = ()


DetailRow = tuple[str, int, bytes, bool, bytes]
"""Transaction, number, subject, whether the entry is an attempt, and the sealed detail."""


_REPLACE = (
    f"ON CONFLICT ({_INDEXED}, n) DO UPDATE SET subject = excluded.subject, attempt = excluded.attempt, "
    "sealed = excluded.sealed"
)


def add_details(connection: Connection, rows: Sequence[DetailRow]) -> None:
    """Store the details of entries about to be released."""
    head = "INSERT INTO details (tx, n, subject, attempt, sealed)"
    values = [(_bytes_of(tx), *rest) for tx, *rest in rows]
    insert_many(connection, head, ("bytea", "bigint", "bytea", "boolean", "bytea"), values, tail=_REPLACE)


class ReleaseRow(NamedTuple):
    """Transaction and number of an entry, its sealed note, and whether its root waits for the ledger."""

    tx: str
    n: int
    sealed: bytes
    is_late: bool


def set_releases(connection: Connection, rows: Sequence[ReleaseRow]) -> None:
    """Add the notes of what was released to the details of their entries."""
    if not rows:
        return
    notes = [(_bytes_of(row.tx), row.n, row.sealed) for row in rows]
    if is_postgres(connection):
        run(connection, _RELEASED_EACH, columns(notes))
    else:
        run(connection, _RELEASED, [(sealed, tx[:_BEGINNING], tx, n) for tx, n, sealed in notes])
    late = [(_bytes_of(row.tx), row.n) for row in rows if row.is_late]
    head = "INSERT INTO late_releases (tx, n)"
    insert_many(connection, head, ("bytea", "bigint"), late, tail="ON CONFLICT DO NOTHING")


_RELEASED = f"UPDATE details SET released = ? WHERE {_INDEXED} = ? AND tx = ? AND n = ?"  # noqa: S608 - our own words
_RELEASED_EACH = (
    "UPDATE details SET released = came.released "  # noqa: S608 - our own words
    f"FROM {unnest(('bytea', 'bigint', 'bytea'))} AS came (tx, n, released) "
    f"WHERE substr(details.tx, 1, {_BEGINNING}) = substr(came.tx, 1, {_BEGINNING}) "
    "AND details.tx = came.tx AND details.n = came.n"
)


class LateRelease(NamedTuple):
    """An entry with a note, the root of which waits for the ledger; `sealed` is its detail."""

    tx: str
    n: int
    subject: bytes
    sealed: bytes
    released: bytes


def list_late(connection: Connection, limit: int) -> list[LateRelease]:
    """Return up to `limit` entries with notes that wait for the ledger."""
    row = details.c
    joined = late_releases.join(details, is_same_entry(details, late_releases))
    statement = select(row.tx, row.n, row.subject, row.sealed, row.released).select_from(joined)
    found = connection.execute(statement.where(row.released.is_not(None)).limit(limit))
    return [LateRelease(*one) for one in found]


def release_noted(connection: Connection, places: Sequence[tuple[str, int]]) -> None:
    """Take note that the roots of these entries are on the ledger."""
    values = [(_bytes_of(tx), n) for tx, n in places]
    run(connection, "DELETE FROM late_releases WHERE tx = ? AND n = ?", values)


SearchRow = tuple[str, int, int, bytes]
"""Transaction, number of the first entry, number of entries, and the sealed words of one request."""


def add_searches(connection: Connection, rows: Sequence[SearchRow]) -> None:
    """Store the words of requests about several patients."""
    head = "INSERT INTO searches (tx, first, entries, sealed)"
    values = [(_bytes_of(tx), *rest) for tx, *rest in rows]
    kinds = ("bytea", "bigint", "bigint", "bytea")
    insert_many(connection, head, kinds, values, tail="ON CONFLICT DO NOTHING")


def searches_of(connection: Connection, txs: Sequence[str]) -> list[SearchRow]:
    """Return the words of the requests in the transactions `txs`."""
    return [
        (row.tx, row.first, row.entries, row.sealed)
        for row in connection.execute(select(searches).where(searches.c.tx.in_(list(txs))))
    ]


def unexplained(connection: Connection, custodian: str, *, after: int) -> tuple[list[tuple[str, str]], int]:
    """Return (name, recipient) of each refusal by `custodian` behind the sequence `after` that has no detail.

    Details can be lost in a power cut, and are where the log was made anew. The second value is the
    sequence up to which none is lost.
    """
    newest = connection.execute(select(func.max(entries.c.sequence))).scalar() or 0
    explained = select(details.c.n).where(is_same_entry(details, entries)).exists()
    statement = select(entries.c.sequence, entries.c.pair, entries.c.recipient).where(
        text(f"entries.{_REFUSED}"), entries.c.sequence > after, entries.c.custodian == custodian, ~explained
    )
    lost = list(connection.execute(statement.order_by(entries.c.sequence)))
    return [(row.pair, row.recipient) for row in lost], lost[0].sequence - 1 if lost else newest


def project(connection: Connection, rows: Sequence[EntryRow], block: int, position: int) -> None:
    """Add `rows` and move the checkpoint behind the event at (block, position); idempotent."""
    new = {(row.tx, row.n): row for row in reversed(rows)}  # the first of several
    for place in _there(connection, [tx for tx, _ in new]):
        new.pop(place, None)
    values = [_stored(row) for row in reversed(new.values())]
    if not is_postgres(connection):  # SQLite gives a row the number behind the highest
        insert_many(connection, f"INSERT INTO entries ({_FIELDS})", _KINDS, values)
    elif values:
        run(connection, _NUMBERED, columns(values))
    run(connection, _REACHED, (block, position))


def _there(connection: Connection, txs: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield the entries of these transactions that are in the log."""
    named = list(dict.fromkeys(txs))
    for first in range(0, len(named), _AT_ONCE):
        within = of_transactions(named[first : first + _AT_ONCE])
        yield from (tuple(row) for row in connection.execute(select(entries.c.tx, entries.c.n).where(within)))


_AT_ONCE = 1_000


def _stored(row: EntryRow) -> tuple[Any, ...]:
    tx, n, block, time, pair, *columns = _values(row)
    record = pack_record(row.record, [pair, *columns])
    return _bytes_of(tx), n, block, time, _bytes_of(pair), *columns, record


_values = attrgetter(*(field.name for field in fields(EntryRow)[:-1]))  # the last is the record
_FIELDS = ", ".join(f'"{field.name}"' for field in fields(EntryRow))
_KINDS = ("bytea", "bigint", "bigint", "bigint", "bytea", *("text",) * 6, "bytea")
_NUMBERED = (  # PostgreSQL's own numbers would leave gaps
    f"INSERT INTO entries (sequence, {_FIELDS}) "  # noqa: S608 - our own words
    "SELECT (SELECT coalesce(max(sequence), 0) FROM entries) + row_number() OVER (ORDER BY place), "
    f"{_FIELDS} FROM {unnest(_KINDS)} WITH ORDINALITY AS came ({_FIELDS}, place)"
)
_REACHED = (
    "INSERT INTO checkpoints (name, block, position) VALUES ('ledger', ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET block = excluded.block, position = excluded.position"
)


def checkpoint(connection: Connection) -> tuple[int, int] | None:
    """Return the last event that is in the projection, as (block, position in the block)."""
    row = connection.execute(
        select(checkpoints.c.block, checkpoints.c.position).where(checkpoints.c.name == "ledger")
    ).first()
    return None if row is None else (row[0], row[1])


def list_entries(
    connection: Connection, which: Filter, *, before: int | None, limit: int, oldest_first: bool = False
) -> list[LogRow]:
    """Return up to `limit` entries that match, the newest first, behind the sequence `before`."""
    joined = entries.outerjoin(details, is_same_entry(details, entries))
    statement: Select[Any] = select(
        entries.c.sequence,
        *(entries.c.time, entries.c.tx, entries.c.n),
        *(entries.c.block, details.c.subject, details.c.sealed, details.c.released),
        *RECORD,
    ).select_from(joined)
    statement = statement.where(*_met(which))
    sequence = entries.c.sequence
    if before is not None:
        statement = statement.where(sequence > before if oldest_first else sequence < before)
    statement = statement.order_by(sequence.asc() if oldest_first else sequence.desc()).limit(limit)
    return [
        LogRow(row[0], LogPosition(*row[1:4]), record_of(row[8:]), *row[4:8])
        for row in connection.execute(statement)
    ]


def count_entries(connection: Connection, which: Filter) -> int:
    """Return how many entries match."""
    return int(connection.execute(select(func.count()).select_from(entries).where(*_met(which))).scalar_one())


def _met(which: Filter) -> Iterator[ColumnElement[bool]]:
    for condition in which.conditions:
        yield or_(false(), *_alternatives(condition))
    if which.custodian is not None:
        yield entries.c.custodian == which.custodian
    if which.party is not None:
        yield or_(entries.c.custodian == which.party, entries.c.recipient == which.party)
    if which.tx_start is not None:
        yield _begins_with(which.tx_start)
    if which.n is not None:
        yield entries.c.n == which.n
    if which.until is not None:
        yield entries.c.sequence <= which.until
    for start, end in which.times:
        if start is not None:
            yield entries.c.time >= start
        if end is not None:
            yield entries.c.time < end


def _alternatives(condition: AnyOf) -> Iterator[ColumnElement[bool]]:
    for name, wanted in condition.columns.items():
        holds = of_transactions(wanted) if name == "tx" else entries.c[name].in_(list(wanted))
        yield and_(holds, ~_has_term(condition.unless)) if condition.unless else holds
    if condition.terms:
        yield _has_term(condition.terms)
    yield from map(_is_of, condition.of)


def _beginning(table: FromClause) -> ColumnElement[bytes]:
    """Return the indexed part of a transaction's id; only in these words does it use the index."""
    return func.substr(table.c.tx, literal_column("1"), literal_column(str(_BEGINNING)), type_=LargeBinary())


def is_same_entry(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Return the condition that rows of two tables are about the same entry; `one` is found by its index."""
    return and_(_beginning(one) == _beginning(other), one.c.tx == other.c.tx, one.c.n == other.c.n)


def of_transactions(txs: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that an entry is of one of these transactions."""
    wanted = [tx for tx in txs if _DIGITS.fullmatch(tx)]
    beginnings = list(dict.fromkeys(_bytes_of(tx)[:_BEGINNING] for tx in wanted))
    return and_(_beginning(entries).in_(beginnings), entries.c.tx.in_(wanted))


def _begins_with(digits: str) -> ColumnElement[bool]:
    first, last = (_bytes_of(digits.ljust(64, one)[:64]) for one in "0f")
    if not _DIGITS.fullmatch(digits.ljust(len(digits) + len(digits) % 2, "0")):
        return false()
    tx = type_coerce(entries.c.tx, LargeBinary())
    return and_(_beginning(entries).between(first[:_BEGINNING], last[:_BEGINNING]), tx.between(first, last))


def _has_term(numbers: Sequence[int]) -> ColumnElement[bool]:
    return entries.c.sequence.in_(select(terms.c.sequence).where(terms.c.term.in_(list(numbers))))


def _is_of(subject_entries: OfSubject) -> ColumnElement[bool]:
    names, subject = subject_entries
    own, sealed = entries.alias("own"), details.alias("sealed_for")
    attempts = select(own.c.sequence).where(
        is_same_entry(own, sealed), sealed.c.subject == subject, sealed.c.attempt
    )
    named = select(own.c.sequence).where(own.c.pair.in_(list(names)))
    return entries.c.sequence.in_(named.union_all(attempts))


def count(connection: Connection) -> int:
    """Return how many entries the projection holds."""
    return int(connection.execute(select(func.count()).select_from(entries)).scalar_one())


def last_sequence(connection: Connection) -> int:
    """Return the sequence of the entry that came last, 0 without any."""
    return int(connection.execute(select(func.max(entries.c.sequence))).scalar() or 0)


RECORD = (*(entries.c[name] for name in BESIDE), entries.c.record)
"""The columns that make a record."""


def record_of(values: Sequence[Any]) -> bytes:
    """Return the record that the values of `RECORD` make, as it is on the ledger."""
    *beside, stored = values
    return unpack_record(stored, beside)


def records(connection: Connection, *conditions: ColumnElement[bool]) -> Iterator[bytes]:
    """Yield the records that meet `conditions`, in the order in which they came."""
    statement = select(*RECORD).where(*conditions).order_by(entries.c.sequence)
    with connection.execute(statement.execution_options(yield_per=1_000)) as rows:
        yield from (record_of(row) for row in rows)


def numbered_entries(connection: Connection) -> Generator[tuple[int, EntryRow], None, None]:
    """Yield the sequence of each entry with it, in the order in which they came."""
    statement = select(entries.c.sequence, *_ENTRY).order_by(entries.c.sequence)
    with connection.execute(statement.execution_options(yield_per=1_000)) as rows:
        yield from ((row[0], _entry(row[1:])) for row in rows)


def every_entry(connection: Connection) -> Iterator[EntryRow]:
    """Yield all entries in the order in which they came."""
    return (entry for _, entry in numbered_entries(connection))


def newest(connection: Connection) -> EntryRow | None:
    """Return the entry that came last."""
    row = connection.execute(select(*_ENTRY).order_by(entries.c.sequence.desc()).limit(1)).first()
    return None if row is None else _entry(row)


def _entry(values: Sequence[Any]) -> EntryRow:
    return EntryRow(*(*values[:-1], record_of(values[4:])))


_ENTRY = (entries.c.tx, entries.c.n, entries.c.block, entries.c.time, *RECORD)
