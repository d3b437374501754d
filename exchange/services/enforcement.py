"""The only way to a document: ask the ledger, keep the trace, then open.

1. Every question names the principal, what it does, and the subjects whose records it would touch.
2. The ledger decides and logs in one transaction; without its commit nothing goes on.
3. Who asked for what is sealed beside the entry before anything is released.
4. A document opens only with the `Permit` of that transaction, and only if it passes the obligations.

A request for what does not exist takes the same way with a pair that was never opened, so that the
answer does not tell a hidden record from none. Time and the ledger still tell something: see "Known
weaknesses" in `docs/threat-model.md`.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from chaincode.access.model import Action, Decision, Request
from chaincode.consent.obligations import admits
from exchange.core.actors import Principal
from exchange.core.coalesce import Coalescer
from exchange.core.errors import DamagedError, TooCostlyError, UnavailableError
from exchange.core.facts import facts_of
from exchange.core.permit import Permit
from exchange.core.terms import person_digest
from exchange.crypto.documents import open_document, open_side, seal_side
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.references import References
from exchange.ledger.client import Ask, LedgerClient
from exchange.ledger.pseudonyms import PatientSecret
from exchange.services.keys import Keys
from exchange.services.pairs import Pairs
from exchange.store import log
from exchange.store.database import Database
from exchange.store.documents import Stored

_REMEMBERED = 10_000

MOST_SUBJECTS = 500
"""Subjects that one question may name; the ledger decides them in one transaction."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a principal wants to do.

    `interaction` is FHIR's name (`read`, `search-type` ...); `target` says of what, as asked for: it is
    sealed and may hold identifiers. `classes` are the resource types asked for.
    """

    principal: Principal
    action: Action
    interaction: str
    target: str
    classes: tuple[str, ...] = ()


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the ledger's entry does not say, sealed under the subject's key."""

    client: str
    organization: str
    user: str
    interaction: str
    target: str
    user_name: str = ""
    role: str = ""
    patient: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ledger said: its transaction, the decision for each subject, and the Permit if any."""

    tx_id: str
    time: int
    decisions: Mapping[bytes, Decision]
    permit: Permit | None
    keys: Mapping[bytes, SubjectKeys]

    def permits(self, subjects: Sequence[bytes]) -> bool:
        """Whether documents of exactly these `subjects` may be opened."""
        return self.permit is not None and self.permit.covers(tuple(subjects))


_Detail = tuple[str, int, bytes, bytes]  # transaction, entry, subject, sealed


class Enforcement:
    """Asks the ledger for one custodian's gateway and opens documents with its answers."""

    def __init__(
        self,
        *,
        references: References,
        keys: Keys,
        pairs: Pairs,
        ledger: LedgerClient,
        entries: Database,
    ) -> None:
        self._references = references
        self._keys = keys
        self._pairs = pairs
        self._ledger = ledger
        self._entries = entries
        self._details = Coalescer(self._keep)
        self._names: OrderedDict[tuple[bytes, str, str, str], _Names] = OrderedDict()

    async def ask(self, question: Question, subjects: Sequence[bytes]) -> Answer:
        """Ask for records of `subjects` (store tokens); those that are none count as nothing found.

        Raises:
            TooCostlyError: more than `MOST_SUBJECTS`.
            UnavailableError: the ledger can't be reached; nothing may be released.
        """
        if len(subjects) > MOST_SUBJECTS:
            raise TooCostlyError(f"the request concerns more than {MOST_SUBJECTS} patients; narrow it")
        recipient = question.principal.organization
        keys = await self._keys.find(subjects)
        await self._pairs.ensure(list(keys.values()), recipient)
        asks: list[Ask] = []
        for token in dict.fromkeys(subjects):
            known = keys.get(token)
            asks.append(self._nothing(question, token.hex()) if known is None else self._ask(question, known))
        if not asks:
            asks.append(self._nothing(question, question.target))
        authorization = await self._ledger.authorize(asks)
        details: list[_Detail] = []
        decisions: dict[bytes, Decision] = {}
        # What was asked of nobody is sealed for the directory.
        directory = None if len(keys) == len(asks) else await self._directory_keys()
        for ask, entry in zip(asks, authorization.entries, strict=True):
            decisions[ask.subject] = entry.decision
            known = keys.get(ask.subject)
            sealer = known or directory
            if sealer is None:
                raise DamagedError("the subject's keys are gone")
            detail = _detail(question, "" if known is None else known.name, alone=len(asks) == 1)
            sealed = seal_side(sealer, detail_label(authorization.tx_id, entry.n), detail)
            details.append((authorization.tx_id, entry.n, sealer.token, sealed))
        await self._details.share(details)
        return Answer(authorization.tx_id, authorization.time, decisions, authorization.permit, keys)

    async def _keep(self, details: Sequence[_Detail]) -> None:
        await self._entries.write(lambda c: log.add_details(c, details))

    def release(self, answer: Answer, stored: Stored, *, reference: str = "") -> bytes | None:
        """The bytes of `stored` if the answer permits it and its obligations admit it, else None.

        Raises:
            DamagedError: the stored row does not verify.
        """
        if answer.permit is not None and not answer.permit.fresh:
            raise UnavailableError("the request took longer than its permission holds; ask for less at once")
        if answer.permit is None or not answer.permits(stored.subjects):
            return None
        keys = [answer.keys[token] for token in stored.subjects]
        body = open_document(answer.permit, keys, stored.envelope)
        bound = [known for known in keys if answer.permit.obligations[known.token]]
        if bound and not all(self._admits(answer, known, body, reference) for known in bound):
            return None
        return body

    def _admits(self, answer: Answer, keys: SubjectKeys, body: bytes, reference: str) -> bool:
        if answer.permit is None:
            return False
        resource = msgspec.json.decode(body)
        own = reference or f"{resource['resourceType']}/{resource['id']}"
        salt = PatientSecret(keys.secret).salt(answer.permit.recipient)
        return admits(answer.permit.obligations[keys.token], facts_of(resource, salt=salt, reference=own))

    def _ask(self, question: Question, keys: SubjectKeys) -> Ask:
        principal = question.principal
        name = (keys.token, principal.organization, principal.user, principal.evidence)
        names = self._names.get(name)
        if names is None:
            secret = PatientSecret(keys.secret)
            recipient = principal.organization
            names = _names(principal, secret.pair(recipient), secret.salt(recipient))
            self._names[name] = names
            if len(self._names) > _REMEMBERED:
                self._names.popitem(last=False)
        return Ask(keys.token, _request(question, names))

    def _nothing(self, question: Question, text: str) -> Ask:
        recipient = question.principal.organization
        pair = self._references.nothing(recipient, text)
        salt = self._references.nothing_salt(recipient, text)
        return Ask(bytes.fromhex(pair), _request(question, _names(question.principal, pair, salt)))

    async def _directory_keys(self) -> SubjectKeys:
        token = self._references.directory
        return (await self._keys.ensure({token: ""}))[token]


def detail_label(tx_id: str, n: int) -> bytes:
    """The label that binds a sealed detail to its entry."""
    return f"detail/{tx_id}/{n}".encode()


def open_detail(keys: SubjectKeys, tx_id: str, n: int, sealed: bytes) -> Detail:
    """The detail that was sealed for entry `n` of `tx_id`."""
    return msgspec.json.decode(open_side(keys, detail_label(tx_id, n), sealed), type=Detail)


def _detail(question: Question, patient: str, *, alone: bool) -> bytes:
    principal = question.principal
    return msgspec.json.encode(
        Detail(
            client=principal.client_id,
            organization=principal.organization,
            user=principal.user,
            user_name=principal.user_name,
            role=principal.role,
            interaction=question.interaction,
            # A search that concerns several patients may name them: each reads only that it was made.
            target=question.target if alone else question.target.partition("?")[0],
            patient=patient,
            evidence=principal.evidence,
        )
    )


def _salted(salt: bytes, kind: str, text: str) -> str:
    return hmac.digest(salt, f"consentry/{kind}/1\0{text}".encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class _Names:
    """How one principal's requests about one subject are named on the ledger; the same for each of them."""

    pair: str
    salt: bytes
    user: str
    person: str
    evidence: str


def _names(principal: Principal, pair: str, salt: bytes) -> _Names:
    return _Names(
        pair,
        salt,
        user=_salted(salt, "user", f"{principal.organization}\0{principal.user}")[:32],
        person=person_digest(salt, principal.user),
        evidence=_salted(salt, "evidence", principal.evidence),
    )


def _request(question: Question, names: _Names) -> Request:
    principal = question.principal
    return Request(
        pair=names.pair,
        recipient=principal.organization,
        purpose=principal.purpose,
        action=question.action.value,
        user=names.user,
        person=names.person,
        role=principal.role,
        classes=question.classes,
        digest=_salted(names.salt, "request", f"{question.interaction}\0{question.target}"),
        evidence=names.evidence,
    )
