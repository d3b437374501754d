from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.demo.consortium import LAKE, permit_consent, settings_for
from exchange.errors import GoneError, NotFoundError, UnavailableError
from exchange.load import Chunk, FilePosition, cut, find
from exchange.load.load import BulkLoad
from exchange.load.ordered_queue import LoadedBatch, OrderedQueue, Slot
from exchange.load.worker import PreparedBatch
from exchange.node.checks import check_node
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.open import Node, open_node
from exchange.runtime.quota import Reservation, UnboundedQuota
from exchange.store.records import load_positions
from exchange.verify.release_checks import LogGaps

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    folder = NodeFolder(tmp_path / "node")
    await initialise(folder, settings_for(8400))
    async with open_node(folder) as node:
        yield node


@asynccontextmanager
async def loading(node: Node, workers: int = 2, *, same_ids: bool = False) -> AsyncIterator[BulkLoad]:
    async with BulkLoad(
        msp_id=node.settings.msp_id,
        indexer=node.indexer,
        writing=node.gateway.writing,
        conditions=node.gateway.conditions,
        records=node.records,
        workers=workers,
        same_ids=same_ids,
    ) as ingest:
        yield ingest


async def load(node: Node, *paths: Path, again: bool = True, same_ids: bool = False) -> list[LoadedBatch]:
    """Load `paths`: all of them `again`, or from where the load before left them."""
    async with loading(node, same_ids=same_ids) as ingest:
        plan = find(paths, None if again else await ingest.positions())
        return [batch async for batches in ingest.load(cut(plan)) for batch in batches]


async def stored(node: Node, resource_type: str, logical_id: str) -> dict[str, Any]:
    with Reservation(UnboundedQuota("test")):
        released = await node.gateway.reading.read(node.system("test"), resource_type, logical_id)
    found: dict[str, Any] = json.loads(released.body)
    return found


def counts(loads: Iterable[LoadedBatch]) -> tuple[int, int, int]:
    batches = list(loads)
    return (
        sum(batch.stored for batch in batches),
        sum(batch.unchanged for batch in batches),
        sum(len(batch.faults) for batch in batches),
    )


def patient(logical_id: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": logical_id, **more}


def place(logical_id: str) -> dict[str, Any]:
    """Return a record without a patient: there is no key to make for it, and no pair to open."""
    return {"resourceType": "Location", "id": logical_id}


def lines(path: Path, *resources: dict[str, Any] | str) -> Path:
    texts = [one if isinstance(one, str) else json.dumps(one) for one in resources]
    path.write_text("\n".join(texts))
    return path


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def put(resource: dict[str, Any], full_url: str = "") -> dict[str, Any]:
    name = resource["resourceType"]
    request = {"method": "PUT", "url": f"{name}/{resource['id']}"}
    return {"resource": resource, "request": request} | ({"fullUrl": full_url} if full_url else {})


def delete(url: str) -> dict[str, Any]:
    return {"request": {"method": "DELETE", "url": url}}


async def test_what_is_broken_is_named_and_the_rest_is_loaded(node: Node, tmp_path: Path) -> None:
    lines(tmp_path / "a.ndjson", patient("a1"), '{"resourceType":"Patient",', patient("a2", gender="no"))
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.json").write_text(json.dumps(bundle("batch", put(patient("c1")), put(patient("_")))))
    loads = await load(node, tmp_path / "a.ndjson", tmp_path / "b.json", tmp_path / "c.json")
    assert counts(loads) == (2, 0, 4)
    told = sorted(str(fault).removeprefix(f"{tmp_path}/") for batch in loads for fault in batch.faults)
    assert [text.partition(": ")[0] for text in told] == [
        "a.ndjson:2",
        "a.ndjson:3",
        "b.json",
        "c.json entry 1",
    ]
    assert "Patient.gender: not a code" in told[1]
    assert [(await stored(node, "Patient", name))["id"] for name in ("a1", "c1")] == ["a1", "c1"]


async def test_of_a_record_that_comes_again_the_last_one_stands(node: Node, tmp_path: Path) -> None:
    for number in range(6):
        lines(
            tmp_path / f"{number}.ndjson",
            patient("p", birthDate=f"200{number}-01-01"),
            *(place(f"q{number}-{n}") for n in range(60 - 10 * number)),
            patient("p", birthDate=f"200{number}-02-02"),
        )
    loads = await load(node, tmp_path)
    assert counts(loads) == (12 + 210, 0, 0)
    current = await stored(node, "Patient", "p")
    assert (current["birthDate"], current["meta"]["versionId"]) == ("2005-02-02", "12")


async def test_loading_again_changes_nothing(node: Node, tmp_path: Path) -> None:
    nameless = {"resourceType": "Patient", "gender": "female"}
    entries = bundle("collection", {"resource": nameless}, {"resource": nameless})
    (tmp_path / "c.json").write_text(json.dumps(entries))
    lines(tmp_path / "a.ndjson", nameless, patient("b"))
    assert counts(await load(node, tmp_path)) == (4, 0, 0)
    assert counts(await load(node, tmp_path)) == (0, 4, 0)


async def test_a_load_that_was_stopped_goes_on_where_it_ended(node: Node, tmp_path: Path) -> None:
    source = tmp_path / "export"
    source.mkdir()
    for number in range(60):
        lines(source / f"{number:02}.ndjson", *(place(f"p{number}-{n}") for n in range(25)))
    first = 0
    async with loading(node) as ingest, aclosing(ingest.load(cut(find([source])))) as loads:
        async for batches in loads:
            first += counts(batches)[0]
            break
    assert 0 < first < 1500
    assert counts(await load(node, source, again=False)) == (1500 - first, 0, 0)
    assert await load(node, source, again=False) == []


async def test_records_and_how_far_their_file_is_done_are_written_together_or_not_at_all(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines(tmp_path / "a.ndjson", place("l1"), place("l1"), place("l2"))

    def fail(*_: object) -> NoReturn:
        raise UnavailableError("the disk is full")

    with monkeypatch.context() as failing:
        failing.setattr(load_positions, "put_positions", fail)
        with pytest.raises(UnavailableError, match="disk is full"):
            await load(node, tmp_path)
    async with loading(node) as ingest:
        assert await ingest.positions() == {}
    with pytest.raises(NotFoundError):
        await stored(node, "Location", "l2")
    # A record that comes twice in a file takes two commits; the position stands in the last.
    assert counts(await load(node, tmp_path, again=False))[2] == 0
    assert (await stored(node, "Location", "l2"))["id"] == "l2"
    assert await load(node, tmp_path, again=False) == []


async def test_a_batch_of_which_the_store_refuses_a_part_is_done_with(node: Node, tmp_path: Path) -> None:
    refused = bundle("batch", put(place("a")), delete("Location/a"), put(place("b")))
    (tmp_path / "x.json").write_text(json.dumps(refused))
    (tmp_path / "y.json").write_text("{")
    await load(node, tmp_path)
    (left,) = await load(node, tmp_path, again=False)  # the file that could not be read is tried again
    assert [str(fault.source) for fault in left.faults] == [str(tmp_path / "y.json")]


async def test_no_position_names_a_file(node: Node, tmp_path: Path) -> None:
    lines(tmp_path / "Meier_Anna.ndjson", place("l"))
    await load(node, tmp_path)
    async with loading(node) as ingest:
        (name,) = await ingest.positions()
    assert len(name) == 32
    assert "Meier" not in name


async def keep_killing(ingest: BulkLoad) -> None:
    """Kill the workers until one was at work: one that is idle is replaced without a word."""
    while True:
        for conversation in list(ingest._processes._all):
            conversation.process.kill()
        await asyncio.sleep(0.001)


async def test_a_worker_that_dies_ends_the_load_and_not_the_next(node: Node, tmp_path: Path) -> None:
    for number in range(150):  # more than are ever read ahead
        lines(tmp_path / f"{number:03}.ndjson", *(place(f"p{number}-{n}") for n in range(20)))
    before = 0
    async with loading(node) as ingest:
        loads = ingest.load(cut(find([tmp_path])))
        before += counts(await anext(loads))[0]
        killing = asyncio.create_task(keep_killing(ingest))
        with pytest.raises(UnavailableError, match="worker process died"):
            before += sum([counts(batches)[0] async for batches in loads])
        killing.cancel()
        assert 0 < before < 3000
        again = [batch async for batches in ingest.load(cut(find([tmp_path]))) for batch in batches]
    done, unchanged, faults = counts(again)
    assert (done + unchanged, faults) == (3000, 0)
    assert unchanged >= before


async def test_a_load_that_is_left_ends_at_once(node: Node, tmp_path: Path) -> None:
    for number in range(30):
        lines(tmp_path / f"{number:02}.ndjson", *(place(f"p{number}-{n}") for n in range(100)))
    async with loading(node, workers=1) as ingest:
        async with aclosing(ingest.load(cut(find([tmp_path])))) as loads:
            await anext(loads)
        left = [task for task in asyncio.all_tasks() if "BulkLoad" in repr(task.get_coro())]
        assert not left
        assert (
            counts([u async for us in ingest.load(cut(find([tmp_path / "29.ndjson"]))) for u in us])[2] == 0
        )


async def test_a_transaction_is_loaded_wholly_or_not_at_all(node: Node, tmp_path: Path) -> None:
    good, bad = put(patient("t1")), put(patient("t2", gender="perhaps"))
    (tmp_path / "a.json").write_text(json.dumps(bundle("transaction", good, bad)))
    (tmp_path / "b.json").write_text(json.dumps(bundle("batch", put(patient("t3")), bad)))
    loads = await load(node, tmp_path)
    assert counts(loads) == (1, 0, 2)
    assert (await stored(node, "Patient", "t3"))["id"] == "t3"
    with pytest.raises(NotFoundError):
        await stored(node, "Patient", "t1")


async def test_references_within_a_bundle_become_ids(node: Node, tmp_path: Path) -> None:
    person, visit = (
        "urn:uuid:0c2f9d24-66c5-4b0a-8e3f-6a6d7b1f2c01",
        "urn:uuid:0c2f9d24-66c5-4b0a-8e3f-6a6d7b1f2c02",
    )
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": person}}
    condition["evidence"] = [{"detail": [{"reference": visit}]}]
    entries = bundle("transaction", put(patient("u1"), person), put(condition))
    (tmp_path / "a.json").write_text(json.dumps(entries))
    assert counts(await load(node, tmp_path)) == (2, 0, 0)
    kept = await stored(node, "Condition", "c")
    assert kept["subject"] == {"reference": "Patient/u1"}
    assert kept["evidence"] == [{"detail": [{"reference": visit}]}]  # no entry has this fullUrl


PRACTITIONER = {
    "resourceType": "Practitioner",
    "id": "doc",
    "identifier": [{"system": "urn:test", "value": "77"}],
}


def seen_by(logical_id: str, value: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": logical_id,
        "generalPractitioner": [{"reference": f"Practitioner?identifier=urn:test|{value}"}],
    }


async def test_conditional_references_find_what_comes_before_in_other_files(
    node: Node, tmp_path: Path
) -> None:
    (tmp_path / "0-practitioners.json").write_text(json.dumps(bundle("batch", put(PRACTITIONER))))
    for number in range(5):
        (tmp_path / f"{number}.json").write_text(
            json.dumps(bundle("transaction", put(seen_by(f"s{number}", "77"))))
        )
    assert counts(await load(node, tmp_path)) == (6, 0, 0)
    for number in range(5):
        kept = await stored(node, "Patient", f"s{number}")
        assert kept["generalPractitioner"] == [{"reference": "Practitioner/doc"}]


async def test_records_that_conditional_references_find_count_as_not_released(tmp_path: Path) -> None:
    lines(tmp_path / "a.ndjson", bundle("batch", put(PRACTITIONER)), bundle("batch", put(seen_by("s", "77"))))
    folder = NodeFolder(tmp_path / "node")
    await initialise(folder, settings_for(8400))
    async with open_node(folder) as node:
        assert counts(await load(node, tmp_path / "a.ndjson")) == (2, 0, 0)
    checked = await asyncio.to_thread(check_node, folder, lambda *_: None)
    assert checked.gaps == LogGaps(nameless=0, not_noted=0)


async def test_conditional_references_find_what_comes_before_in_the_same_file(
    node: Node, tmp_path: Path
) -> None:
    lines(
        tmp_path / "all.ndjson",
        bundle("batch", put(PRACTITIONER)),
        bundle("transaction", put(seen_by("s", "77"))),
        bundle("batch", put(seen_by("n", "78")), put(patient("m"))),
    )
    loads = await load(node, tmp_path)
    assert counts(loads) == (3, 0, 1)
    (fault,) = [fault for batch in loads for fault in batch.faults]
    assert (fault.line, fault.entry) == (3, 0)
    assert "conditional reference matches no record" in fault.reason
    kept = await stored(node, "Patient", "s")
    assert kept["generalPractitioner"] == [{"reference": "Practitioner/doc"}]


async def test_deletions_delete_and_are_unchanged_the_second_time(node: Node, tmp_path: Path) -> None:
    lines(tmp_path / "a.ndjson", patient("gone"), patient("b"))
    assert counts(await load(node, tmp_path / "a.ndjson")) == (2, 0, 0)
    deleting = bundle("batch", delete("Patient/gone"), delete("Patient/never"), put(patient("kept")))
    (tmp_path / "d.json").write_text(json.dumps(deleting))
    assert counts(await load(node, tmp_path / "d.json")) == (2, 1, 0)
    with pytest.raises(GoneError):
        await stored(node, "Patient", "gone")
    assert counts(await load(node, tmp_path / "d.json")) == (0, 3, 0)


async def test_only_deletions_of_one_record_that_is_no_consent_are_taken(node: Node, tmp_path: Path) -> None:
    lines(tmp_path / "a.ndjson", patient("b"))
    await load(node, tmp_path / "a.ndjson")
    urls = ["Patient?identifier=a/b", "Patient", "Consent/x", "Patient/b/_history/1"]
    (tmp_path / "d.json").write_text(json.dumps(bundle("batch", *map(delete, urls))))
    assert counts(await load(node, tmp_path / "d.json")) == (0, 0, 4)
    assert (await stored(node, "Patient", "b"))["id"] == "b"


async def test_a_name_that_is_there_twice_is_refused_with_and_without_an_id(
    node: Node, tmp_path: Path
) -> None:
    twice = '"gender":"male","gender":"female"}'
    lines(
        tmp_path / "a.ndjson",
        '{"resourceType":"Patient",' + twice,
        '{"resourceType":"Patient","id":"x",' + twice,
        '{"resourceType":"Patient","id":null,"gender":"male"}',
        '{"resourceType":"Basic"}',
    )
    loads = await load(node, tmp_path)
    assert counts(loads)[0] == 0
    assert sorted(fault.line or 0 for batch in loads for fault in batch.faults) == [1, 2, 3, 4]


async def test_what_the_store_refuses_is_named_and_the_rest_is_loaded(node: Node, tmp_path: Path) -> None:
    lines(tmp_path / "0.ndjson", patient("one"), patient("two"))
    await load(node, tmp_path / "0.ndjson")
    consent = permit_consent("one", LAKE) | {"id": "shared"}
    stolen = permit_consent("two", LAKE) | {"id": "shared"}
    lines(tmp_path / "1.ndjson", consent)
    lines(tmp_path / "2.ndjson", patient("three"), stolen, patient("four"))
    lines(tmp_path / "3.ndjson", patient("five"))
    loads = await load(node, tmp_path / "1.ndjson", tmp_path / "2.ndjson", tmp_path / "3.ndjson")
    assert counts(loads)[2] == 1
    (fault,) = [fault for batch in loads for fault in batch.faults]
    assert (fault.source.name, fault.line) == ("2.ndjson", 2)
    for name in ("three", "four", "five"):
        assert (await stored(node, "Patient", name))["id"] == name
    kept = await stored(node, "Consent", "shared")
    assert kept["patient"] == {"reference": "Patient/one"}


async def test_what_a_consent_does_beyond_its_words_is_told_with_its_place(
    node: Node, tmp_path: Path
) -> None:
    consent = permit_consent("one", LAKE) | {"id": "everybody"}
    consent["provision"] = {"type": "deny"}
    lines(tmp_path / "a.ndjson", patient("one"), consent)
    loads = await load(node, tmp_path)
    assert counts(loads)[2] == 0
    told = [notice for batch in loads for notice in batch.notices]
    assert {(one.source.name, one.line) for one in told} == {("a.ndjson", 2)}
    assert any("denies everybody" in one.reason for one in told)


async def test_small_files_share_commits(node: Node, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:03}.json").write_text(json.dumps(place(f"f{number}")))
    async with loading(node) as ingest:
        commits = [len(batches) async for batches in ingest.load(cut(find([tmp_path])))]
    assert sum(commits) == 100
    assert len(commits) < 60


# The line


def chunk(number: int) -> Chunk:
    at = FilePosition()
    return Chunk(Path(f"{number}"), f"{number}", at, at, 1, b"")


def ready(number: int) -> PreparedBatch:
    return PreparedBatch(None, FilePosition(lines=number), 0, (), [])


@given(
    batches=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    fails=st.integers(-1, 5),
)
@settings(max_examples=round(200 * SCALE), deadline=None)
def test_batches_leave_the_queue_in_order_whatever_is_read_first(
    batches: list[int], order: Any, fails: int
) -> None:
    queue = OrderedQueue()
    slots = [queue.enter(chunk(number)) for number in range(len(batches))]
    queue.close()
    left = [list(range(count)) for count in batches]
    open_slots = set(range(len(batches)))
    seen: list[tuple[str, int]] = []
    failed = False
    while not queue.ended and not failed:
        if open_slots:
            _step(queue, slots, left, open_slots, order, fails)
        try:
            found = queue.ready()
        except RuntimeError:
            failed = True
            break
        seen += [(waiting.slot.chunk.fingerprint, waiting.ready.end.lines) for waiting in found]
        queue.leave(found)
    expected = [(str(slot), batch) for slot, count in enumerate(batches) for batch in range(count)]
    if failed:
        expected = [one for one in expected if int(one[0]) <= fails]
    assert seen == expected
    assert failed == (0 <= fails < len(batches))


def _step(
    queue: OrderedQueue,
    slots: list[Slot],
    left: list[list[int]],
    open_slots: set[int],
    order: Any,
    fails: int,
) -> None:
    slot = order.choice(sorted(open_slots))
    if left[slot]:
        queue.add(slots[slot], ready(left[slot].pop(0)), size=1)
    else:
        queue.end(slots[slot], RuntimeError("broken") if slot == fails else None)
        open_slots.discard(slot)


@pytest.mark.parametrize(
    ("size", "ended", "most"), [(1, True, 64), (1, False, 3), (6 << 20, True, 3), (4 << 20, True, 4)]
)
async def test_reading_gets_only_so_far_ahead_of_writing(size: int, ended: bool, most: int) -> None:
    queue = OrderedQueue()
    for number in range(most):
        await asyncio.wait_for(queue.space(3), 1)
        slot = queue.enter(chunk(number))
        queue.add(slot, ready(number), size=size)
        if ended:
            queue.end(slot)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.space(3), 0.05)
    batches = queue.ready()
    for batch in batches:
        queue.end(batch.slot)
    queue.leave(batches)
    await asyncio.wait_for(queue.space(3), 1)


ELSEWHERE = "http://elsewhere.example/fhir"


def foreign(kind: str, resource: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of another server's export: as it is POSTed, PUT or listed there."""
    name = resource["resourceType"]
    entry: dict[str, Any] = {"fullUrl": f"{ELSEWHERE}/{name}/{resource['id']}", "resource": resource}
    if kind in {"POST", "PUT"}:
        entry["request"] = {"method": kind, "url": name if kind == "POST" else f"{name}/{resource['id']}"}
    return entry


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *(("transaction", "POST"), ("batch", "POST"), ("collection", ""), ("searchset", "")),
        *(("transaction", "PUT"), ("batch", "PUT")),
    ],
)
async def test_a_record_of_another_server_replaces_none_of_the_same_id(
    node: Node, tmp_path: Path, kind: str, method: str
) -> None:
    lines(tmp_path / "a.ndjson", patient("1001", gender="female"))
    assert counts(await load(node, tmp_path)) == (1, 0, 0)
    sick = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/1001"}}
    entries = bundle(kind, foreign(method, patient("1001", gender="male")), foreign(method, sick))
    (tmp_path / "b.json").write_text(json.dumps(entries))
    loads = await load(node, tmp_path / "b.json")
    [fault] = [fault for batch in loads for fault in batch.faults]
    assert (fault.source.name, fault.entry) == ("b.json", 0)
    assert "--same-ids" in fault.reason
    assert (await stored(node, "Patient", "1001"))["gender"] == "female"
    with pytest.raises(NotFoundError):
        await stored(node, "Condition", "c")
    for number, broken in enumerate((patient("1001", gender="x"), None)):
        them = [foreign(method, broken)] if broken else []
        (tmp_path / f"c{number}.json").write_text(json.dumps(bundle(kind, *them, foreign(method, sick))))
        assert counts(await load(node, tmp_path / f"c{number}.json"))[0] == 0


async def test_an_export_in_several_files_is_loaded_with_the_same_ids(node: Node, tmp_path: Path) -> None:
    sick = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/1"}}
    for name, record in (("a", patient("1")), ("b", sick)):
        (tmp_path / f"{name}.json").write_text(json.dumps(bundle("searchset", foreign("", record))))
    assert counts(await load(node, tmp_path)) == (1, 0, 1)
    assert counts(await load(node, tmp_path, same_ids=True)) == (1, 1, 0)


async def test_a_newer_export_replaces_records_when_it_says_so(node: Node, tmp_path: Path) -> None:
    for gender in ("female", "male"):
        entries = bundle("collection", foreign("", patient("1", gender=gender)))
        (tmp_path / f"{gender}.json").write_text(json.dumps(entries))
    assert counts(await load(node, tmp_path / "female.json")) == (1, 0, 0)
    assert counts(await load(node, tmp_path / "male.json", same_ids=True)) == (1, 0, 0)
    assert (await stored(node, "Patient", "1"))["gender"] == "male"


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_deletion_by_another_server_deletes_none_of_the_same_id(
    node: Node, tmp_path: Path, kind: str
) -> None:
    lines(tmp_path / "a.ndjson", patient("1"))
    assert counts(await load(node, tmp_path)) == (1, 0, 0)
    entry = {"fullUrl": f"{ELSEWHERE}/Patient/1", "request": {"method": "DELETE", "url": "Patient/1"}}
    (tmp_path / "b.json").write_text(json.dumps(bundle(kind, entry)))
    [fault] = [fault for batch in await load(node, tmp_path / "b.json") for fault in batch.faults]
    assert "--same-ids" in fault.reason
    assert await stored(node, "Patient", "1")
    assert counts(await load(node, tmp_path / "b.json", same_ids=True)) == (1, 0, 0)
    with pytest.raises(GoneError):
        await stored(node, "Patient", "1")


@pytest.mark.parametrize("own", ["", "urn:uuid:7d0c4f4e-1111-4222-8333-444455556688"])
async def test_a_put_and_a_record_again_are_loaded_as_before(node: Node, tmp_path: Path, own: str) -> None:
    lines(tmp_path / "a.ndjson", patient("1", gender="female"))
    assert counts(await load(node, tmp_path)) == (1, 0, 0)
    put = foreign("PUT", patient("1", gender="male")) | {"fullUrl": own or f"{node.gateway.base}/Patient/1"}
    (tmp_path / "b.json").write_text(json.dumps(bundle("batch", put)))
    assert counts(await load(node, tmp_path / "b.json")) == (1, 0, 0)
    same = bundle("batch", foreign("POST", patient("1", gender="male")))
    (tmp_path / "c.json").write_text(json.dumps(same))
    assert counts(await load(node, tmp_path / "c.json")) == (0, 1, 0)


async def test_an_identifier_that_is_a_full_url_stays(node: Node, tmp_path: Path) -> None:
    urn = "urn:uuid:7d0c4f4e-1111-4222-8333-444455556688"
    document = {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": urn},
        "content": [{"attachment": {"title": urn, "url": urn}}],
    }
    (tmp_path / "a.json").write_text(json.dumps(bundle("collection", {"fullUrl": urn, "resource": document})))
    assert counts(await load(node, tmp_path)) == (1, 0, 0)
    kept = await stored(node, "DocumentReference", "d")
    assert kept["masterIdentifier"]["value"] == urn
    assert kept["content"] == [{"attachment": {"title": urn, "url": "DocumentReference/d"}}]
