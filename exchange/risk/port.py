"""The port to a risk model: the searches for its input, its features, and its score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class UnusedRecord:
    """The reference of a record that means a feature and was set aside, and the reason in words."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelFeature:
    """One feature of a patient: the value in `unit` and the records it is from, or the reason for none.

    `value` is NaN where it is missing; `sources` are references (`Observation/1`). A feature may have a
    value without a source: for a condition that no record has, the value is 0. `set_aside` are the records
    that could have counted and did not.
    """

    name: str
    title: str
    value: float
    unit: str
    sources: tuple[str, ...] = ()
    reason: str = ""
    set_aside: tuple[UnusedRecord, ...] = ()

    @property
    def missing(self) -> bool:
        """Return whether there is no value."""
        return math.isnan(self.value)


@dataclass(frozen=True, slots=True)
class RiskScore:
    """A probability, with the SHA-256 of the query to the evaluator and of its answer."""

    probability: float
    query: str
    answer: str


@dataclass(frozen=True, slots=True)
class QualitativeRisk:
    """A probability in words: a code of HL7's `risk-probability`, and the risk relative to the population."""

    code: str
    display: str
    relative: float


class UnusableAnswerError(Exception):
    """The evaluator's answer holds no score; `query` and `answer` are the SHA-256 of the two."""

    def __init__(self, message: str, *, query: str, answer: str) -> None:
        super().__init__(message)
        self.query, self.answer = query, answer


class RiskModel(Protocol):
    """One model. No value that it computes in clear leaves the gateway."""

    digest: str
    """The model's name on the ledger: 64 hexadecimal digits."""

    title: str
    """The model's title, for a clinician."""

    outcome: Mapping[str, Any]
    """The estimated outcome: a FHIR CodeableConcept."""

    searches: Mapping[str, Sequence[tuple[str, str]]]
    """By resource type, the search (parameters and values) for the records that the model may use."""

    def features(
        self, patient: Mapping[str, Any], records: Sequence[Mapping[str, Any]], as_of: datetime
    ) -> tuple[ModelFeature, ...]:
        """Compute a patient's features from resources in FHIR's JSON, as of a moment. Takes milliseconds.

        Raises:
            UnscorableError: too little is recorded; names the missing features.
        """

    async def score(self, features: Sequence[ModelFeature]) -> RiskScore:
        """Have the evaluator compute the probability.

        Raises:
            UnavailableError: the evaluator did not answer.
            UnusableAnswerError: the answer holds no score.
        """

    def qualitative_risk(self, probability: float) -> QualitativeRisk:
        """Return the probability in words."""

    async def close(self) -> None:
        """Close the connection to the evaluator."""
