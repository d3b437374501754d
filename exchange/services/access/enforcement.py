"""The only way to a document: ask the ledger, store the log detail, then open.

1. Every question names the principal, the action, and the subjects of the records that it would touch.
2. The ledger decides and logs in one transaction; without its commit nothing goes on.
3. The requester and the request are sealed beside the entry before anything is released.
4. A record that goes into an answer is said to be released; the note of it follows
   (`exchange.services.access.releases`).
5. A document opens only with the `Permit` of that transaction, and only if it passes the obligations.

Where the pair towards the recipient is not open, the request is logged as an attempt: under a name of its
own, which only the patient's secret recognises, and decided as a pair that is not open. A request for a
record that does not exist is an attempt upon the directory. So neither the answer nor the ledger tells a
hidden record from none, or one patient's from another's. `docs/leakage.md`, "What a refused request reveals",
says which conclusions open pairs, sizes and times still allow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, Literal

import msgspec
from cachetools import FIFOCache
from sqlalchemy import Connection

from chaincode.access.log_keys import LogPosition
from chaincode.access.model import (
    AccessRequest,
    Action,
    Decision,
    Denied,
    LinkedPair,
    Permitted,
    Reason,
    ScoreResult,
)
from chaincode.consent.model import Provision
from chaincode.consent.obligations import CONSENT, RecordFacts, admits, admits_by_class
from exchange.auth.principal import Kind, Principal
from exchange.consent.record_facts import facts_of, speaks_of_consents
from exchange.crypto.documents import open_document, seal_metadata
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.permit import Denials, Permit
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.crypto.release_notes import ReleasedRecord
from exchange.errors import ForbiddenError, TooCostlyError, UnavailableError
from exchange.fhir.bundle import identity_of
from exchange.ledger.client import Authorization, LedgerClient, SubjectRequest
from exchange.runtime import quota
from exchange.runtime.batching import Coalescer
from exchange.runtime.metrics import DECISIONS, LEDGER_HEIGHT
from exchange.services.access.allowances import EntryAllowances, spent
from exchange.services.access.details import Detail, detail_label, encode_detail, search_label
from exchange.services.access.patient_links import PatientLinks
from exchange.services.access.releases import PermittedEntry, Release, ReleaseNotes, Unkept, current
from exchange.services.access.requester_names import RequesterNames, requester_names, salted
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.consents.conditions import SealedConditions
from exchange.services.consents.pairs import Pairs
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.records.documents import StoredVersion

_CACHE_SIZE = 10_000
_PERMIT = Provision("permit")
_decisions = lru_cache(maxsize=None)(DECISIONS.labels)  # there are as many as there are figures

BEYOND = "requests beyond the client's budget of entries"
"""The target of the one entry that ends a client's budget."""

MOST_SUBJECTS = 500
"""Subjects that one question may name; the ledger decides them in one transaction."""


@dataclass(frozen=True, slots=True)
class Question:
    """A principal's request for records, as the ledger is asked about it.

    `interaction` is FHIR's name (`read`, `search-type` ...); `target` is the address as it was asked for:
    it is sealed and may hold identifiers. `classes` are the resource types asked for.
    """

    principal: Principal
    action: Action
    interaction: str
    target: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreQuestion(Question):
    """A question for a score: its `model` by digest and, the second time, its `results` by subject.

    `chaincode.access.scores` gives the reason for two questions.
    """

    model: str
    results: Mapping[bytes, ScoreResult] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The ledger's answer: its transaction, the decision for each subject, and the Permit if any.

    `obligations` and `denials` are those of the Permit, with the conditions on records that stand on the
    ledger as digests. `keys` has the subjects' that were asked for, and those of their linked records.
    `of_proxy` says that a person who acts for the patient asked.
    `release` is told which records go into the answer of the request.
    """

    tx_id: str
    decisions: Mapping[bytes, Decision]
    permit: Permit | None
    keys: Mapping[bytes, SubjectKeys]
    obligations: Mapping[bytes, tuple[Provision, ...]]
    denials: Mapping[bytes, Denials]
    release: Release
    of_proxy: bool = False

    def giver(self, stored: StoredVersion, body: bytes, reference: str = "") -> Callable[[], None]:
        """Return the call that says that `stored` goes into an answer.

        It was released as `body`, which names it where no `reference` does.
        """
        return partial(self._give, stored.version, stored.envelope.digest, stored.subjects, body, reference)

    def _give(
        self, version: int, digest: bytes, subjects: Sequence[bytes], body: bytes, reference: str
    ) -> None:
        if not reference:
            named = identity_of(body)
            reference = f"{named.resource_type}/{named.id}"
        self.release.give(ReleasedRecord(reference, version, digest), subjects)

    def permits(self, subjects: Sequence[bytes]) -> bool:
        """Return whether documents of exactly these `subjects` may be opened."""
        return self.permit is not None and self.permit.covers(tuple(subjects))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAnswer(Answer):
    """The answer to a score's question; its result rests on `entries`, the log entries by subject."""

    entries: Mapping[bytes, LogPosition]


class Enforcement:
    """The questions of one custodian's gateway to the ledger, and the documents opened with its answers."""

    def __init__(
        self,
        *,
        base: str,
        references: References,
        keys: SubjectKeyStore,
        links: PatientLinks,
        pairs: Pairs,
        ledger: LedgerClient,
        entries: Database,
        conditions: SealedConditions,
        allowances: EntryAllowances,
        releases: ReleaseNotes,
    ) -> None:
        self._base = base
        self._references = references
        self._keys = keys
        self._links = links
        self._pairs = pairs
        self._ledger = ledger
        self._entries = entries
        self._conditions = conditions
        self._allowances = allowances
        self._details = Coalescer(self._keep)
        self._releases = releases
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stranger = references.unknown_subject()
        self._names: FIFOCache[tuple[bytes, str, str, str], RequesterNames] = FIFOCache(_CACHE_SIZE)

    async def ask(self, question: Question, subjects: Sequence[bytes]) -> Answer:
        """Ask for records of `subjects` (store tokens); without any, or for a stranger, nothing is found.

        Raises:
            TooCostlyError: more than `MOST_SUBJECTS`.
            UnavailableError: the ledger can't be reached; nothing may be released.
        """
        if len(subjects) > MOST_SUBJECTS:
            raise TooCostlyError(f"the request concerns more than {MOST_SUBJECTS} patients; narrow it")
        answer, _ = await self._ask(question, tuple(dict.fromkeys(subjects)))
        return answer

    async def ask_score(self, question: ScoreQuestion, subjects: Sequence[bytes]) -> ScoreAnswer:
        """Ask as `ask` does, and return the log's entries too."""
        answer, entries = await self._ask(question, tuple(dict.fromkeys(subjects)))
        return ScoreAnswer(
            answer.tx_id,
            answer.decisions,
            answer.permit,
            answer.keys,
            answer.obligations,
            answer.denials,
            answer.release,
            answer.of_proxy,
            entries=entries,
        )

    async def ask_each(self, question: Question, subjects: Sequence[bytes]) -> list[Answer]:
        """Ask as `ask` does for any number of subjects, in as many transactions as it takes."""
        tokens = tuple(dict.fromkeys(subjects))
        looked_up = await self._look_up(question, tokens)
        named = [token for token in tokens if token in looked_up[1]]
        others = [token for token in tokens if token not in looked_up[1]]
        count = max(1, -(-(len(named) + bool(others)) // MOST_SUBJECTS))
        # Of equal size: alone in its transaction, a subject's entry would name the others' (see `_detail`).
        parts = [named[part::count] for part in range(count)]
        parts[0] += others
        return [(await self._decide(question, tuple(part), *looked_up))[0] for part in parts]

    async def _ask(
        self, question: Question, tokens: tuple[bytes, ...]
    ) -> tuple[Answer, Mapping[bytes, LogPosition]]:
        return await self._decide(question, tokens, *await self._look_up(question, tokens))

    async def _decide(
        self,
        question: Question,
        tokens: tuple[bytes, ...],
        keys: Mapping[bytes, SubjectKeys],
        opened: frozenset[bytes],
    ) -> tuple[Answer, Mapping[bytes, LogPosition]]:
        # A request that is given up is logged with its names all the same.
        task = asyncio.create_task(self._decide_surely(question, tokens, keys, opened), name="decide")
        self._tasks.add(task)
        task.add_done_callback(self._decided)
        return await asyncio.shield(task)

    def _decided(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone, and an error that is never looked at is reported

    async def _decide_surely(
        self,
        question: Question,
        tokens: tuple[bytes, ...],
        keys: Mapping[bytes, SubjectKeys],
        opened: frozenset[bytes],
    ) -> tuple[Answer, Mapping[bytes, LogPosition]]:
        client = question.principal.client_id
        linked = {token: self._links.others(token) for token in tokens if token in opened}
        known = {**keys, **await self._linked_keys(question, linked)}
        asks, owners = await self._asks(question, tokens, known, linked)
        within = self._allowances.take(client, len(asks))
        if not within:
            question, opened, linked = replace(question, target=BEYOND), frozenset(), {}
            asks, owners = await self._asks(question, (), known, linked)
        authorization = await self._ledger.authorize(asks)
        details: list[log_tables.DetailRow] = []
        decisions: dict[bytes, Decision] = {}
        positions: dict[bytes, LogPosition] = {}
        for ask, owner, entry in zip(asks, owners, authorization.entries, strict=True):
            decisions[ask.subject] = entry.decision
            positions[ask.subject] = LogPosition(authorization.time, authorization.tx_id, entry.n)
            detail = _detail(question, owner.name, alone=len(asks) == 1)
            sealed = seal_metadata(owner, detail_label(authorization.tx_id, entry.n), detail)
            attempt = ask.subject not in opened
            details.append((authorization.tx_id, entry.n, owner.token, attempt, sealed))
        release = self._release(authorization, question.principal, owners)
        search = await self._search(question, release.tx_id, authorization.entries[0].n, len(asks))
        await self._seal(Unkept(details, search), release)
        await self._check_pairs(question, linked, asks, authorization)
        if not within:
            raise spent()
        self._count(client, authorization)
        if (together := decisions.pop(self._stranger, None)) is not None:
            decisions |= {token: together for token in tokens if token not in opened}
        permit = authorization.permit
        obligations = {} if permit is None else await self._conditions.obligations(permit, known)
        denials = {} if permit is None else await self._conditions.denials(permit, known)
        by_proxy = question.principal.is_proxy
        answer = Answer(release.tx_id, decisions, permit, known, obligations, denials, release, by_proxy)
        return answer, positions

    async def _check_pairs(
        self,
        question: Question,
        linked: Mapping[bytes, tuple[bytes, ...]],
        asks: Sequence[SubjectRequest],
        authorization: Authorization,
    ) -> None:
        """Check that the pairs were those of the patients' records of now, and open ones.

        Raises:
            UnavailableError: records were linked or parted meanwhile.
        """
        if any(self._links.others(token) != others for token, others in linked.items()):
            raise UnavailableError("the patient's records have just been linked or parted; ask again")
        closed = [
            ask.subject
            for ask, entry in zip(asks, authorization.entries, strict=True)
            if ask.subject in linked and entry.decision.reason == Reason.PAIR_NOT_OPEN
        ]
        await self._pairs.noticed(question.principal.organization, closed)

    async def _linked_keys(
        self, question: Question, linked: Mapping[bytes, tuple[bytes, ...]]
    ) -> Mapping[bytes, SubjectKeys]:
        """Return the keys of all `linked` subjects, with their pairs open towards the requester."""
        tokens = list(dict.fromkeys(one for others in linked.values() for one in others))
        if not tokens:
            return {}
        keys = await self._keys.find(tokens)
        await self._pairs.open_all(list(keys.values()), question.principal.organization)
        return keys

    async def _seal(self, unkept: Unkept, release: Release) -> None:
        """Store the details of entries; where the log is away they follow with the notes of `release`."""
        try:
            await self._details.share([unkept])
        except UnavailableError:
            release.unkept = unkept
            raise
        finally:
            if (exchange := current()) is not None:
                exchange.add(release)

    def _release(
        self, authorization: Authorization, principal: Principal, owners: Sequence[SubjectKeys]
    ) -> Release:
        permitted = [
            PermittedEntry(entry.n, owner)
            for owner, entry in zip(owners, authorization.entries, strict=True)
            if isinstance(entry.decision, Permitted)
        ]
        return Release(authorization.tx_id, principal.organization, permitted, self._releases.put)

    def _count(self, client: str, authorization: Authorization) -> None:
        LEDGER_HEIGHT.set(authorization.block)
        refused = 0
        for entry in authorization.entries:
            denied = isinstance(entry.decision, Denied)
            refused += denied
            _decisions("deny" if denied else "permit", entry.decision.reason).inc()
        self._allowances.note_refused(client, refused)

    async def _asks(
        self,
        question: Question,
        tokens: tuple[bytes, ...],
        keys: Mapping[bytes, SubjectKeys],
        linked: Mapping[bytes, tuple[bytes, ...]],
    ) -> tuple[list[SubjectRequest], list[SubjectKeys]]:
        """Return the requests about `tokens`, and the owner of each request's detail.

        `linked` has the linked subjects of those with an open pair.

        A search that names several subjects without an open pair leaves one attempt for all of them, however
        many they are.
        """
        asks: list[SubjectRequest] = []
        owners: list[SubjectKeys] = []
        attempts = [token for token in tokens or (self._references.directory,) if token not in linked]
        if question.action is Action.SEARCH and len(attempts) > 1:
            attempts = [self._stranger]
        for token in tokens:
            if token in linked:
                owners.append(keys[token])
                asks.append(self._named(question, keys[token], [keys[one] for one in linked[token]]))
        for token in attempts:
            # A request for an unknown patient runs against the directory subject, so both cost the same.
            owners.append(keys.get(token) or await self._directory())
            asks.append(self._one_time(question, token, owners[-1]))
        return asks, owners

    async def _look_up(
        self, question: Question, tokens: tuple[bytes, ...]
    ) -> tuple[Mapping[bytes, SubjectKeys], frozenset[bytes]]:
        """Return the keys of those of `tokens` that are subjects, and those with a pair that is open.

        Until another organisation has been permitted something of them, their keys are read and unwrapped
        each time, whether or not another request has cached them; and an unknown patient is looked up like
        a known one. So the two are indistinguishable by the time of a first request and of later ones.

        Raises:
            ForbiddenError: an emergency of another organisation states no reason.
        """
        principal = question.principal
        recipient = principal.organization
        _check_emergency(principal, self._ledger.msp_id)
        known = tokens and all(_name(principal, token) in self._names for token in tokens)
        if known or recipient == self._ledger.msp_id:
            keys = await self._keys.find(tokens)
            return keys, await self._pairs.ensure(list(keys.values()), recipient)
        sought = tokens or (self._stranger,)
        directory = await self._directory()
        keys = await self._keys.read_anew(sought, directory.token)
        strangers = [token for token in sought if token not in keys]
        return keys, await self._pairs.ensure(list(keys.values()), recipient, strangers=strangers)

    async def _search(
        self, question: Question, tx_id: str, first: int, number: int
    ) -> log_tables.SearchRow | None:
        # A search about several patients: their own details leave its words out.
        if number == 1 or "?" not in question.target:
            return None
        words = seal_metadata(await self._directory(), search_label(tx_id, first), question.target.encode())
        return tx_id, first, number, words

    async def _keep(self, asked: Sequence[Unkept]) -> None:
        details = [row for one in asked for row in one.details]
        searches = [one.search for one in asked if one.search is not None]

        def work(connection: Connection) -> None:
            log_tables.add_details(connection, details)
            log_tables.add_searches(connection, searches)

        await self._entries.write(work)

    def release(self, answer: Answer, stored: StoredVersion, *, reference: str = "") -> bytes | None:
        """Return the bytes of `stored` if the answer permits it and its obligations admit it, else None.

        Raises:
            DamagedError: the stored row does not verify.
            NoQuotaError: this task has no memory quota.
        """
        quota.current().reserve(0)
        if answer.permit is not None and not answer.permit.fresh:
            raise UnavailableError("the request took longer than its permission holds; ask for less at once")
        if answer.permit is None or not answer.permits(stored.subjects):
            return None
        keys = [answer.keys[token] for token in stored.subjects]
        body = open_document(answer.permit, keys, stored.envelope)
        guarded = self._is_guarded(answer, answer.permit, body)
        bound = [
            known
            for known in keys
            if answer.obligations[known.token] or answer.denials.get(known.token) or guarded
        ]
        for known in bound:
            if not self._admits(answer, known, body, reference, guarded=guarded):
                return None
        return body

    def _is_guarded(self, answer: Answer, permit: Permit, body: bytes) -> bool:
        """Return whether only a rule that names consents releases this record to its recipient."""
        of_patients = permit.obligations.keys() != {self._references.directory}
        others = answer.of_proxy or permit.recipient != self._ledger.msp_id
        return of_patients and others and speaks_of_consents(body)

    def _admits(
        self, answer: Answer, keys: SubjectKeys, body: bytes, reference: str, *, guarded: bool
    ) -> bool:
        if answer.permit is None:
            return False
        resource = msgspec.json.decode(body)
        own = reference or f"{resource['resourceType']}/{resource['id']}"

        def facts_in(recipient: str, one: SubjectKeys) -> RecordFacts:
            salt = PatientSecret(one.secret).salt(recipient)
            return facts_of(resource, salt=salt, reference=own, base=self._base)

        for token, trees in answer.denials.get(keys.token, {}).items():
            if not admits((_PERMIT, *trees), facts_in(answer.permit.recipient, answer.keys[token])):
                return False
        facts = facts_in(answer.permit.recipient, keys)
        obligations = answer.obligations[keys.token]
        if guarded and keys.token != self._references.directory:
            return admits_by_class(CONSENT, obligations, facts)
        return admits(obligations, facts)

    def _named(self, question: Question, keys: SubjectKeys, linked: Sequence[SubjectKeys]) -> SubjectRequest:
        principal = question.principal
        request = _request(question, keys.token, self._names_for(principal, keys))
        right = self._right(question, keys.token)
        if right:
            request = msgspec.structs.replace(request, right=right)
        if linked:
            beside = (self._names_for(principal, one) for one in linked)
            pairs = tuple(LinkedPair(one.pair, one.role, one.person, one.known_as) for one in beside)
            request = msgspec.structs.replace(request, linked=pairs)
        return SubjectRequest(keys.token, request, tuple(one.token for one in linked))

    def _names_for(self, principal: Principal, keys: SubjectKeys) -> RequesterNames:
        name = _name(principal, keys.token)
        names = self._names.get(name)
        if names is None:
            secret = PatientSecret(keys.secret)
            recipient = principal.organization
            own = recipient == self._ledger.msp_id
            names = requester_names(
                principal, secret.pair(recipient), secret.salt(recipient), self._base, own=own
            )
            self._names[name] = names
        return names

    def _right(self, question: Question, token: bytes) -> Literal["", "patient", "officer"]:
        """Return the right that no consent takes away, by which the principal asks about `token`, if any."""
        principal = question.principal
        if principal.organization != self._ledger.msp_id or question.action in (Action.SCORE, Action.TRAIN):
            return ""
        if principal.is_proxy:  # whom a consent of the patient may deny
            return ""
        if principal.kind is Kind.PATIENT and token in self._links.of(principal):
            return "patient"
        return "officer" if principal.kind is Kind.OFFICER and question.action is Action.LOG else ""

    def _one_time(self, question: Question, token: bytes, owner: SubjectKeys) -> SubjectRequest:
        # No value in it occurs twice, so it links neither two attempts nor an attempt and a pair.
        secret = PatientSecret(owner.secret)
        name = secret.one_time_pseudonym(question.principal.organization)
        own = question.principal.organization == self._ledger.msp_id
        names = requester_names(question.principal, name, secret.one_time_salt(name), self._base, own=own)
        return SubjectRequest(token, _request(question, token, names))

    async def _directory(self) -> SubjectKeys:
        token = self._references.directory
        return (await self._keys.ensure({token: ""}))[token]


def _name(principal: Principal, token: bytes) -> tuple[bytes, str, str, str]:
    return token, principal.organization, principal.user, principal.evidence


def _check_emergency(principal: Principal, msp_id: str) -> None:
    """Refuse an emergency of another organisation than `msp_id` that states no reason.

    The own staff's is reviewed in the house: there the entry says that no reason was stated.

    Raises:
        ForbiddenError: the reason is missing.
    """
    if principal.purpose == "BTG" and not principal.reason and principal.organization != msp_id:
        raise ForbiddenError(
            "an emergency (BTG) of another organisation needs its reason in words, in the assertion's "
            "extensions.consentry.emergency_reason"
        )


def _detail(question: Question, patient: str, *, alone: bool) -> bytes:
    principal = question.principal
    return encode_detail(
        Detail(
            client=principal.client_id,
            organization=principal.organization,
            user=principal.user,
            user_name=principal.user_name,
            role=principal.role,
            interaction=question.interaction,
            target=question.target if alone else _without_others(question.target, patient),
            patient=patient,
            evidence=principal.evidence,
            reason=principal.reason,
        )
    )


def _without_others(target: str, patient: str) -> str:
    # A request about several patients may name them: each of them reads its own part alone.
    path = target.partition("?")[0]
    match path.split("/", 2):
        case ["Patient", named, *rest] if named != patient:
            return "/".join(("Patient", *rest))
    return path


def _request(question: Question, token: bytes, names: RequesterNames) -> AccessRequest:
    principal = question.principal
    request = AccessRequest(
        pair=names.pair,
        recipient=principal.organization,
        purpose=principal.purpose,
        action=question.action.value,
        user=names.user,
        person=names.person,
        person_open=names.person_open,
        known_as=names.known_as,
        role=names.role,
        classes=question.classes,
        digest=salted(names.salt, "request", f"{question.interaction}\0{question.target}"),
        evidence=names.evidence,
    )
    if isinstance(question, ScoreQuestion):
        result = question.results.get(token)
        return msgspec.structs.replace(request, model=question.model, result=result)
    return request
