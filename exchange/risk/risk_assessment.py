"""A risk score as a FHIR `RiskAssessment`, and the commitments by which the ledger knows it.

It names its sources: the records used (`basis`), the missing features and the records that were set aside
(`note`), the model's digest (`method`), the transaction that permitted it (`identifier`), and the digests of
the evaluator's query and answer. It carries the security labels and the codes of the records used or set
aside, so that a rule that refuses those by a label or a code refuses the assessment as well; one that refuses
a record used by its reference does so too.

`probabilityDecimal` is a percentage, as R4 has it, and `whenPeriod` the moment of the assessment: the models
estimate what is so then, and not what will be.
"""

from __future__ import annotations

import hmac
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from exchange.fhir.audit_event import TRANSACTION_SYSTEM
from exchange.risk.port import ModelFeature

MODEL_SYSTEM: Final = "urn:consentry:risk-model"
"""Code system of `method`: codes are the models' digests."""

_EVALUATION = "urn:consentry:evaluation"
_BASIS_CODE = "urn:consentry:basis-code"
_PROBABILITIES = "http://terminology.hl7.org/CodeSystem/risk-probability"
_ASSESSMENT = {"system": "http://snomed.info/sct", "code": "225338004", "display": "Risk assessment"}
_DECIMALS = 2
"""Of a percentage; the encrypted score is no more exact."""
_canonical = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimate: `qualitative` is (code, display) of HL7's `risk-probability`."""

    title: str
    outcome: Mapping[str, Any]
    probability: float
    qualitative: tuple[str, str]
    relative: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence: the model's digest, the permitting transaction, and the records used.

    `considered` are the records that were set aside. `query` and `answer` are the SHA-256 of the evaluator's
    query and answer; `missing` and `remarks` become notes.
    """

    model: str
    transaction: str
    query: str
    answer: str
    used: Mapping[str, Mapping[str, Any]]
    missing: Sequence[str]
    remarks: Sequence[str] = ()
    considered: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShownEstimate:
    """The estimate that a RiskAssessment shows, with the digest of the query that it answers."""

    probability: float
    qualitative: str
    relative: float
    query: str


def risk_assessment(
    *, logical_id: str, patient: str, when: str, estimate: Estimate, evidence: Evidence
) -> bytes:
    """Return the RiskAssessment as JSON. `patient` is a logical id, `when` an instant."""
    code, display = estimate.qualitative
    seen = [*evidence.used.values(), *evidence.considered.values()]
    notes = [f"Not used, because it is {one}." for one in evidence.missing]
    resource: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "id": logical_id,
        "extension": [
            {
                "url": _EVALUATION,
                "extension": [
                    {"url": "query", "valueString": evidence.query},
                    {"url": "answer", "valueString": evidence.answer},
                ],
            },
            *({"url": _BASIS_CODE, "valueCoding": coding} for coding in _codings(seen)),
        ],
        "identifier": [{"system": TRANSACTION_SYSTEM, "value": evidence.transaction}],
        "status": "final",
        "method": {"coding": [{"system": MODEL_SYSTEM, "code": evidence.model}], "text": estimate.title},
        "code": {"coding": [_ASSESSMENT]},
        "subject": {"reference": f"Patient/{patient}"},
        "occurrenceDateTime": when,
        "basis": [{"reference": reference} for reference in evidence.used],
        "prediction": [
            {
                "outcome": estimate.outcome,
                "probabilityDecimal": round(100 * estimate.probability, _DECIMALS),
                "qualitativeRisk": {"coding": [{"system": _PROBABILITIES, "code": code, "display": display}]},
                "relativeRisk": estimate.relative,
                "whenPeriod": {"start": when, "end": when},
            }
        ],
    }
    if labels := list(_labels(seen)):
        resource["meta"] = {"security": labels}
    if texts := [*notes, *evidence.remarks]:
        resource["note"] = [{"text": text} for text in texts]
    return msgspec.json.encode(resource)


def shown_estimate(body: bytes, *, model: str) -> ShownEstimate | None:
    """Return what a stored RiskAssessment shows; None where it is no longer `model`'s own final word."""
    try:
        resource = msgspec.json.decode(body)
        [prediction], [coding] = resource["prediction"], resource["method"]["coding"]
        if resource["status"] != "final" or coding != {"system": MODEL_SYSTEM, "code": model}:
            return None
        [evaluation] = [one for one in resource["extension"] if one["url"] == _EVALUATION]
        [query] = [one["valueString"] for one in evaluation["extension"] if one["url"] == "query"]
        [risk] = prediction["qualitativeRisk"]["coding"]
        percentage = float(prediction["probabilityDecimal"])
        return ShownEstimate(percentage / 100, risk["code"], float(prediction["relativeRisk"]), query)
    except (KeyError, ValueError, TypeError):
        return None


def _labels(used: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return _unique(label for one in used for label in one.get("meta", {}).get("security", ()))


def _codings(used: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    parts = (part for one in used for part in (one, *one.get("component", ())))
    return _unique(
        {name: coding[name] for name in ("system", "code", "display") if name in coding}
        for part in parts
        for coding in part.get("code", {}).get("coding", ())
        if "code" in coding
    )


def _unique(values: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return {_canonical(value): value for value in values}.values()


def missing_features(features: Iterable[ModelFeature]) -> list[str]:
    """Return the features without a value, each with the reason, for notes."""
    return [f"{one.reason}: {one.title}" for one in features if one.missing]


def records_set_aside(features: Iterable[ModelFeature]) -> list[str]:
    """Return notes of the records that were set aside, but for the reason for which a feature is missing."""
    counted = Counter(
        (feature.title, aside.reason)
        for feature in features
        for aside in feature.set_aside
        if not feature.missing or aside.reason != feature.reason
    )
    return [f"Set aside for {title}: {n} {reason}." for (title, reason), n in counted.items()]


def assessed_inputs(
    *,
    patient: str,
    model: str,
    features: Mapping[str, float],
    records: Mapping[str, int],
    notes: Sequence[str],
) -> bytes:
    """Return all that an assessment depends on, in canonical form; `records` are versions by reference."""
    content = {
        "features": _plain(features),
        "model": model,
        "notes": list(notes),
        "patient": patient,
        "records": dict(records),
    }
    return _canonical(content)


def _plain(features: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in features.items()}


def input_commitment(
    salt: bytes, *, model: str, transaction: str, features: Mapping[str, float], query: str
) -> str:
    """Return the commitment to the input of a score (64 hexadecimal digits), checked with the pair's `salt`.

    HMAC-SHA-256 under the salt of the canonical JSON of model, permitting transaction, features by name (null
    where missing) and the query's digest.
    """
    content = {"features": _plain(features), "model": model, "query": query, "transaction": transaction}
    return _commitment(salt, b"consentry/score-input/1\0", _canonical(content))


def output_commitment(salt: bytes, body: bytes, *, transaction: str) -> str:
    """Return the commitment (64 hexadecimal digits) to all of a RiskAssessment but its `meta`.

    `meta` is left out because storing writes its version and time into it. The permitting `transaction` of
    this question is part of it, so that a stored assessment that is given out again has another one.
    """
    content = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    content.pop("meta", None)
    plain = {name: msgspec.json.decode(raw) for name, raw in content.items()}
    given = {"output": plain, "transaction": transaction}
    return _commitment(salt, b"consentry/score-output/2\0", _canonical(given))


def failure_commitment(salt: bytes, *, query: str, answer: str) -> str:
    """Return the commitment for an answer without an output, indistinguishable from others."""
    content = {"answer": answer, "query": query}
    return _commitment(salt, b"consentry/score-failure/1\0", _canonical(content))


def _commitment(salt: bytes, kind: bytes, content: bytes) -> str:
    return hmac.digest(salt, kind + content, "sha256").hex()
