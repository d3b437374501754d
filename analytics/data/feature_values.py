"""The value of each feature of a patient with the records it is from, or the reason why it is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from analytics.errors import AnalyticsError


class MissingReason(StrEnum):
    """The reason why a feature is missing, or why a record was not used."""

    NOT_RECORDED = "not-recorded"
    UNIT = "unit-not-understood"
    IMPLAUSIBLE = "implausible"
    INEXACT = "only-a-bound"
    NO_VALUE = "no-value"
    UNKNOWN_ANSWER = "answer-not-understood"
    NOT_FINAL = "not-final"
    NOT_ESTABLISHED = "not-established"
    FUTURE = "of-the-future"


@dataclass(frozen=True)
class SetAside:
    """A record that means the feature and was not used, with the reason."""

    source: str
    reason: MissingReason


@dataclass(frozen=True)
class FeatureValue:
    """One feature's value and its sources, or the reason why it is missing.

    `set_aside` are the records that mean the feature and could not be used, but for measurements that are
    older than the one used.
    """

    feature: str
    value: float
    unit: str
    sources: tuple[str, ...]
    when: date | None
    reason: MissingReason | None
    set_aside: tuple[SetAside, ...] = ()

    @property
    def missing(self) -> bool:
        """Return whether there is no value."""
        return math.isnan(self.value)


class NoUsableDataError(AnalyticsError):
    """The records hold too little for a score.

    `missing` names the features without a value; `feature_values` has all features with the reasons.
    """

    code, status = "no-usable-data", 422

    def __init__(self, message: str, *, feature_values: tuple[FeatureValue, ...]) -> None:
        super().__init__(message)
        self.feature_values = feature_values
        self.missing = tuple(value.feature for value in feature_values if value.missing)
