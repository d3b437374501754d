"""The facts of a review, read from the records by the way of every access: a question, then a Permit.

Records are opened for a batch of patients at a time, once for each patient; every patient has an entry of
that. A patient whose consent keeps the hospital's own operations out has no facts, so nothing explains the
accesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from chaincode.access.model import Action
from exchange.auth.principal import Principal
from exchange.crypto.references import References
from exchange.fhir import search
from exchange.review.model import Access, PatientFacts, StaffFacts
from exchange.runtime import quota
from exchange.runtime.quota import Quota, Reservation
from exchange.services.access.enforcement import Answer, Enforcement, Question
from exchange.services.audit.recorded_facts import PATIENT_TYPES, STAFF_TYPES, StaffDirectory
from exchange.services.membership import Members
from exchange.services.records.read import with_body
from exchange.services.records.search import RecordSearch
from exchange.store.engine.database import Database
from exchange.store.records import documents
from exchange.store.records.documents import Within

AT_ONCE: Final = 50
"""Patients whose records are asked for in one transaction."""
_PAGE = 200
_NOTHING = PatientFacts()


class ReviewFacts:
    """The facts of one review by the hospital `msp_id`; fits `exchange.review.model.RecordedFacts`."""

    def __init__(
        self,
        *,
        msp_id: str,
        base: str,
        members: Members,
        references: References,
        records: Database,
        enforcement: Enforcement,
        searching: RecordSearch,
        quota: Quota,
    ) -> None:
        self._reader = Principal.for_operator(msp_id, "consentry-review")
        self._msp_id = msp_id
        self._base = base
        self._members = members
        self._references = references
        self._records = records
        self._enforcement = enforcement
        self._searching = searching
        self._quota = quota
        self._directory = StaffDirectory((), base=base, hospital="")
        self._patients: dict[str, PatientFacts] = {}

    def patient(self, patient: str) -> PatientFacts:
        """Return the facts about a patient that was loaded."""
        return self._patients.get(patient, _NOTHING)

    def staff(self, access: Access) -> StaffFacts | None:
        """Return the facts about the user of `access`; of one without a record empty ones."""
        if access.organization != self._msp_id:
            return None
        return self._directory.staff.get(access.user, StaffFacts())

    async def load_staff(self) -> None:
        """Read the staff of the hospital.

        Raises:
            UnavailableError: store or ledger can't be reached.
        """
        found = [one for kind in STAFF_TYPES for one in await self._all_of(kind)]
        hospital = f"Organization/{self._members.by_msp[self._msp_id].organization}"
        self._directory = StaffDirectory(found, base=self._base, hospital=hospital)

    async def load(self, patients: Sequence[str]) -> None:
        """Read the records about those of `patients` that are not loaded yet.

        Raises:
            UnavailableError: store or ledger can't be reached.
        """
        new = [one for one in dict.fromkeys(patients) if one not in self._patients]
        for start in range(0, len(new), AT_ONCE):
            with Reservation(self._quota):
                await self._load_some(new[start : start + AT_ONCE])

    async def _all_of(self, kind: str) -> list[dict[str, Any]]:
        query = search.parse(kind, [("_count", str(_PAGE))], lenient=False)
        found: list[dict[str, Any]] = []
        after: int | None = None
        while True:
            with Reservation(self._quota):
                page = await self._searching.search(
                    self._reader, query, target=kind, after=after, one_page=False
                )
                found += (msgspec.json.decode(one.body) for one in page.resources)
            after = page.more_after
            if after is None:
                return found

    async def _load_some(self, patients: Sequence[str]) -> None:
        subjects = {self._references.subject(patient): patient for patient in patients}
        question = Question(self._reader, Action.SEARCH, "review", "$review", PATIENT_TYPES)
        answer = await self._enforcement.ask(question, list(subjects))
        permitted = [subject for subject in subjects if answer.permits([subject])]
        records: dict[bytes, list[dict[str, Any]]] = {subject: [] for subject in permitted}
        if permitted:
            await self._open(answer, records)
        for subject, patient in subjects.items():
            self._patients[patient] = self._directory.patient_facts(
                records.get(subject, ()), self._members.references
            )

    async def _open(self, answer: Answer, records: dict[bytes, list[dict[str, Any]]]) -> None:
        """Add the records that `answer` releases to those of their subjects."""
        kinds = [[[[self._references.of_type(kind) for kind in PATIENT_TYPES]]]]
        within = Within(list(records), [self._references.compartment(one) for one in records])
        after: int | None = None
        while True:
            reservation = quota.current()
            find = partial(
                documents.search,
                clauses=kinds,
                within=within,
                after=after,
                limit=_PAGE,
                reserve=reservation.reserve,
            )
            fetched = await self._records.read(find)
            for stored in fetched.rows:
                whole = await with_body(self._records, answer, stored)
                body = None if whole is None else self._enforcement.release(answer, whole)
                if body is not None:
                    resource = msgspec.json.decode(body)
                    for subject in stored.subjects:
                        records[subject].append(resource)
            if len(fetched.rows) < _PAGE and not fetched.cut:
                return
            after = fetched.rows[-1].sequence
            reservation.hold(0)
