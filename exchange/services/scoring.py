"""A patient's risk score: permitted, computed from visible records, committed to, stored, and released.

1. The ledger is asked with action `score` and the model's digest before any record is opened.
2. Features come from the patient's own records, released one by one like any read: a record that is hidden
   from the requester does not enter its score. A hidden Patient is not found, as for a read.
3. The evaluator computes on ciphertext (`exchange.risk`).
4. The ledger is asked again, with commitments to input and output. It decides on the terms that hold by
   then. The records used are released anew under that decision, or no score is shown.
5. The RiskAssessment is stored as a record of the patient and released like one. Its id follows from the
   inputs. So equal inputs give one: where it is stored already, the evaluator is not asked, and the same
   RiskAssessment is committed to and released.

An answer of the evaluator that holds no score is committed to as well, so that the log, which others read,
does not disclose to the evaluator whether its answers could be opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from chaincode.access.model import Action, ScoreResult
from exchange.auth.principal import Kind, Principal
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.errors import (
    ForbiddenError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
    UnscorableError,
)
from exchange.fhir import search
from exchange.fhir.resource_bytes import instant
from exchange.risk.port import ModelFeature, RiskModel, RiskScore, UnusableAnswerError
from exchange.risk.risk_assessment import (
    Estimate,
    Evidence,
    ShownEstimate,
    assessed_inputs,
    failure_commitment,
    input_commitment,
    missing_features,
    output_commitment,
    records_set_aside,
    risk_assessment,
    shown_estimate,
)
from exchange.runtime.quota import FETCH_LIMIT
from exchange.services.access.enforcement import Answer, Enforcement, ScoreAnswer, ScoreQuestion
from exchange.services.records.changes import WriteResult
from exchange.services.records.conditions.preconditions import Precondition
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
_NEW = Precondition(none_match="*")


@dataclass(frozen=True, slots=True)
class Assessed:
    """A RiskAssessment as it was stored and released; `tx_id` names the entry that committed to it."""

    written: WriteResult
    tx_id: str
    estimate: ShownEstimate
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """The features, and by reference the stored records used and set aside, with their content."""

    features: tuple[ModelFeature, ...]
    used: Mapping[str, tuple[StoredVersion, Mapping[str, Any]]]
    considered: Mapping[str, tuple[StoredVersion, Mapping[str, Any]]]
    all_seen: bool

    @property
    def stored(self) -> dict[str, StoredVersion]:
        return {name: one for part in (self.used, self.considered) for name, (one, _) in part.items()}

    @property
    def values(self) -> dict[str, float]:
        return {feature.name: feature.value for feature in self.features}

    @property
    def remarks(self) -> list[str]:
        most = f"{MOST_RECORDS} records or {FETCH_LIMIT >> 20} MiB"
        cut = f"Only the last {most} of each kind that were written were looked at."
        return [*records_set_aside(self.features), *([] if self.all_seen else [cut])]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that the ledger has permitted, with what was found for it."""

    question: ScoreQuestion
    answer: ScoreAnswer
    stored: StoredVersion
    patient: str
    moment: datetime
    found: _Found


class Scoring:
    """Scores of one custodian's patients by one `model`; ages are those on the day in `zone`."""

    def __init__(
        self,
        *,
        model: RiskModel,
        references: References,
        records: Database,
        enforcement: Enforcement,
        searching: RecordSearch,
        writing: RecordWriter,
        zone: tzinfo | None = None,
    ) -> None:
        self.model = model
        self._zone = zone or UTC
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._references = references
        self._records = records
        self._enforcement = enforcement
        self._searching = searching
        self._writing = writing
        self._right = for_scoring()
        # A model's searches never change, so they are parsed once.
        self._queries = [
            search.parse(kind, parameters, lenient=False) for kind, parameters in model.searches.items()
        ]

    async def assess(self, principal: Principal, patient: str) -> Assessed:
        """Assess the risk of the Patient with the logical id `patient`, and store the RiskAssessment.

        Raises:
            ForbiddenError: the principal is no member's system, or asks for another purpose than treatment.
            NotFoundError: there is no such patient, or the score is not permitted; `tx_id` names the entry.
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
            return await self._assess(question, answer, stored, patient)
        except (UnscorableError, UnavailableError) as refused:
            refused.tx_id = refused.tx_id or answer.tx_id
            raise

    async def _assess(
        self, question: ScoreQuestion, answer: ScoreAnswer, stored: StoredVersion | None, patient: str
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
        moment = datetime.now(self._zone)
        found = await asyncio.to_thread(self._features, answer, stored, candidates, moment)
        asked = _Asked(question, answer, stored, patient, moment, found)
        logical_id = self._identity(asked)
        async with self._turns.setdefault(logical_id, asyncio.Lock()):
            known = await self._stored(answer, logical_id)
            if known is None:
                return await self._anew(asked, logical_id)
            body = self._enforcement.release(answer, known)
            if body is None:
                raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
            shown = shown_estimate(body, model=self.model.digest)
            if shown is None:  # somebody has changed it since
                return await self._anew(asked, new_id())
            return await self._again(asked, known, body, shown)

    def _identity(self, asked: _Asked) -> str:
        found = asked.found
        inputs = assessed_inputs(
            patient=asked.patient,
            model=self.model.digest,
            features=found.values,
            records={reference: version.version for reference, version in found.stored.items()},
            notes=[*missing_features(found.features), *found.remarks],
        )
        [first, *_] = asked.stored.subjects
        return PatientSecret(asked.answer.keys[first].secret).assessment_id(inputs)

    async def _stored(self, answer: Answer, logical_id: str) -> StoredVersion | None:
        reference = self._references.record("RiskAssessment", logical_id)
        stored = (await self._records.read(lambda c: documents.current(c, [reference]))).get(reference)
        return None if stored is None or stored.deleted else await with_body(self._records, answer, stored)

    async def _again(self, asked: _Asked, stored: StoredVersion, body: bytes, was: ShownEstimate) -> Assessed:
        transaction = asked.answer.tx_id
        shown = await self._commit(
            asked, was.query, lambda salt: output_commitment(salt, body, transaction=transaction)
        )
        self._check_still_released(asked, shown)
        logical_id = msgspec.json.decode(body)["id"]
        released = await self._release(shown, logical_id)
        if released != body:
            raise UnavailableError("the assessment was changed while it was asked for; ask again")
        written = WriteResult(
            "RiskAssessment", logical_id, stored.version, stored.written, "unchanged", released
        )
        return _assessed(asked, shown, written, was)

    async def _anew(self, asked: _Asked, logical_id: str) -> Assessed:
        transaction = asked.answer.tx_id
        try:
            scored = await self.model.score(asked.found.features)
        except UnusableAnswerError as useless:
            sent, came = useless.query, useless.answer
            await self._commit(asked, sent, lambda salt: failure_commitment(salt, query=sent, answer=came))
            raise UnavailableError("the evaluator's answer can't be used; nothing was stored") from None
        body = self._body(asked, scored, logical_id)
        shown = await self._commit(
            asked, scored.query, lambda salt: output_commitment(salt, body, transaction=transaction)
        )
        self._check_still_released(asked, shown)
        change = await self._writing.prepare(self._right, body, logical_id=logical_id, precondition=_NEW)
        try:
            [written] = await self._writing.write([change], by=asked.question.principal, interaction="create")
        except PreconditionError:  # another gateway of this hospital was asked at the same moment
            raise UnavailableError("the same assessment has just been stored; ask again") from None
        released = await self._release(shown, logical_id)
        estimate = shown_estimate(released, model=self.model.digest)
        if estimate is None:
            raise UnavailableError("the assessment was changed while it was asked for; ask again")
        return _assessed(asked, shown, replace(written, body=released), estimate)

    def _features(
        self, answer: Answer, stored: StoredVersion, candidates: Sequence[FetchedVersions], moment: datetime
    ) -> _Found:
        """Open the visible records and extract the features; runs in a thread."""
        released = self._enforcement.release(answer, stored)
        if released is None:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        patient = msgspec.json.decode(released)
        visible: dict[str, tuple[StoredVersion, Mapping[str, Any]]] = {_reference(patient): (stored, patient)}
        for one in (one for kind in candidates for one in kind.rows):
            body = self._enforcement.release(answer, one)
            if body is not None:
                resource = msgspec.json.decode(body)
                visible[_reference(resource)] = one, resource
        records = [resource for _, resource in visible.values()]
        features = self.model.features(patient, records, moment)
        used = {source: visible[source] for feature in features for source in feature.sources}
        aside = {one.source: visible[one.source] for feature in features for one in feature.set_aside}
        return _Found(
            features,
            used,
            {source: one for source, one in aside.items() if source not in used},
            all_seen=all(len(kind.rows) < MOST_RECORDS and not kind.cut for kind in candidates),
        )

    def _body(self, asked: _Asked, scored: RiskScore, logical_id: str) -> bytes:
        model, found = self.model, asked.found
        qualitative_risk = model.qualitative_risk(scored.probability)
        return risk_assessment(
            logical_id=logical_id,
            patient=asked.patient,
            when=instant(int(asked.moment.timestamp() * 1000)),
            estimate=Estimate(
                model.title,
                model.outcome,
                scored.probability,
                (qualitative_risk.code, qualitative_risk.display),
                qualitative_risk.relative,
            ),
            evidence=Evidence(
                model.digest,
                asked.answer.tx_id,
                scored.query,
                scored.answer,
                {reference: resource for reference, (_, resource) in found.used.items()},
                missing_features(found.features),
                found.remarks,
                {reference: resource for reference, (_, resource) in found.considered.items()},
            ),
        )

    async def _commit(self, asked: _Asked, query: str, output: Callable[[bytes], str]) -> Answer:
        """Ask the ledger again, with the results; `output` commits to the output under a pair's salt."""
        question, answer, features = asked.question, asked.answer, asked.found.values
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

    def _check_still_released(self, asked: _Asked, shown: Answer) -> None:
        used = [asked.stored, *asked.found.stored.values()]
        if not shown.permits(asked.stored.subjects) or any(
            self._enforcement.release(shown, one) is None for one in used
        ):
            raise NotFoundError(HIDDEN, tx_id=shown.tx_id)

    async def _release(self, shown: Answer, logical_id: str) -> bytes:
        stored = await self._stored(shown, logical_id)
        body = None if stored is None else self._enforcement.release(shown, stored)
        if stored is None or body is None:
            raise NotFoundError(HIDDEN, tx_id=shown.tx_id)
        shown.giver(stored, body)()
        return body


def _reference(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _assessed(asked: _Asked, shown: Answer, written: WriteResult, estimate: ShownEstimate) -> Assessed:
    missing = tuple(feature.title for feature in asked.found.features if feature.missing)
    return Assessed(written, shown.tx_id, estimate, missing)
