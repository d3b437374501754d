from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.load import (
    Batch,
    ChunkLimits,
    FilePosition,
    LoadFault,
    LoadPlan,
    SourceDocument,
    SourceFile,
    cut,
    find,
    split_chunk,
)
from tests.support.shared_data import SHARED

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
SYNTHEA = SHARED / "synthea-r4"

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}

quick = settings(
    max_examples=round(60 * SCALE), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[str, bytes], Path]]:
    """Writes a file under a fresh folder, so that examples of one test do not see each other's files."""
    count = 0

    def write(name: str, data: bytes) -> Path:
        nonlocal count
        count += 1
        path = tmp_path / f"{count}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write


Positions = dict[str, FilePosition]


def read(plan: LoadPlan, limits: ChunkLimits | None = None) -> Iterator[Batch]:
    """Yield the plan's files in order, cut and taken apart in this process."""
    for chunk in cut(plan, limits):
        yield from split_chunk(chunk, limits)


def batches(
    *paths: Path, limits: ChunkLimits | None = None, positions: Positions | None = None
) -> list[Batch]:
    return list(read(find(paths, positions), limits))


def keep(positions: Positions, *done: Batch) -> None:
    positions.update({batch.fingerprint: batch.end for batch in done})


def documents(found: list[Batch]) -> list[SourceDocument]:
    return [document for batch in found for document in batch.documents]


def faults(found: list[Batch]) -> list[LoadFault]:
    return [fault for batch in found for fault in batch.faults]


def patient(number: int) -> bytes:
    return b'{"resourceType":"Patient","id":"p%d"}' % number


def bundle(kind: str, *entries: dict[str, Any]) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()


# Lines

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)

RESOURCES = st.builds(
    lambda kind, content: json.dumps({**content, "resourceType": kind}).encode(),
    st.sampled_from(["Patient", "Observation", "Condition"]),
    st.dictionaries(
        st.text(max_size=6).filter(lambda key: key not in {"id", "resourceType"}), JSON_VALUES, max_size=3
    ),
)

BROKEN = st.sampled_from(
    [
        b"{",
        b"nonsense",
        b'{"resourceType":"Patient"',
        b'{"resourceType":"Patient"}}',
        b'{"resourceType":"Patient"} {"resourceType":"Patient"}',
        b'{"id":"no-type"}',
        b'{"resourceType":7}',
        b'["Patient"]',
        b"null",
        b'{"resourceType":"Patient","text":"\xff\xfe"}',
        b'{"resourceType":"Patient","n":01}',
        b'{"resourceType":"Patient","n":NaN}',
        b'{"resourceType":"Patient","n":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"resourceType":"Bundle","type":"history","entry":[]}',
        b'{"resourceType":"Bundle"}',
        b'{"resourceType":"Bundle","type":"batch","entry":null}',
    ]
)

BLANK = st.sampled_from([b"", b"  ", b"\t"])


@dataclass(frozen=True)
class Line:
    kind: str
    text: bytes


LINES = st.lists(
    st.one_of(
        RESOURCES.map(lambda text: Line("good", text)),
        BROKEN.map(lambda text: Line("bad", text)),
        BLANK.map(lambda text: Line("blank", text)),
    ),
    max_size=25,
)


@given(
    lines=LINES,
    newline=st.sampled_from([b"\n", b"\r\n"]),
    bom=st.booleans(),
    last=st.booleans(),
    compression=st.sampled_from(sorted(COMPRESS)),
    run=st.integers(1, 6),
)
@quick
def test_every_good_line_arrives_once_and_every_bad_one_is_named(
    place: Callable[[str, bytes], Path],
    lines: list[Line],
    newline: bytes,
    bom: bool,
    last: bool,
    compression: str,
    run: int,
) -> None:
    content = newline.join(line.text for line in lines) + (newline if last else b"")
    data = (b"\xef\xbb\xbf" if bom else b"") + content
    path = place(f"x.ndjson{compression}", COMPRESS[compression](data))
    found = batches(path, limits=ChunkLimits(run_lines=run))
    numbered = list(enumerate(lines, start=1))
    assert [(document.line, document.body) for document in documents(found)] == [
        (n, line.text) for n, line in numbered if line.kind == "good"
    ]
    assert [fault.line for fault in faults(found)] == [n for n, line in numbered if line.kind == "bad"]
    assert [batch.end.finished for batch in found] == [False] * (len(found) - 1) + [True]
    assert all(len(batch.documents) + len(batch.faults) <= run for batch in found)
    assert sum(batch.size for batch in found) == path.stat().st_size


@given(lines=LINES, run=st.integers(1, 4), stops=st.lists(st.integers(0, 4), max_size=6), data=st.data())
@quick
def test_a_load_that_stops_anywhere_goes_on_without_loss_or_repetition(
    place: Callable[[str, bytes], Path], lines: list[Line], run: int, stops: list[int], data: st.DataObject
) -> None:
    compression = data.draw(st.sampled_from(sorted(COMPRESS)))
    text = b"\n".join(line.text for line in lines)
    path = place(f"x.ndjson{compression}", COMPRESS[compression](text))
    positions: Positions = {}
    seen: list[SourceDocument] = []
    named: list[LoadFault] = []
    for stop in [*stops, len(lines) + 1]:
        for n, batch in enumerate(read(find([path], positions), ChunkLimits(run_lines=run))):
            if n >= stop:
                break
            seen += batch.documents
            named += batch.faults
            keep(positions, batch)
    assert [document.body for document in seen] == [line.text for line in lines if line.kind == "good"]
    assert [fault.line for fault in named] == [n for n, line in enumerate(lines, 1) if line.kind == "bad"]
    assert find([path], positions).done == 1


@given(resource=RESOURCES, at=st.integers(0), byte=st.integers(0, 255))
@quick
def test_what_the_standard_library_refuses_is_refused(
    place: Callable[[str, bytes], Path], resource: bytes, at: int, byte: int
) -> None:
    changed = bytearray(resource)
    changed[at % len(changed)] = byte
    found = batches(place("x.json", bytes(changed)))
    assert len(documents(found)) + len(faults(found)) == 1
    try:
        json.loads(bytes(changed).decode())
    except ValueError:
        assert faults(found)


@pytest.mark.parametrize("compression", sorted(COMPRESS))
def test_of_a_torn_file_the_lines_before_the_tear_arrive(
    place: Callable[[str, bytes], Path], compression: str
) -> None:
    # Random ids make the data hard to compress, so that there is something in every part of the file.
    lines = [b'{"resourceType":"Patient","id":"%s"}' % os.urandom(8).hex().encode() for _ in range(2000)]
    whole = COMPRESS[compression](b"\n".join(lines) + b"\n")
    most = 0
    for end in range(0, len(whole), max(1, round(len(whole) / (40 * SCALE)))):
        found = batches(place(f"x.ndjson{compression}", whole[:end]))
        bodies = [document.body for document in documents(found)]
        assert bodies == lines[: len(bodies)]
        if compression and end:
            assert [fault.line for fault in faults(found)] == [len(bodies) + 1]
            assert "compressed" in faults(found)[0].reason
            assert not found[-1].end.finished
        most = max(most, len(bodies))
    # bzip2 compresses these lines as one block, and half a block is nothing.
    assert most > 1500 or compression == ".bz2"


def test_a_torn_file_is_tried_again_from_the_tear(place: Callable[[str, bytes], Path]) -> None:
    whole = gzip.compress(b"\n".join(patient(n) for n in range(5000)))
    path = place("x.ndjson.gz", whole[: len(whole) // 2])
    positions: Positions = {}
    first = batches(path, positions=positions)
    keep(positions, *first)
    second = batches(path, positions=positions)
    assert not documents(second)
    assert faults(second) == faults(first)
    assert len(documents(first)) > 500


@pytest.mark.parametrize("name", ["x.ndjson.gz", "x.ndjson.bz2", "x.ndjson.xz", "x.json.gz"])
def test_a_file_that_is_not_compressed_as_it_says_is_a_fault(
    place: Callable[[str, bytes], Path], name: str
) -> None:
    (batch,) = batches(place(name, patient(1) + b"\n"))
    assert not batch.documents
    assert "compressed" in batch.faults[0].reason


def test_a_byte_order_mark_belongs_at_the_start_alone(place: Callable[[str, bytes], Path]) -> None:
    marked = b"\xef\xbb\xbf" + patient(1)
    found = batches(place("x.ndjson", b"\n".join([marked, marked])))
    assert [document.line for document in documents(found)] == [1]
    assert [fault.line for fault in faults(found)] == [2]


def test_a_line_over_the_limit_is_named_and_the_next_arrives(place: Callable[[str, bytes], Path]) -> None:
    long = b'{"resourceType":"Patient","text":"' + b"x" * 5000 + b'"}'
    path = place("x.ndjson", b"\n".join([patient(1), long, patient(2), long]))
    for most, bad in ((4999, [2, 4]), (len(long) - 1, [2, 4]), (len(long), [])):
        found = batches(path, limits=ChunkLimits(line=most))
        assert [fault.line for fault in faults(found)] == bad
        assert [document.line for document in documents(found)] == [n for n in (1, 2, 3, 4) if n not in bad]
        assert found[-1].end == FilePosition(4, path.stat().st_size, finished=True)


def test_a_document_over_the_limit_is_named(place: Callable[[str, bytes], Path]) -> None:
    path = place("x.json.gz", gzip.compress(b" " * (1 << 24)))
    (batch,) = batches(path, limits=ChunkLimits(document=1 << 20))
    assert batch.faults[0].reason == "more than 1048576 bytes in one document"
    assert batch.end == FilePosition()


def test_memory_stays_bounded_however_long_the_file(place: Callable[[str, bytes], Path]) -> None:
    line = b'{"resourceType":"Observation","note":"' + b"x" * 2000 + b'"}\n'
    many = round(20_000 * SCALE)
    path = place("x.ndjson.gz", gzip.compress(line * many, 1))
    plan = find([path])
    tracemalloc.start()
    try:
        assert sum(len(batch.documents) for batch in read(plan, ChunkLimits(run_lines=100))) == many
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


# Documents and Bundles


def test_a_resource_keeps_the_bytes_it_came_as(place: Callable[[str, bytes], Path]) -> None:
    text = '{ "resourceType" : "Observation",\r\n "valueQuantity": {"value": 1.00}, "note": "é" }\n'.encode()
    (batch,) = batches(place("x.json", b"\xef\xbb\xbf" + text))
    assert batch.documents[0].body == text
    assert (batch.bundle, batch.documents[0].type, batch.documents[0].id) == (None, "Observation", None)
    assert batch.end.finished


def test_entries_carry_their_bytes_their_place_and_their_request(place: Callable[[str, bytes], Path]) -> None:
    text = b"""{"resourceType": "Bundle", "type": "transaction", "entry": [
      {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient",  "id": "1", "x": 1.0 },
       "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=a|b"}},
      {"request": {"method": "DELETE", "url": "Observation/7"}},
      {"request": {"method": "DELETE", "url": "Observation?code=1"}}]}"""
    path = place("x.json", text)
    (batch,) = batches(path)
    first, by_id, by_search = batch.documents
    assert batch.bundle == "transaction"
    assert first.body == b'{"resourceType": "Patient",  "id": "1", "x": 1.0 }'
    assert (first.source, first.line, first.entry, first.full_url) == (path, None, 0, "urn:uuid:1")
    assert first.request is not None
    assert (first.request.method, first.request.if_none_exist) == ("POST", "identifier=a|b")
    assert (by_id.type, by_id.body, by_id.entry) == ("Observation", b"", 1)
    assert by_search.type == "Observation"


GOOD = {"resource": {"resourceType": "Patient", "id": "a"}, "request": {"method": "PUT", "url": "Patient/a"}}
BAD = {"resource": {"id": "no-type"}, "request": {"method": "PUT", "url": "Patient/b"}}


def test_a_transaction_with_a_bad_entry_gives_nothing(place: Callable[[str, bytes], Path]) -> None:
    (batch,) = batches(place("x.json", bundle("transaction", GOOD, BAD, GOOD)))
    assert not batch.documents
    assert [fault.entry for fault in batch.faults] == [1]
    assert not batch.end.finished


@pytest.mark.parametrize("kind", ["batch", "collection", "searchset"])
def test_other_bundles_give_their_good_entries(place: Callable[[str, bytes], Path], kind: str) -> None:
    empty = {"fullUrl": "urn:uuid:1"}
    read_only = {**GOOD, "request": {"method": "GET", "url": "Patient/a"}}
    (batch,) = batches(place("x.json", bundle(kind, GOOD, BAD, empty, read_only, GOOD)))
    assert [document.entry for document in batch.documents] == [0, 4]
    assert [fault.entry for fault in batch.faults] == [1, 2, 3]
    assert [fault.reason for fault in batch.faults][1:] == [
        "the entry has no resource",
        "the request's method is none of POST, PUT, PATCH and DELETE",
    ]
    assert batch.end.finished


def test_the_servers_remarks_in_a_searchset_are_not_records(place: Callable[[str, bytes], Path]) -> None:
    remark = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    match = {"resource": {"resourceType": "Patient"}, "search": {"mode": "match"}}
    (batch,) = batches(place("x.json", bundle("searchset", match, remark)))
    assert [document.type for document in batch.documents] == ["Patient"]
    assert not batch.faults


@pytest.mark.parametrize("kind", ["document", "message"])
def test_documents_and_messages_stay_whole(place: Callable[[str, bytes], Path], kind: str) -> None:
    body = bundle(kind, {"resource": {"resourceType": "Composition"}})
    (batch,) = batches(place("x.json", body))
    assert [(document.type, document.body) for document in batch.documents] == [("Bundle", body)]
    assert batch.bundle is None


@pytest.mark.parametrize("kind", ["history", "transaction-response", "batch-response", "invented"])
def test_bundles_that_hold_no_records_are_faults(place: Callable[[str, bytes], Path], kind: str) -> None:
    (batch,) = batches(place("x.json", bundle(kind, GOOD)))
    assert not batch.documents
    assert len(batch.faults) == 1


def test_a_bundle_on_a_line_is_a_unit_of_its_own(place: Callable[[str, bytes], Path]) -> None:
    lines = [patient(1), patient(2), bundle("transaction", GOOD, GOOD), patient(3), bundle("batch")]
    found = batches(place("x.ndjson", b"\n".join(lines)))
    assert [(batch.bundle, len(batch.documents), batch.end.lines) for batch in found] == [
        (None, 2, 2),
        ("transaction", 2, 3),
        (None, 1, 4),
        ("batch", 0, 5),
        (None, 0, 5),
    ]
    assert [document.line for document in found[1].documents] == [3, 3]


@pytest.mark.parametrize("data", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_an_empty_document_is_a_fault(place: Callable[[str, bytes], Path], data: bytes) -> None:
    (batch,) = batches(place("x.json", data))
    assert batch.faults[0].reason == "the file is empty"


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_export_is_none(place: Callable[[str, bytes], Path], data: bytes) -> None:
    (batch,) = batches(place("x.ndjson", data))
    assert (batch.documents, batch.faults, batch.end.finished) == ((), (), True)


@pytest.mark.parametrize(
    "data",
    [
        b'{"resourceType":"Patient","name":"Meier" "x"}',
        b'{"resourceType":"Patient","id":{"Meier":1}}',
        b'{"resourceType":["Meier"]}',
        b'{"resourceType":"Bundle","type":"Meier"}',
        b'{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":["Meier"]},"Meier",{"request":"Meier"}]}',
        b'{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"Meier","url":""}}]}',
        '{"resourceType":"Patient","name":"Meier"}'.encode("utf-16"),
    ],
)
def test_reasons_never_quote_content(place: Callable[[str, bytes], Path], data: bytes) -> None:
    found = faults(batches(place("x.json", data)))
    assert found
    assert all("Meier" not in fault.reason for fault in found)


def test_a_fault_reads_as_a_place_and_a_reason() -> None:
    assert str(LoadFault(Path("a.ndjson"), 7, "not UTF-8 (byte 3)")) == "a.ndjson:7: not UTF-8 (byte 3)"
    assert str(LoadFault(Path("a.json"), None, "the entry has no resource", 2)).startswith("a.json entry 2: ")


# Finding files


def test_what_others_refer_to_is_read_first(tmp_path: Path) -> None:
    def entry(kind: str) -> dict[str, Any]:
        return {"resource": {"resourceType": kind}, "request": {"method": "POST", "url": kind}}

    (tmp_path / "a-record.json").write_bytes(bundle("transaction", entry("Patient"), entry("Observation")))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(b'{"resourceType":"Encounter"}\n'))
    (tmp_path / "c.ndjson").write_bytes(b'{ "resourceType" : "Patient"}\n')
    (tmp_path / "d.json").write_bytes(bundle("batch", entry("Practitioner"), entry("PractitionerRole")))
    (tmp_path / "e.json").write_bytes(bundle("batch", entry("Location"), entry("Organization")))
    (tmp_path / "f.json").write_bytes(b'{"resourceType":"Provenance"}')
    (tmp_path / "g.json.xz").write_bytes(b"damaged")
    plan = find([tmp_path])
    assert "".join(file.path.name[0] for file in plan.files) == "edcbagf"


def test_folders_are_searched_and_other_kinds_passed_over(tmp_path: Path) -> None:
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for path in (
        "a.json",
        "b.JSON.GZ",
        "c.jsonl.xz",
        "one/two/d.ndjson.bz2",
        "readme.md",
        "data.csv",
        ".e.json",
    ):
        (tmp_path / path).write_bytes(b"")
    (tmp_path / ".hidden" / "f.json").write_bytes(b"")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere.json")
    (tmp_path / "again.json").symlink_to(tmp_path / "a.json")
    (inner / "loop").symlink_to(tmp_path)
    (tmp_path / "folder.json").mkdir()
    plan = find([tmp_path, tmp_path / "one", inner / "d.ndjson.bz2"])
    assert sorted(file.path.name for file in plan.files) == [
        "a.json",
        "b.JSON.GZ",
        "c.jsonl.xz",
        "d.ndjson.bz2",
    ]
    assert not plan.faults
    assert {file.path.name: file.lines for file in plan.files}["c.jsonl.xz"]


def test_a_named_file_of_another_kind_or_none_is_a_fault(tmp_path: Path) -> None:
    other = tmp_path / "records.csv"
    other.write_bytes(b"")
    plan = find([other, tmp_path / "nowhere"])
    assert [fault.source for fault in plan.faults] == [other, tmp_path / "nowhere"]
    assert plan.files == ()


def test_a_file_that_goes_away_before_its_turn_is_a_fault(place: Callable[[str, bytes], Path]) -> None:
    first, second = place("a.json", patient(1)), place("b.json", patient(2))
    plan = find([first, second])
    first.unlink()
    found = list(read(plan))
    assert [fault.reason for fault in faults(found)] == ["no such file or directory"]
    assert [document.id for document in documents(found)] == ["p2"]


# Positions


def test_a_changed_file_is_read_from_its_start(place: Callable[[str, bytes], Path]) -> None:
    path = place("x.ndjson", patient(1) + b"\n")
    positions: Positions = {}
    keep(positions, *batches(path))
    assert not batches(path, positions=positions)
    path.write_bytes(patient(1) + b"\n" + patient(2) + b"\n")
    assert len(documents(batches(path, positions=positions))) == 2


def test_a_plan_counts_what_remains(place: Callable[[str, bytes], Path]) -> None:
    first, second = place("a.json", patient(1)), place("b.json", patient(22))
    positions: Positions = {}
    keep(positions, batches(first)[0])
    plan = find([first, second], positions)
    assert (plan.done, plan.size) == (1, len(patient(22)))
    assert isinstance(plan, LoadPlan)
    assert isinstance(plan.files[0], SourceFile)


# Real exports


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="no Synthea export under CONSENTRY_SHARED or ../shared/data")
def test_a_synthea_export_reads_whole_and_in_order() -> None:
    plan = find([SYNTHEA])
    names = [file.path.name for file in plan.files]
    assert names[0].startswith("0-hospital")
    assert names[1].startswith("0-practitioner")
    some = LoadPlan(plan.files if SCALE > 1 else plan.files[:6], (), 0)
    brought: set[str] = set()
    for batch in read(some):
        assert not batch.faults
        assert batch.end.finished
        assert {document.full_url for document in batch.documents} == {
            f"urn:uuid:{document.id}" for document in batch.documents
        }
        if batch.bundle == "transaction":
            assert {"Practitioner", "Organization"} <= brought
        brought |= {document.type for document in batch.documents}
        assert all(json.loads(document.body)["resourceType"] == document.type for document in batch.documents)
