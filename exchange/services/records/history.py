"""History of one record: its versions page by page, the newest first, through enforcement.

Versions that stay hidden leave no gap in a page and do not end it, and the ledger is asked once, not once
for each fetch: the entries would count the hidden versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from chaincode.access.model import Action
from exchange.auth.principal import Kind, Principal
from exchange.crypto.references import References
from exchange.errors import DamagedError, ForbiddenError, NotFoundError, ThrottledError, TooCostlyError
from exchange.runtime import quota
from exchange.runtime.quota import COPIES_IN_MEMORY
from exchange.services.access.enforcement import Answer, Enforcement, Question
from exchange.services.records.limits import RecordLimits
from exchange.services.records.read import HIDDEN, MISSING_VERSION, RecordReader, Released, subjects_of
from exchange.store.engine.database import Database
from exchange.store.records import documents
from exchange.store.records.documents import FetchedVersions, StoredVersion


@dataclass(frozen=True, slots=True)
class History:
    """Released versions, the newest first, and the transaction that permitted them."""

    versions: tuple[Released, ...]
    tx_id: str
    more_below: int | None


@dataclass(slots=True)
class _Scan:
    """The versions released so far, and the answer that permitted them."""

    question: Question
    place: str
    current: StoredVersion | None
    limit: int
    most_bytes: int
    answer: Answer | None = None
    tx_id: str = ""
    released: list[Released] = field(default_factory=list)
    size: int = 0

    @property
    def is_over(self) -> bool:
        """True if there is more than one page holds."""
        return len(self.released) > self.limit or self.size > self.most_bytes

    def page(self) -> History:
        """Return as many of the versions as fit one page: `limit` and `most_bytes`, but one at least."""
        page: list[Released] = []
        size = 0
        for version in self.released[: self.limit]:
            size += len(version.body)
            if page and size > self.most_bytes:
                break
            page.append(version)
        over = len(self.released) > len(page) or self.size > self.most_bytes
        gone = {version.version for version in self.released if version.deleted}
        versions = [
            replace(one, creates=not one.deleted and (one.version == 1 or one.version - 1 in gone))
            for one in page
        ]
        return History(tuple(versions), self.tx_id, page[-1].version if over else None)


class HistoryReader:
    """The histories of one custodian's records."""

    def __init__(
        self,
        *,
        references: References,
        records: Database,
        enforcement: Enforcement,
        reading: RecordReader,
        limits: RecordLimits,
    ) -> None:
        self._limits = limits
        self._references = references
        self._records = records
        self._enforcement = enforcement
        self._reading = reading

    async def history(
        self,
        principal: Principal,
        resource_type: str,
        logical_id: str,
        *,
        below: int | None,
        limit: int,
    ) -> History:
        """Return versions of one record that the principal may read, the newest first.

        Raises:
            ForbiddenError: an officer's token.
            NotFoundError: there is none, or none that this principal may read.
            ThrottledError: other requests take the memory for it.
            DamagedError: a version is missing, or the newest is not the one that was written last.
        """
        if principal.kind is Kind.OFFICER:
            raise ForbiddenError("officers review the access log, not records")
        reference = self._references.record(resource_type, logical_id)
        target = f"{resource_type}/{logical_id}/_history"
        question = Question(principal, Action.HISTORY, "history-instance", target, (resource_type,))
        scan = _Scan(
            question,
            f"{resource_type}/{logical_id}",
            await self._reading.current(reference),
            limit,
            self._limits.page_bytes,
        )
        position = below
        reservation = quota.current()
        before = reservation.held
        while True:
            found = await self._fetch(scan, reference, position)
            answer = await self._release(scan, found.rows)
            reservation.hold(before + COPIES_IN_MEMORY * scan.size)
            ended = len(found.rows) <= limit and not found.cut
            if scan.released and _has_gap(found.rows, below=position, current=scan.current, ended=ended):
                raise DamagedError(MISSING_VERSION)
            if scan.is_over or ended or answer.permit is None:
                break
            position = found.rows[-1].version
            del found  # freed before the next fetch
        if not scan.released and below is None:
            raise NotFoundError(HIDDEN, tx_id=scan.tx_id)
        return scan.page()

    async def _fetch(self, scan: _Scan, reference: bytes, position: int | None) -> FetchedVersions:
        find = partial(
            documents.versions,
            reference=reference,
            below=position,
            limit=scan.limit + 1,
            reserve=quota.current().reserve,
        )
        try:
            return await self._records.read(find)
        except (ThrottledError, TooCostlyError):
            if scan.answer is None:
                await self._reading.check_visible(scan.question, scan.current)
            raise

    async def _release(self, scan: _Scan, rows: Sequence[StoredVersion]) -> Answer:
        """Release the visible ones of `rows` to the scan, and return the answer that decided on them."""
        current, question = scan.current, scan.question
        visible: list[StoredVersion] = []
        if current is not None and self._reading.may_see(question, [current]):
            visible = [stored for stored in rows if self._reading.may_see(question, [stored])]
        newest = [current] if visible and current is not None else []
        subjects = subjects_of([*newest, *visible])
        answer = scan.answer
        if answer is None or not answer.decisions.keys() >= set(subjects):
            answer = scan.answer = await self._enforcement.ask(question, subjects)
        scan.tx_id = scan.tx_id or answer.tx_id
        for one in newest:
            if await self._reading.release(question, answer, one) is None:
                return answer
        for stored in visible:
            body = await self._reading.release(question, answer, stored)
            if body is not None:
                scan.size += len(body)
                scan.released.append(
                    Released(
                        body,
                        stored.version,
                        stored.written,
                        stored.deleted,
                        answer.tx_id,
                        give=answer.giver(stored, body, scan.place),
                    )
                )
        return answer


def _has_gap(
    rows: Sequence[StoredVersion], *, below: int | None, current: StoredVersion | None, ended: bool
) -> bool:
    """Return whether a version is missing among `rows`, or after them where they are the last."""
    highest = min(below or current.version + 1, current.version + 1) - 1 if current is not None else 0
    if [one.version for one in rows] != list(range(highest, highest - len(rows), -1)):
        return True
    return ended and highest > len(rows)
