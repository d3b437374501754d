"""Two databases, one behaviour: the same calls in the same order get the same answers from both.

The values are those on which databases differ: texts that a locale would sort or fold, that are empty, long
or no text at all; bytes that are zero or not UTF-8; numbers at the ends of 64 bits, and one beyond. A call
that one refuses the other refuses as well, and goes on as if it had never been asked. A NUL in a text is the
one thing left out: no text that has one comes this far (see
`tests/scenarios/interactions/test_odd_texts.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import Connection, MetaData, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from exchange.auth.clients import Client
from exchange.crypto.documents import Envelope
from exchange.errors import ConflictError, DamagedError
from exchange.store.engine.database import Database, OpenedBeside
from exchange.store.engine.format import Begin
from exchange.store.engine.place import Place, Schema
from exchange.store.keys import wrapped_keys
from exchange.store.log import log_tables, log_terms
from exchange.store.log.log_tables import AnyOf, EntryRow, Filter
from exchange.store.migrations.create import create_log, create_records
from exchange.store.records import clients, documents, outbox, subjects, watched
from exchange.store.records.documents import NewVersion, Within
from exchange.store.records.outbox import OutboxEntry
from exchange.store.records.subjects import CompiledRow
from exchange.store.records.tables import metadata
from tests.support import key_store
from tests.support.postgres_server import Server

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))

ODD = [
    "", " ", "a", "A", "a ", "aa", "B", "b", "_", "%", "\\", "'", '"', "?", "%s", ":n", "é", "e\u0301", "ß",
    "\u00ad", "\uffff", "\U0001f600", "\U0010ffff", "x" * 255,
]  # fmt: skip
"""Texts in no order: a locale has its own, and so has UTF-16."""
NO_TEXT = "\ud800"
WHOLE = st.sampled_from([0, 1, 2, 1_800_000_000_000, 2**31, 2**53 + 1, 2**63 - 1]) | st.integers(0, 9)
ANY_WHOLE = WHOLE | st.sampled_from([-1, -(2**63), 2**63, 2**70])
TOKENS = [bytes(16), b"\xff" * 16, b"\0\xff" * 8, b"'" * 16, *(bytes([n]) * 16 for n in range(1, 6))]
NAMES = [bytes([n]) * 16 for n in (0, 1, 127, 128, 255)]

LOGGED = (
    b'{"action":"read","custodian":"%b","digest":"' + b"ab" * 32 + b'","evidence":"","outcome":"permit",'
    b'"pair":"","purpose":"TREAT","reason":"consent","recipient":"","user":""}'
)

text = st.sampled_from(ODD) | st.just(NO_TEXT) | st.text(alphabet="aAbé\U0001f600%_", max_size=3)
long_text = text | st.just(50_000).map("\u20ac".__mul__)
token = st.sampled_from(TOKENS)
name = st.sampled_from(NAMES)
body = st.sampled_from([b"", b"\0", b"\xff\xfe", b"\x80" * 300]) | st.just(70_000).map(bytes)
union = st.lists(token, max_size=3)
alternative = st.lists(union, min_size=1, max_size=2)
clause = st.lists(alternative, min_size=1, max_size=2)
bound = st.sampled_from([0, 1, 300, 301, 70_000, 1 << 24])
tx = st.sampled_from(["", "ab" * 8, "ab" * 32, "ab" * 31 + "ac", "cd" * 32, "00" * 32, "ff" * 32])
tx_start = st.sampled_from(
    ["", "a", "ab" * 6, "ab" * 9, "ab" * 31 + "ac", "f", "0" * 11, "AB", "x", "cd" * 40]
)
half_open = st.tuples(st.none() | WHOLE, st.none() | WHOLE)

record = st.sampled_from(
    [b'{"action":"read"}', b'{"outcome":"permit","pair":"ab"}', *(LOGGED % kind for kind in (b"a", b"A"))]
)
entry = st.builds(
    EntryRow,
    tx=tx,
    n=st.integers(0, 2),
    block=WHOLE,
    time=WHOLE,
    pair=tx,
    custodian=st.sampled_from(["a", "A"]),
    recipient=text,
    user=text,
    action=text,
    purpose=text,
    outcome=st.sampled_from(["permit", "deny"]),
    record=body | record,
)
filters = st.builds(
    Filter,
    custodian=st.none() | st.sampled_from(["a", "A"]),
    party=st.none() | st.sampled_from(["a", "A"]),
    tx_start=st.none() | tx_start,
    n=st.none() | st.integers(0, 2),
    times=st.lists(half_open, max_size=2),
    until=st.none() | WHOLE,
    conditions=st.lists(
        st.builds(
            AnyOf,
            columns=st.dictionaries(
                st.sampled_from(["recipient", "action", "purpose", "outcome", "tx"]),
                st.lists(text | tx, max_size=3) | st.just(["permit"]),
                max_size=2,
            ),
            terms=st.lists(st.sampled_from([1, 2, -(2**62)]), max_size=2),
            of=st.lists(st.tuples(st.lists(text | tx, max_size=2), name), max_size=1),
        ),
        max_size=2,
    ),
)


@dataclass
class Side:
    """One kind of database: a connection to the records, and one to the log."""

    records: Connection
    entries: Connection


@pytest.fixture(scope="module")
def sides(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    folder, url = tmp_path_factory.mktemp("twins"), postgres.new_database()
    with ExitStack() as stack:

        def opened(
            place: Place, tables: MetaData, begin: Begin, beside: OpenedBeside | None = None
        ) -> Connection:
            database = Database(place, tables, durable=False, begin=begin, beside=beside)
            stack.callback(database.close)
            return stack.enter_context(database.engine.connect())

        def side(place: Callable[[str], Place]) -> Side:
            return Side(
                opened(place("records"), metadata, create_records, key_store.made(place("keys"))),
                opened(place("log"), log_tables.metadata, create_log),
            )

        yield side(lambda name: folder / name), side(lambda name: Schema(url, name))


def plain(value: Any) -> Any:
    """Return `value` without iterators, for comparing."""
    return list(value) if isinstance(value, Iterator) else value


def without_sequences(entries: Iterable[OutboxEntry]) -> tuple[OutboxEntry, ...]:
    """Entries in their order: what was rolled back leaves a gap in the sequences of PostgreSQL alone."""
    return tuple(replace(entry, sequence=0) for entry in entries)


class Twins(RuleBasedStateMachine):
    """Every rule asks both; nothing of an example outlives it."""

    def __init__(self, lite: Side, postgres: Side) -> None:
        super().__init__()
        self.sides = (lite, postgres)
        self.numbers: dict[bytes, int] = {}
        self.begun = [one.begin() for side in self.sides for one in (side.records, side.entries)]

    def teardown(self) -> None:
        try:
            self.everything()
        finally:
            for transaction in self.begun:
                transaction.rollback()

    def of_records(self, work: Callable[[Connection], Any]) -> Any:
        return self.both(work, [side.records for side in self.sides])

    def of_entries(self, work: Callable[[Connection], Any]) -> Any:
        return self.both(work, [side.entries for side in self.sides])

    def both(self, work: Callable[[Connection], Any], connections: list[Connection]) -> Any:
        lite, postgres = (self.answer(work, one) for one in connections)
        assert lite == postgres
        return lite

    def answer(self, work: Callable[[Connection], Any], connection: Connection) -> Any:
        try:
            with connection.begin_nested():
                return plain(work(connection))
        except (IntegrityError, ConflictError, DamagedError) as why:
            return type(why)
        except (SQLAlchemyError, OverflowError, UnicodeEncodeError):
            return "refused"

    @rule()
    def everything(self) -> None:
        """Return all rows of all tables."""
        for ask, tables in ((self.of_records, metadata), (self.of_entries, log_tables.metadata)):
            for table in tables.sorted_tables:
                columns = [one for one in table.c if one is not outbox.outbox.c.sequence]
            ask(lambda c, columns=columns: sorted(map(tuple, c.execute(select(*columns))), key=repr))

    # -- documents -----------------------------------------------------------------------

    @rule(data=st.data(), written=ANY_WHOLE, again=st.booleans())
    def write(self, data: st.DataObject, written: int, again: bool) -> None:
        new = []
        for reference in data.draw(st.lists(name, unique=True, min_size=1, max_size=3)):
            number = self.numbers.get(reference, 0) + (0 if again and reference in self.numbers else 1)
            deleted = number > 1 and data.draw(st.booleans())
            envelope = Envelope(reference, number, data.draw(body), b"", data.draw(body.filter(bool)))
            owners = tuple(data.draw(st.lists(name, unique=True, max_size=2)))
            found_by = b"" if deleted else documents.pack(data.draw(st.lists(token, max_size=5)))
            new.append(NewVersion(envelope, owners, written, deleted, found_by))
        if self.of_records(lambda c: documents.write(c, new)) is None:
            self.numbers |= {one.envelope.reference: one.envelope.version for one in new}

    @rule(names=st.lists(name, max_size=4), bodies=st.booleans())
    def current(self, names: list[bytes], bodies: bool) -> None:
        self.of_records(lambda c: documents.current(c, names, bodies=bodies))

    @rule(reference=name, number=WHOLE, below=st.none() | WHOLE, limit=st.integers(0, 3), most=bound)
    def history(self, reference: bytes, number: int, below: int | None, limit: int, most: int) -> None:
        self.of_records(lambda c: documents.version(c, reference, number, reserve=[].append))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(documents, "FETCH_LIMIT", most)
            self.of_records(
                lambda c: documents.versions(c, reference, below=below, limit=limit, reserve=[].append)
            )

    @rule(
        driver=union,
        clauses=st.lists(clause, max_size=2),
        within=st.none() | st.builds(Within, st.lists(name, max_size=2), st.lists(token, max_size=2)),
        written=st.lists(half_open, max_size=2),
        after=st.none() | WHOLE,
        newest_first=st.booleans(),
        limit=st.integers(0, 5),
        narrow=st.booleans(),
        most=bound,
    )
    def search(self, driver: list[bytes], clauses: list[Any], narrow: bool, most: int, **asked: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(documents, "FETCH_LIMIT", most)
            patch.setattr(documents, "MOST_WITHIN", 1 if narrow else 1000)
            self.of_records(lambda c: documents.search(c, [[[driver]], *clauses], reserve=[].append, **asked))

    @rule()
    def check_documents(self) -> None:
        self.of_records(documents.count)
        self.of_records(documents.every_version)
        assert self.of_records(documents.index_difference) is None

    # -- subjects ------------------------------------------------------------------------

    @rule(names=st.lists(name, min_size=1, max_size=3), wrapped=body, created=ANY_WHOLE)
    def add_subjects(self, names: list[bytes], wrapped: bytes, created: int) -> None:
        self.of_records(lambda c: wrapped_keys.add_subjects(c, [(one, wrapped, created) for one in names]))
        self.of_records(lambda c: wrapped_keys.find(c, names))

    @rule(
        opening=st.lists(st.tuples(name, text, text), max_size=3),
        asking=st.lists(st.tuples(name, text, name), max_size=3),
    )
    def record_requests(self, opening: list[Any], asking: list[Any]) -> None:
        self.of_records(lambda c: subjects.record_requests(c, opening, asking))

    @rule(names=st.lists(text, max_size=3))
    def confirm(self, names: list[str]) -> None:
        self.of_records(lambda c: subjects.confirm_pairs(c, names))

    @rule(subject=name, consent=st.builds(CompiledRow, name, ANY_WHOLE, body), due=WHOLE)
    def put_consent(self, subject: bytes, consent: CompiledRow, due: int) -> None:
        self.of_records(lambda c: subjects.put_consent(c, subject, consent, due=due))

    @rule(subject=name, count=st.integers(0, 2), granted=st.lists(text, max_size=2))
    def published(self, subject: bytes, count: int, granted: list[str]) -> None:
        self.of_records(
            lambda c: subjects.mark_published(
                c, subject, outbox.entries_of(c, watched.CONSENTS, subject)[:count], granted
            )
        )

    @rule(topic=text, subject=name, reference=name, sealed=body, due=WHOLE, now=WHOLE)
    def put_entry(
        self, topic: str, subject: bytes, reference: bytes, sealed: bytes, due: int, now: int
    ) -> None:
        self.of_records(lambda c: outbox.put(c, topic, subject, reference, due=due, sealed=sealed))
        self.of_records(lambda c: outbox.postpone(c, topic, subject, now, failed=True))
        self.of_records(lambda c: without_sequences(outbox.entries_of(c, topic, subject)))
        self.of_records(lambda c: outbox.subjects_waiting(c, topic))
        self.of_records(lambda c: outbox.subjects_due(c, topic, now, 3))
        self.of_records(lambda c: outbox.all_waiting(c, topic))
        self.of_records(lambda c: outbox.count(c, topic))

    @rule(subject=name, names=st.lists(name, max_size=3), recipient=text, limit=st.integers(0, 3))
    def stand(self, subject: bytes, names: list[bytes], recipient: str, limit: int) -> None:
        self.of_records(lambda c: subjects.pairs_of(c, subject))
        self.of_records(lambda c: subjects.consents_of(c, subject))
        self.of_records(lambda c: replace(subjects.snapshot(c, subject), waiting=()))
        self.of_records(lambda c: subjects.opened_pairs(c, recipient, names))
        self.of_records(lambda c: subjects.open_towards(c, recipient, limit))
        self.of_records(lambda c: subjects.granted_towards(c, recipient, limit))
        self.of_records(lambda c: subjects.with_consents(c, recipient, names))

    # -- the log -------------------------------------------------------------------------

    @rule(rows=st.lists(entry, max_size=6), block=WHOLE, position=WHOLE, times=st.integers(1, 2))
    def project(self, rows: list[EntryRow], block: int, position: int, times: int) -> None:
        for _ in range(times):
            self.of_entries(lambda c: log_tables.project(c, rows, block, position))

    @rule(rows=st.lists(st.tuples(tx, st.integers(0, 2), name, st.booleans(), body), max_size=4))
    def add_details(self, rows: list[Any]) -> None:
        rows = list({(row[0][:16], row[1]): row for row in rows}.values())
        self.of_entries(lambda c: log_tables.add_details(c, rows))

    @rule(
        rows=st.lists(st.tuples(st.sampled_from([1, 2, -(2**62)]), st.integers(0, 9)), max_size=4),
        words=st.lists(st.tuples(name, body), max_size=2, unique_by=lambda row: row[0]),
        searches=st.lists(st.tuples(tx, st.integers(0, 2), st.integers(1, 3), body), max_size=2),
        reached=WHOLE,
    )
    def add_terms(self, rows: list[Any], words: list[Any], searches: list[Any], reached: int) -> None:
        self.of_entries(lambda c: log_terms.add_words(c, words))
        self.of_entries(lambda c: log_terms.add_terms(c, rows, reached))
        self.of_entries(lambda c: log_tables.add_searches(c, searches))
        self.of_entries(lambda c: sorted(log_tables.searches_of(c, [row[0] for row in searches])))
        self.of_entries(lambda c: log_terms.words_after(c, 0))
        self.of_entries(log_terms.mark)
        self.of_entries(lambda c: log_terms.unread(c, 0, 5))
        self.of_entries(lambda c: log_terms.unread_among(c, [sequence for _, sequence in rows]))

    @rule(
        which=filters,
        before=st.none() | WHOLE,
        limit=st.integers(0, 4),
        oldest_first=st.booleans(),
        after=WHOLE,
    )
    def list_entries(self, which: Filter, after: int, **asked: Any) -> None:
        self.of_entries(lambda c: log_tables.list_entries(c, which, **asked))
        self.of_entries(lambda c: log_tables.count_entries(c, which))
        self.of_entries(log_tables.last_sequence)
        self.of_entries(lambda c: log_tables.unexplained(c, "a", after=after))
        self.of_entries(log_tables.checkpoint)
        self.of_entries(log_tables.newest)
        self.of_entries(log_tables.every_entry)
        self.of_entries(log_tables.count)

    # -- clients -------------------------------------------------------------------------

    @rule(client_id=text, told=long_text, created=ANY_WHOLE, disabled=st.none() | ANY_WHOLE)
    def register(self, client_id: str, told: str, created: int, disabled: int | None) -> None:
        client = Client(
            client_id=client_id,
            name=told,
            organization=told,
            keys=({"kid": "\u20ac"},),
            scopes=tuple(told.split(" ")),
            created=created,
            purpose=told,
            jwks_url=told,
        )
        self.of_records(lambda c: clients.register(c, client, b"\0mac"))
        self.of_records(lambda c: clients.find(c, client_id, lock=True))
        if disabled is not None:
            self.of_records(
                lambda c: clients.change(c, msgspec.structs.replace(client, disabled=disabled), b"")
            )
        self.of_records(clients.everyone)
        self.of_records(clients.count)

    @rule(client_id=text, jti=text, digest=name, expires=ANY_WHOLE, now=WHOLE, limit=st.integers(0, 3))
    def tokens(self, client_id: str, jti: str, digest: bytes, expires: int, now: int, limit: int) -> None:
        self.of_records(lambda c: clients.use_assertion(c, client_id, jti, expires))
        self.of_records(
            lambda c: clients.store_token(c, digest, client_id=client_id, principal=b"\0", expires=expires)
        )
        self.of_records(lambda c: clients.find_token(c, digest))
        if limit == 1:
            self.of_records(lambda c: clients.revoke_tokens(c, [digest]))
        if limit in {0, 3}:
            self.of_records(lambda c: clients.sweep(c, now, limit=limit))


def test_the_same_calls_get_the_same_answers(sides: tuple[Side, Side]) -> None:
    run_state_machine_as_test(
        lambda: Twins(*sides),
        settings=settings(
            max_examples=max(1, round(15 * SCALE)),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_keys_of_more_subjects_than_a_statement_can_name_are_found(sides: tuple[Side, Side]) -> None:
    names = [number.to_bytes(16, "big") for number in range(70_000)]
    for side in sides:
        with side.records.begin() as transaction:
            wrapped_keys.add_subjects(side.records, [(one, one[:1], 0) for one in names[::7_000]])
            assert sorted(wrapped_keys.find(side.records, names)) == names[::7_000]
            transaction.rollback()
