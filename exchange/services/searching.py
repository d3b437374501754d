"""Search, page by page: candidates by token, permission by ledger, matches by obligation.

What a page says depends on the visible records alone: hidden ones cost time but leave no total, no gap
and no `next` link behind. Every page asks the ledger anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from chaincode.access.model import Action
from exchange.core.actors import Kind, Principal
from exchange.core.errors import ForbiddenError, TooCostlyError
from exchange.core.search import Query
from exchange.crypto.references import References
from exchange.crypto.tokens import TokenKeys
from exchange.services.enforcement import Answer, Enforcement, Question
from exchange.services.reading import reach
from exchange.store import documents
from exchange.store.database import Database
from exchange.store.documents import Clause, Stored

MOST_SCANNED = 20_000
"""Candidates that one page may look at before the search is called too costly."""
_CHUNK = 200
_MOST_COUNTED = 10_000


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a search goes on: its parameters, and the sequence that the last page ended with.

    `after` has always the same number of digits: a sealed cursor keeps its length, and the length of a
    sequence tells how much there is that its reader may not see.
    """

    resource_type: str
    parameters: tuple[tuple[str, str], ...]
    after: str
    lenient: bool = False


def place(sequence: int) -> str:
    """A sequence as a cursor holds it."""
    return f"{sequence:019d}"


@dataclass(frozen=True, slots=True)
class Found:
    """One page: released bodies in order, the last sequence if there is more, and what was asked."""

    bodies: tuple[bytes, ...]
    more_after: int | None
    total: int | None
    tx_id: str


@dataclass(slots=True)
class _Page:
    """What the scan has gathered so far."""

    bodies: list[bytes] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    answers: dict[tuple[bytes, ...], Answer] = field(default_factory=dict)
    tx_id: str = ""


class Searching:
    """The search interactions of one custodian's records."""

    def __init__(
        self,
        *,
        references: References,
        token_keys: TokenKeys,
        records: Database,
        enforcement: Enforcement,
    ) -> None:
        self._references = references
        self._token_keys = token_keys
        self._records = records
        self._enforcement = enforcement

    async def search(
        self, principal: Principal, query: Query, *, target: str, after: int | None = None
    ) -> Found:
        """One page of the visible matches of `query`; `target` is the search as asked, for the log.

        Raises:
            ForbiddenError: an officer's token.
            TooCostlyError: too many candidates or patients for one page.
            UnavailableError: the ledger can't be reached; nothing was released.
        """
        clauses = self._clauses(query)
        named = [self._references.subject(patient) for patient in query.patients]
        question = Question(principal, Action.SEARCH, "search-type", target, (query.resource_type,))
        return await self._scan(
            question,
            clauses,
            named,
            written=query.last_updated,
            newest_first=query.newest_first,
            count=query.count,
            count_all=query.total == "accurate" or query.summary == "count" or query.count == 0,
            after=after,
        )

    async def everything(self, principal: Principal, patient: str, *, count: int, after: int | None) -> Found:
        """One page of all visible records in the compartment of `patient` (FHIR's `$everything`)."""
        subject = self._references.subject(patient)
        clauses: list[Clause] = [[[[self._references.compartment(subject)]]]]
        question = Question(principal, Action.SEARCH, "everything", f"Patient/{patient}/$everything")
        return await self._scan(
            question,
            clauses,
            [subject],
            written=(),
            newest_first=False,
            count=count,
            count_all=False,
            after=after,
        )

    def _clauses(self, query: Query) -> list[Clause]:
        kind: Clause = [[[self._references.of_type(query.resource_type)]]]
        tokens = self._token_keys.tokens
        compiled: list[Clause] = [
            [
                [tokens(query.resource_type, union) for union in alternative]
                for alternative in clause.alternatives
            ]
            for clause in query.clauses
        ]
        return [kind, *compiled]

    async def _scan(
        self,
        question: Question,
        clauses: Sequence[Clause],
        named: Sequence[bytes],
        *,
        written: Sequence[tuple[int | None, int | None]],
        newest_first: bool,
        count: int,
        count_all: bool,
        after: int | None,
    ) -> Found:
        if question.principal.kind is Kind.OFFICER:
            raise ForbiddenError("officers review the access log, not records")
        page = _Page()
        wanted = _MOST_COUNTED if count_all else count + 1
        position, scanned, first = after, 0, True
        while True:
            size = min(_CHUNK, wanted + 1 - len(page.bodies)) if first else _CHUNK
            find = partial(
                documents.search,
                clauses=clauses,
                written=written,
                after=position,
                newest_first=newest_first,
                limit=size,
            )
            chunk = await self._records.read(find)
            await self._open_chunk(question, chunk, named if first else (), page)
            first = False
            scanned += len(chunk)
            if len(chunk) < size or len(page.bodies) >= wanted:
                break
            if scanned >= MOST_SCANNED:
                raise TooCostlyError("the search matches too many records; narrow it", tx_id=page.tx_id)
            position = chunk[-1].sequence
        more = len(page.bodies) > count
        total = len(page.bodies) if count_all or (after is None and not more) else None
        return Found(
            tuple(page.bodies[:count]),
            page.sequences[count - 1] if more and count else None,
            total,
            page.tx_id,
        )

    async def _open_chunk(
        self, question: Question, chunk: Sequence[Stored], named: Sequence[bytes], page: _Page
    ) -> None:
        visible = [stored for stored in chunk if reach(question.principal, self._references, stored.subjects)]
        within = [token for token in named if reach(question.principal, self._references, (token,))]
        new = [stored.subjects for stored in visible if stored.subjects not in page.answers]
        if new or not page.tx_id:
            groups = list(dict.fromkeys([*((token,) for token in within), *new]))
            subjects = tuple(dict.fromkeys(token for group in groups for token in group))
            answer = await self._enforcement.ask(question, subjects)
            page.tx_id = page.tx_id or answer.tx_id
            page.answers |= dict.fromkeys(groups, answer)
        for stored in visible:
            body = self._enforcement.release(page.answers[stored.subjects], stored)
            if body is not None:
                page.bodies.append(body)
                page.sequences.append(stored.sequence)
