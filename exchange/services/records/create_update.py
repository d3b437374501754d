"""Create, update and delete: from a body as received to a sealed, indexed, durable version.

Only the custodian's own clients write records; a patient's token writes the patient's own consents. A
`Consent` is compiled before it is stored, stored together with its outbox entry, and published on
the ledger before the write is acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth.principal import Principal
from exchange.auth.write_right import WriteRight
from exchange.consent.compile import CompiledConsent, problems_of_members
from exchange.crypto.documents import Envelope, digest, labels_of, seal
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.references import References
from exchange.errors import (
    ConflictError,
    DamagedError,
    ExchangeError,
    ForbiddenError,
    InvalidResourceError,
    NotFoundError,
    Problem,
    UnavailableError,
)
from exchange.fhir.resource_bytes import with_identity, with_labels
from exchange.runtime.offload import offload
from exchange.services.access.patient_links import MOST_NUMBERS, PatientLinks
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.consents.expected import check_attested, seal_consent
from exchange.services.consents.named_practitioners import Identified, NamedPractitioners
from exchange.services.consents.pairs import Change, Pairs
from exchange.services.consents.publish import LEFT_TO_WRITER_MS
from exchange.services.interactions import Outcome
from exchange.services.records.changes import (
    Deletion,
    Prepared,
    RecordChange,
    WriteOutcome,
    WriteResult,
    check_rights,
)
from exchange.services.records.conditions.existing import NamedRecords
from exchange.services.records.conditions.preconditions import UNCONDITIONAL, Precondition
from exchange.services.records.prepare import IndexedRecord, Indexer
from exchange.services.records.read import HIDDEN
from exchange.services.writes.deeds import Logged, Made, Missed, deeds_of
from exchange.services.writes.recording import Deed, PlannedEntry, Recording
from exchange.store.engine.database import Database
from exchange.store.records import documents, subjects
from exchange.store.records.documents import NewVersion, StoredVersion


def _uncounted(_size: int) -> None:
    """Reserve nothing: one body at a time is opened for its labels, and dropped."""


_STATUS: Final = {"created": 201, "updated": 200, "unchanged": 200, "deleted": 204}

_TAKEN: Final = "another record has this type and id here; load it with --same-ids if it is the same record"


def write_outcome(result: WriteResult) -> Outcome:
    """Return the outcome of a write, with the body that is now stored."""
    return Outcome(
        _STATUS[result.outcome],
        result.body,
        result.tx_id,
        result.version,
        result.written,
        location=result.place,
        notices=result.notices,
    )


class RecordWriter:
    """The write interactions of one custodian's records.

    It counts the processor seconds spent on sealing and on storing, for the ingest bench.
    """

    def __init__(
        self,
        *,
        references: References,
        indexer: Indexer,
        records: Database,
        keys: SubjectKeyStore,
        links: PatientLinks,
        pairs: Pairs,
        practitioners: NamedPractitioners,
        recording: Recording,
    ) -> None:
        self._references = references
        self._indexer = indexer
        self._records = records
        self._keys = keys
        self._links = links
        self._pairs = pairs
        self._practitioners = practitioners
        self._recording = recording
        self._named = NamedRecords(references, indexer)
        self.seconds_sealing = 0.0
        self.seconds_storing = 0.0

    async def prepare(
        self,
        right: WriteRight,
        body: bytes,
        *,
        logical_id: str | None,
        precondition: Precondition = UNCONDITIONAL,
        replaces: bool = False,
    ) -> Prepared:
        """Check and index `body` as a record of the right's type, in a thread when it is large.

        `replaces` says that the sender chose the id. A patient may not choose the id of a new record: the
        refusal of an id in use would disclose another patient's record.

        Raises:
            ExchangeError: see `Indexer.index`.
        """
        return await offload(
            partial(
                self.prepare_now,
                right,
                body,
                logical_id=logical_id,
                precondition=precondition,
                replaces=replaces,
            ),
            size=len(body),
        )

    def prepare_now(
        self,
        right: WriteRight,
        body: bytes,
        *,
        logical_id: str | None,
        precondition: Precondition = UNCONDITIONAL,
        replaces: bool = False,
    ) -> Prepared:
        """Do as `prepare`, for a caller that is in a thread of its own already."""
        record = self._indexer.index(
            body, resource_type=right.resource_type, logical_id=logical_id, patient=right.patient
        )
        return Prepared(
            right,
            record,
            precondition,
            must_exist=replaces and bool(right.patient),
            # A consent is published anew even where it is sent unchanged.
            skip_equal=replaces and record.draft is None,
        )

    async def write(
        self,
        changes: Sequence[RecordChange],
        *,
        by: Principal,
        interaction: str,
        also: Callable[[Connection], None] | None = None,
    ) -> list[WriteResult]:
        """Make all `changes` durable in one transaction, or none, and log them as `interaction` of `by`.

        On return the consents hold on the ledger, and the entries, one per subject, are committed there. The
        rows that `also` writes are in the same transaction.

        Raises:
            InvalidResourceError: a record names a patient, or a consent a person, who is not stored here; a
                consent permits an organization that is no member now; links join too many Patients.
            PreconditionError: the current version is not one that a change may replace.
            NotFoundError: a record that must exist does not.
            ForbiddenError: somebody else changes a consent that the patient gave; the attempt is an entry.
            ConflictError: a record changes twice in one call.
            TooCostlyError: a consent exceeds the bounds of the ledger.
            UnavailableError: the store or the ledger can't be reached; the message says whether anything is
                stored, and then its entries follow.
        """
        check_rights(changes)
        changes = await self._checked(changes)
        keys = await self._keys_of(changes)
        consents = self._consents(changes, keys)
        await self._prepare_pairs(keys, consents)
        done, logged = self._recording.done(), Logged(by, interaction, self._recording.msp_id)

        def work(connection: Connection) -> tuple[list[WriteResult], list[PlannedEntry]]:
            commit, first = self._commit(connection, changes, keys)
            if also is not None:
                also(connection)
            deeds = deeds_of(connection, commit.made, commit.missed, first=first, keys=keys, logged=logged)
            return commit.results, self._recording.plan(connection, deeds, done)

        async def commit() -> tuple[list[WriteResult], list[PlannedEntry]]:
            async with self._learning_links(changes):
                return await self._records.write(work)

        notices = {reference: await self._pairs.notices(draft) for _, reference, draft in consents}
        try:
            results, planned = await self._pairs.change(consents, commit) if consents else await commit()
        except ForbiddenError as refused:
            await self._record_attempt(changes[refused.change or 0], refused, keys, by, interaction)
            raise
        tx_id = await self._recording.record(planned, done)
        return [self._acknowledged(result, tx_id, notices) for result in results]

    async def _record_attempt(
        self,
        change: RecordChange,
        refused: ForbiddenError,
        keys: Mapping[bytes, SubjectKeys],
        by: Principal,
        interaction: str,
    ) -> None:
        """Log that `by` tried to change a patient's own consent; `refused` gets the entry's transaction."""
        if not isinstance(change, Prepared):
            return
        place = f"{change.resource_type}/{change.logical_id}"
        deed = Deed(
            by, RecordedAction.UPDATE, interaction, place, classes=(change.resource_type,), refused=True
        )
        owner = keys[change.record.subjects[0]]
        planned = await self._records.write(lambda c: self._recording.plan(c, [(owner, deed)]))
        with suppress(UnavailableError):  # then it follows
            refused.tx_id = await self._recording.record(planned)

    async def _checked(self, changes: Sequence[RecordChange]) -> list[RecordChange]:
        """Return `changes` with the practitioners whom their consents name identified.

        Raises:
            InvalidResourceError: as `write` has it.
        """
        checked: list[RecordChange] = []
        new = {
            f"Practitioner/{change.logical_id}": change.record.identifiers
            for change in changes
            if isinstance(change, Prepared) and change.resource_type == "Practitioner"
        }
        for position, change in enumerate(changes):
            one: RecordChange = change
            try:
                if isinstance(change, Prepared) and change.resource_type == "Patient":
                    self._check_links(change)
                elif isinstance(change, Prepared) and change.record.draft is not None:
                    one = await self._checked_consent(change, change.record.draft, new)
            except ExchangeError as refused:
                refused.change = position
                raise
            checked.append(one)
        return checked

    def _check_links(self, change: Prepared) -> None:
        if len(change.record.subjects) > 1 and self._links.joins_too_many(change.record.subjects):
            message = f"joins more than {MOST_NUMBERS} Patients as one person"
            problem = Problem("Patient.link", message, "too-costly")
            raise InvalidResourceError("the patient has too many numbers", problems=[problem])

    async def _checked_consent(self, change: Prepared, draft: CompiledConsent, new: Identified) -> Prepared:
        if draft.status != "active":
            return change
        problems = problems_of_members(draft.root, self._indexer.members, await self._pairs.members_now())
        if problems:
            raise InvalidResourceError("the consent can't be enforced as it is", problems=problems)
        named = [f"{kind}/{name}" for _, kind, name in change.record.persons if kind == "Practitioner"]
        identified = await self._practitioners.identified(draft, named, new)
        return replace(change, record=msgspec.structs.replace(change.record, draft=identified))

    @asynccontextmanager
    async def _learning_links(self, changes: Sequence[RecordChange]) -> AsyncIterator[None]:
        """Take over the links of the Patients among `changes`, once these are stored inside."""
        references = [
            self._references.record("Patient", change.logical_id)
            for change in changes
            if change.resource_type == "Patient"
        ]
        if not references:
            yield
            return
        async with self._links.lock:
            try:
                yield
            finally:  # whether a write that ended in an error is stored is not known
                found = await self._records.read(lambda c: documents.current(c, references, bodies=False))
                stored = ((one, () if row.deleted else row.subjects) for one, row in found.items())
                self._pairs.relinked(self._links.learn(stored))

    def _acknowledged(
        self, result: WriteResult, tx_id: str, notices: Mapping[bytes, tuple[str, ...]]
    ) -> WriteResult:
        told: tuple[str, ...] = ()
        if notices:
            told = notices.get(self._references.record(result.resource_type, result.logical_id), ())
        return replace(result, tx_id=tx_id, notices=told)

    async def _keys_of(self, changes: Sequence[RecordChange]) -> dict[bytes, SubjectKeys]:
        wanted = {
            token: patient
            for change in changes
            if isinstance(change, Prepared)
            for token, patient in zip(change.record.subjects, change.record.patients, strict=True)
        }
        keys = await self._keys.find(list(wanted))
        if new := {token: patient for token, patient in wanted.items() if token not in keys}:
            self._check_new_patients(changes, new.values())
            keys |= await self._keys.ensure(new)
        gone = [change for change in changes if isinstance(change, Deletion)]
        if gone:
            keys |= await self._keys.find(await self._subjects_of(gone))
            keys |= await self._keys.ensure({self._references.directory: ""})  # for what is not there
        return keys

    def _check_new_patients(self, changes: Sequence[RecordChange], new: Collection[str]) -> None:
        """Refuse records of patients who are no subjects yet, before keys and a pair are made for them."""
        coming = {change.logical_id for change in changes if change.resource_type == "Patient"}
        missing = set(new) - coming - {""}
        for position, change in enumerate(changes if missing else ()):
            if isinstance(change, Prepared) and (named := missing.intersection(change.record.patients)):
                self._named.refuse(change, position, {("Patient", patient) for patient in named})

    async def exists(self, resource_type: str, logical_id: str) -> bool:
        """Return whether there is a current record, whether or not it may be seen."""
        place = (resource_type, logical_id)
        return place in await self._records.read(lambda c: self._named.exist(c, [place]))

    async def _prepare_pairs(self, keys: Mapping[bytes, SubjectKeys], consents: Sequence[Change]) -> None:
        # The pair of a new patient with a consent opens with it, when that is published.
        owners = {owner.token for owner, _, _ in consents}
        await self._recording.ready([known for token, known in keys.items() if token not in owners])

    def _consents(self, changes: Sequence[RecordChange], keys: Mapping[bytes, SubjectKeys]) -> list[Change]:
        return [
            (
                keys[change.record.subjects[0]],
                self._references.record("Consent", change.logical_id),
                change.record.draft,
            )
            for change in changes
            if isinstance(change, Prepared) and change.record.draft is not None
        ]

    def _relabelled(self, connection: Connection, change: Prepared, before: StoredVersion) -> IndexedRecord:
        """Return the record of `change` with the security labels of the version `before` it."""
        known = self._keys.find_within(connection, before.subjects)
        stored = documents.version(connection, before.envelope.reference, before.version, reserve=_uncounted)
        if stored is None or not known.keys() >= set(before.subjects):
            raise DamagedError("a version or its keys are missing; run `consentry verify`")
        owners = [known[token] for token in before.subjects]
        body = with_labels(change.record.body, labels_of(change.right, owners, stored.envelope))
        if body == change.record.body:
            return change.record
        return self._indexer.index(
            body,
            resource_type=change.resource_type,
            logical_id=change.logical_id,
            patient=change.right.patient,
        )

    async def _subjects_of(self, gone: Sequence[Deletion]) -> list[bytes]:
        references = [self._references.record(change.resource_type, change.logical_id) for change in gone]

        found = await self._records.read(lambda c: documents.current(c, references, bodies=False))
        return sorted({token for stored in found.values() for token in stored.subjects})

    def _commit(
        self,
        connection: Connection,
        changes: Sequence[RecordChange],
        keys: Mapping[bytes, SubjectKeys],
    ) -> tuple[_Commit, int]:
        commit = _Commit(connection, keys, self._references.directory, self._relabelled)
        started = time.thread_time()
        references = [self._references.record(change.resource_type, change.logical_id) for change in changes]
        if len(set(references)) != len(references):
            twice = ConflictError("one record changes twice in the same transaction")
            first = {reference: at for at, reference in reversed(tuple(enumerate(references)))}
            twice.change = next(at for at, reference in enumerate(references) if first[reference] != at)
            raise twice
        current = documents.current(connection, references, bodies=False)
        for position, (change, reference) in enumerate(zip(changes, references, strict=True)):
            try:
                commit.change(change, reference, current.get(reference))
            except ExchangeError as refused:
                refused.change = position
                raise
        self._named.check(connection, changes, current)
        sealed = time.thread_time()
        start = documents.write(connection, [one.version for one in commit.made]) if commit.made else 0
        self.seconds_sealing += sealed - started
        self.seconds_storing += time.thread_time() - sealed
        return commit, start


def _check_owner(change: Prepared, before: StoredVersion | None) -> None:
    # Before any condition of the request: another patient's consent answers as none does.
    if before is None:
        if change.must_exist:
            raise NotFoundError(HIDDEN)
    elif change.record.draft is not None and before.subjects != change.record.subjects:
        raise NotFoundError(HIDDEN)


class _Commit:
    """The changes of one database transaction, sealed one after the other at one moment.

    `relabelled` returns the record of a change with the security labels of the version before.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Mapping[bytes, SubjectKeys],
        directory: bytes,
        relabelled: Callable[[Connection, Prepared, StoredVersion], IndexedRecord],
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._directory = directory
        self._relabelled = relabelled
        self._now = time.time_ns() // 1_000_000
        self.made: list[Made] = []
        self.missed: list[Missed] = []
        self.results: list[WriteResult] = []

    def change(self, change: RecordChange, reference: bytes, before: StoredVersion | None) -> None:
        if isinstance(change, Prepared):
            _check_owner(change, before)
        elif change.resource_type == "Consent":
            raise ConflictError("a consent is never deleted; update its status to inactive")
        if before is None:
            change.precondition.check(None)
        else:
            change.precondition.check(before.version, deleted=before.deleted)
        if isinstance(change, Deletion):
            self.delete(change, reference, before)
        else:
            self.put(change, reference, before)

    def put(self, change: Prepared, reference: bytes, before: StoredVersion | None) -> None:
        record = change.record
        owners = [self._keys[token] for token in record.subjects]
        content = digest(owners, record.body)
        version = 1
        outcome: WriteOutcome = "created"
        if before is not None:
            version = before.version + 1
            if not before.deleted:
                outcome = "updated"
                if change.skip_equal and before.envelope.digest == content:
                    self._unchanged(change, before, "unchanged", record.body)
                    return
                if change.only_new:
                    raise ConflictError(_TAKEN)
                if change.keeps_labels:
                    record = self._relabelled(self._connection, change, before)
                    content = digest(owners, record.body)
                    if change.skip_equal and before.envelope.digest == content:
                        self._unchanged(change, before, "unchanged", record.body)
                        return
        if record.draft is not None:
            check_attested(
                owners[0], subjects.consent_of(self._connection, owners[0].token, reference), record.draft
            )
            draft = msgspec.structs.replace(record.draft, version=version, filed=self._now)
            row = seal_consent(owners[0], reference, version, draft)
            subjects.put_consent(self._connection, owners[0].token, row, due=self._now + LEFT_TO_WRITER_MS)
        body = with_identity(record.body, logical_id=record.logical_id, version=version, written=self._now)
        envelope = self._seal(owners, reference, version, content, body, tokens=record.tokens)
        new = NewVersion(envelope, record.subjects, self._now, deleted=False, tokens=record.tokens)
        result = WriteResult(record.resource_type, record.logical_id, version, self._now, outcome, body)
        self._made(new, result, RecordedAction.CREATE if outcome == "created" else RecordedAction.UPDATE)

    def delete(self, change: Deletion, reference: bytes, before: StoredVersion | None) -> None:
        if before is None:
            # As R4 has it, what is not there counts as deleted: only those ask who may see all there is.
            outcome: WriteOutcome = "unchanged" if change.skip_absent else "deleted"
            self.results.append(
                WriteResult(change.resource_type, change.logical_id, 0, self._now, outcome, b"")
            )
            self._miss(change, [self._directory])
            return
        if not self._keys.keys() >= set(before.subjects):
            raise ConflictError("the record has just become another patient's; ask again")
        if before.deleted:
            self._unchanged(change, before, "unchanged" if change.skip_absent else "deleted")
            self._miss(change, before.subjects)
            return
        owners = [self._keys[token] for token in before.subjects]
        version = before.version + 1
        # A tombstone names the deleted record and no more; its digest is that of these few bytes.
        body = msgspec.json.encode({"resourceType": change.resource_type, "id": change.logical_id})
        envelope = self._seal(
            owners, reference, version, digest(owners, body), body, tokens=b"", deleted=True
        )
        new = NewVersion(envelope, before.subjects, self._now, deleted=True, tokens=b"")
        result = WriteResult(change.resource_type, change.logical_id, version, self._now, "deleted", b"")
        self._made(new, result, RecordedAction.DELETE)

    def _miss(self, change: Deletion, upon: Sequence[bytes]) -> None:
        if not change.skip_absent:
            place = f"{change.resource_type}/{change.logical_id}"
            self.missed.append(Missed(upon, change.resource_type, place))

    def _made(self, new: NewVersion, result: WriteResult, action: RecordedAction) -> None:
        self.made.append(Made(new, action, result.resource_type, result.place))
        self.results.append(result)

    def _unchanged(
        self,
        change: RecordChange,
        before: StoredVersion,
        outcome: Literal["unchanged", "deleted"],
        content: bytes = b"",
    ) -> None:
        version, written = before.version, before.written
        body = content and with_identity(
            content, logical_id=change.logical_id, version=version, written=written
        )
        self.results.append(
            WriteResult(change.resource_type, change.logical_id, version, written, outcome, body)
        )

    def _seal(
        self,
        owners: Sequence[SubjectKeys],
        reference: bytes,
        version: int,
        content: bytes,
        body: bytes,
        *,
        tokens: bytes,
        deleted: bool = False,
    ) -> Envelope:
        tokens_of = [keys.token for keys in owners]
        bound = documents.binding(written=self._now, deleted=deleted, subjects=tokens_of, tokens=tokens)
        return seal(owners, reference, version, content_digest=content, bound=bound, body=body)
