"""The note of a release, and the root that commits to it."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from exchange.crypto.release_notes import MOST_NAMED, ReleasedRecord, decode_note, release_note

RECORDS = st.lists(
    st.builds(
        ReleasedRecord,
        st.sampled_from(["Observation/1", "Observation/2", "Condition/1", "Patient/p"]),
        st.integers(1, 3),
        st.binary(min_size=32, max_size=32),
        st.booleans(),
    ),
    max_size=30,
    unique=True,
)
SALT, TX = b"s" * 32, "0a" * 32


@given(RECORDS, st.data())
def test_a_root_commits_to_the_note_and_its_place_whatever_the_order(
    records: list[ReleasedRecord], data: st.DataObject
) -> None:
    note = release_note(records, failed=False)
    assert decode_note(note.encoded()) == note
    assert release_note(data.draw(st.permutations(records)), failed=False) == note
    root = note.root(SALT, TX, 7)
    others: list[Any] = [
        note.root(b"t" * 32, TX, 7),
        note.root(SALT, "0b" * 32, 7),
        note.root(SALT, TX, 8),
        release_note((), failed=True).root(SALT, TX, 7),
    ]
    others += [
        release_note([*records[:n], *records[n + 1 :]], failed=False).root(SALT, TX, 7)
        for n in range(len(records))
    ]
    assert root not in others
    assert msgspec.json.encode(root).decode() == f'"{root}"'
    assert len(root) == 64


@given(RECORDS, st.integers(0, 29), st.integers(0, 2))
def test_a_record_that_changed_has_another_root(records: list[ReleasedRecord], at: int, part: int) -> None:
    assume(at < len(records))
    one = records[at]
    changed = [
        one._replace(reference=f"{one.reference}x"),
        one._replace(version=one.version + 10),
        one._replace(digest=bytes(31) + b"?"),
    ][part]
    assume(changed not in records)
    others = [*records[:at], changed, *records[at + 1 :]]
    before, after = (release_note(these, failed=False).root(SALT, TX, 0) for these in (records, others))
    assert before != after


def test_a_note_counts_all_records_and_names_the_first() -> None:
    records = [ReleasedRecord(f"Observation/{n:03d}", 2, bytes(32)) for n in range(MOST_NAMED + 5)]
    events = [ReleasedRecord(f"AuditEvent/{n}", 1, bytes(32), named=False) for n in range(3)]
    note = release_note([*events, *records], failed=False)
    assert note.kinds == {"Observation": MOST_NAMED + 5, "AuditEvent": 3}
    assert note.named == tuple(f"Observation/{n:03d}/_history/2" for n in range(MOST_NAMED))


def test_nothing_and_a_failure_are_two_notes() -> None:
    records = [ReleasedRecord("Observation/1", 1, bytes(32))]
    nothing, failed = release_note((), failed=False), release_note(records, failed=True)
    assert not nothing.kinds
    assert not failed.kinds
    assert not failed.named
    assert nothing != failed
