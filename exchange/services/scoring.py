"""A patient's risk score: permitted, computed from visible records, committed to, stored, and released.

1. The ledger is asked with action `score` and the model's digest before any record is opened.
2. Features come from the patient's own records, released one by one like any read: a record that is hidden
   from the requester does not enter its score. A hidden Patient is not found, as for a read.
3. The evaluator computes on ciphertext (`exchange.risk`).
4. The ledger is asked again, with commitments to input and output. It decides on the terms that hold by
   then. The records used are released anew under that decision, or no score is shown.
5. The RiskAssessment is stored as a record of the patient and released like one.

An answer of the evaluator that holds no score is committed to as well, so that the log, which others read,
does not disclose to the evaluator whether its answers could be opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from chaincode.access.model import Action, ScoreResult
from exchange.auth.principal import Kind, Principal
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError, UnscorableError
from exchange.fhir import search
from exchange.fhir.resource_bytes import instant
from exchange.risk.port import ModelFeature, QualitativeRisk, RiskModel, RiskScore, UnusableAnswerError
from exchange.risk.risk_assessment import (
    Estimate,
    Evidence,
    failure_commitment,
    input_commitment,
    output_commitment,
    risk_assessment,
)
from exchange.runtime.quota import FETCH_LIMIT
from exchange.services.access.enforcement import Answer, Enforcement, ScoreAnswer, ScoreQuestion
from exchange.services.records.changes import WriteResult
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.prepare import new_id
from exchange.services.records.read import HIDDEN, with_body
from exchange.services.records.search import RecordSearch
from exchange.services.records.write_rights import for_scoring
from exchange.store.engine.database import Database
from exchange.store.records import documents
from exchange.store.records.documents import FetchedVersions, StoredVersion

MOST_RECORDS: Final = 5_000
"""Most records of one type that one score fetches: those that were written last."""

CLASSES: Final = ("Condition", "Observation", "Patient", "RiskAssessment")
"""The resource types that a score concerns: its input is of the first three, its output of the fourth."""

_PURPOSE = "TREAT"
_COMPARED = ("birthDate", "gender")
"""Elements in which a Patient that the requester sent must agree with the stored one, where it has them."""


@dataclass(frozen=True, slots=True)
class Assessed:
    """A RiskAssessment as it was stored and released; `tx_id` names the entry that committed to it."""

    written: WriteResult
    body: bytes
    tx_id: str
    probability: float
    qualitative_risk: QualitativeRisk
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """The features, and the stored records behind them with their content, by reference."""

    features: tuple[ModelFeature, ...]
    used: Mapping[str, tuple[StoredVersion, Mapping[str, Any]]]
    all_seen: bool


class Scoring:
    """Scores of one custodian's patients by one `model`."""

    def __init__(
        self,
        *,
        model: RiskModel,
        references: References,
        records: Database,
        enforcement: Enforcement,
        searching: RecordSearch,
        writing: RecordWriter,
    ) -> None:
        self.model = model
        self._references = references
        self._records = records
        self._enforcement = enforcement
        self._searching = searching
        self._writing = writing
        self._right = for_scoring()
        # A model's searches never change, so they are parsed once.
        self._queries = [
            search.parse(kind, [parameter], lenient=False) for kind, parameter in model.searches.items()
        ]

    async def assess(
        self, principal: Principal, patient: str, *, stated: Mapping[str, Any] | None = None
    ) -> Assessed:
        """Assess the risk of the Patient with the logical id `patient`, and store the RiskAssessment.

        `stated` is a Patient that the requester holds under the same id, if it sent one: it is compared, so
        that the requester does not get another patient's risk.

        Raises:
            ForbiddenError: the principal is no member's system, or asks for another purpose than treatment.
            NotFoundError: there is no such patient, or the score is not permitted; `tx_id` names the entry.
            ConflictError: `stated` has another birth date or gender.
            UnscorableError: the visible records hold too little; the problems name the features.
            UnavailableError: ledger, store or evaluator can't be reached, or the answer can't be used.
        """
        if principal.kind is not Kind.SYSTEM or principal.purpose != _PURPOSE:
            raise ForbiddenError(f"a risk score is for members' systems that ask for {_PURPOSE}")
        target = f"Patient/{patient}/$assess-risk"
        digest = self.model.digest
        question = ScoreQuestion(principal, Action.SCORE, "assess-risk", target, CLASSES, model=digest)
        reference = self._references.record("Patient", patient)
        stored = (await self._records.read(lambda c: documents.current(c, [reference]))).get(reference)
        subjects = (self._references.subject(patient),) if stored is None else stored.subjects
        answer = await self._enforcement.ask_score(question, subjects)
        try:
            return await self._assess(question, answer, stored, patient, stated)
        except (ConflictError, UnscorableError, UnavailableError) as refused:
            refused.tx_id = refused.tx_id or answer.tx_id
            raise

    async def _assess(
        self,
        question: ScoreQuestion,
        answer: ScoreAnswer,
        stored: StoredVersion | None,
        patient: str,
        stated: Mapping[str, Any] | None,
    ) -> Assessed:
        if stored is None or stored.deleted or not answer.permits(stored.subjects):
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        stored = await with_body(self._records, answer, stored)
        if stored is None:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        subject = self._references.subject(patient)
        candidates = [
            await self._searching.sealed(query, subject, limit=MOST_RECORDS) for query in self._queries
        ]
        moment = datetime.now(UTC)
        found = await asyncio.to_thread(self._features, answer, stored, candidates, moment, stated)
        try:
            scored = await self.model.score(found.features)
        except UnusableAnswerError as useless:
            sent, came = useless.query, useless.answer
            await self._commit(
                question, answer, found, sent, lambda salt: failure_commitment(salt, query=sent, answer=came)
            )
            raise UnavailableError("the evaluator's answer can't be used; nothing was stored") from None
        qualitative_risk = self.model.qualitative_risk(scored.probability)
        body = self._body(
            found=found,
            scored=scored,
            qualitative_risk=qualitative_risk,
            patient=patient,
            transaction=answer.tx_id,
            moment=moment,
        )
        shown = await self._commit(
            question, answer, found, scored.query, lambda salt: output_commitment(salt, body)
        )
        used = [version for version, _ in found.used.values()]
        if not shown.permits(stored.subjects) or not self._still_released(shown, [stored, *used]):
            raise NotFoundError(HIDDEN, tx_id=shown.tx_id)
        logical_id = msgspec.json.decode(body)["id"]
        change = await self._writing.prepare(self._right, body, logical_id=logical_id)
        [written] = await self._writing.write([change], by=question.principal, interaction="create")
        released = await self._release_new(shown, logical_id)
        missing = tuple(feature.title for feature in found.features if feature.missing)
        return Assessed(written, released, shown.tx_id, scored.probability, qualitative_risk, missing)

    def _features(
        self,
        answer: Answer,
        stored: StoredVersion,
        candidates: Sequence[FetchedVersions],
        moment: datetime,
        stated: Mapping[str, Any] | None,
    ) -> _Found:
        """Open the visible records and extract the features; runs in a thread."""
        released = self._enforcement.release(answer, stored)
        if released is None:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        patient = msgspec.json.decode(released)
        if stated is not None and any(stated.get(k, patient.get(k)) != patient.get(k) for k in _COMPARED):
            raise ConflictError("the Patient that was sent differs from the one stored under this id")
        visible: dict[str, tuple[StoredVersion, Mapping[str, Any]]] = {_reference(patient): (stored, patient)}
        for one in (one for kind in candidates for one in kind.rows):
            body = self._enforcement.release(answer, one)
            if body is not None:
                resource = msgspec.json.decode(body)
                visible[_reference(resource)] = one, resource
        records = [resource for _, resource in visible.values()]
        features = self.model.features(patient, records, moment.date())
        sources = dict.fromkeys(source for feature in features for source in feature.sources)
        return _Found(
            features,
            {source: visible[source] for source in sources},
            all_seen=all(len(kind.rows) < MOST_RECORDS and not kind.cut for kind in candidates),
        )

    def _body(
        self,
        *,
        found: _Found,
        scored: RiskScore,
        qualitative_risk: QualitativeRisk,
        patient: str,
        transaction: str,
        moment: datetime,
    ) -> bytes:
        model = self.model
        most = f"{MOST_RECORDS} records or {FETCH_LIMIT >> 20} MiB"
        remark = f"Only the last {most} of each kind that were written were looked at."
        return risk_assessment(
            logical_id=new_id(),
            patient=patient,
            when=instant(int(moment.timestamp() * 1000)),
            estimate=Estimate(
                model.title,
                model.outcome,
                scored.probability,
                (qualitative_risk.code, qualitative_risk.display),
                qualitative_risk.relative,
            ),
            evidence=Evidence(
                model.digest,
                transaction,
                scored.query,
                scored.answer,
                {reference: resource for reference, (_, resource) in found.used.items()},
                [f"{one.reason}: {one.title}" for one in found.features if one.missing],
                () if found.all_seen else (remark,),
            ),
        )

    async def _commit(
        self,
        question: ScoreQuestion,
        answer: ScoreAnswer,
        found: _Found,
        query: str,
        output: Callable[[bytes], str],
    ) -> Answer:
        """Ask the ledger again, with the results; `output` commits to the output under a pair's salt."""
        features = {feature.name: feature.value for feature in found.features}
        results: dict[bytes, ScoreResult] = {}
        for subject, entry in answer.entries.items():
            secret = PatientSecret(answer.keys[subject].secret)
            salt = secret.salt(question.principal.organization)
            results[subject] = ScoreResult(
                tx=entry.tx,
                time=entry.time,
                n=entry.n,
                input=input_commitment(
                    salt, model=self.model.digest, transaction=answer.tx_id, features=features, query=query
                ),
                output=output(salt),
            )
        return await self._enforcement.ask(replace(question, results=results), list(results))

    def _still_released(self, shown: Answer, used: Iterable[StoredVersion]) -> bool:
        return all(self._enforcement.release(shown, stored) is not None for stored in used)

    async def _release_new(self, shown: Answer, logical_id: str) -> bytes:
        reference = self._references.record("RiskAssessment", logical_id)
        stored = (await self._records.read(lambda c: documents.current(c, [reference]))).get(reference)
        stored = None if stored is None else await with_body(self._records, shown, stored)
        body = None if stored is None else self._enforcement.release(shown, stored)
        if stored is None or body is None:
            raise NotFoundError(HIDDEN, tx_id=shown.tx_id)
        shown.giver(stored, body)()
        return body


def _reference(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
