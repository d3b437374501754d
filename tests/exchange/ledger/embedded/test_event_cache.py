"""The newest events at hand are those that the file would give, or none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exchange.ledger.embedded import event_cache
from exchange.ledger.embedded.block import BLOCK_LIMIT
from exchange.ledger.port import Checkpoint, LedgerEvent

BLOCKS = st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=1, max_size=30)


def _place(event: LedgerEvent) -> int:
    return event.checkpoint.block * BLOCK_LIMIT + event.checkpoint.index


@given(blocks=BLOCKS, start=st.integers(-1, 40), bound=st.sampled_from([0, 30, 1000]))
def test_what_is_at_hand_has_no_gap(blocks: list[list[bool]], start: int, bound: int) -> None:
    most, event_cache._MOST_BYTES = event_cache._MOST_BYTES, bound
    try:
        kept = event_cache.EventCache(-1)
        everything: list[LedgerEvent] = []
        for number, announces in enumerate(blocks):
            events = [
                LedgerEvent(
                    Checkpoint(number, index), f"{number}/{index}", "access", b"x" * 4, ((b"k", b"y" * 5),)
                )
                for index, does in enumerate(announces)
                if does
            ]
            everything += events
            newest = number * BLOCK_LIMIT + len(announces) - 1
            kept.add(events, newest)
        place = start * BLOCK_LIMIT
        found = kept.after(place)
        behind = [event for event in everything if _place(event) > place]
        if found is not None:
            assert found == (behind, max(newest, place))
        else:
            assert len(behind) * 10 > bound or place < -1
    finally:
        event_cache._MOST_BYTES = most
