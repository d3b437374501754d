from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool

from exchange.crypto.documents import Envelope
from exchange.errors import DamagedError
from exchange.store.records import documents as store
from exchange.store.records.documents import NewVersion, Stored, Within, pack
from exchange.store.records.tables import metadata

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))

TOKENS = [bytes([n]) * store.TOKEN_BYTES for n in range(8)]
"""Search tokens; the first is carried by every record that is not deleted, as that of its type is."""
SUBJECTS = [bytes([100 + n]) * store.TOKEN_BYTES for n in range(3)]
COMPARTMENTS = {subject: bytes([200 + n]) * store.TOKEN_BYTES for n, subject in enumerate(SUBJECTS)}
REFERENCES = [bytes([50 + n]) * store.TOKEN_BYTES for n in range(6)]


def freely(_size: int) -> None:
    """Have room for everything."""


@contextmanager
def database() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def version_of(
    reference: bytes,
    number: int,
    *,
    tokens: frozenset[bytes] = frozenset(),
    subjects: tuple[bytes, ...] = (SUBJECTS[0],),
    written: int = 1000,
    deleted: bool = False,
) -> NewVersion:
    found_by = b""
    if not deleted:
        found_by = pack([TOKENS[0], *tokens, *(COMPARTMENTS[subject] for subject in subjects)])
    sealed = reference + bytes([number])
    envelope = Envelope(reference, number, b"d" * 32, b"", sealed)
    return NewVersion(envelope, subjects, written, deleted, found_by)


@dataclass
class Model:
    """The expected content of the store: every version in the order it was written."""

    rows: list[tuple[int, NewVersion]] = field(default_factory=list)

    def write(self, connection: Connection, new: list[NewVersion]) -> None:
        store.write(connection, new)
        for version in new:
            self.rows.append((len(self.rows) + 1, version))

    def current(self) -> dict[bytes, tuple[int, NewVersion]]:
        return {version.envelope.reference: (at, version) for at, version in self.rows}


@st.composite
def histories(draw: st.DrawFn) -> list[list[NewVersion]]:
    """Draw batches of creations, replacements and deletions, each record at most once in a batch."""
    numbers: dict[bytes, int] = {}
    batches = []
    for batch in range(draw(st.integers(1, 6))):
        changed = draw(st.lists(st.sampled_from(REFERENCES), unique=True, max_size=4))
        new = []
        for reference in changed:
            numbers[reference] = numbers.get(reference, 0) + 1
            new.append(
                version_of(
                    reference,
                    numbers[reference],
                    tokens=draw(st.frozensets(st.sampled_from(TOKENS[1:]), max_size=4)),
                    subjects=tuple(
                        draw(st.lists(st.sampled_from(SUBJECTS), unique=True, min_size=1, max_size=2))
                    ),
                    written=1000 + 10 * batch,
                    deleted=numbers[reference] > 1 and draw(st.booleans()),
                )
            )
        if new:
            batches.append(new)
    return batches


UNIONS = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=3, unique=True)
CLAUSES = st.lists(st.lists(st.lists(UNIONS, min_size=1, max_size=2), min_size=1, max_size=2), max_size=3)


def expected(model: Model, clauses: list[Any], asked: dict[str, Any]) -> list[int]:
    within: Within | None = asked["within"]
    found = []
    for at, version in model.current().values():
        tokens = {version.tokens[i : i + 16] for i in range(0, len(version.tokens), 16)}
        meets = all(
            any(all(not tokens.isdisjoint(union) for union in alternative) for alternative in clause)
            for clause in clauses
        )
        inside = within is None or not tokens.isdisjoint(within.compartments)
        in_time = all(
            (start is None or version.written >= start) and (end is None or version.written < end)
            for start, end in asked["written"]
        )
        if meets and inside and in_time:
            found.append(at)
    found.sort(reverse=asked["newest_first"])
    after = asked["after"]
    if after is not None:
        found = [at for at in found if (at < after if asked["newest_first"] else at > after)]
    return found[: asked["limit"]]


@given(
    history=histories(),
    clauses=CLAUSES,
    owners=st.none() | st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=3, unique=True),
    written=st.lists(
        st.tuples(st.none() | st.integers(990, 1060), st.none() | st.integers(990, 1060)), max_size=2
    ),
    after=st.none() | st.integers(0, 15),
    newest_first=st.booleans(),
    limit=st.integers(1, 8),
    narrow=st.booleans(),
)
@settings(max_examples=round(100 * SCALE), deadline=None)
def test_a_search_finds_the_current_versions_that_meet_it_in_order(
    history: list[list[NewVersion]],
    clauses: list[Any],
    owners: list[bytes] | None,
    narrow: bool,
    **asked: Any,
) -> None:
    within = None
    if owners is not None:
        within = Within(owners, [COMPARTMENTS[owner] for owner in owners])
    asked["within"] = within
    clauses = [[[[TOKENS[0]]]], *clauses]  # a search begins with its type
    model = Model()
    with database() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "MOST_WITHIN", 2 if narrow else 1000)
        for batch in history:
            model.write(connection, batch)
        found = store.search(connection, clauses, take=freely, **asked)
    assert not found.cut
    assert [stored.sequence for stored in found.rows] == expected(model, clauses, asked)


@given(history=histories())
@settings(max_examples=round(60 * SCALE), deadline=None)
def test_after_any_changes_each_version_is_kept_and_the_newest_is_current(
    history: list[list[NewVersion]],
) -> None:
    model = Model()
    with database() as connection:
        for batch in history:
            model.write(connection, batch)
            assert store.index_difference(connection) is None
        current = model.current()
        kept = store.current(connection, REFERENCES)
        assert {name: (one.sequence, one.version, one.deleted) for name, one in kept.items()} == {
            name: (at, new.envelope.version, new.deleted) for name, (at, new) in current.items()
        }
        assert store.count(connection) == len(model.rows)
        for at, new in model.rows:
            stored = store.version(connection, new.envelope.reference, new.envelope.version, take=freely)
            assert stored is not None
            _assert_is(stored, at, new)
        told = list(store.every_version(connection))
        for (stored, is_current, is_newest), (at, new) in zip(told, model.rows, strict=True):
            _assert_is(stored, at, new)
            assert is_current == is_newest == (current[new.envelope.reference][0] == at)
        postings = set(map(tuple, connection.execute(select(store.search_tokens))))
    assert postings == {
        (new.tokens[i : i + 16], at) for at, new in current.values() for i in range(0, len(new.tokens), 16)
    }


def _assert_is(stored: Stored, at: int, new: NewVersion) -> None:
    assert (stored.sequence, stored.subjects, stored.written, stored.deleted) == (
        at,
        new.subjects,
        new.written,
        new.deleted,
    )
    assert (stored.envelope.reference, stored.version) == (new.envelope.reference, new.envelope.version)
    assert (stored.envelope.digest, stored.envelope.sealed) == (new.envelope.digest, new.envelope.sealed)


def test_versions_come_the_newest_first_below_a_number() -> None:
    with database() as connection:
        for number in range(1, 6):
            store.write(connection, [version_of(REFERENCES[0], number)])
        found = store.versions(connection, REFERENCES[0], below=5, take=freely, limit=2)
        assert [stored.version for stored in found.rows] == [4, 3]
        every = store.versions(connection, REFERENCES[0], below=None, take=freely, limit=9)
        assert [stored.version for stored in every.rows] == [5, 4, 3, 2, 1]
        assert store.versions(connection, REFERENCES[1], below=None, take=freely, limit=9).rows == []


def test_one_look_takes_no_more_than_its_bound_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [number.to_bytes(store.TOKEN_BYTES, "big") for number in range(10)]
    with database() as connection:
        store.write(connection, [version_of(name, 1) for name in names])
        size = len(store.current(connection, names[:1])[names[0]].envelope.sealed)
        for bound, looks in ((1, 10), (2 * size, 4), (9 * size, 1), (10 * size, 1)):
            monkeypatch.setattr(store, "MOST_READ", bound)
            found: list[int] = []
            taken = store.search(connection, [[[[TOKENS[0]]]]], take=freely, limit=50)
            count = 1
            while taken.cut and len(found) + len(taken.rows) < len(names):
                found += [stored.sequence for stored in taken.rows]
                taken = store.search(connection, [[[[TOKENS[0]]]]], after=found[-1], take=freely, limit=50)
                count += 1
            found += [stored.sequence for stored in taken.rows]
            assert found == list(range(1, 11))
            assert count == looks


def test_what_is_only_compared_is_read_without_its_body() -> None:
    with database() as connection:
        store.write(connection, [version_of(REFERENCES[0], 1)])
        whole = store.current(connection, [REFERENCES[0]])[REFERENCES[0]]
        head = store.current(connection, [REFERENCES[0]], bodies=False)[REFERENCES[0]]
        assert head.envelope.sealed == b""
        assert (head.sequence, head.envelope.digest) == (whole.sequence, whole.envelope.digest)


def test_two_first_versions_of_one_record_cannot_both_be() -> None:
    with database() as connection:
        store.write(connection, [version_of(REFERENCES[0], 1)])
        connection.commit()
        with pytest.raises(IntegrityError):
            store.write(connection, [version_of(REFERENCES[1], 1), version_of(REFERENCES[0], 1)])
        connection.rollback()
        assert store.count(connection) == 1
        assert store.index_difference(connection) is None


def test_many_records_are_found_at_once() -> None:
    names = [number.to_bytes(store.TOKEN_BYTES, "big") for number in range(1200)]
    with database() as connection:
        store.write(connection, [version_of(name, 1, tokens=frozenset(TOKENS[1:3])) for name in names])
        found = store.current(connection, [*names, b"\xff" * 16])
        assert sorted(found) == names
        assert len(store.search(connection, [[[[TOKENS[2]]]]], take=freely, limit=5000).rows) == 1200


def test_a_search_without_a_plain_union_is_a_defect_and_an_empty_clause_meets_nothing() -> None:
    with database() as connection:
        store.write(connection, [version_of(REFERENCES[0], 1)])
        with pytest.raises(ValueError, match="plain union"):
            store.search(connection, [[[[TOKENS[0]]], [[TOKENS[1]]]]], take=freely, limit=1)
        assert store.search(connection, [[[[TOKENS[0]]]], []], take=freely, limit=1).rows == []


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("DELETE FROM search_tokens WHERE sequence = 2", "row 2"),
        ("INSERT INTO search_tokens VALUES (x'00', 1)", "no current version"),
        ("UPDATE documents SET current = 0 WHERE sequence = 1", "no current version"),
    ],
)
def test_a_changed_index_is_told(statement: str, place: str) -> None:
    with database() as connection:
        store.write(connection, [version_of(REFERENCES[0], 1), version_of(REFERENCES[1], 1)])
        connection.exec_driver_sql(statement)
        assert place in (store.index_difference(connection) or "")


@pytest.mark.parametrize("change", ["written = -1", "version = 0"])
def test_a_row_with_impossible_numbers_is_damage(change: str) -> None:
    with database() as connection:
        store.write(connection, [version_of(REFERENCES[0], 1)])
        connection.exec_driver_sql(f"UPDATE documents SET {change}")
        with pytest.raises(DamagedError):
            store.current(connection, [REFERENCES[0]])


def test_what_a_row_says_is_bound_to_its_ciphertext() -> None:
    said: dict[str, Any] = {"written": 1, "deleted": False, "subjects": SUBJECTS[:2], "tokens": TOKENS[0]}
    bound = {store.binding(**said)}
    changes: list[dict[str, Any]] = [
        {"written": 2},
        {"deleted": True},
        {"subjects": SUBJECTS[:1]},
        {"subjects": SUBJECTS[1::-1]},
        {"tokens": TOKENS[1]},
        {"tokens": b""},
    ]
    bound |= {store.binding(**(said | change)) for change in changes}
    assert len(bound) == 1 + len(changes)


def test_writing_takes_few_statements_for_many_records() -> None:
    def statements(records: int) -> int:
        count = 0

        def counting(*_: Any) -> None:
            nonlocal count
            count += 1

        with database() as connection:
            event.listen(Engine, "before_cursor_execute", counting)
            try:
                names = [number.to_bytes(store.TOKEN_BYTES, "big") for number in range(records)]
                store.write(connection, [version_of(name, 1) for name in names])
            finally:
                event.remove(Engine, "before_cursor_execute", counting)
        return count

    assert statements(300) - statements(1) < 2 * (300).bit_length()
