"""Search, page by page: subjects by the ledger, candidates by token, matches by obligation.

Nothing that is asked of the ledger follows from a hidden record, since the requester reads the ledger too:

1. A search that names patients asks for these and no others.
2. A search that names none asks for all patients with an open pair towards the requester, whether or not
   they have a match, or for the directory where the type has no patients. Where no pair is open, one attempt
   says that a search was made.
3. Candidates are the records of the patients who permitted it, and no others. So a record about several
patients is found by a search that names all of them, or none.
4. The hospital's own systems may see most of what there is: their candidates are found first and asked
   for after, which costs the ledger far less, and discloses nothing that these systems don't hold.

Where tokens only narrow a search, each visible record is compared with it (`fhir/search/on_record.py`).

A page depends on the visible records alone: hidden ones leave no total, no gap and no `next`
link behind. The one exception is a search that passes over `RecordLimits.scanned` candidates: its page ends
there, however short, and links to the next. One that counts, or sorts by a value (`sort`), looks through
`RecordLimits.whole` candidates and is refused beyond. Every page asks the ledger anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import msgspec

from chaincode.access.model import Action
from exchange.auth.principal import Kind, Principal
from exchange.crypto.index_tokens import TokenKeys
from exchange.crypto.references import References
from exchange.errors import ForbiddenError, TooCostlyError
from exchange.fhir.bundle import FoundResource
from exchange.fhir.compartment import DIRECTORY_TYPES
from exchange.fhir.search import Comparison, Query, comparison_of
from exchange.runtime import budget, quota
from exchange.runtime.offload import offload
from exchange.runtime.quota import COPIES_IN_MEMORY
from exchange.services.access.enforcement import MOST_SUBJECTS, Answer, Enforcement, Question
from exchange.services.access.patient_links import PatientLinks
from exchange.services.consents.pairs import Pairs
from exchange.services.records.limits import RecordLimits
from exchange.store.engine.database import Database
from exchange.store.records import documents
from exchange.store.records.documents import Clause, FetchedVersions, StoredVersion, Within


class SearchCursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """The place where a search goes on: its parameters, the last page's last sequence, and the total.

    `after` has always the same number of digits: a sealed cursor keeps its length, and the length of a
    sequence would disclose how much its reader may not see. `total` is that of the first page; `until` is the
    last sequence that counted then, for a search that has one. `partial` is as in `FoundPage`.
    """

    resource_type: str
    parameters: tuple[tuple[str, str], ...]
    after: str
    lenient: bool = False
    total: int | None = None
    until: int | None = None
    partial: bool = False


def position_text(sequence: int) -> str:
    """Return a sequence as a cursor holds it."""
    return f"{sequence:019d}"


@dataclass(frozen=True, slots=True)
class FoundPage:
    """One page: released resources in order, the last sequence examined if there is more, the transaction.

    `total` is exact or None, and the same on all pages of a search. `uncounted` says that it was asked for
    and there are too many to count. `until` is for the next page's cursor. `partial` says that an index has
    not come to all that was asked for: newer matches are on no page.
    """

    resources: tuple[FoundResource, ...]
    more_after: int | None
    total: int | None
    tx_id: str
    uncounted: bool = False
    until: int | None = None
    partial: bool = False

    @property
    def size(self) -> int:
        """Bytes of its records."""
        return sum(len(one.body) for one in self.resources)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The candidates of a search, in order; `comparison` compares opened ones where clauses only narrow."""

    clauses: Sequence[Clause]
    written: Sequence[tuple[int | None, int | None]] = ()
    newest_first: bool = False
    after: int | None = None
    comparison: Comparison | None = None


_BYTES_A_LOOKUP = 200
"""Bytes that take as long to read as one look-up takes to become a token."""

Visible = tuple[int, FoundResource]
"""The sequence of a record and the record."""


class Gathering(Protocol):
    """Takes the records of a search that may be seen, chunk by chunk, and makes a page of them."""

    @property
    def most(self) -> int:
        """The candidates to examine at most."""

    @property
    def is_full(self) -> bool:
        """True if no more candidates are needed."""

    @property
    def next_size(self) -> int:
        """The number of candidates to fetch next."""

    @property
    def size(self) -> int:
        """Bytes that it holds."""

    async def add(self, visible: Sequence[Visible]) -> None:
        """Add the records that were opened, in the order of the candidates."""

    async def found(self, tx_id: str, *, stopped_at: int | None) -> FoundPage:
        """Return the page; `stopped_at` is the last candidate that was examined if there are more."""


class _Source(Protocol):
    """The subjects of the records to search, and the way to open these records."""

    within: Within | None

    @property
    def tx_id(self) -> str:
        """The first transaction that decided."""

    async def open(self, chunk: Sequence[StoredVersion]) -> list[Visible]:
        """Open those in `chunk` that may be seen."""


class RecordSearch:
    """The search interactions of one custodian's records."""

    def __init__(
        self,
        *,
        msp_id: str,
        base: str,
        references: References,
        token_keys: TokenKeys,
        records: Database,
        links: PatientLinks,
        pairs: Pairs,
        enforcement: Enforcement,
        limits: RecordLimits,
    ) -> None:
        self.limits: Final = limits
        self._msp_id = msp_id
        self._base = base
        self._references = references
        self._token_keys = token_keys
        self._records = records
        self._links = links
        self._pairs = pairs
        self._enforcement = enforcement

    async def search(
        self,
        principal: Principal,
        query: Query,
        *,
        target: str,
        after: int | None = None,
        total: int | None = None,
        one_page: bool = True,
    ) -> FoundPage:
        """Return one page of the visible matches of `query`; `target` is the search as asked, for the log.

        `after` and `total` are the last page's. A page may be short without being the last, unless all is to
        fit into `one_page`.

        Raises:
            ForbiddenError: an officer's token.
            TooCostlyError: too many patients; too many candidates to count, or for `one_page`.
            ThrottledError: other requests take the memory for it.
            UnavailableError: the ledger can't be reached; nothing was released.
        """
        counting = query.summary == "count" or query.count == 0
        page = _Page(
            self.limits,
            0 if counting else query.count,
            counted=counting or query.total == "accurate",
            after=after,
            total=total,
            one_page=one_page or counting,
        )
        return await self.gather(principal, query, page, target=target, after=after)

    async def gather(
        self,
        principal: Principal,
        query: Query,
        gathering: Gathering,
        *,
        target: str,
        after: int | None = None,
    ) -> FoundPage:
        """Return the page that `gathering` makes of the visible matches of `query`, from `after` on.

        Raises:
            ForbiddenError, TooCostlyError, ThrottledError, UnavailableError: see `search`.
        """
        candidates = _Candidates(
            await self._clauses(query),
            written=query.last_updated,
            newest_first=query.newest_first,
            after=after,
            comparison=comparison_of(query, base=self._base),
        )
        budget.spend(named=len(query.patients))
        named = [self._references.subject(patient) for patient in query.patients]
        question = Question(principal, Action.SEARCH, "search-type", target, (query.resource_type,))
        return await self._scan(await self._source(question, named), candidates, gathering)

    async def everything(
        self, principal: Principal, patient: str, *, count: int, after: int | None
    ) -> FoundPage:
        """Return one page of all visible records in the compartment of `patient` (FHIR's `$everything`)."""
        subjects = [self._references.subject(patient)]
        own = self._links.of(principal) if principal.kind is Kind.PATIENT else ()
        if subjects[0] in own:
            subjects = list(own)
        clauses: list[Clause] = [[[[self._references.compartment(one) for one in subjects]]]]
        question = Question(principal, Action.SEARCH, "everything", f"Patient/{patient}/$everything")
        source = await self._source(question, subjects)
        page = _Page(self.limits, count, after=after)
        return await self._scan(source, _Candidates(clauses, after=after), page)

    async def sealed(self, query: Query, subject: bytes, *, limit: int) -> FetchedVersions:
        """Return up to `limit` records of `subject` that `query` may find, the last first, still sealed.

        They are fewer where they are too large for one fetch. The ledger is not asked here: the caller that
        opens them has asked.
        """
        find = partial(
            documents.search,
            clauses=await self._clauses(query),
            within=Within([subject], [self._references.compartment(subject)]),
            newest_first=True,
            limit=limit,
            reserve=quota.current().reserve,
        )
        return await self._records.read(find)

    async def _clauses(self, query: Query) -> list[Clause]:
        lookups = sum(len(union) for c in query.clauses for some in c.alternatives for union in some)
        return await offload(partial(self._tokens, query), size=lookups * _BYTES_A_LOOKUP)

    def _tokens(self, query: Query) -> list[Clause]:
        kind: Clause = [[[self._references.of_type(query.resource_type)]]]
        token = self._token_keys.token  # each computed anew: a term that was stored lately must not be faster
        compiled: list[Clause] = [
            [
                [[token(query.resource_type, *term) for term in union] for union in alternative]
                for alternative in clause.alternatives
            ]
            for clause in query.clauses
        ]
        return [kind, *compiled]

    async def _source(self, question: Question, named: Sequence[bytes]) -> _Source:
        principal = question.principal
        if principal.kind is Kind.OFFICER:
            raise ForbiddenError("officers review the access log, not records")
        if principal.kind is Kind.SYSTEM and principal.organization == self._msp_id:
            return _Own(self._enforcement, question, named)
        asked = await self._asked(question, named)
        answers = await self._enforcement.ask_each(question, asked)
        return _Permitted(self._enforcement, self._references, question, answers)

    async def _asked(self, question: Question, named: Sequence[bytes]) -> Sequence[bytes]:
        principal = question.principal
        if principal.kind is Kind.PATIENT:
            own = self._links.of(principal)
            return [one for one in own if one in named] if named else own
        if not named:
            if DIRECTORY_TYPES.issuperset(question.classes):
                return [self._references.directory]
            opened = await self._pairs.open_towards(principal.organization, limit=self.limits.asked + 2)
            named = [token for token in opened if token != self._references.directory]
        if len(named) > self.limits.asked:
            raise TooCostlyError(f"the search concerns more than {self.limits.asked} patients; name fewer")
        return named

    async def _scan(self, source: _Source, wanted: _Candidates, page: Gathering) -> FoundPage:
        position, scanned = wanted.after, 0
        reservation = quota.current()
        before = reservation.held
        while source.within is None or source.within.subjects:
            find = partial(
                documents.search,
                clauses=wanted.clauses,
                within=source.within,
                written=wanted.written,
                after=position,
                newest_first=wanted.newest_first,
                limit=(size := page.next_size),
                reserve=reservation.reserve,
            )
            fetched = await self._records.read(find)
            chunk = fetched.rows
            budget.spend(examined=len(chunk))
            await page.add(await self._compared(wanted.comparison, await source.open(chunk)))
            reservation.hold(before + COPIES_IN_MEMORY * page.size)
            scanned += len(chunk)
            if len(chunk) < size and not fetched.cut:
                break
            position = chunk[-1].sequence
            del fetched, chunk  # freed before the next fetch
            if page.is_full or scanned >= page.most:
                return await page.found(source.tx_id, stopped_at=position)
        return await page.found(source.tx_id, stopped_at=None)

    async def _compared(self, comparison: Comparison | None, visible: Sequence[Visible]) -> Sequence[Visible]:
        if comparison is None:
            return visible
        size = comparison.values * sum(len(one[1].body) for one in visible)
        return await offload(lambda: [one for one in visible if comparison.admits(one[1].body)], size=size)


@dataclass(slots=True)
class _Page:
    """The records found so far, in the order of writing.

    The page holds `count` records, and with `counted` it counts all. `one_page` refuses a search that does
    not fit one page; `after` and `total` are where an earlier page ended and what it counted.
    """

    limits: RecordLimits
    count: int
    counted: bool = False
    after: int | None = None
    total: int | None = None
    one_page: bool = False
    looked: bool = False
    seen: int = 0
    resources: list[FoundResource] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    size: int = 0
    cut: bool = False

    @property
    def most(self) -> int:
        """The candidates to examine: more of them where all are counted."""
        return self.limits.whole if self.counts else self.limits.scanned

    @property
    def counts(self) -> bool:
        """True if all matches are counted: on the first page, if it was asked for."""
        return self.counted and self.after is None

    @property
    def is_full(self) -> bool:
        """True if no more candidates are needed."""
        return not self.counts and self.is_over

    @property
    def is_over(self) -> bool:
        """True if there is more than the page holds, in number or in bytes."""
        return self.cut or self.seen > self.count

    @property
    def next_size(self) -> int:
        """The number of candidates to fetch next: at first about as many as the page may have."""
        chunk = self.limits.chunk
        return chunk if self.looked or self.counts else min(chunk, self.count + 2)

    async def add(self, visible: Sequence[Visible]) -> None:
        """Add the records that were opened."""
        self.looked = True
        self.seen += len(visible)
        for sequence, resource in visible[: self.count - len(self.resources)]:
            size = len(resource.body)
            self.cut = self.cut or (bool(self.resources) and self.size + size > self.limits.page_bytes)
            if self.cut:
                break
            self.size += size
            self.sequences.append(sequence)
            self.resources.append(resource)

    async def found(self, tx_id: str, *, stopped_at: int | None) -> FoundPage:
        """Return the page; `stopped_at` is the last candidate that was examined if there are more."""
        over = self.is_over
        uncounted = self.counts and stopped_at is not None
        if stopped_at is not None and self.one_page and not over:
            raise TooCostlyError("the search matches too many records; narrow it", tx_id=tx_id)
        if uncounted and not self.count:
            raise TooCostlyError(
                f"a count examines {self.limits.whole} records at most; narrow the search", tx_id=tx_id
            )
        more_after = None
        if self.count:
            more_after = self.sequences[-1] if over else stopped_at
        total = self.total
        if self.after is None and stopped_at is None and (self.counted or not over):
            total = self.seen
        return FoundPage(tuple(self.resources), more_after, total, tx_id, uncounted)


class _Permitted:
    """Records of the patients who permitted it, for another organisation or a patient."""

    def __init__(
        self,
        enforcement: Enforcement,
        references: References,
        question: Question,
        answers: Sequence[Answer],
    ) -> None:
        self._enforcement = enforcement
        self._question = question
        self._answers = {
            subject: answer for answer in answers for subject in answer.decisions if answer.permits([subject])
        }
        self._joint: dict[tuple[bytes, ...], Answer] = {}
        self.tx_id = answers[0].tx_id
        subjects = tuple(self._answers)
        self.within: Within | None = Within(
            subjects, [references.compartment(subject) for subject in subjects]
        )

    async def open(self, chunk: Sequence[StoredVersion]) -> list[Visible]:
        """Open the records with the permission of all subjects, as far as obligations admit them."""
        permitted: list[tuple[Answer, StoredVersion]] = []
        for stored in chunk:
            answer = await self._answer(stored.subjects)
            if answer is not None:
                permitted.append((answer, stored))
        return await _released(self._enforcement, permitted)

    async def _answer(self, subjects: tuple[bytes, ...]) -> Answer | None:
        if not self._answers.keys() >= set(subjects):
            return None
        answer = self._answers[subjects[0]]
        if all(self._answers[subject] is answer for subject in subjects):
            return answer
        # They were permitted by different transactions; one permit must cover all of them.
        if subjects not in self._joint:
            self._joint[subjects] = await self._enforcement.ask(self._question, subjects)
        return self._joint[subjects]


class _Own:
    """All records, for the custodian's own systems, which ask for each chunk of candidates."""

    def __init__(self, enforcement: Enforcement, question: Question, named: Sequence[bytes]) -> None:
        self._enforcement = enforcement
        self._question = question
        self._named: Sequence[bytes] = named
        self._answers: dict[tuple[bytes, ...], Answer] = {}
        self.tx_id = ""
        self.within: Within | None = None

    async def open(self, chunk: Sequence[StoredVersion]) -> list[Visible]:
        """Open those that are permitted, after asking for the subjects that no earlier chunk had."""
        new = [stored.subjects for stored in chunk if stored.subjects not in self._answers]
        if new or not self.tx_id:
            groups = list(dict.fromkeys([*((token,) for token in self._named), *new]))
            self._named = ()
            for part in _parts(groups):
                subjects = tuple(dict.fromkeys(token for group in part for token in group))
                answer = await self._enforcement.ask(self._question, subjects)
                self.tx_id = self.tx_id or answer.tx_id
                self._answers |= dict.fromkeys(part, answer)
        return await _released(
            self._enforcement, [(self._answers[stored.subjects], stored) for stored in chunk]
        )


async def _released(
    enforcement: Enforcement, permitted: Sequence[tuple[Answer, StoredVersion]]
) -> list[Visible]:
    """Return the records that the answers permit and their obligations admit, opened."""

    def release() -> list[Visible]:
        found: list[Visible] = []
        for answer, stored in permitted:
            body = enforcement.release(answer, stored)
            if body is not None:
                found.append((stored.sequence, _found(answer, stored, body)))
        return found

    return await offload(release, size=sum(len(stored.envelope.sealed) for _, stored in permitted))


def _found(answer: Answer, stored: StoredVersion, body: bytes) -> FoundResource:
    return FoundResource(body, stored.version, give=answer.giver(stored, body))


def _parts(groups: Sequence[tuple[bytes, ...]]) -> list[list[tuple[bytes, ...]]]:
    """Return `groups` in parts of one question each; one part, empty, if there are none."""
    parts: list[list[tuple[bytes, ...]]] = [[]]
    size = 0
    for group in groups:
        size += len(group)
        if size > MOST_SUBJECTS:
            parts.append([])
            size = len(group)
        parts[-1].append(group)
    return parts
