"""Read and vread: from a reference to released bytes, through enforcement.

An older version is released only where that version and the current one may both be seen: a label that was
added later, or a patient that the record now belongs to, hides the versions before it as well.

A deleted record is gone for the other members, with all of its versions: they get the answer that a record
gets which was never there. The custodian's own systems and the patient see that it was deleted, and its past.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from chaincode.access.model import Action
from exchange.auth.principal import Kind, Principal
from exchange.crypto.references import References
from exchange.errors import DamagedError, GoneError, NotFoundError, ThrottledError, TooCostlyError
from exchange.runtime import quota
from exchange.runtime.batching import Coalescer
from exchange.runtime.offload import offload
from exchange.services.access.enforcement import Answer, Enforcement, Question
from exchange.services.access.patient_links import PatientLinks
from exchange.store.engine.database import Database
from exchange.store.records import documents
from exchange.store.records.documents import StoredVersion

HIDDEN = "no such record, or none that you may read"
"""The one wording for a record that is not there and for one that is not permitted."""
MISSING_VERSION = "an earlier version of a record is missing; run `consentry verify`"
"""The wording for rows that were taken away."""


@dataclass(frozen=True, slots=True)
class Released:
    """A version that may leave the gateway. `written` is in ms since 1970 UTC; a deletion has no body.

    `creates` says of a version of a history that there was no record before it. `give` is called by what puts
    it into an answer.
    """

    body: bytes
    version: int
    written: int
    deleted: bool
    tx_id: str
    give: Callable[[], None]
    creates: bool = False


def may_ever_see(principal: Principal, links: PatientLinks, subjects: tuple[bytes, ...]) -> bool:
    """Check whether records of `subjects` are within the bounds of the kind of principal.

    A patient may see the patient's own records, under each number that is linked, and no others; an officer
    may see no records, because officers review the log.
    """
    if principal.kind is Kind.PATIENT:
        return links.covers(principal, subjects)
    return principal.kind is Kind.SYSTEM


async def with_body(records: Database, answer: Answer, stored: StoredVersion) -> StoredVersion | None:
    """Return `stored` with its body, read now if that is `LARGE` and `answer` permits it.

    It is read only then: a requester that may not see it must not learn that memory was short.

    Raises:
        ThrottledError: other requests take the memory for it.
    """
    if stored.envelope.sealed or not answer.permits(stored.subjects):
        return stored
    reference, number, reserve = stored.envelope.reference, stored.version, quota.current().reserve
    return await records.read(lambda c: documents.version(c, reference, number, reserve=reserve))


class RecordReader:
    """Reads of one custodian's records and their versions."""

    def __init__(
        self,
        *,
        msp_id: str,
        references: References,
        records: Database,
        links: PatientLinks,
        enforcement: Enforcement,
    ) -> None:
        self._msp_id = msp_id
        self._references = references
        self._links = links
        self._records = records
        self._enforcement = enforcement
        self._current = Coalescer(self._fetch_current)

    async def read(
        self, principal: Principal, resource_type: str, logical_id: str, version: int | None = None
    ) -> Released:
        """Return the current version, or `version`, of a record.

        Raises:
            NotFoundError: there is none, or none that this principal may read; `tx_id` names the entry.
            GoneError: it was deleted, and the principal may know.
            ThrottledError: other requests take the memory for it.
            DamagedError: it is not as it was written last.
        """
        reference = self._references.record(resource_type, logical_id)
        current = await self.current(reference)
        stored = current
        target = f"{resource_type}/{logical_id}" + (f"/_history/{version}" if version is not None else "")
        question = Question(
            principal, Action.READ, "read" if version is None else "vread", target, (resource_type,)
        )
        if version is not None:
            reserve = quota.current().reserve
            try:
                stored = await self._records.read(
                    lambda c: documents.version(c, reference, version, reserve=reserve)
                )
            except (ThrottledError, TooCostlyError):
                await self.check_visible(question, current)
                raise
            if stored is None and current is not None and 0 < version <= current.version:
                await self.check_visible(question, current)
                raise DamagedError(MISSING_VERSION)
        answer, body = await self._ask_and_open(question, stored, current)
        if stored is None or body is None:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        if stored.deleted:
            raise GoneError("the record was deleted", tx_id=answer.tx_id)
        return Released(
            body,
            stored.version,
            stored.written,
            deleted=False,
            tx_id=answer.tx_id,
            give=answer.giver(stored, body, f"{resource_type}/{logical_id}"),
        )

    async def current(self, reference: bytes) -> StoredVersion | None:
        """Return the current version of a record, sealed; reads at the same time share one query.

        Raises:
            DamagedError: it is not the one that was written last.
        """
        found = (await self._current.share([reference])).get(reference)
        if isinstance(found, DamagedError):
            raise DamagedError(str(found))
        return found

    async def _fetch_current(self, references: Sequence[bytes]) -> dict[bytes, StoredVersion | DamagedError]:
        try:
            return dict(await self._records.read(lambda c: documents.current(c, references)))
        except DamagedError as why:
            if len(references) == 1:
                return {references[0]: why}
        found: dict[bytes, StoredVersion | DamagedError] = {}
        for reference in references:  # the others' callers get theirs
            found |= await self._fetch_current([reference])
        return found

    async def _ask_and_open(
        self, question: Question, stored: StoredVersion | None, current: StoredVersion | None
    ) -> tuple[Answer, bytes | None]:
        if stored is None or current is None or not self.may_see(question, (stored, current)):
            return await self._enforcement.ask(question, ()), None
        answer = await self._enforcement.ask(question, subjects_of((stored, current)))
        if stored.version != current.version and await self.release(question, answer, current) is None:
            return answer, None
        return answer, await self.release(question, answer, stored)

    async def check_visible(self, question: Question, current: StoredVersion | None) -> None:
        """Refuse a hidden record as missing, since a refusal for memory would disclose that it exists.

        Raises:
            NotFoundError: there is none, or none that this principal may read.
        """
        answer, body = await self._ask_and_open(question, current, current)
        if body is None:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)

    def may_see(self, question: Question, versions: Sequence[StoredVersion]) -> bool:
        """Check whether the question's principal may ever see all `versions`."""
        return all(may_ever_see(question.principal, self._links, stored.subjects) for stored in versions)

    def _may_see_deleted(self, principal: Principal) -> bool:
        return principal.kind is Kind.PATIENT or principal.organization == self._msp_id

    async def release(self, question: Question, answer: Answer, stored: StoredVersion) -> bytes | None:
        """Return the bytes of a version if the answer permits it and its obligations admit it, else None."""
        # A tombstone has no content for obligations, so it is released with the version before it: a
        # requester that might not see that one is not told that it is gone either.
        if stored.deleted:
            if not answer.permits(stored.subjects) or not self._may_see_deleted(question.principal):
                return None  # without further work, as for a record that does not exist
            reference, version, reserve = (
                stored.envelope.reference,
                stored.version - 1,
                quota.current().reserve,
            )
            deleted = await self._records.read(
                lambda c: documents.version(c, reference, version, reserve=reserve)
            )
            if deleted is None:
                raise DamagedError(MISSING_VERSION)
            if await self._opened(answer, deleted) is None:
                return None
        read = await with_body(self._records, answer, stored)
        return None if read is None else await self._opened(answer, read)

    async def _opened(self, answer: Answer, stored: StoredVersion) -> bytes | None:
        return await offload(
            partial(self._enforcement.release, answer, stored), size=len(stored.envelope.sealed)
        )


def subjects_of(versions: Sequence[StoredVersion]) -> tuple[bytes, ...]:
    """Return the subjects of `versions`, each once."""
    return tuple(dict.fromkeys(token for stored in versions for token in stored.subjects))
