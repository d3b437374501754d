"""The access log for its readers: officers read all entries that concern their hospital, as the holder of
the records or as the requester, and patients those about themselves.

Every entry comes from the ledger by way of the projection; a reading of the log is asked for and logged
like any other access, and is itself the newest entry of what it shows. An officer's reading is also logged
under every patient whose entries it hands out, before it does: the patient sees who has read them.

A person who acts for a patient sees the entries about records that are open to that person, and of searches
not the words: an entry would tell of a record that a consent hides.
"""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from chaincode.access.log_keys import read_entry
from chaincode.access.model import Action, LogEntry
from chaincode.errors import BadArgumentError
from exchange.auth.principal import Kind, Principal
from exchange.consent.compile import consent_pseudonym
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.pair_versions import consent_version
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.crypto.release_notes import ReleasedRecord
from exchange.errors import BadRequestError, DamagedError, ForbiddenError, NotFoundError
from exchange.fhir.audit_event import EntryDetail, audit_event, event_id, parse_event_id, records_of
from exchange.fhir.bundle import FoundResource
from exchange.fhir.search import Clause
from exchange.ledger.projection import Projection
from exchange.services.access.details import open_detail, open_search
from exchange.services.access.enforcement import Answer, Enforcement, Question
from exchange.services.access.patient_links import PatientLinks
from exchange.services.access.releases import ReleaseNotes, open_release
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.audit.log_conditions import LogConditions, patients_of
from exchange.services.audit.log_index import LogIndex, Word
from exchange.services.audit.log_query import PARAMETERS, LogQuery
from exchange.services.consents.expected import open_consent
from exchange.services.membership import Members
from exchange.services.records.read import HIDDEN, with_body
from exchange.services.records.search import FoundPage
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.log.log_tables import AnyOf, Filter, LogRow, OfSubject
from exchange.store.records import documents
from exchange.store.records.subjects import consents_of

_ON_CONSENT = re.compile(rb'"reason":"(?:consent|refused-by-patient)"')  # in the canonical form of an entry


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One AuditEvent and the transaction that logged its reading."""

    body: bytes
    tx_id: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """The place of a page: behind the sequence `after`, of the entries up to `until`; None at first.

    `partial` says that the index of the log had not come to all of them.
    """

    after: int | None = None
    until: int | None = None
    total: int | None = None
    partial: bool = False


class Audit:
    """AuditEvent read and search for the custodian's officers and patients."""

    parameters = PARAMETERS

    def __init__(
        self,
        *,
        msp_id: str,
        members: Members,
        references: References,
        keys: SubjectKeyStore,
        links: PatientLinks,
        enforcement: Enforcement,
        entries: Database,
        records: Database,
        projection: Projection,
        index: LogIndex,
        releases: ReleaseNotes,
    ) -> None:
        self._msp_id = msp_id
        self._members = members
        self._references = references
        self._keys = keys
        self._links = links
        self._enforcement = enforcement
        self._entries = entries
        self._records = records
        self._projection = projection
        self._index = index
        self._releases = releases
        self._explained = 0

    async def search(
        self,
        principal: Principal,
        wanted: LogQuery,
        parameters: Sequence[tuple[str, str]],
        page: LogPage,
    ) -> FoundPage:
        """Return one page of entries; the patients whose entries it has are told, each in a log of their own.

        Raises:
            ForbiddenError: the principal is neither an officer of this hospital nor a patient.
            BadRequestError: a person who acts for a patient asks for a number alone.
            UnavailableError: the ledger can't be reached.
        """
        subjects = self._subjects(principal, wanted.patient)
        if principal.is_proxy and not wanted.count:
            raise BadRequestError("_summary: who acts for a patient gets entries, and no number of them")
        target = f"AuditEvent?{urllib.parse.urlencode(list(parameters))}"
        answer = await self._ask(principal, "search-type", target, subjects)
        if not answer.permits(subjects):
            if await self._keys.find(subjects):
                raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
            return FoundPage((), None, 0, answer.tx_id)  # no patient has this id, so no entry is about it
        await self._projection.reached(answer.tx_id)
        await self._releases.note_all()
        until = page.until
        if until is None:  # the first page: what comes later is on none
            until = await self._entries.read(log_tables.last_sequence)
        words: Mapping[int, Word] = {}
        if wanted.needs_index:  # newer entries can't be found yet, or would be found for another outcome
            indexed = await self._index.caught_up()
            words, behind = indexed.words, indexed.reached < until
            page, until = replace(page, partial=page.partial or behind), min(until, indexed.reached)
        which = await self._filter(principal, wanted, subjects, until, words)
        rows = await self._rows(which, wanted, page)
        shown, over = rows[: wanted.count], len(rows) > wanted.count
        untold = principal.is_proxy or page.partial
        total = None if untold else await self._total(wanted, which, page, len(rows))
        more = shown[-1].sequence if over and shown else None
        shown = await self._open_to(principal, answer, shown)
        told = await self._tell(principal, "search-type", "AuditEvent", shown, asked=(subjects, answer))
        bodies = await self._render(principal, shown, told.keys())
        resources = tuple(
            FoundResource(body, version=1, give=_giver(told, subjects, row))
            for row, body in zip(shown, bodies, strict=True)
        )
        return FoundPage(resources, more, total, answer.tx_id, until=until, partial=page.partial)

    async def _total(self, wanted: LogQuery, which: Filter, page: LogPage, found: int) -> int | None:
        """Return the number of all entries, where it is told; `found` are those of a page and one more."""
        if page.after is not None:
            return page.total
        if wanted.count and found <= wanted.count:
            return found
        if not wanted.counted:
            return None
        return await self._entries.read(lambda c: log_tables.count_entries(c, which))

    async def _rows(self, which: Filter, wanted: LogQuery, page: LogPage) -> list[LogRow]:
        """Return the entries of a page and, if there is one, the first of the next."""
        if not wanted.count:
            return []
        return await self._entries.read(
            lambda c: log_tables.list_entries(
                c, which, before=page.after, limit=wanted.count + 1, oldest_first=wanted.oldest_first
            )
        )

    async def read(self, principal: Principal, logical_id: str) -> LoggedEvent:
        """Return the AuditEvent with `logical_id`.

        Raises:
            NotFoundError: there is none, or none that this principal may read.
        """
        subjects = self._subjects(principal, None)
        target = f"AuditEvent/{logical_id}"
        answer = await self._ask(principal, "read", target, subjects)
        parsed = parse_event_id(logical_id)
        if parsed is None or not answer.permits(subjects):
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        await self._projection.reached(answer.tx_id)
        await self._releases.note_all()
        which = replace(await self._within(principal, subjects, None), tx_start=parsed[0], n=parsed[1])
        rows = await self._entries.read(lambda c: log_tables.list_entries(c, which, before=None, limit=1))
        rows = await self._open_to(principal, answer, rows)
        told = await self._tell(principal, "read", target, rows, asked=(subjects, answer))
        bodies = await self._render(principal, rows, told.keys())
        if not bodies:
            raise NotFoundError(HIDDEN, tx_id=answer.tx_id)
        _giver(told, subjects, rows[0])()
        return LoggedEvent(bodies[0], answer.tx_id)

    def _subjects(self, principal: Principal, patient: str | None) -> tuple[bytes, ...]:
        """Return the subjects whose entries are asked for; a patient's are those of every linked number."""
        if principal.organization != self._msp_id or principal.kind is Kind.SYSTEM:
            raise ForbiddenError("the access log is for this hospital's officers and patients")
        if principal.kind is Kind.PATIENT:
            own = self._links.of(principal)
            if patient is not None and self._references.subject(patient) not in own:
                raise ForbiddenError("a patient reads no one else's log")
            return own
        return (self._references.directory if patient is None else self._references.subject(patient),)

    async def _ask(
        self, principal: Principal, interaction: str, target: str, subjects: Sequence[bytes]
    ) -> Answer:
        question = Question(principal, Action.LOG, interaction, target, ("AuditEvent",))
        await self._keys.ensure({self._references.directory: ""})
        return await self._enforcement.ask(question, subjects)

    async def _open_to(self, principal: Principal, answer: Answer, rows: list[LogRow]) -> list[LogRow]:
        """Return those of `rows` that `principal` may see: a person who acts for a patient not all of them.

        An entry about a record that is not open to that person, or is gone, is as hidden as the record.
        """
        if not principal.is_proxy:
            return rows
        named: dict[int, list[str]] = {}
        for row in rows:
            known = answer.keys.get(row.subject) if row.subject is not None else None
            if known is not None and row.sealed is not None:
                detail = open_detail(known, row.place.tx, row.place.n, row.sealed)
                named[row.sequence] = records_of(detail.target)
                if row.released is not None:
                    note = open_release(known, row.place.tx, row.place.n, row.released)
                    named[row.sequence] += records_of(",".join(note.named))
        places = sorted({place for one in named.values() for place in one})
        seen = {place for place in places if await self._is_open(answer, place)}
        return [row for row in rows if row.sequence in named and seen.issuperset(named[row.sequence])]

    async def _is_open(self, answer: Answer, place: str) -> bool:
        reference = self._references.record(*place.split("/"))
        found = await self._records.read(lambda c: documents.current(c, [reference]))
        if reference not in found or found[reference].deleted:
            return False
        stored = await with_body(self._records, answer, found[reference])
        return stored is not None and self._enforcement.release(answer, stored, reference=place) is not None

    async def _tell(
        self,
        principal: Principal,
        interaction: str,
        target: str,
        rows: Sequence[LogRow],
        *,
        asked: tuple[Sequence[bytes], Answer],
    ) -> dict[bytes, Answer]:
        """Log under every subject of `rows` that its entries are read; return those whose details may be.

        The ledger has been `asked` for some of them already. Each comes with the answer that permits it.
        """
        first, answered = asked
        subjects = {row.subject: None for row in rows if row.subject is not None and row.subject not in first}
        subjects.pop(self._references.directory, None)
        others = list(await self._keys.find(list(subjects)))
        told = {self._references.directory: answered, **dict.fromkeys(first, answered)}
        if not others:
            return told
        answer = await self._ask(principal, interaction, target, others)
        return told | {one: answer for one in others if answer.permits([one])}

    async def _filter(
        self,
        principal: Principal,
        wanted: LogQuery,
        subjects: Sequence[bytes],
        until: int,
        words: Mapping[int, Word],
    ) -> Filter:
        within = await self._within(principal, subjects, wanted.patient)
        named = LogConditions(self._members.known(), words, self._index.number_of)
        conditions = [await self._with_patients(one, named.of(one)) for one in wanted.clauses]
        tx, n = wanted.place or (None, None)
        return replace(
            within,
            tx_start=tx,
            n=n,
            times=wanted.query.last_updated,
            until=until,
            conditions=[
                *within.conditions,
                *(one for one in conditions if one is not None),
                *(AnyOf({"purpose": codes}) for codes in wanted.purposes),
            ],
        )

    async def _within(self, principal: Principal, subjects: Sequence[bytes], patient: str | None) -> Filter:
        """Return the filter of all that a principal may see: of one `patient`, if that is asked for.

        An officer also sees the requests that this hospital's people made of others: the ledger has them, and
        the neighbour's officer does not know these people.
        """
        if principal.kind is Kind.PATIENT or patient is not None:
            return Filter(custodian=self._msp_id, conditions=await self._of_any(subjects))
        return Filter(party=self._msp_id)

    async def _with_patients(self, clause: Clause, condition: AnyOf | None) -> AnyOf | None:
        if condition is None or clause.parameter != "entity":
            return condition
        subjects = [self._references.subject(patient) for patient in patients_of(clause)]
        return replace(condition, of=[await self._of(subject) for subject in subjects])

    async def _of_any(self, subjects: Sequence[bytes]) -> list[AnyOf]:
        """Return the condition that an entry is about one of `subjects`."""
        return [AnyOf(of=[await self._of(subject) for subject in subjects])]

    async def _of(self, subject: bytes) -> OfSubject:
        # Every member's pair, and every attempt: where the detail that names the patient is lost, the secret
        # still finds the entry.
        keys = (await self._keys.find([subject])).get(subject)
        if keys is None:
            return [], subject
        secret = PatientSecret(keys.secret)
        names = [secret.pair(member) for member in self._members.by_msp]
        lost, self._explained = await self._entries.read(
            lambda c: log_tables.unexplained(c, self._msp_id, after=self._explained)
        )
        attempts = {name for name, recipient in lost if secret.is_one_time_pseudonym(name, recipient)}
        return [*names, *sorted(attempts)], subject

    async def _render(
        self, principal: Principal, rows: Sequence[LogRow], told: Collection[bytes]
    ) -> list[bytes]:
        keys = await self._keys.find([row.subject for row in rows if row.subject and row.subject in told])
        searches = await self._searches(rows) if principal.kind is Kind.OFFICER else {}
        if principal.is_proxy:
            return [self._event(row, keys, searches, {}, {}, words=False) for row in rows]
        beside = {token: self._links.others(token) for token in keys}
        known = keys | await self._keys.find([one for others in beside.values() for one in others])
        consents = await self._consents(rows, known)
        return [self._event(row, keys, searches, beside, consents) for row in rows]

    async def _consents(
        self, rows: Sequence[LogRow], keys: Mapping[bytes, SubjectKeys]
    ) -> dict[bytes, list[tuple[SubjectKeys, str]]]:
        """Return the logical ids of all consents of the subjects whose entries rest on one.

        Each is given with the keys of its subject.
        """
        if not any(row.subject in keys and _ON_CONSENT.search(row.record) for row in rows):
            return {}
        subjects = list(keys)
        found = await self._records.read(lambda c: {subject: consents_of(c, subject) for subject in subjects})
        return {
            subject: [(keys[subject], open_consent(keys[subject], row).id) for row in consents]
            for subject, consents in found.items()
        }

    async def _searches(self, rows: Sequence[LogRow]) -> dict[tuple[str, int], str]:
        """Return the words of the searches that concerned several patients, by their entries."""
        txs = list(dict.fromkeys(row.place.tx for row in rows))
        found = await self._entries.read(lambda c: log_tables.searches_of(c, txs))
        if not found:
            return {}
        directory = (await self._keys.find([self._references.directory]))[self._references.directory]
        words: dict[tuple[str, int], str] = {}
        for tx, first, number, sealed in found:
            target = open_search(directory, tx, first, sealed)
            words |= {(tx, n): target for n in range(first, first + number)}
        return words

    def _event(
        self,
        row: LogRow,
        keys: Mapping[bytes, SubjectKeys],
        searches: Mapping[tuple[str, int], str],
        beside: Mapping[bytes, Sequence[bytes]],
        consents: Mapping[bytes, Sequence[tuple[SubjectKeys, str]]],
        *,
        words: bool = True,
    ) -> bytes:
        try:
            record = read_entry(row.place, row.record)
        except BadArgumentError:
            raise DamagedError("an entry of the access log can't be read; run `consentry verify`") from None
        known = keys.get(row.subject) if row.subject is not None else None
        names = self._members.names_at(record.time)
        if known is None or row.sealed is None:
            return audit_event(record, None, names)
        detail = open_detail(known, record.tx, record.n, row.sealed)
        target = searches.get((record.tx, record.n), detail.target)
        shown = EntryDetail(
            client=detail.client,
            user=detail.user,
            user_name=detail.user_name,
            role=detail.role,
            interaction=detail.interaction,
            target=target if words else target.partition("?")[0],
            patient=detail.patient,
            reason=detail.reason,
            released=(
                None
                if row.released is None or not words
                else open_release(known, record.tx, record.n, row.released)
            ),
        )
        # The basis may be a consent of another record of the same patient, which denies here too.
        tokens = (known.token, *beside.get(known.token, ()))
        possible = [one for token in tokens for one in consents.get(token, ())]
        return audit_event(record, shown, names, _rests_on(record, possible))


def _giver(told: Mapping[bytes, Answer], asked: Sequence[bytes], row: LogRow) -> Callable[[], None]:
    """Return the call that says that an entry goes into an answer, to the subject that was told of it."""
    subject = row.subject if row.subject is not None and row.subject in told else asked[0]
    reference = f"AuditEvent/{event_id(row.place.tx, row.place.n)}"
    record = ReleasedRecord(reference, 1, hashlib.sha256(row.record).digest(), named=False)
    return partial(told[subject].release.give, record, [subject])


def _rests_on(record: LogEntry, consents: Sequence[tuple[SubjectKeys, str]]) -> str:
    """Return the id and version of the consent that a decision rests on; empty where it rests on none."""
    if not record.basis:
        return ""
    for keys, name in consents:
        salt = PatientSecret(keys.secret).salt(record.recipient)
        if consent_pseudonym(name, salt) == record.basis:
            version = consent_version(record.basis_version, terms_id=record.basis, salt=salt)
            return f"{name}/_history/{version}"
    return ""
