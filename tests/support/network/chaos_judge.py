"""Holds what gateways told people against the channel's blocks: what the ledger says is what counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from chaincode.access.log_keys import read_entry, read_log_page
from chaincode.consent.model import Pair
from tests.support.channel_writes import Written
from tests.support.network.chaos_gateway import CONSENT, Note


@dataclass
class Replay:
    """The channel's own story of some pairs, transaction by transaction.

    `logged` has each transaction's entries about a pair; `filed` the consent that each one wrote; `entries`
    is the number of all entries on the channel.
    """

    logged: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    filed: dict[tuple[str, str], tuple[int, bool]] = field(default_factory=dict)
    permits: dict[str, bool] = field(default_factory=dict)
    entries: int = 0


def replay(written: Sequence[Written], pairs: frozenset[str]) -> Replay:
    """Walk the channel; every decision must fit the terms that stand just before it.

    The recipient is permitted for as long as the pair's one consent is active.
    """
    story = Replay()
    seen: set[str] = set()
    for one in written:
        assert one.tx not in seen, f"{one.tx} is valid twice"
        seen.add(one.tx)
        for key, value in one.writes:
            kind, *rest = key.decode().strip("\0").split("\0")
            if kind == "pair" and rest[0] in pairs:
                (consent,) = msgspec.json.decode(value, type=Pair).consents
                assert consent.id == CONSENT
                story.permits[rest[0]] = consent.status == "active"
                story.filed[one.tx, rest[0]] = consent.version, story.permits[rest[0]]
            elif kind == "access":
                for place, said in read_log_page(key.decode(), value):
                    record = read_entry(place, said)
                    story.entries += 1
                    if record.pair not in pairs:
                        continue
                    permitted = record.outcome == "permit"
                    assert permitted == story.permits[record.pair], f"{record.outcome} in block {one.block}"
                    story.logged.setdefault((one.tx, record.pair), []).append(record.outcome)
    return story


def judge(notes: Sequence[Note], story: Replay) -> None:
    """Check that nothing was released unlogged or behind a revocation, nothing acknowledged is missing."""
    for note in notes:
        place = note.tx, note.pair
        match note.kind:
            case "released":
                assert "permit" in story.logged.get(place, ()), f"released without an entry: {note}"
            case "refused":
                assert "deny" in story.logged.get(place, ()), f"refused without an entry: {note}"
            case "filed":
                assert story.filed.get(place) == (note.version, note.permits), f"acknowledged, lost: {note}"
    judge_by_the_clock(notes)


def judge_by_the_clock(notes: Sequence[Note]) -> None:
    """Check that a request between an acknowledged revocation and the next decision gets nothing."""
    for release in notes:
        if release.kind != "released":
            continue
        sent = [
            n for n in notes if n.kind == "sending" and n.pair == release.pair and n.ended < release.ended
        ]
        last = max(sent, key=lambda note: note.ended, default=None)
        if last is None or last.permits:
            continue
        for note in notes:
            if note.kind == "filed" and (note.pair, note.began) == (last.pair, last.began):
                assert note.ended > release.began, f"{release} behind {note}"
