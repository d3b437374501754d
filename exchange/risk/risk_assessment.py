"""A risk score as a FHIR `RiskAssessment`, and the commitments by which the ledger knows it.

It names its sources: the records used (`basis`), the missing features (`note`), the model's digest
(`method`), the transaction that permitted it (`identifier`), and the digests of the evaluator's query and
answer. It carries the security labels and the codes of the records used, so that a rule that
refuses those by a label, a code or a reference refuses the assessment as well.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from exchange.fhir.audit_event import TRANSACTION_SYSTEM

MODEL_SYSTEM: Final = "urn:consentry:risk-model"
"""Code system of `method`: codes are the models' digests."""

_EVALUATION = "urn:consentry:evaluation"
_BASIS_CODE = "urn:consentry:basis-code"
_PROBABILITIES = "http://terminology.hl7.org/CodeSystem/risk-probability"
_ASSESSMENT = {"system": "http://snomed.info/sct", "code": "225338004", "display": "Risk assessment"}
_DIGITS = 4
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

    `query` and `answer` are the SHA-256 of the evaluator's query and answer; `missing` and `remarks` become
    notes.
    """

    model: str
    transaction: str
    query: str
    answer: str
    used: Mapping[str, Mapping[str, Any]]
    missing: Sequence[str]
    remarks: Sequence[str] = ()


def risk_assessment(
    *, logical_id: str, patient: str, when: str, estimate: Estimate, evidence: Evidence
) -> bytes:
    """Return the RiskAssessment as JSON. `patient` is a logical id, `when` an instant."""
    code, display = estimate.qualitative
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
            *({"url": _BASIS_CODE, "valueCoding": coding} for coding in _codings(evidence.used.values())),
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
                "probabilityDecimal": round(estimate.probability, _DIGITS),
                "qualitativeRisk": {"coding": [{"system": _PROBABILITIES, "code": code, "display": display}]},
                "relativeRisk": estimate.relative,
            }
        ],
    }
    if labels := list(_labels(evidence.used.values())):
        resource["meta"] = {"security": labels}
    if texts := [*notes, *evidence.remarks]:
        resource["note"] = [{"text": text} for text in texts]
    return msgspec.json.encode(resource)


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


def input_commitment(
    salt: bytes, *, model: str, transaction: str, features: Mapping[str, float], query: str
) -> str:
    """Return the commitment to the input of a score (64 hexadecimal digits), checked with the pair's `salt`.

    HMAC-SHA-256 under the salt of the canonical JSON of model, permitting transaction, features by name (null
    where missing) and the query's digest.
    """
    values = {name: None if math.isnan(value) else value for name, value in features.items()}
    content = {"features": values, "model": model, "query": query, "transaction": transaction}
    return _commitment(salt, b"consentry/score-input/1\0", _canonical(content))


def output_commitment(salt: bytes, body: bytes) -> str:
    """Return the commitment (64 hexadecimal digits) to all of a RiskAssessment but its `meta`.

    `meta` is left out because storing writes its version and time into it.
    """
    content = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    content.pop("meta", None)
    plain = {name: msgspec.json.decode(raw) for name, raw in content.items()}
    return _commitment(salt, b"consentry/score-output/1\0", _canonical(plain))


def failure_commitment(salt: bytes, *, query: str, answer: str) -> str:
    """Return the commitment for an answer without an output, indistinguishable from others."""
    content = {"answer": answer, "query": query}
    return _commitment(salt, b"consentry/score-failure/1\0", _canonical(content))


def _commitment(salt: bytes, kind: bytes, content: bytes) -> str:
    return hmac.digest(salt, kind + content, "sha256").hex()
