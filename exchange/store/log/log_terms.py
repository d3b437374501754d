"""The words of the log by which entries are found, for what only the sealed details say.

`words` are the different requesters and kinds of request: few, sealed, and opened by the search. A row of
`terms` says that an entry has a word (a small number), or a record or a session (a keyed hash, below zero).
Both are made from the details by the gateway's log index, so a log without them is no poorer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from exchange.store.engine.dialect import insert_many, run, upsert
from exchange.store.log.log_tables import (
    RECORD,
    checkpoints,
    details,
    entries,
    is_same_entry,
    record_of,
    terms,
    words,
)

_MARK = "terms"


@dataclass(frozen=True, slots=True)
class UnreadEntry:
    """An entry that may have no terms yet, with its detail, if there is one."""

    sequence: int
    time: int
    tx: str
    n: int
    custodian: str
    record: bytes
    subject: bytes | None
    sealed: bytes | None
    released: bytes | None


def mark(connection: Connection) -> int:
    """Return the sequence up to which every entry has its terms."""
    found = connection.execute(select(checkpoints.c.block).where(checkpoints.c.name == _MARK)).scalar()
    return int(found or 0)


def unread(connection: Connection, after: int, limit: int) -> list[UnreadEntry]:
    """Return up to `limit` entries behind the sequence `after`, in order."""
    rows = connection.execute(
        _UNREAD.where(entries.c.sequence > after).order_by(entries.c.sequence).limit(limit)
    )
    return [_unread(row) for row in rows]


def every_read(connection: Connection) -> Iterator[UnreadEntry]:
    """Yield each entry that has its terms, up to the mark, in order."""
    statement = _UNREAD.where(entries.c.sequence <= mark(connection)).order_by(entries.c.sequence)
    with connection.execute(statement.execution_options(yield_per=1_000)) as rows:
        for row in rows:
            yield _unread(row)


def every_term(connection: Connection) -> Iterator[tuple[int, int]]:
    """Yield (term, sequence) of each term of an entry up to the mark, in no order."""
    statement = select(terms.c.term, terms.c.sequence).where(terms.c.sequence <= mark(connection))
    with connection.execute(statement.execution_options(yield_per=5_000)) as rows:
        yield from ((row.term, row.sequence) for row in rows)


def terms_behind_mark(connection: Connection) -> list[tuple[int, int]]:
    """Return (term, sequence) of each term of an entry behind the mark: it had some of its terms."""
    statement = select(terms.c.term, terms.c.sequence).where(terms.c.sequence > mark(connection))
    return [(row.term, row.sequence) for row in connection.execute(statement)]


def unread_among(connection: Connection, sequences: Sequence[int]) -> list[UnreadEntry]:
    """Return the entries of these sequences."""
    found: list[UnreadEntry] = []
    for start in range(0, len(sequences), _AT_ONCE):
        wanted = entries.c.sequence.in_(list(sequences[start : start + _AT_ONCE]))
        found += [_unread(row) for row in connection.execute(_UNREAD.where(wanted))]
    return found


_AT_ONCE = 5_000
_UNREAD = select(
    *(entries.c.sequence, entries.c.time, entries.c.tx, entries.c.n, entries.c.custodian),
    *(details.c.subject, details.c.sealed, details.c.released),
    *RECORD,
).select_from(entries.outerjoin(details, is_same_entry(details, entries)))


def _unread(row: Sequence[Any]) -> UnreadEntry:
    return UnreadEntry(*(*row[:5], record_of(row[8:]), *row[5:8]))


def words_after(connection: Connection, number: int) -> list[tuple[int, bytes, bytes]]:
    """Return (id, token, sealed word) of each word behind the id `number`."""
    rows = connection.execute(select(words).where(words.c.id > number).order_by(words.c.id))
    return [(row.id, row.token, row.sealed) for row in rows]


def add_words(connection: Connection, new: Sequence[tuple[bytes, bytes]]) -> None:
    """Add (token, sealed word) of words that are not there."""
    first = int(connection.execute(select(func.max(words.c.id))).scalar() or 0) + 1
    rows = [{"id": first + n, "token": token, "sealed": sealed} for n, (token, sealed) in enumerate(new)]
    if rows:
        connection.execute(upsert(connection, words).on_conflict_do_nothing(), rows)


def add_terms(connection: Connection, rows: Sequence[tuple[int, int]], reached: int) -> None:
    """Add (term, sequence) where they are not there, and move the mark to `reached`."""
    head = "INSERT INTO terms (term, sequence)"
    insert_many(connection, head, ("bigint", "bigint"), rows, tail="ON CONFLICT DO NOTHING")
    run(
        connection,
        "INSERT INTO checkpoints (name, block, position) VALUES ('terms', ?, 0) "
        "ON CONFLICT (name) DO UPDATE SET block = excluded.block",
        (reached,),
    )
