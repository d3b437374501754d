"""The officer's queue: the accesses of a time that need a look, the least explained first.

The gateway reads the log behind the officer's question, and shows the accesses in the queue alone. So each
patient of the queue is told that an officer has read the entry, in a log of her own, before it is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import partial

from chaincode.access.log_keys import read_entry
from chaincode.access.model import Action
from exchange.auth.principal import Kind, Principal
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.references import References
from exchange.crypto.release_notes import ReleasedRecord
from exchange.errors import ForbiddenError
from exchange.fhir.audit_event import event_id
from exchange.ledger.projection import Projection
from exchange.review.model import Access, Assessment
from exchange.review.past import LOOK_BACK
from exchange.review.triage import Triage, in_order
from exchange.services.access.details import open_detail
from exchange.services.access.enforcement import MOST_SUBJECTS, Enforcement, Question
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.audit.review_facts import AT_ONCE, ReviewFacts
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.log.log_tables import Filter, LogRow

_ROWS = 500
_READS = frozenset(Action) - {Action.LOG}
_NOT_STAFF = ("Patient/", "RelatedPerson/")


@dataclass(frozen=True, slots=True)
class QueuedAccess:
    """The accesses of one user to one patient that need a look: the least explained, and how many."""

    assessment: Assessment
    user_name: str
    accesses: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """The queue, the number of accesses that were reviewed, and of entries that name no user any more."""

    queued: tuple[QueuedAccess, ...]
    reviewed: int
    unnamed: int
    tx_id: str


@dataclass(slots=True)
class _Read:
    """The accesses of the log, with what is needed to show them."""

    accesses: list[Access]
    names: dict[str, str]
    rows: dict[str, LogRow]
    unnamed: int = 0


class AccessReview:
    """Reviews the accesses to the records of the hospital `msp_id`; nights are those in `zone`."""

    def __init__(
        self,
        *,
        msp_id: str,
        references: References,
        keys: SubjectKeyStore,
        enforcement: Enforcement,
        entries: Database,
        projection: Projection,
        facts: Callable[[], ReviewFacts],
        zone: tzinfo | None,
    ) -> None:
        self._msp_id = msp_id
        self._references = references
        self._keys = keys
        self._enforcement = enforcement
        self._entries = entries
        self._projection = projection
        self._facts = facts
        self._zone = zone or UTC

    async def queue(self, principal: Principal, since: int, *, most: int) -> ReviewQueue:
        """Return the accesses since `since` (ms since 1970 UTC) that need a look, at most `most`.

        Raises:
            ForbiddenError: the principal is no officer of this hospital.
            UnavailableError: store or ledger can't be reached; nothing is shown.
        """
        if principal.kind is not Kind.OFFICER or principal.organization != self._msp_id:
            raise ForbiddenError("accesses are reviewed by this hospital's officers")
        directory = self._references.directory
        await self._keys.ensure({directory: ""})
        question = Question(principal, Action.LOG, "review", "AuditEvent/$review", ("AuditEvent",))
        answer = await self._enforcement.ask(question, [directory])
        if not answer.permits([directory]):
            raise ForbiddenError("the consortium's policy permits officers no reading of the log")
        await self._projection.reached(answer.tx_id)
        read = await self._read(since - LOOK_BACK)
        flagged = await self._flagged(read, since)
        queued = _grouped(flagged, read.names)[:most]
        await self._tell(question, queued, read)
        reviewed = sum(one.time >= since for one in read.accesses)
        return ReviewQueue(tuple(queued), reviewed, read.unnamed, answer.tx_id)

    async def _read(self, begin: int) -> _Read:
        """Read the accesses of people from `begin` on."""
        until = await self._entries.read(log_tables.last_sequence)
        which = Filter(custodian=self._msp_id, times=[(begin, None)], until=until)
        read = _Read([], {}, {})
        behind: int | None = None
        while True:
            rows = await self._entries.read(
                partial(log_tables.list_entries, which=which, before=behind, limit=_ROWS, oldest_first=True)
            )
            keys = await self._keys.find([row.subject for row in rows if row.subject is not None])
            for row in rows:
                _add(read, row, keys)
            if len(rows) < _ROWS:
                return read
            behind = rows[-1].sequence

    async def _flagged(self, read: _Read, since: int) -> list[Assessment]:
        facts = self._facts()
        await facts.load_staff()
        triage, accesses = Triage(facts, self._zone), in_order(read.accesses)
        flagged: list[Assessment] = []
        for start in range(0, len(accesses), AT_ONCE):
            some = accesses[start : start + AT_ONCE]
            await facts.load([one.patient for one in some])
            assessed = map(triage.assess, some)
            flagged += (one for one in assessed if one.flagged and one.access.time >= since)
        return flagged

    async def _tell(self, question: Question, queued: Sequence[QueuedAccess], read: _Read) -> None:
        """Log under every patient of the queue that its entry is read, and note that it is released."""
        shown: dict[bytes, list[LogRow]] = {}
        for one in queued:
            row = read.rows[one.assessment.access.id]
            if row.subject is not None:
                shown.setdefault(row.subject, []).append(row)
        subjects = list(shown)
        for start in range(0, len(subjects), MOST_SUBJECTS):
            some = subjects[start : start + MOST_SUBJECTS]
            answer = await self._enforcement.ask(question, some)
            for subject in some:
                if not answer.permits([subject]):
                    raise ForbiddenError("the consortium's policy permits officers no reading of the log")
                for row in shown[subject]:
                    name = f"AuditEvent/{event_id(row.place.tx, row.place.n)}"
                    digest = hashlib.sha256(row.record).digest()
                    answer.release.give(ReleasedRecord(name, 1, digest, named=False), [subject])


def _add(read: _Read, row: LogRow, keys: dict[bytes, SubjectKeys]) -> None:
    entry = read_entry(row.place, row.record)
    if entry.action not in _READS:
        return
    known = keys.get(row.subject) if row.subject is not None else None
    if known is None or row.sealed is None:
        read.unnamed += 1
        return
    detail = open_detail(known, row.place.tx, row.place.n, row.sealed)
    if not detail.patient or detail.user == detail.client or detail.user.startswith(_NOT_STAFF):
        return  # a system, or the patient's side
    user = detail.user if "/" in detail.user else f"Practitioner/{detail.user}"
    name = event_id(entry.tx, entry.n)
    read.names[user] = detail.user_name
    read.rows[name] = row
    read.accesses.append(
        Access(
            name,
            entry.time,
            user,
            entry.recipient,
            detail.patient,
            entry.purpose,
            entry.classes,
            refused=entry.outcome == "deny",
        )
    )


def _grouped(flagged: Sequence[Assessment], names: dict[str, str]) -> list[QueuedAccess]:
    """Return one item for each user and patient, the least explained first."""
    groups: dict[tuple[str, str, str], list[Assessment]] = {}
    for one in flagged:
        key = (one.access.organization, one.access.user, one.access.patient)
        groups.setdefault(key, []).append(one)
    queued = list(_items(groups.values(), names))
    return sorted(queued, key=lambda item: (-item.assessment.score, -item.last, item.assessment.access.id))


def _items(groups: Iterable[list[Assessment]], names: dict[str, str]) -> Iterator[QueuedAccess]:
    for group in groups:
        worst = max(group, key=lambda one: (one.score, one.access.time, one.access.id))
        times = [one.access.time for one in group]
        yield QueuedAccess(worst, names.get(worst.access.user, ""), len(group), min(times), max(times))
