"""Transactions and batches: many interactions in one request.

1. Each entry is an `Interaction` with a row of the table, as if it were a request of its own; it needs its
   own scope, and to write its own right. All are checked before a lock is acquired or the ledger is asked.
2. A transaction stores all of its writes or none. An entry is named by its `fullUrl`, and references to it
   become the address that it gets (`exchange.fhir.links.entries`); conditional references are looked up under
   the caller's own permission.
3. The reads of a transaction answer as after its writes. One that fails refuses the transaction, so each is
   performed before anything is stored (`exchange.services.records.entries.entry_reads`).
4. In a batch each entry stands alone, and so does its refusal. A reference to an entry that was stored before
   leads to it; to any other entry, it is refused.
5. Every refusal names its entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import msgspec

from exchange.auth.principal import Principal
from exchange.auth.write_right import WriteRight
from exchange.errors import (
    BadRequestError,
    ExchangeError,
    InvalidResourceError,
    MethodNotAllowedError,
    NotSupportedError,
    Problem,
    TooCostlyError,
)
from exchange.fhir import r4
from exchange.fhir.bundle import (
    BundleEntry,
    EntryResponse,
    ReceivedBundle,
    entries_of,
    entry_problem,
    frame_of,
    in_entry,
    response_set,
    with_id,
)
from exchange.fhir.interaction import Interaction, parse_entry
from exchange.fhir.links.entries import Entries, key_of
from exchange.fhir.links.relink import conditional_references, with_conditionals
from exchange.fhir.outcome import noticed, outcome
from exchange.fhir.resource_bytes import instant
from exchange.runtime.offload import offload
from exchange.services.access.releases import Exchange
from exchange.services.interactions import InteractionRow, Interactions, Outcome
from exchange.services.records.changes import Deletion, Prepared, RecordChange
from exchange.services.records.conditions.preconditions import etag, precondition_of
from exchange.services.records.conditions.searched import Conditions, check_reference_type
from exchange.services.records.create_update import RecordWriter, write_outcome
from exchange.services.records.entries.entry_reads import EntryReads
from exchange.services.records.prepare import new_id
from exchange.services.records.write_rights import WriteRights

MOST_CONDITIONAL = 1_000
"""Different conditional references in one transaction; each is a search that the ledger is asked for."""

YIELD_EVERY = 100
"""Entries of a large Bundle after which other requests have their turn."""

_MOST_PROBLEMS = 100


@dataclass(slots=True)
class _Step:
    """One entry on its way: its interaction, the right that it writes with, its place, and its response."""

    index: int
    entry: BundleEntry
    interaction: Interaction
    row: InteractionRow
    right: WriteRight | None
    logical_id: str = ""
    existing: str = ""
    response: EntryResponse | None = None

    @property
    def place(self) -> str:
        """The record that the entry writes, as a relative address."""
        return self.existing or f"{self.interaction.type}/{self.logical_id}"

    @property
    def stores(self) -> bool:
        """True if the entry's resource is to be stored."""
        return self.interaction.code in {"create", "update"} and not self.existing

    def answered(self) -> EntryResponse:
        """Return the response, once the entry is performed."""
        if self.response is None:
            raise RuntimeError(f"entry {self.index} of a Bundle was not performed")
        return self.response


class Bundles:
    """Performs the Bundles that clients post to the base, entry by entry; `base` is the FHIR base URL."""

    def __init__(
        self,
        *,
        base: str,
        interactions: Interactions,
        writing: RecordWriter,
        conditions: Conditions,
        rights: WriteRights,
    ) -> None:
        self._base = base
        self._interactions = interactions
        self._writing = writing
        self._conditions = conditions
        self._rights = rights

    def rows(self) -> tuple[InteractionRow, ...]:
        """Return the rows of both kinds; each entry needs its own scope, and the Bundle none."""
        return tuple(
            InteractionRow(code=code, resource_type="", handle=self._perform, scopes=(), takes_body=True)
            for code in ("transaction", "batch")
        )

    async def _perform(self, principal: Principal, _interaction: Interaction, body: bytes) -> Outcome:
        """Perform a Bundle of type transaction or batch.

        Raises:
            BadRequestError: the Bundle is neither, or an entry's request is not supported.
            InvalidResourceError: some entry is not valid R4 (a transaction then stores nothing).
        """
        received = await asyncio.to_thread(entries_of, body)
        if received.type == "transaction":
            await asyncio.to_thread(_check_all, body, received)
            steps = await self._authorised(principal, received.entry)
            responses = await self._whole(principal, steps, self._entries(received))
            return Outcome(body=await asyncio.to_thread(response_set, "transaction", responses))
        if received.type == "batch":
            _check_full_urls(received.entry)
            batch: list[EntryResponse] = []
            entries = self._entries(received)
            reads = EntryReads(principal, exists=self._writing.exists)
            for index, entry in enumerate(received.entry):
                batch.append(await self._alone(principal, index, entry, entries, reads))
            return Outcome(body=await asyncio.to_thread(response_set, "batch", batch))
        raise BadRequestError("a Bundle posted to the base is of type transaction or batch")

    def _entries(self, received: ReceivedBundle) -> Entries:
        written = [
            entry.full_url
            for entry in received.entry
            if entry.full_url and entry.request is not None and entry.request.method != "GET"
        ]
        return Entries(written, base=self._base)

    async def _alone(
        self, principal: Principal, index: int, entry: BundleEntry, entries: Entries, reads: EntryReads
    ) -> EntryResponse:
        try:
            with Exchange():
                _check_frame(index, entry)
                [step] = await self._authorised(principal, [entry], first=index)
                if not step.row.writes:
                    return entry_response(await reads.perform(step.interaction, step.row.handle), self._base)
                await self._store(principal, [step], entries, kind="batch")
                return step.answered()
        except ExchangeError as refused:
            entries.leave(entry.full_url)
            return _refused(refused)

    async def _authorised(
        self, principal: Principal, entries: Sequence[BundleEntry], *, first: int = 0
    ) -> list[_Step]:
        """Return the steps of the entries, after the check of their scopes and rights."""
        steps: list[_Step] = []
        for index, entry in enumerate(entries, start=first):
            if index % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            with in_entry(index):
                interaction, row = self._found(principal, index, entry)
                right = self._rights.grant(principal, interaction.type) if row.writes else None
            steps.append(_Step(index, entry, interaction, row, right))
        return steps

    def _found(
        self, principal: Principal, index: int, entry: BundleEntry
    ) -> tuple[Interaction, InteractionRow]:
        if entry.request is None:
            raise _bad(index, "every entry needs a request")
        try:
            interaction = parse_entry(entry.request)
            row = self._interactions.authorise(principal, interaction)
        except (BadRequestError, NotSupportedError, MethodNotAllowedError) as refused:
            raise _bad(index, str(refused), code=refused.code) from None
        if not row.writes and interaction.method != "GET":
            raise _bad(index, f"{interaction.code} is not supported in a Bundle", code="not-supported")
        return interaction, row

    async def _whole(self, principal: Principal, steps: list[_Step], entries: Entries) -> list[EntryResponse]:
        """Perform the steps of a transaction, all or none."""
        reading = [step for step in steps if not step.row.writes]
        writes = [step.interaction for step in steps if step.row.writes]
        reads = EntryReads(principal, exists=self._writing.exists, writes=writes)
        for step in reading if writes else ():
            await reads.before(step.index, step.interaction, step.row.handle)
        await self._store(principal, steps, entries, kind="transaction")
        for step in reading:
            found = await reads.after(step.index, step.interaction, step.row.handle)
            step.response = entry_response(found, self._base)
        return [step.answered() for step in steps]

    async def _store(self, principal: Principal, steps: list[_Step], entries: Entries, *, kind: str) -> None:
        """Make the writes among the steps, and answer them; those of a transaction are checked already."""
        types = {step.interaction.type for step in steps if step.row.writes and step.interaction.condition}
        async with self._conditions.lock(principal, types):
            await self._place(principal, steps, entries)
            for step in steps if kind == "batch" else ():
                if resource := bytes(step.entry.resource):
                    await offload(partial(_check, step.index, resource), size=len(resource))
            await self._write(principal, await self._changes(principal, steps, entries), kind)

    async def _place(self, principal: Principal, steps: Sequence[_Step], entries: Entries) -> None:
        """Decide where each step writes, which is what its `fullUrl` stands for."""
        created: dict[tuple[str, str], str] = {}
        for step in steps:
            if step.index % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if not step.row.writes:
                continue
            kind, condition = step.interaction.type, step.interaction.condition
            if condition:
                with in_entry(step.index, ".ifNoneExist"):
                    step.existing = await self._conditions.match(principal, kind, condition) or ""
            step.logical_id = step.interaction.id or new_id()
            if condition and not step.existing:
                # The same condition twice means the same record: the second finds the first one's.
                new = f"{kind}/{step.logical_id}"
                first = created.setdefault((kind, condition), new)
                step.existing = first if first != new else ""
            entries.place(step.entry.full_url, step.place)

    async def _write(
        self, principal: Principal, changes: Sequence[tuple[_Step, RecordChange]], interaction: str
    ) -> None:
        if not changes:
            return
        try:
            results = await self._writing.write(
                [change for _, change in changes], by=principal, interaction=interaction
            )
        except ExchangeError as refused:
            if refused.change is None:
                raise
            with in_entry(changes[refused.change][0].index):
                raise

        def respond() -> None:
            for (step, _), result in zip(changes, results, strict=True):
                written = msgspec.structs.replace(write_outcome(result), body=b"")
                step.response = entry_response(written, self._base)

        await offload(respond, size=sum(len(result.body) for result in results))

    async def _changes(
        self, principal: Principal, steps: Sequence[_Step], entries: Entries
    ) -> list[tuple[_Step, RecordChange]]:
        """Return the changes of the steps, their references resolved; answer steps without one.

        A large bundle is worked on in a thread, so that other requests are answered meanwhile.
        """
        size = sum(len(bytes(step.entry.resource)) for step in steps)

        def own_references() -> tuple[dict[int, bytes], dict[str, int]]:
            bodies: dict[int, bytes] = {}
            wanted: dict[str, int] = {}
            for step in steps:
                if step.stores:
                    resource = bytes(step.entry.resource)
                    with in_entry(step.index):
                        body = entries.relinked(resource, step.entry.full_url)
                    bodies[step.index] = body
                    for reference in conditional_references(body):
                        wanted.setdefault(reference, step.index)
            return bodies, wanted

        bodies, wanted = await offload(own_references, size=size)
        resolved = await self._resolved(principal, wanted)

        def prepared() -> list[tuple[_Step, RecordChange]]:
            changes: list[tuple[_Step, RecordChange]] = []
            for step in steps:
                if step.existing:
                    step.response = EntryResponse("200 OK", location=f"{self._base}/{step.existing}")
                elif step.right is not None and step.index in bodies:
                    body = with_conditionals(bodies[step.index], resolved)
                    changes.append((step, self._prepared(step, step.right, body)))
                elif step.right is not None:
                    with in_entry(step.index, ".ifMatch"):
                        changes.append((step, _deletion(step, step.right)))
            return changes

        return await offload(prepared, size=size)

    async def _resolved(self, principal: Principal, wanted: Mapping[str, int]) -> dict[str, str]:
        """Return what each conditional reference stands for; `wanted` has the first entry with each."""
        if len(wanted) > MOST_CONDITIONAL:
            raise TooCostlyError(f"the bundle has more than {MOST_CONDITIONAL} conditional references")
        for reference, index in sorted(wanted.items()):
            kind = reference.partition("?")[0]
            with in_entry(index):
                check_reference_type(kind)
                self._interactions.authorise(principal, Interaction("search-type", kind))
        found: dict[str, str] = {}
        for reference, index in sorted(wanted.items()):
            with in_entry(index):
                found[reference] = await self._conditions.resolve(principal, reference)
        return found

    def _prepared(self, step: _Step, right: WriteRight, body: bytes) -> Prepared:
        # An entry that was POSTed may carry an id of its own; the server's replaces it.
        assigned = step.interaction.code == "create"
        if assigned:
            body = with_id(body, step.logical_id)
        with in_entry(step.index, ".ifMatch"):
            precondition = precondition_of(step.interaction)
        with in_entry(step.index):
            return self._writing.prepare_now(
                right,
                body,
                logical_id=step.logical_id,
                precondition=precondition,
                replaces=not assigned,
            )


def entry_response(found: Outcome, base: str) -> EntryResponse:
    """Return the response of an entry; `base` is the server's FHIR base URL."""
    return EntryResponse(
        f"{found.status} {HTTPStatus(found.status).phrase}",
        location=f"{base}/{found.location}" if found.location else "",
        etag=etag(found.version) if found.version else "",
        last_modified=instant(found.written) if found.written is not None else "",
        resource=found.body or None,
        outcome=noticed(found.notices) if found.notices else None,
        tx_id=found.tx_id,
    )


def _deletion(step: _Step, right: WriteRight) -> Deletion:
    interaction = step.interaction
    return Deletion(right, interaction.type, interaction.id, precondition_of(interaction))


def _check_all(body: bytes, received: ReceivedBundle) -> None:
    # One resource after the other: all at once would block other requests for as long.
    problems: list[Problem] = []
    for index, entry in enumerate(received.entry):
        try:
            if bytes(entry.resource):
                _check(index, bytes(entry.resource))
        except InvalidResourceError as refused:
            problems += refused.problems
            if len(problems) >= _MOST_PROBLEMS:
                break
    if problems:
        raise InvalidResourceError("the body is not valid FHIR R4", problems=problems)
    _check_full_urls(received.entry)
    r4.check(frame_of(body, received), expected="Bundle")
    for index, entry in enumerate(received.entry):
        _check_frame(index, entry)


def _check_full_urls(entries: Sequence[BundleEntry]) -> None:
    """Refuse entries of one fullUrl, which would name two records; FHIR allows it for versions alone."""
    seen: set[str] = set()
    problems: list[Problem] = []
    for index, entry in enumerate(entries):
        key = key_of(entry.full_url)
        if key and key in seen:
            path = f"Bundle.entry[{index}].fullUrl"
            problems.append(Problem(path, "bdl-7: an entry before has this fullUrl", "invariant"))
        seen.add(key)
    if problems:
        raise InvalidResourceError("two entries have one fullUrl", problems=problems)


def _check_frame(index: int, entry: BundleEntry) -> None:
    if entry.request is None:
        raise _bad(index, "every entry needs a request")
    if _contradicts(entry):
        raise _bad(index, "fullUrl and the resource's id disagree")
    if entry.request.method in {"POST", "PUT"} and not bytes(entry.resource):
        raise _bad(index, "a POST or PUT needs a resource")


def _contradicts(entry: BundleEntry) -> bool:
    # FHIR R4, Bundle.entry.fullUrl: unless it is a URN it must be consistent with the resource's id.
    if not entry.full_url or entry.full_url.startswith("urn:") or not bytes(entry.resource):
        return False
    try:
        stated = _stated(bytes(entry.resource)).id
    except msgspec.MsgspecError:  # a value that is no resource is refused as such
        return False
    return bool(stated) and entry.full_url.rpartition("/")[2] != stated


class _Stated(msgspec.Struct, frozen=True):
    id: str = ""


_stated = msgspec.json.Decoder(_Stated).decode


def _bad(index: int, message: str, *, code: str = "value") -> BadRequestError:
    problem = entry_problem(index, message, code=code)
    return BadRequestError("the bundle can't be processed", problems=[problem])


def _check(index: int, resource: bytes) -> None:
    # Before its bytes are parsed: parsing them to set an id would drop a repeated name in silence.
    with in_entry(index):
        r4.check(resource)


def _refused(refused: ExchangeError) -> EntryResponse:
    status = f"{refused.status} {HTTPStatus(refused.status).phrase}"
    return EntryResponse(status, outcome=outcome(refused), tx_id=refused.tx_id)
