"""The review of a generated year: how much is explained, how many snoops are found, how much is flagged.

The hospitals and the kinds of snoops are in `exchange.demo.year`. The weights of `exchange.review` were
chosen on the years of `FIRST_SEED`; the figures are those of years with other seeds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from exchange.bench.report import Row
from exchange.demo.year.generated import GeneratedYear, generate
from exchange.demo.year.people import SIZES, HospitalSize
from exchange.review.triage import is_explained, review

FIRST_SEED: Final = 1
"""The seed of the years that the weights were chosen on."""
HELD_OUT: Final = 20_260
"""The first seed of the years that give the figures; each hospital has one of its own."""


@dataclass(slots=True)
class _Counted:
    """The counts of one or more years. `cases` and `found` are by the kind of snoop."""

    ordinary: int = 0
    explained: int = 0
    flagged: int = 0
    looks: int = 0
    looks_flagged: int = 0
    seconds: float = 0.0
    cases: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    def add(self, other: _Counted) -> None:
        self.ordinary += other.ordinary
        self.explained += other.explained
        self.flagged += other.flagged
        self.looks += other.looks
        self.looks_flagged += other.looks_flagged
        self.seconds += other.seconds
        self.cases.update(other.cases)
        self.found.update(other.found)

    @property
    def flags_per_2000(self) -> float:
        return self.flagged * 2_000 / self.ordinary


def measure(sizes: Sequence[HospitalSize] = SIZES, *, first_seed: int = HELD_OUT) -> list[Row]:
    """Generate a year of each hospital, review it, and compare with the labels."""
    total, flags = _Counted(), []
    for number, size in enumerate(sizes):
        counted = _counted(generate(size, first_seed + number))
        flags.append(Row(f"audit.flags_per_2000_{size.name}", counted.flags_per_2000, "flags"))
        total.add(counted)
    shares = {kind: total.found[kind] / number for kind, number in total.cases.items()}
    accesses = total.ordinary + total.looks
    return [
        Row("audit.explained", total.explained / total.ordinary, "of ordinary accesses", ">= 0.97"),
        Row("audit.recall", total.found.total() / total.cases.total(), "of snoops found", ">= 0.98"),
        Row("audit.recall_worst", min(shares.values()), "of the worst kind", ">= 0.95"),
        Row("audit.flags_per_2000", total.flags_per_2000, "flags in 2,000 ordinary accesses", "<= 1"),
        *flags,
        *(
            Row(f"audit.recall_{kind.lower().replace(' ', '_')}", share, f"of {total.cases[kind]} snoops")
            for kind, share in shares.items()
        ),
        Row("audit.looks_flagged", total.looks_flagged / total.looks, "of the single looks of snoops"),
        Row("audit.entries_s", accesses / total.seconds, "entries reviewed a second of processor time"),
        Row("audit.accesses", accesses, "accesses"),
    ]


def _counted(year: GeneratedYear) -> _Counted:
    counted, flagged = _Counted(), set[str]()
    looks = {name for case in year.cases for name in case.accesses}
    begun = time.process_time()
    for one in review(year.accesses, year.facts):
        if one.flagged:
            flagged.add(one.access.id)
        if one.access.id in looks:
            continue
        counted.ordinary += 1
        counted.explained += is_explained(one)
        counted.flagged += one.flagged
    counted.seconds = time.process_time() - begun
    counted.looks, counted.looks_flagged = len(looks), len(looks & flagged)
    for case in year.cases:
        counted.cases[case.kind] += 1
        counted.found[case.kind] += not flagged.isdisjoint(case.accesses)
    return counted
