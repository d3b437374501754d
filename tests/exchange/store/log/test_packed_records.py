"""Records of the log come back as they are on the ledger, and their rows are found through indexes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.access.model import LogEntryValue, ScoreResult
from chaincode.encoding import encode
from exchange.runtime.packed_rows import pack
from exchange.store.engine.database import Database
from exchange.store.log import log_tables, log_terms
from exchange.store.log.log_tables import AnyOf, EntryRow, Filter
from exchange.store.log.packed_records import BESIDE, pack_record, unpack_record
from exchange.store.migrations.create import create_log

DIGITS = st.integers(0, 2**64 - 1).flatmap(lambda n: st.sampled_from([f"{n:016x}", f"{n:017x}", f"{n:064x}"]))
WORDS = st.sampled_from(["", "TREAT", "0a1b", "A" * 32, "é", "sct|1"]) | DIGITS
NUMBERS = st.integers(0, 2**53)
RESULTS = st.builds(ScoreResult, tx=DIGITS, time=NUMBERS, n=NUMBERS, input=WORDS, output=DIGITS)
ENTRIES = st.builds(
    LogEntryValue,
    **dict.fromkeys(
        ("pair", "custodian", "recipient", "purpose", "action", "user", "digest", "evidence"), WORDS
    ),
    outcome=st.sampled_from(["permit", "deny"]),
    reason=WORDS,
    role=WORDS,
    classes=st.lists(WORDS, max_size=3).map(tuple),
    basis=WORDS,
    basis_version=NUMBERS,
    epoch=NUMBERS,
    model=WORDS,
    result=st.none() | RESULTS,
    root=WORDS,
    count=NUMBERS,
)


def beside(entry: LogEntryValue) -> list[str]:
    return [getattr(entry, name) for name in BESIDE]


@settings(deadline=None)
@given(ENTRIES)
def test_a_record_comes_back_byte_for_byte_and_is_no_longer(entry: LogEntryValue) -> None:
    record = encode(entry)
    stored = pack_record(record, beside(entry))
    assert unpack_record(stored, beside(entry)) == record
    assert unpack_record(memoryview(stored), beside(entry)) == record
    assert len(stored) < len(record)
    assert unpack_record(pack(record), beside(entry)) == record  # of a release before


@settings(deadline=None)
@given(ENTRIES, st.binary() | st.sampled_from([b"{}", b'{"action":"read"}', b"\3", b"\3\x90"]))
def test_bytes_that_are_no_record_of_this_release_are_kept(entry: LogEntryValue, record: bytes) -> None:
    if not record.startswith((b"\0", b"\1", b"\2", b"\3")):
        assert unpack_record(pack_record(record, beside(entry)), beside(entry)) == record
    later = encode(msgspec.json.decode(encode(entry)) | {"later": 1})
    for other in (later, b" " + encode(entry), encode(entry) + b"\n"):
        assert unpack_record(pack_record(other, beside(entry)), beside(entry)) == other


@settings(deadline=None)
@given(ENTRIES, ENTRIES, st.data())
def test_a_changed_row_is_another_record_or_none(
    entry: LogEntryValue, other: LogEntryValue, data: st.DataObject
) -> None:
    record, columns = encode(entry), beside(entry)
    stored = bytearray(pack_record(record, columns))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    unpack_record(bytes(stored), columns)  # any bytes, and no error
    if beside(other) != columns:
        assert unpack_record(pack_record(record, columns), beside(other)) != record


def test_a_record_is_half_as_long() -> None:
    entry = LogEntryValue(
        "7f" * 16, "CityMSP", "LakeMSP", "TREAT", "read", "5d" * 16, "0b" * 32, "1c" * 32, "permit",
        "consent", classes=("Observation",), basis="2a" * 16, basis_version=1_822_396, epoch=1,
    )  # fmt: skip
    assert len(pack_record(encode(entry), beside(entry))) < 120


@pytest.fixture
def log(tmp_path: Path) -> Any:
    database = Database(tmp_path / "log.db", log_tables.metadata, durable=False, begin=create_log)
    rows = [
        EntryRow(
            f"{n:064x}", 0, n, n, f"{n % 7:032x}", "c", "r", "u", "read", "TREAT", "deny", encode({"n": n})
        )
        for n in range(500)
    ]
    with database.engine.begin() as connection:
        log_tables.project(connection, rows, 500, 0)
        log_tables.add_details(connection, [(row.tx, 0, bytes(16), False, b"s") for row in rows])
        connection.exec_driver_sql("ANALYZE")
    yield database
    database.close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: log_tables.list_entries(c, Filter(tx_start=f"{7:064x}"[:12], n=0), before=None, limit=1),
        lambda c: log_tables.list_entries(
            c, Filter(conditions=[AnyOf({"tx": [f"{7:064x}"]})]), before=None, limit=1
        ),
        lambda c: log_tables.set_releases(c, [log_tables.ReleaseRow(f"{7:064x}", 0, b"r", is_late=True)]),
        lambda c: log_tables.add_details(c, [(f"{7:064x}", 0, bytes(16), False, b"t")]),
        lambda c: log_tables.unexplained(c, "c", after=3),
        lambda c: log_terms.unread(c, 400, 10),
        lambda c: log_tables.list_entries(c, Filter(), before=None, limit=1_000),
    ],
)
def test_rows_of_one_entry_are_found_through_the_index(log: Database, ask: Any) -> None:
    """Only an expression in the index's own words is looked up there."""
    plans = []
    with log.engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        said: list[str] = []
        driver.set_trace_callback(said.append)
        ask(connection)
        driver.set_trace_callback(None)
        for statement in said:
            if re.match("SELECT|UPDATE|INSERT", statement):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}".replace("%", "%%"))
                plans += [row[3] for row in rows]
    assert not any(re.search(r"SCAN details\b(?!.*USING INDEX)|AUTOMATIC", plan) for plan in plans), plans
