"""Sealed document versions and the search tokens of the current ones.

The database sees references, subjects and search terms as keyed tokens, write times, sizes and
ciphertext. A row's `sequence` grows with every write and orders pages; only current versions have rows
in `search_tokens`, and each version has its own list of tokens so that replacing it needs no
decryption. The ciphertext is bound to the other columns of its row, so a changed row does not open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    LargeBinary,
    Select,
    Table,
    UniqueConstraint,
    and_,
    case,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.sql.elements import ColumnElement

from exchange.crypto.documents import Envelope
from exchange.crypto.version_sums import WrittenVersion
from exchange.errors import DamagedError
from exchange.runtime.quota import FETCH_LIMIT
from exchange.store.engine.dialect import BIGINT, insert_many, is_postgres, run
from exchange.store.engine.freshness import freshness
from exchange.store.records.schema import metadata
from exchange.store.records.watched import DOCUMENTS

TOKEN_BYTES = 16

documents = Table(
    "documents",
    metadata,
    Column("sequence", BIGINT, primary_key=True),
    Column("reference", LargeBinary(TOKEN_BYTES), nullable=False),
    Column("version", BIGINT, nullable=False),
    Column("subjects", LargeBinary, nullable=False),
    Column("written", BIGINT, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("tokens", LargeBinary, nullable=False),
    UniqueConstraint("reference", "version"),
    sqlite_autoincrement=True,
)

search_tokens = Table(
    "search_tokens",
    metadata,
    Column("token", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("sequence", BIGINT, primary_key=True),
    sqlite_with_rowid=False,
)

Union = Sequence[bytes]
"""Tokens of which at least one must be there."""
Alternative = Sequence[Union]
"""Unions that must all be met."""
Clause = Sequence[Alternative]
"""Alternatives of which at least one must be met; a search is a list of clauses, all to be met."""


@dataclass(frozen=True, slots=True)
class Within:
    """The subjects of a search, and the search tokens of their documents."""

    subjects: Sequence[bytes]
    compartments: Union


_ESTIMATE_LIMIT = 2_000
MOST_WITHIN = 50_000
"""Documents up to which `search` reads all documents `within` first."""
LARGE = 256 << 10
"""Bytes of a sealed body beyond which `current` leaves it out: `version` reads it, and accounts for it."""
Reserve = Callable[[int], None]
"""Reserves memory for the bytes of a sealed body, or raises."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version as read: its sequence, its subjects, and its envelope. Times are ms since 1970 UTC."""

    sequence: int
    subjects: tuple[bytes, ...]
    written: int
    deleted: bool
    envelope: Envelope

    @property
    def version(self) -> int:
        """Return the version number, from 1."""
        return self.envelope.version


@dataclass(frozen=True, slots=True)
class NewVersion:
    """One version to write; `tokens` are those that shall find it, packed (none for a deletion)."""

    envelope: Envelope
    subjects: tuple[bytes, ...]
    written: int
    deleted: bool
    tokens: bytes


def pack(tokens: Iterable[bytes]) -> bytes:
    """Search tokens as one row stores them: unique, sorted, one after the other."""
    return b"".join(sorted(set(tokens)))


def binding(*, written: int, deleted: bool, subjects: Sequence[bytes], tokens: bytes) -> bytes:
    """Return the other columns of a row, as bytes that its ciphertext is bound to."""
    fixed = written.to_bytes(8, "big") + bytes([deleted, len(subjects)])
    return fixed + b"".join(subjects) + hashlib.sha256(tokens).digest()


_COLUMNS = (
    documents.c.sequence,
    documents.c.reference,
    documents.c.version,
    documents.c.subjects,
    documents.c.written,
    documents.c.deleted,
    documents.c.digest,
    documents.c.sealed,
    documents.c.tokens,
)
_TOGETHER = 64 << 10  # bytes; 201 rows of 64 KiB stay below FETCH_LIMIT (16 MiB)
# PostgreSQL's driver fetches all rows of an answer at once, so larger bodies are read one by one.
_COLUMNS_APART = (
    *(
        column
        if column is not documents.c.sealed
        else case((func.length(column) > _TOGETHER, func.substr(column, 1, 0)), else_=column).label("sealed")
        for column in _COLUMNS
    ),
    func.length(documents.c.sealed).label("length"),
)
# The statements of the hot paths go to the driver as they are: building them anew for every request costs
# more than running them.
_CURRENT = (
    "SELECT sequence, reference, version, subjects, written, deleted, digest, {}, tokens "
    "FROM documents WHERE reference IN ({}) AND current"
)
_INSERT = (
    "INSERT INTO documents (sequence, reference, version, subjects, written, deleted, current, digest, "
    "sealed, tokens)"
)
_KINDS = ("bigint", "bytea", "bigint", "bytea", "bigint", "boolean", "boolean", "bytea", "bytea", "bytea")
_INDEX = "INSERT INTO search_tokens (token, sequence)"
_NONE = "substr(sealed, 1, 0)"
_AT_ONCE = 500
_PREDECESSOR = "SELECT sequence, tokens FROM documents WHERE reference = ? AND version = ?"
_RETIRE = "UPDATE documents SET current = FALSE WHERE sequence = ?"
_LAST = "SELECT max(sequence) FROM documents"
_UNINDEX = "DELETE FROM search_tokens WHERE sequence = ? AND token IN ({})"


def tokens_of(connection: Connection, reference: bytes) -> frozenset[bytes]:
    """Return the tokens that find the current version of `reference`; none where there is no such record.

    Raises:
        DamagedError: it is not the one that was written last.
    """
    table = documents.c
    statement = select(table.tokens, table.version, table.sequence).where(
        table.reference == reference, table.current
    )
    row = connection.execute(statement).first()
    stamp = None if row is None else (row.version, row.sequence)
    freshness(connection).check(connection, DOCUMENTS, {reference: stamp}, cached=False)
    return frozenset(() if row is None else _split(row.tokens))


def _split(tokens: bytes) -> tuple[bytes, ...]:
    return tuple(tokens[at : at + TOKEN_BYTES] for at in range(0, len(tokens), TOKEN_BYTES))


def _stored(row: Sequence[Any]) -> StoredVersion:
    sequence, reference, version, packed, written, deleted, digest, sealed, tokens = row
    if written < 0 or version < 1:
        raise DamagedError("a stored document does not verify; run `consentry verify`")
    subjects = _split(packed)
    bound = binding(written=written, deleted=bool(deleted), subjects=subjects, tokens=tokens)
    envelope = Envelope(reference, version, digest, bound, sealed)
    return StoredVersion(sequence, subjects, written, bool(deleted), envelope)


def current(
    connection: Connection, references: Sequence[bytes], *, bodies: bool = True
) -> dict[bytes, StoredVersion]:
    """Return the newest version of each of `references`, deletions included; unknown references are left out.

    A body that is `LARGE`, and without `bodies` any, is left empty, and can't be opened so.

    Raises:
        DamagedError: one of them is not the one that was written last.
    """
    found: dict[bytes, StoredVersion] = {}
    sealed = _NONE
    if bodies:
        sealed = f"CASE WHEN length(sealed) > {LARGE} THEN {_NONE} ELSE sealed END AS sealed"
    for start in range(0, len(references), _AT_ONCE):
        chunk = tuple(references[start : start + _AT_ONCE])
        statement = _CURRENT.format(sealed, ",".join("?" * len(chunk)))
        for row in run(connection, statement, chunk):
            stored = _stored(row)
            found[stored.envelope.reference] = stored
    _check_newest(connection, found.values(), references, cached=False)
    return found


def _check_newest(
    connection: Connection,
    found: Iterable[StoredVersion],
    references: Iterable[bytes] = (),
    *,
    cached: bool = True,
) -> None:
    """Check that those `found` are the newest of their records, and that no other of `references` exists."""
    stamps: dict[bytes, object] = dict.fromkeys(references)
    seen = set()
    for one in found:
        reference = one.envelope.reference
        stamps[reference] = None if reference in seen else (one.version, one.sequence)
        seen.add(reference)
    freshness(connection).check(connection, DOCUMENTS, stamps, cached=cached)


def joint(connection: Connection, kind: bytes) -> list[tuple[bytes, tuple[bytes, ...]]]:
    """Return reference and subjects of the current documents of several subjects with the token `kind`."""
    statement = (
        select(documents.c.reference, documents.c.subjects)
        .join(search_tokens, search_tokens.c.sequence == documents.c.sequence)
        .where(search_tokens.c.token == kind, documents.c.current)
        .where(func.length(documents.c.subjects) > TOKEN_BYTES)
    )
    return [(row.reference, _split(row.subjects)) for row in connection.execute(statement)]


def version(
    connection: Connection, reference: bytes, number: int, *, reserve: Reserve
) -> StoredVersion | None:
    """Return version `number` of `reference`."""
    statement = select(*_COLUMNS).where(documents.c.reference == reference, documents.c.version == number)
    row = connection.execute(statement).first()
    if row is None:
        return None
    stored = _stored(row)
    reserve(len(stored.envelope.sealed))
    return stored


@dataclass(frozen=True, slots=True)
class FetchedVersions:
    """The rows of one fetch, in order. It is `cut` where `FETCH_LIMIT` ended it: there may be more behind."""

    rows: list[StoredVersion]
    cut: bool


def _fetch(connection: Connection, statement: Select[Any], reserve: Reserve) -> FetchedVersions:
    """Return the rows of `statement`, which selects `_COLUMNS`, as far as one fetch goes."""
    apart = is_postgres(connection)
    if apart:
        statement = statement.with_only_columns(*_COLUMNS_APART, maintain_column_froms=True)
    fetched: list[StoredVersion] = []
    size = 0
    rows = connection.execute(statement)
    for row in rows:
        length = row.length if apart else len(row.sealed)
        reserve(length)
        one = _stored(row[:-1] if apart else row)
        if apart and length > _TOGETHER:
            one = replace(one, envelope=replace(one.envelope, sealed=_sealed(connection, one.sequence)))
        fetched.append(one)
        size += length
        if size > FETCH_LIMIT:
            rows.close()
            return FetchedVersions(fetched, cut=True)
    return FetchedVersions(fetched, cut=False)


def _sealed(connection: Connection, sequence: int) -> bytes:
    body: bytes = connection.execute(
        select(documents.c.sealed).where(documents.c.sequence == sequence)
    ).scalar_one()
    return body


def versions(
    connection: Connection, reference: bytes, *, below: int | None, limit: int, reserve: Reserve
) -> FetchedVersions:
    """Return up to `limit` versions of `reference`, the newest first, all with a number under `below`."""
    statement = select(*_COLUMNS).where(documents.c.reference == reference)
    if below is not None:
        statement = statement.where(documents.c.version < below)
    return _fetch(connection, statement.order_by(documents.c.version.desc()).limit(limit), reserve)


def write(connection: Connection, versions_: Sequence[NewVersion]) -> int:
    """Add `versions_`, each the successor of its reference's current one; a reference occurs once.

    Returns the sequence of the first; the others follow it in order.

    Inserting an existing version number fails the whole write: two writers can't both have been first.
    """
    replaced = {
        new.envelope.reference: _predecessor(connection, new) for new in versions_ if new.envelope.version > 1
    }
    for sequence, tokens in replaced.values():
        for start in range(0, len(tokens), _AT_ONCE):
            chunk = tokens[start : start + _AT_ONCE]
            run(connection, _UNINDEX.format(",".join("?" * len(chunk))), (sequence, *chunk))
        run(connection, _RETIRE, (sequence,))
    last = run(connection, _LAST, ()).scalar() or 0
    known = freshness(connection)
    for start in range(0, len(versions_), _AT_ONCE):  # sorting all of a large write would block other threads
        numbered = list(enumerate(versions_[start : start + _AT_ONCE], start=last + start + 1))
        insert_many(connection, _INSERT, _KINDS, [_row(sequence, new) for sequence, new in numbered])
        for sequence, new in numbered:
            reference, version = new.envelope.reference, new.envelope.version
            gone = [(version - 1, replaced[reference][0])] if reference in replaced else []
            known.stage(DOCUMENTS, reference, removed=gone, added=[(version, sequence)], alone=True)
        postings: dict[bytes, list[int]] = {}
        for sequence, new in numbered:
            for token in _split(new.tokens):
                postings.setdefault(token, []).append(sequence)
        # Neighbours in the index are written together.
        rows = [(token, at) for token in sorted(postings) for at in postings[token]]
        insert_many(connection, _INDEX, ("bytea", "bigint"), rows)
    return int(last) + 1


def _predecessor(connection: Connection, new: NewVersion) -> tuple[int, tuple[bytes, ...]]:
    place = (new.envelope.reference, new.envelope.version - 1)
    row: Sequence[Any] = run(connection, _PREDECESSOR, place).one()
    sequence, tokens = row
    return sequence, _split(tokens)


def _row(sequence: int, new: NewVersion) -> tuple[Any, ...]:
    envelope = new.envelope
    return (
        sequence,
        envelope.reference,
        envelope.version,
        b"".join(new.subjects),
        new.written,
        new.deleted,
        True,
        envelope.digest,
        envelope.sealed,
        new.tokens,
    )


def search(
    connection: Connection,
    clauses: Sequence[Clause],
    *,
    within: Within | None = None,
    written: Iterable[tuple[int | None, int | None]] = (),
    after: int | None = None,
    newest_first: bool = False,
    limit: int,
    reserve: Reserve,
) -> FetchedVersions:
    """Return up to `limit` current documents that meet all `clauses`, in order of their sequence.

    `written` are half-open ranges of write times in ms, all to be met; `after` continues behind a
    sequence. The rarest clause drives and the others are probed, so the cost follows the rarest. But where
    `within` holds no more than `MOST_WITHIN` documents it drives, and the rows outside it are never read:
    neither they nor their number cost time.

    Raises:
        DamagedError: one of them is not the newest version of its record that was written.
    """
    if not all(clauses):
        return FetchedVersions([], cut=False)  # a clause without alternatives is met by nothing
    at = documents.c.sequence
    statement: Select[Any] = select(*_COLUMNS).where(documents.c.current)
    if within is not None and _estimate(connection, within.compartments, MOST_WITHIN + 1) <= MOST_WITHIN:
        driver = within.compartments
    else:
        driver = _rarest(connection, clauses)
        if within is not None:
            statement = statement.where(_belongs(within))
    if len(driver) > 1:
        # As a set, not a join: no row occurs twice, and the rows are in order without being sorted.
        inside = select(search_tokens.c.sequence).where(search_tokens.c.token.in_(list(driver)))
        statement = statement.where(at.in_(inside))
    else:
        found = search_tokens.alias("driver")
        at = found.c.sequence
        statement = statement.select_from(found.join(documents, documents.c.sequence == at))
        statement = statement.where(found.c.token.in_(list(driver)))
    for clause in clauses:
        if not (len(clause) == 1 and len(clause[0]) == 1 and clause[0][0] is driver):
            statement = statement.where(or_(*(_meets(alternative) for alternative in clause)))
    statement = statement.where(*_written_in(written))
    if after is not None:
        statement = statement.where(at < after if newest_first else at > after)
    statement = statement.order_by(at.desc() if newest_first else at.asc()).limit(limit)
    fetched = _fetch(connection, statement, reserve)
    _check_newest(connection, fetched.rows)
    return fetched


def _written_in(ranges: Iterable[tuple[int | None, int | None]]) -> Iterator[ColumnElement[bool]]:
    for start, end in ranges:
        if start is not None:
            yield documents.c.written >= start
        if end is not None:
            yield documents.c.written < end


def _belongs(within: Within) -> ColumnElement[bool]:
    # Nearly every document is of one subject, and one comparison suffices.
    several = func.length(documents.c.subjects) > TOKEN_BYTES
    return or_(documents.c.subjects.in_(list(within.subjects)), and_(several, _meets([within.compartments])))


def _rarest(connection: Connection, clauses: Sequence[Clause]) -> Union:
    unions = [clause[0][0] for clause in clauses if len(clause) == 1 and len(clause[0]) == 1]
    if not unions:
        raise ValueError("a search needs a clause that is one plain union, such as the type's")
    if len(unions) == 1:
        return unions[0]
    return min(unions, key=lambda union: _estimate(connection, union, _ESTIMATE_LIMIT))


def _estimate(connection: Connection, union: Union, most: int) -> int:
    probe = select(search_tokens.c.sequence).where(search_tokens.c.token.in_(list(union)))
    counted = select(func.count()).select_from(probe.limit(most).subquery())
    return int(connection.execute(counted).scalar_one())


def _meets(alternative: Alternative) -> ColumnElement[bool]:
    return and_(
        *(
            exists().where(
                search_tokens.c.token.in_(list(union)),
                search_tokens.c.sequence == documents.c.sequence,
            )
            for union in alternative
        )
    )


def count(connection: Connection) -> int:
    """Return how many versions there are."""
    return int(connection.execute(select(func.count()).select_from(documents)).scalar_one())


def every_version(connection: Connection) -> Iterator[tuple[StoredVersion, bool, bool]]:
    """Yield each version in order of its sequence, if it is marked current, and if it is the newest."""
    newest = select(documents.c.reference, func.max(documents.c.version).label("newest")).group_by(
        documents.c.reference
    )
    last = newest.subquery()
    statement = (
        select(*_COLUMNS, documents.c.current, last.c.newest)
        .join(last, last.c.reference == documents.c.reference)
        .order_by(documents.c.sequence)
    )
    with connection.execute(statement.execution_options(yield_per=500)) as rows:
        for row in rows:
            read = _stored(row[:-2])
            is_current, highest = row[-2:]
            yield read, bool(is_current), read.version == highest


def every_mark(connection: Connection) -> Iterator[tuple[WrittenVersion, tuple[bytes, ...]]]:
    """Yield what is committed to of each version, with its subjects, in order of the sequence."""
    table = documents.c
    statement = select(
        *(table.sequence, table.reference, table.version, table.written, table.deleted, table.digest),
        table.subjects,
    ).order_by(table.sequence)
    with connection.execute(statement.execution_options(yield_per=2_000)) as rows:
        for *fields, subjects in rows:
            yield WrittenVersion(*fields), _split(subjects)


def index_difference(connection: Connection) -> str | None:
    """Return where `search_tokens` differs from the tokens in the current versions, or None.

    Both sides are summed as sets, whatever their order; only where the sums differ is each row looked up.
    """
    listed = select(documents.c.sequence, documents.c.tokens).where(documents.c.current)
    indexed = select(search_tokens.c.token, search_tokens.c.sequence)
    expected = sum(
        _weight(token, sequence)
        for sequence, tokens in connection.execute(listed.execution_options(yield_per=500))
        for token in _split(tokens)
    )
    found = sum(
        _weight(token, sequence)
        for token, sequence in connection.execute(indexed.execution_options(yield_per=5_000))
    )
    if expected % _SUM == found % _SUM:
        return None
    with connection.execute(listed.execution_options(yield_per=500)) as rows:
        for sequence, tokens in rows:
            wanted = _split(tokens)
            statement = select(func.count()).where(
                search_tokens.c.token.in_(wanted), search_tokens.c.sequence == sequence
            )
            if connection.execute(statement).scalar_one() != len(wanted):
                return f"row {sequence}"
    return "search_tokens holds rows that belong to no current version"


_SUM = 2**128


def _weight(token: bytes, sequence: int) -> int:
    packed = token + sequence.to_bytes(8, "big", signed=True)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=16).digest(), "big")
