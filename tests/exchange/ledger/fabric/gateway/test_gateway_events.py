"""Streams that break are read on where they stood."""

from __future__ import annotations

import asyncio

import pytest
from fabric_protos.peer.transaction_pb2 import MVCC_READ_CONFLICT, VALID
from grpc import StatusCode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.errors import UnavailableError
from exchange.ledger.fabric.gateway import events
from exchange.ledger.fabric.gateway.blocks import BlockSource
from exchange.ledger.fabric.gateway.errors import EventsError
from exchange.ledger.fabric.gateway.events import EventPosition, Follower


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(events, "_FIRST_PAUSE", 0.01)


async def take(stream, count):
    taken = []
    async with asyncio.timeout(10):
        async for item in stream:
            taken.append(item)
            if len(taken) == count:
                break
    await stream.aclose()
    return taken


CHAIN = st.lists(
    st.lists(st.sampled_from([VALID, VALID, MVCC_READ_CONFLICT]), max_size=3), min_size=1, max_size=8
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chain=CHAIN, breaks=st.lists(st.integers(0, 3), max_size=5), data=st.data())
async def test_every_event_comes_once_and_in_order_from_any_position(staged, chain, breaks, data):
    stage = await staged()
    expected = []
    for number, block in enumerate(chain, start=1):
        await stage.peer.add(*((f"{number}-{place}", code, "e") for place, code in enumerate(block)))
        valid = [f"{number}-{place}" for place, code in enumerate(block) if code == VALID]
        expected += [(EventPosition(number, index), tx_id) for index, tx_id in enumerate(valid)]
    seen = data.draw(st.integers(0, len(expected)), label="seen before")
    after = expected[seen - 1][0] if seen else None
    stage.peer.break_after.extend(breaks)
    wanted = expected[seen:]
    if not wanted:
        return
    found = await take(stage.follower.chaincode_events("ledger", after), len(wanted))
    assert [(event.position, event.tx_id) for event in found] == wanted


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 8),
    start=st.integers(0, 8),
    length=st.integers(0, 8),
    breaks=st.lists(st.integers(0, 3), max_size=4),
)
async def test_every_block_comes_once_and_in_order(staged, height, start, length, breaks):
    stage = await staged()
    for _ in range(height):
        await stage.peer.add()
    stage.peer.break_after.extend(breaks)
    stop = min(start + length, height)
    found = [block.header.number async for block in stage.follower.blocks(start, stop)]
    assert found == list(range(start, stop + 1))


async def test_new_events_come_as_they_are_committed(stage):
    stream = stage.follower.chaincode_events("ledger", None)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    committed = await stage.gateway.submit("write", b"1")
    assert (await waiting).tx_id == committed.tx_id
    await stream.aclose()


async def test_refused_stream_ends_with_the_reason(stage, fault):
    stage.peer.fail("events", fault(StatusCode.PERMISSION_DENIED, "not a reader of the channel"))
    with pytest.raises(EventsError, match="not a reader"):
        await anext(stage.follower.chaincode_events("ledger", None))


async def test_blocks_of_an_unknown_channel_end_with_the_reason(stage):
    elsewhere = Follower(stage.channel, stage.identity, "elsewhere")
    with pytest.raises(EventsError, match="NOT_FOUND"):
        await anext(elsewhere.blocks(0))


@pytest.mark.parametrize("first", [1, 2, 3])
async def test_a_peer_that_joined_by_a_snapshot_is_said_to_be_one(stage, first):
    for _ in range(4):
        await stage.gateway.submit("write", b"1")
    stage.peer.first = first
    source = BlockSource(stage.follower)
    height = await source.height()
    with pytest.raises(
        UnavailableError, match=f"has {height} blocks .* not number 0: it joined by a snapshot"
    ):
        await anext(source.blocks(0, height))
    assert [block.header.number async for block in source.blocks(first, height)] == [*range(first, height)]


async def test_a_channel_that_was_not_joined_is_said_to_be_that(stage):
    elsewhere = BlockSource(Follower(stage.channel, stage.identity, "elsewhere"))
    with pytest.raises(UnavailableError, match="has not joined a channel"):
        await anext(elsewhere.blocks(0, 1))


async def test_pauses_grow_and_start_anew_after_progress(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(events.asyncio, "sleep", sleep)
    pauses = events._Pauses()
    broken = EventsError(StatusCode.UNAVAILABLE, "gone")
    for _ in range(10):
        await pauses.rest(broken)
    pauses.reset()
    await pauses.rest(broken)
    assert slept[:3] == [0.01, 0.02, 0.04]
    assert max(slept) <= 2
    assert slept[-1] == 0.01
