"""Read, vread and history: from a reference to released bytes, through enforcement.

An older version is released to whoever may see both that version and the current one: a label that was
added later, or a patient that the record now belongs to, hides the versions before it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from chaincode.access.model import Action
from exchange.auth.principal import Kind, Principal
from exchange.crypto.references import References
from exchange.errors import ForbiddenError, GoneError, NotFoundError, ThrottledError, TooCostlyError
from exchange.runtime import quota
from exchange.runtime.batching import Coalescer
from exchange.runtime.quota import COPIES_IN_MEMORY
from exchange.services.access.enforcement import Answer, Enforcement, Question
from exchange.services.records.search import MOST_BYTES
from exchange.store.engine.database import Database
from exchange.store.records import documents
from exchange.store.records.documents import Stored

HIDDEN = "no such record, or none that you may read"
"""The one wording for what is not there and what is not permitted."""


@dataclass(frozen=True, slots=True)
class Released:
    """A version that may leave the gateway. `written` is in ms since 1970 UTC; a deletion has no body."""

    body: bytes
    version: int
    written: int
    deleted: bool
    tx_id: str


@dataclass(frozen=True, slots=True)
class History:
    """Released versions, the newest first, and the transaction that permitted them."""

    versions: tuple[Released, ...]
    tx_id: str
    more_below: int | None


def reach(principal: Principal, references: References, subjects: tuple[bytes, ...]) -> bool:
    """Whether `subjects` are within what the kind of principal may ever see.

    A patient's token reaches the patient's own records and no others; an officer's reaches no records,
    for officers review the log.
    """
    if principal.kind is Kind.PATIENT:
        return subjects == (references.subject(principal.patient),)
    return principal.kind is Kind.SYSTEM


async def whole(records: Database, answer: Answer, stored: Stored) -> Stored | None:
    """`stored` with its body, if that is `LARGE` and `answer` permits it.

    Read only then: who may not see it must not be told that there was no room for it.

    Raises:
        ThrottledError: other requests take the memory for it.
    """
    if stored.envelope.sealed or not answer.permits(stored.subjects):
        return stored
    reference, number, take = stored.envelope.reference, stored.version, quota.current().reserve
    return await records.read(lambda c: documents.version(c, reference, number, take=take))


class Reading:
    """The read interactions of one custodian's records."""

    def __init__(self, *, references: References, records: Database, enforcement: Enforcement) -> None:
        self._references = references
        self._records = records
        self._enforcement = enforcement
        self._current = Coalescer(self._look_up)

    async def read(
        self, principal: Principal, resource_type: str, logical_id: str, version: int | None = None
    ) -> Released:
        """The current version, or `version`, of a record.

        Raises:
            NotFoundError: there is none, or none that this principal may read; `tx_id` names the entry.
            GoneError: it was deleted, and the principal may know.
            ThrottledError: other requests take the memory for it.
        """
        reference = self._references.record(resource_type, logical_id)
        current = (await self._current.share([reference])).get(reference)
        stored = current
        target = f"{resource_type}/{logical_id}" + (f"/_history/{version}" if version is not None else "")
        question = Question(
            principal, Action.READ, "read" if version is None else "vread", target, (resource_type,)
        )
        if version is not None:
            take = quota.current().reserve
            try:
                stored = await self._records.read(
                    lambda c: documents.version(c, reference, version, take=take)
                )
            except (ThrottledError, TooCostlyError):
                await self._check_visible(question, current)
                raise
        answer, body = await self._ask_and_open(question, stored, current)
        if stored is None or body is None:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        if stored.deleted:
            raise GoneError("the record was deleted", tx_id=answer.tx_id)
        return Released(body, stored.version, stored.written, deleted=False, tx_id=answer.tx_id)

    async def _look_up(self, references: Sequence[bytes]) -> dict[bytes, Stored]:
        return await self._records.read(lambda c: documents.current(c, references))

    async def _ask_and_open(
        self, question: Question, stored: Stored | None, current: Stored | None
    ) -> tuple[Answer, bytes | None]:
        if stored is None or current is None or not self._reach(question, (stored, current)):
            return await self._enforcement.ask(question, ()), None
        answer = await self._enforcement.ask(question, _subjects((stored, current)))
        if stored.version != current.version and await self._release(answer, current) is None:
            return answer, None
        return answer, await self._release(answer, stored)

    async def _check_visible(self, question: Question, current: Stored | None) -> None:
        """Find nothing where the record is hidden: that there was no room for it would tell that it is here.

        Raises:
            NotFoundError: there is none, or none that this principal may read.
        """
        answer, body = await self._ask_and_open(question, current, current)
        if body is None:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)

    def _reach(self, question: Question, versions: Sequence[Stored]) -> bool:
        return all(reach(question.principal, self._references, stored.subjects) for stored in versions)

    async def _release(self, answer: Answer, stored: Stored) -> bytes | None:
        # A tombstone says nothing that an obligation could go by, so it goes with what was deleted:
        # whoever might not see that is not told that it is gone either.
        if stored.deleted:
            if not answer.permits(stored.subjects):
                return None  # without looking further, as for what does not exist
            reference, version, take = stored.envelope.reference, stored.version - 1, quota.current().reserve
            deleted = await self._records.read(lambda c: documents.version(c, reference, version, take=take))
            if deleted is None or self._enforcement.release(answer, deleted) is None:
                return None
        read = await whole(self._records, answer, stored)
        return None if read is None else self._enforcement.release(answer, read)

    async def history(
        self,
        principal: Principal,
        resource_type: str,
        logical_id: str,
        *,
        below: int | None,
        limit: int,
    ) -> History:
        """Versions of one record that the principal may read, the newest first.

        Raises:
            NotFoundError: there is none, or none that this principal may read.
        """
        if principal.kind is Kind.OFFICER:
            raise ForbiddenError("officers review the access log, not records")
        reference = self._references.record(resource_type, logical_id)
        target = f"{resource_type}/{logical_id}/_history"
        question = Question(principal, Action.HISTORY, "history-instance", target, (resource_type,))
        current = (await self._current.share([reference])).get(reference)
        released: list[Released] = []
        answer: Answer | None = None
        tx_id, position, size = "", below, 0
        reservation = quota.current()
        before = reservation.held
        while True:  # versions that stay hidden leave no gap in a page, and don't end it
            find = partial(
                documents.versions,
                reference=reference,
                below=position,
                limit=limit + 1,
                take=reservation.reserve,
            )
            try:
                found = await self._records.read(find)
            except (ThrottledError, TooCostlyError):
                if answer is None:
                    await self._check_visible(question, current)
                raise
            visible = []
            if current is not None and self._reach(question, [current]):
                visible = [stored for stored in found.rows if self._reach(question, [stored])]
            newest = [current] if visible and current is not None else []
            subjects = _subjects([*newest, *visible])
            # Asked once, not once for each look: the entries would count the versions that stay hidden.
            if answer is None or not answer.decisions.keys() >= set(subjects):
                answer = await self._enforcement.ask(question, subjects)
            tx_id = tx_id or answer.tx_id
            if not all([await self._release(answer, one) is not None for one in newest]):
                visible = []
            for stored in visible:
                body = await self._release(answer, stored)
                if body is not None:
                    size += len(body)
                    released.append(
                        Released(body, stored.version, stored.written, stored.deleted, answer.tx_id)
                    )
            reservation.hold(before + COPIES_IN_MEMORY * size)
            ended = len(found.rows) <= limit and not found.cut
            if len(released) > limit or size > MOST_BYTES or ended or answer.permit is None:
                break
            position = found.rows[-1].version
            del found, visible  # not beside what the next look takes
        if not released and below is None:
            raise NotFoundError(HIDDEN, tx_id=tx_id)
        page = _first(released, limit)
        over = len(released) > len(page) or size > MOST_BYTES
        return History(tuple(page), tx_id, page[-1].version if over else None)


def _first(versions: Sequence[Released], limit: int) -> list[Released]:
    """What one page takes of `versions`: `limit` of them and `MOST_BYTES`, but one at least."""
    page: list[Released] = []
    size = 0
    for version in versions[:limit]:
        size += len(version.body)
        if page and size > MOST_BYTES:
            break
        page.append(version)
    return page


def _subjects(versions: Sequence[Stored]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(token for stored in versions for token in stored.subjects))
