"""The access log for its readers: officers read all entries, patients those about themselves.

Every entry comes from the ledger by way of the projection; a reading of the log is asked for and logged
like any other access, and is itself the newest entry of what it shows.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chaincode.access.log_keys import read_entry
from chaincode.access.model import Action
from chaincode.errors import BadArgumentError
from exchange.auth.principal import Kind, Principal
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.errors import BadRequestError, DamagedError, ForbiddenError, NotFoundError, TooCostlyError
from exchange.fhir import search
from exchange.fhir.audit_event import EntryDetail, actions_of, audit_event, parse_event_id
from exchange.fhir.bundle import FoundResource
from exchange.ledger.projection import Projection
from exchange.services.access.enforcement import Answer, Enforcement, Question, open_detail
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.membership import Members
from exchange.services.records.read import HIDDEN
from exchange.services.records.search import FoundPage
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.log.log_tables import Filter, LogRow

_ID = re.compile(r"[A-Za-z0-9_\-.]{1,64}")
_OUTCOMES = {"0": "permit", "4": "deny"}
_DEFAULT_PAGE = 50
_LARGEST_PAGE = 500
_MOST_VALUES = 256
_TOLERATED = frozenset({"_format", "_pretty", "_total"})
_ORDERS = frozenset({"-date", "-_lastUpdated"})


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One AuditEvent and the transaction that logged its reading."""

    body: bytes
    tx_id: str


class Audit:
    """AuditEvent read and search for the custodian's officers and patients."""

    parameters: tuple[tuple[str, str], ...] = (
        ("_id", "token"),
        ("_lastUpdated", "date"),
        ("date", "date"),
        ("patient", "reference"),
        ("agent", "reference"),
        ("outcome", "token"),
        ("action", "token"),
        ("purpose", "token"),
    )

    def __init__(
        self,
        *,
        msp_id: str,
        base: str,
        names: Members,
        references: References,
        keys: SubjectKeyStore,
        enforcement: Enforcement,
        entries: Database,
        projection: Projection,
    ) -> None:
        self._msp_id = msp_id
        self._base = base
        self._names = names
        self._references = references
        self._keys = keys
        self._enforcement = enforcement
        self._entries = entries
        self._projection = projection
        self._explained = 0

    async def search(
        self,
        principal: Principal,
        parameters: Sequence[tuple[str, str]],
        *,
        after: int | None,
        lenient: bool,
    ) -> FoundPage:
        """Return one page of entries, the newest first.

        Raises:
            ForbiddenError: the principal is neither an officer of this hospital nor a patient.
            BadRequestError: a parameter is unknown or can't be understood.
        """
        which, patient, count = _parse(parameters, lenient=lenient, base=self._base)
        subject = self._subject(principal, patient)
        target = f"AuditEvent?{urllib.parse.urlencode(list(parameters))}"
        answer = await self._ask(principal, "search-type", target, subject)
        if not answer.permits([subject]):
            if await self._keys.find([subject]):
                raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
            return FoundPage((), None, None, answer.tx_id)  # no patient has this id, so no entry is about it
        if patient is not None or principal.kind is Kind.PATIENT:
            which = replace(which, of=await self._of(subject))
        rows = await self._rows(answer, which, before=after, limit=count + 1)
        bodies = await self._render(rows[:count])
        more = rows[count - 1].sequence if len(rows) > count and count else None
        resources = tuple(FoundResource(body, version=1) for body in bodies)
        return FoundPage(resources, more, None, answer.tx_id)

    async def read(self, principal: Principal, logical_id: str) -> LoggedEvent:
        """Return the AuditEvent with `logical_id`.

        Raises:
            NotFoundError: there is none, or none that this principal may read.
        """
        subject = self._subject(principal, None)
        answer = await self._ask(principal, "read", f"AuditEvent/{logical_id}", subject)
        parsed = parse_event_id(logical_id)
        if parsed is None or not answer.permits([subject]):
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        of = await self._of(subject) if principal.kind is Kind.PATIENT else None
        wanted = Filter(of=of, tx_start=parsed[0], n=parsed[1])
        rows = await self._rows(answer, wanted, before=None, limit=1)
        bodies = await self._render(rows)
        if not bodies:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        return LoggedEvent(bodies[0], answer.tx_id)

    def _subject(self, principal: Principal, patient: str | None) -> bytes:
        if principal.organization != self._msp_id or principal.kind is Kind.SYSTEM:
            raise ForbiddenError("the access log is for this hospital's officers and patients")
        if principal.kind is Kind.PATIENT:
            if patient not in {None, principal.patient}:
                raise ForbiddenError("a patient reads no one else's log")
            return self._references.subject(principal.patient)
        return self._references.directory if patient is None else self._references.subject(patient)

    async def _ask(self, principal: Principal, interaction: str, target: str, subject: bytes) -> Answer:
        question = Question(principal, Action.LOG, interaction, target, ("AuditEvent",))
        await self._keys.ensure({self._references.directory: ""})
        return await self._enforcement.ask(question, [subject])

    async def _of(self, subject: bytes) -> tuple[list[str], bytes]:
        # Every member's pair, and every attempt: where the detail that names the patient is lost, the secret
        # still finds the entry.
        keys = (await self._keys.find([subject])).get(subject)
        if keys is None:
            return [], subject
        secret = PatientSecret(keys.secret)
        names = [secret.pair(member) for member in self._names.by_msp]
        lost, self._explained = await self._entries.read(
            lambda c: log_tables.unexplained(c, self._msp_id, after=self._explained)
        )
        attempts = {name for name, recipient in lost if secret.is_one_time_pseudonym(name, recipient)}
        return [*names, *sorted(attempts)], subject

    async def _rows(self, answer: Answer, which: Filter, *, before: int | None, limit: int) -> list[LogRow]:
        await self._projection.reached(answer.tx_id)
        which = replace(which, custodian=self._msp_id)
        return await self._entries.read(
            lambda c: log_tables.list_entries(c, which, before=before, limit=limit)
        )

    async def _render(self, rows: Sequence[LogRow]) -> list[bytes]:
        subjects = [row.subject for row in rows if row.subject is not None]
        keys = await self._keys.find(subjects)
        return [self._event(row, keys) for row in rows]

    def _event(self, row: LogRow, keys: Mapping[bytes, SubjectKeys]) -> bytes:
        try:
            record = read_entry(row.place, row.record)
        except BadArgumentError:
            raise DamagedError("an entry of the access log can't be read; run `consentry verify`") from None
        known = keys.get(row.subject) if row.subject is not None else None
        names = self._names.names_at(record.time)
        if known is None or row.sealed is None:
            return audit_event(record, None, names)
        detail = open_detail(known, record.tx, record.n, row.sealed)
        shown = EntryDetail(
            client=detail.client,
            user=detail.user,
            user_name=detail.user_name,
            role=detail.role,
            interaction=detail.interaction,
            target=detail.target,
            patient=detail.patient,
        )
        return audit_event(record, shown, names)


def _parse(
    parameters: Sequence[tuple[str, str]], *, lenient: bool, base: str
) -> tuple[Filter, str | None, int]:
    which = Filter()
    patient: str | None = None
    count = _DEFAULT_PAGE
    once = [name for name, _ in parameters if name not in {"date", "_lastUpdated"}]
    if len(set(once)) != len(once):
        raise BadRequestError("give each parameter of AuditEvent but a date once, alternatives with commas")
    for name, value in parameters:
        match name:
            case "_id" | "agent" | "outcome" | "action" | "purpose":
                which = _narrowed(which, name, value)
            case "date" | "_lastUpdated":
                when = search.parse("AuditEvent", [("_lastUpdated", value)], lenient=False).last_updated
                which = replace(which, times=(*which.times, *when))
            case "patient":
                patient = value.removeprefix(f"{base}/").removeprefix("Patient/")
                if not _ID.fullmatch(patient):
                    raise BadRequestError("patient names one patient of this server, such as Patient/1")
            case "_count":
                if not (value.isascii() and value.isdecimal()) or len(value) > 9:
                    raise BadRequestError("_count is a whole number")
                count = min(int(value), _LARGEST_PAGE)
            case _:
                if not (lenient or name in _TOLERATED or (name == "_sort" and value in _ORDERS)):
                    shown = name if _ID.fullmatch(name) else "of that name"
                    raise BadRequestError(f"AuditEvent has no search parameter {shown}")
    return which, patient, count


def _narrowed(which: Filter, name: str, value: str) -> Filter:
    values = value.split(",")
    if len(values) > _MOST_VALUES:
        raise TooCostlyError(f"{name}: at most {_MOST_VALUES} values")
    codes = [one.rpartition("|")[2] for one in values]
    if not value.isprintable():  # no database has to be asked for a NUL
        raise BadRequestError(f"{name}: a code has no control characters")
    match name:
        case "_id":
            tx, n = parse_event_id(value) or ("none", 0)
            return replace(which, tx_start=tx, n=n)
        case "agent":
            return replace(which, recipients=codes)
        case "outcome":
            return replace(which, outcomes=[_OUTCOMES.get(code, "none") for code in codes])
        case "action":
            return replace(which, actions=[action for code in codes for action in actions_of(code)])
        case _:
            return replace(which, purposes=codes)
