from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.demo.consortium import LAKE, permit_consent, settings_for
from exchange.errors import GoneError, NotFoundError, UnavailableError
from exchange.load import Journal, Piece, Position, cut, find
from exchange.load.load import Ingest
from exchange.load.ordered_queue import Line, Loaded, Turn
from exchange.load.worker import Ready
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.open import Node, open_node
from exchange.runtime.quota import Reservation, UnboundedQuota

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    folder = NodeFolder(tmp_path / "node")
    await initialise(folder, settings_for(8400))
    async with open_node(folder) as node:
        yield node


@asynccontextmanager
async def loading(node: Node, workers: int = 2) -> AsyncIterator[Ingest]:
    async with Ingest(
        msp_id=node.settings.msp_id,
        indexer=node.indexer,
        writing=node.gateway.writing,
        conditions=node.gateway.conditions,
        workers=workers,
    ) as ingest:
        yield ingest


async def load(node: Node, *paths: Path, journal: Journal | None = None) -> list[Loaded]:
    async with loading(node) as ingest:
        return [unit async for units in ingest.load(cut(find(paths, journal))) for unit in units]


async def stored(node: Node, resource_type: str, logical_id: str) -> dict[str, Any]:
    with Reservation(UnboundedQuota("test")):
        released = await node.gateway.reading.read(node.system("test"), resource_type, logical_id)
    found: dict[str, Any] = json.loads(released.body)
    return found


def counts(loads: Iterable[Loaded]) -> tuple[int, int, int]:
    units = list(loads)
    return (
        sum(unit.stored for unit in units),
        sum(unit.unchanged for unit in units),
        sum(len(unit.faults) for unit in units),
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
    told = sorted(str(fault).removeprefix(f"{tmp_path}/") for unit in loads for fault in unit.faults)
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
    with Journal(tmp_path / "journal") as journal:
        async with loading(node) as ingest, aclosing(ingest.load(cut(find([source], journal)))) as loads:
            async for units in loads:
                journal.done(*units)
                first += counts(units)[0]
                break
    assert 0 < first < 1500
    with Journal(tmp_path / "journal") as journal:
        loads_after = await load(node, source, journal=journal)
    done, unchanged, faults = counts(loads_after)
    assert (first + done + unchanged, faults) == (1500, 0)


async def keep_killing(ingest: Ingest) -> None:
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
            before += sum([counts(units)[0] async for units in loads])
        killing.cancel()
        assert 0 < before < 3000
        again = [unit async for units in ingest.load(cut(find([tmp_path]))) for unit in units]
    done, unchanged, faults = counts(again)
    assert (done + unchanged, faults) == (3000, 0)
    assert unchanged >= before


async def test_a_load_that_is_left_ends_at_once(node: Node, tmp_path: Path) -> None:
    for number in range(30):
        lines(tmp_path / f"{number:02}.ndjson", *(place(f"p{number}-{n}") for n in range(100)))
    async with loading(node, workers=1) as ingest:
        async with aclosing(ingest.load(cut(find([tmp_path])))) as loads:
            await anext(loads)
        left = [task for task in asyncio.all_tasks() if "Ingest" in repr(task.get_coro())]
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
    (fault,) = [fault for unit in loads for fault in unit.faults]
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
    assert sorted(fault.line or 0 for unit in loads for fault in unit.faults) == [1, 2, 3, 4]


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
    (fault,) = [fault for unit in loads for fault in unit.faults]
    assert (fault.source.name, fault.line) == ("2.ndjson", 2)
    for name in ("three", "four", "five"):
        assert (await stored(node, "Patient", name))["id"] == name
    kept = await stored(node, "Consent", "shared")
    assert kept["patient"] == {"reference": "Patient/one"}


async def test_small_files_share_commits(node: Node, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:03}.json").write_text(json.dumps(place(f"f{number}")))
    async with loading(node) as ingest:
        commits = [len(units) async for units in ingest.load(cut(find([tmp_path])))]
    assert sum(commits) == 100
    assert len(commits) < 60


# The line


def piece(number: int) -> Piece:
    at = Position()
    return Piece(Path(f"{number}"), f"{number}", at, at, 1, b"")


def ready(number: int) -> Ready:
    return Ready(None, Position(lines=number), 0, (), [])


@given(
    units=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    fails=st.integers(-1, 5),
)
@settings(max_examples=round(200 * SCALE), deadline=None)
def test_units_leave_the_line_in_order_whatever_is_read_first(
    units: list[int], order: Any, fails: int
) -> None:
    line = Line()
    turns = [line.enter(piece(number)) for number in range(len(units))]
    line.close()
    left = [list(range(count)) for count in units]
    open_turns = set(range(len(units)))
    seen: list[tuple[str, int]] = []
    failed = False
    while not line.ended and not failed:
        if open_turns:
            _step(line, turns, left, open_turns, order, fails)
        try:
            found = line.ready()
        except RuntimeError:
            failed = True
            break
        seen += [(waiting.turn.piece.fingerprint, waiting.ready.end.lines) for waiting in found]
        line.leave(found)
    expected = [(str(turn), unit) for turn, count in enumerate(units) for unit in range(count)]
    if failed:
        expected = [one for one in expected if int(one[0]) <= fails]
    assert seen == expected
    assert failed == (0 <= fails < len(units))


def _step(
    line: Line, turns: list[Turn], left: list[list[int]], open_turns: set[int], order: Any, fails: int
) -> None:
    turn = order.choice(sorted(open_turns))
    if left[turn]:
        line.add(turns[turn], ready(left[turn].pop(0)), size=1)
    else:
        line.end(turns[turn], RuntimeError("broken") if turn == fails else None)
        open_turns.discard(turn)


@pytest.mark.parametrize(
    ("size", "ended", "most"), [(1, True, 64), (1, False, 3), (6 << 20, True, 3), (4 << 20, True, 4)]
)
async def test_reading_gets_only_so_far_ahead_of_writing(size: int, ended: bool, most: int) -> None:
    line = Line()
    for number in range(most):
        await asyncio.wait_for(line.room(3), 1)
        turn = line.enter(piece(number))
        line.add(turn, ready(number), size=size)
        if ended:
            line.end(turn)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.room(3), 0.05)
    units = line.ready()
    for unit in units:
        line.end(unit.turn)
    line.leave(units)
    await asyncio.wait_for(line.room(3), 1)
