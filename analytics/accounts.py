"""What became of each feature of a patient: its value and where that is from, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Reason(StrEnum):
    """Why a feature is missing, or why a record was passed over."""

    NOT_RECORDED = "not-recorded"
    UNIT = "unit-not-understood"
    IMPLAUSIBLE = "implausible"
    INEXACT = "only-a-bound"
    NO_VALUE = "no-value"
    UNKNOWN_ANSWER = "answer-not-understood"


@dataclass(frozen=True)
class Account:
    """What became of one feature: the value and its sources, or the reason it is missing.

    `passed_over` counts records that matched but could not be used, by reason.
    """

    feature: str
    value: float
    unit: str
    sources: tuple[str, ...]
    when: date | None
    reason: Reason | None
    passed_over: Mapping[Reason, int]

    @property
    def missing(self) -> bool:
        """Whether there is no value."""
        return math.isnan(self.value)
