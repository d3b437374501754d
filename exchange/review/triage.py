"""The assessment of accesses in the order of time: explained first, then suspected, then scored.

The score is the part that the explanation leaves over, times the weight of all signals together. So another
explanation never raises it, and an access that the records explain well is cleared whatever it looks like.
The one exception is one's own record, which no visit explains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, tzinfo
from math import prod
from typing import Final

from exchange.review.detectors import DETECTORS, Situation, is_self, only_header
from exchange.review.explanations import EXPLAINED, explain, is_in_care, is_named
from exchange.review.model import Access, Assessment, RecordedFacts
from exchange.review.past import Histories

THRESHOLD: Final = 0.5
"""The score from which an access needs a look."""
_BY_RECORDS = 0.75
_HEADER = 0.25
_LEFT_OVER = 0.6
"""The part left over by an explanation from which an access counts as unexplained in the user's past."""


class Triage:
    """Assesses accesses one by one; they must come in the order of `in_order`."""

    def __init__(self, facts: RecordedFacts, zone: tzinfo = UTC) -> None:
        self._facts = facts
        self._histories = Histories(zone)

    def assess(self, access: Access) -> Assessment:
        """Assess `access`, and remember it for those that follow."""
        patient, staff = self._facts.patient(access.patient), self._facts.staff(access)
        explanation = explain(access, patient, staff, self._histories.before(access))
        strength = 0.0 if explanation is None else explanation.strength
        left = 1.0 - strength
        points = 0.0 if left <= _LEFT_OVER else left * (_HEADER if only_header(access) else 1.0)
        one = Situation(
            access,
            patient,
            staff,
            known=explanation is not None,
            in_care=explanation is not None or is_in_care(access, patient),
            past=self._histories.past(access, points),
        )
        signals = tuple(signal for detect in DETECTORS if (signal := detect(one)) is not None)
        score = (1.0 if is_self(one) else left) * (1.0 - prod(1.0 - signal.weight for signal in signals))
        self._histories.add(
            access,
            points,
            by_records=strength >= _BY_RECORDS,
            is_named=staff is not None and is_named(access, patient),
        )
        return Assessment(access, score, score >= THRESHOLD, explanation, signals)


def in_order(accesses: Iterable[Access]) -> list[Access]:
    """Return `accesses` in the order in which they are assessed: by time, and by id within one."""
    return sorted(accesses, key=lambda one: (one.time, one.id))


def review(accesses: Iterable[Access], facts: RecordedFacts, zone: tzinfo = UTC) -> Iterator[Assessment]:
    """Yield the assessment of each access in the order of time, whatever the order they come in."""
    triage = Triage(facts, zone)
    for access in in_order(accesses):
        yield triage.assess(access)


def is_explained(one: Assessment) -> bool:
    """Return whether the records explain an access."""
    return one.explanation is not None and one.explanation.strength >= EXPLAINED
