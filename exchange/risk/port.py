"""The port to a risk model: which records it wants, and what it makes of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Feature:
    """What became of one feature: the value in `unit` and the records it is from, or why there is none.

    `value` is NaN where it is missing; `sources` are references (`Observation/1`). A feature may have a
    value without a source: that a condition is recorded nowhere.
    """

    name: str
    title: str
    value: float
    unit: str
    sources: tuple[str, ...] = ()
    reason: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is no value."""
        return math.isnan(self.value)


@dataclass(frozen=True, slots=True)
class Scored:
    """A probability, and the SHA-256 of what was sent to the evaluator and of what came back."""

    probability: float
    query: str
    answer: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a probability means: a code of HL7's `risk-probability`, relative to the population."""

    code: str
    display: str
    relative: float


class UnusableAnswerError(Exception):
    """The evaluator answered, and there is no score in the answer; `query` and `answer` are their SHA-256."""

    def __init__(self, message: str, *, query: str, answer: str) -> None:
        super().__init__(message)
        self.query, self.answer = query, answer


class RiskModel(Protocol):
    """One model. Nothing that it computes in clear leaves the gateway."""

    digest: str
    """The model's name on the ledger: 64 hexadecimal digits."""

    title: str
    """What it is, for a clinician."""

    outcome: Mapping[str, Any]
    """What it estimates the probability of: a FHIR CodeableConcept."""

    wanted: Mapping[str, tuple[str, str]]
    """By resource type, the search (parameter, value) that finds the records it may use."""

    def features(
        self, patient: Mapping[str, Any], records: Sequence[Mapping[str, Any]], as_of: date
    ) -> tuple[Feature, ...]:
        """The features of a patient from resources in FHIR's JSON, as of a day. Takes milliseconds.

        Raises:
            UnscorableError: too little is recorded; names what is missing.
        """

    async def score(self, features: Sequence[Feature]) -> Scored:
        """The probability.

        Raises:
            UnavailableError: the evaluator did not answer.
            UnusableAnswerError: it did, and there is no score in what it said.
        """

    def judge(self, probability: float) -> Judgement:
        """What the probability means."""

    async def close(self) -> None:
        """Let go of the evaluator."""
