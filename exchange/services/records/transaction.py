"""Transactions and batches: many interactions in one request.

A transaction stores all of its writes or none. References between its entries (`urn:uuid:...`) become
the ids that the entries get, conditional references are looked up under the caller's own permission,
and what it reads is read after its writes, each read asked for on the ledger like any other. By then the
writes stand, so a read that finds nothing says so in its own entry.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from weakref import WeakValueDictionary

import msgspec

from exchange.auth.principal import Principal
from exchange.errors import (
    BadRequestError,
    ExchangeError,
    InvalidResourceError,
    PreconditionError,
    Problem,
    TooCostlyError,
)
from exchange.fhir import r4, search
from exchange.fhir.bundle import (
    Asked,
    Entry,
    Received,
    Response,
    asked_for,
    conditional_references,
    entries_of,
    entry_problem,
    frame_of,
    identity_of,
    response_set,
    rewrite_conditionals,
    rewrite_urns,
    with_id,
)
from exchange.fhir.outcome import outcome
from exchange.fhir.resource_bytes import instant
from exchange.runtime import quota
from exchange.services.records.create_update import Deletion, Writing, Written, aside
from exchange.services.records.prepare import Prepared, new_id
from exchange.services.records.search import Searching

Get = Callable[[Principal, Asked], Awaitable[Response]]
"""Answers a GET entry, whose scope has been checked."""

Require = Callable[[Principal, str, str], None]
"""Raises unless the principal's scopes reach an interaction with a resource type."""

MOST_CONDITIONAL = 1_000
"""Different conditional references in one transaction; each is a search that the ledger is asked for."""

MOST_READ = 32 * 1024 * 1024
"""Bytes of what one transaction or batch reads; they are held together until all of it is answered."""

_BREATH = 100
_MOST_PROBLEMS = 100

_INTERACTION = {"POST": "create", "PUT": "update", "DELETE": "delete"}

_STATUS = {"created": "201 Created", "updated": "200 OK", "unchanged": "200 OK", "deleted": "204 No Content"}


@dataclass(slots=True)
class _Step:
    """One entry on its way: what it asks, where it will live, and what came of it."""

    index: int
    entry: Entry
    method: str
    url: str
    resource_type: str = ""
    logical_id: str = ""
    condition: str = ""
    existing: str = ""
    asked: Asked | None = None
    response: Response | None = None


def written_response(written: Written, base: str) -> Response:
    """The entry response to a write; `base` is the server's FHIR base URL."""
    place = f"{written.resource_type}/{written.logical_id}"
    return Response(
        _STATUS[written.outcome],
        location=f"{base}/{place}/_history/{written.version}",
        etag=f'W/"{written.version}"',
        last_modified=instant(written.written),
    )


class Bundles:
    """Runs the Bundles that clients post to the base."""

    def __init__(self, *, base: str, writing: Writing, searching: Searching) -> None:
        self._base = base
        self._writing = writing
        self._searching = searching
        self._conditional: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, principal: Principal, body: bytes, get: Get, require: Require) -> bytes:
        """The response Bundle to `body`, a Bundle of type transaction or batch.

        Raises:
            BadRequestError: the Bundle is neither, or an entry's request can't be understood.
            InvalidResourceError: some entry is not valid R4 (a transaction then stores nothing).
        """
        received = await asyncio.to_thread(entries_of, body)
        if received.type == "transaction":
            steps = await asyncio.to_thread(_checked_steps, body, received)
            responses = await self._transaction(principal, steps, _bounded(get), require, checked=True)
            return await asyncio.to_thread(response_set, "transaction", responses)
        if received.type == "batch":
            batch: list[Response] = []
            get = _bounded(get)
            for index, entry in enumerate(received.entry):
                batch.append(await self._batch_entry(principal, index, entry, get, require))
            return await asyncio.to_thread(response_set, "batch", batch)
        raise BadRequestError("a Bundle posted to the base is of type transaction or batch")

    async def _batch_entry(
        self, principal: Principal, index: int, entry: Entry, get: Get, require: Require
    ) -> Response:
        try:
            steps = _steps([entry], first=index)
            return (await self._transaction(principal, steps, get, require, checked=False))[0]
        except ExchangeError as refused:
            return _refused(refused)

    async def _transaction(
        self, principal: Principal, steps: list[_Step], get: Get, require: Require, *, checked: bool
    ) -> list[Response]:
        types = _conditional_types(steps)
        for resource_type in sorted(types.intersection(r4.RESOURCE_TYPES)):
            # Before anybody is held off: who may not store here keeps nobody waiting.
            require(principal, "create", resource_type)
            self._writing.allow(principal, resource_type)
        async with self.one_at_a_time(principal, types):
            return await self._run(principal, steps, get, require, checked=checked)

    async def _run(
        self, principal: Principal, steps: list[_Step], get: Get, require: Require, *, checked: bool
    ) -> list[Response]:
        places: dict[str, str] = {}
        created: dict[tuple[str, str], str] = {}
        for step in steps:
            if step.index % _BREATH == 0:
                await asyncio.sleep(0)  # others are answered between the entries of a large bundle
            await self._place(principal, step, require)
            if step.condition and not step.existing:
                # The same condition twice means the same record: the second finds what the first makes.
                new = f"{step.resource_type}/{step.logical_id}"
                first = created.setdefault((step.resource_type, step.condition), new)
                step.existing = first if first != new else ""
            if step.entry.full_url.startswith("urn:") and step.resource_type:
                places[step.entry.full_url] = step.existing or f"{step.resource_type}/{step.logical_id}"
        for step in () if checked else steps:
            if resource := bytes(step.entry.resource):
                await aside(partial(_check, step.index, resource), size=len(resource))
        changes = await self._changes(principal, steps, places, require)
        if changes:
            results = await self._writing.write([change for _, change in changes])

            def answer() -> None:
                for (step, _), written in zip(changes, results, strict=True):
                    step.response = written_response(written, self._base)

            await aside(answer, size=sum(len(written.body) for written in results))
        for step in steps:
            if step.asked is not None:
                step.response = await self._get(principal, step.asked, get)
        return [step.response for step in steps if step.response is not None]

    async def _changes(
        self, principal: Principal, steps: Sequence[_Step], places: Mapping[str, str], require: Require
    ) -> list[tuple[_Step, Prepared | Deletion]]:
        # What is to be written, its references resolved; a step that has nothing to write is answered.
        # A large bundle is read in a thread, so that others are answered meanwhile.
        size = sum(len(bytes(step.entry.resource)) for step in steps)

        def own_references() -> tuple[dict[int, bytes], set[str]]:
            bodies = {
                step.index: rewrite_urns(bytes(step.entry.resource), places)
                for step in steps
                if step.method in {"POST", "PUT"} and not step.existing
            }
            return bodies, {found for body in bodies.values() for found in conditional_references(body)}

        bodies, wanted = await aside(own_references, size=size)
        if len(wanted) > MOST_CONDITIONAL:
            raise TooCostlyError(f"the bundle has more than {MOST_CONDITIONAL} conditional references")
        for reference in wanted:
            require(principal, "search-type", reference.partition("?")[0])
        resolved = {reference: await self.resolve(principal, reference) for reference in sorted(wanted)}

        def prepared() -> list[tuple[_Step, Prepared | Deletion]]:
            changes: list[tuple[_Step, Prepared | Deletion]] = []
            for step in steps:
                if step.existing:
                    step.response = Response("200 OK", location=f"{self._base}/{step.existing}")
                elif step.index in bodies:
                    body = rewrite_conditionals(bodies[step.index], resolved)
                    changes.append((step, self._prepare(principal, step, body)))
                elif step.method == "DELETE":
                    changes.append((step, Deletion(step.resource_type, step.logical_id, _version(step))))
            return changes

        return await aside(prepared, size=size)

    async def _get(self, principal: Principal, asked: Asked, get: Get) -> Response:
        try:
            return await get(principal, asked)
        except ExchangeError as refused:
            return _refused(refused)

    def _prepare(self, principal: Principal, step: _Step, body: bytes) -> Prepared:
        # An entry that was POSTed may carry an id of its own; the server's replaces it.
        assigned = step.method == "POST"
        if assigned:
            body = with_id(body, step.logical_id)
        try:
            return self._writing.prepare_now(
                principal,
                body,
                resource_type=step.resource_type,
                logical_id=step.logical_id,
                if_match=_version(step),
                replaces=not assigned,
            )
        except InvalidResourceError as refused:
            raise _within(step.index, refused) from None

    async def _place(self, principal: Principal, step: _Step, require: Require) -> None:
        if step.method == "GET":
            step.asked = asked_for(step.url)
            if step.asked is None:
                raise _bad(step.index, "a GET in a Bundle is a read, a vread or a search")
            require(principal, step.asked.interaction, step.asked.resource_type)
            return
        path, _, query = step.url.partition("?")
        parts = path.strip("/").split("/")
        if step.method not in _INTERACTION:
            raise _bad(step.index, "the method is GET, POST, PUT or DELETE")
        if parts[0] not in r4.RESOURCE_TYPES:
            raise _bad(step.index, "the url names no resource type")
        step.resource_type = parts[0]
        require(principal, _INTERACTION[step.method], step.resource_type)
        self._writing.allow(principal, step.resource_type)
        if query:
            raise _bad(step.index, "conditional update and delete are not supported; name the id")
        if step.method == "POST":
            if len(parts) != 1:
                raise _bad(step.index, "a POST names a type alone")
            step.condition = (step.entry.request.if_none_exist or "") if step.entry.request else ""
            if step.condition:
                require(principal, "search-type", step.resource_type)
                step.existing = await self.existing(principal, step.resource_type, step.condition) or ""
            step.logical_id = new_id()
        elif len(parts) == 2:
            step.logical_id = parts[1]
        else:
            raise _bad(step.index, "PUT and DELETE name Type/id")

    @asynccontextmanager
    async def one_at_a_time(
        self, principal: Principal, resource_types: Collection[str]
    ) -> AsyncIterator[None]:
        """Hold off other conditional creates of these types: of two that match nothing only one may store.

        A plain create or update needs no holding off: it counts as made after the condition was looked up.
        A patient holds off nobody else, for her conditions look at her own records alone.
        """
        async with AsyncExitStack() as held:
            for resource_type in sorted(resource_types):  # in one order, so that none waits in a ring
                name = f"{resource_type} {principal.patient}"
                lock = self._conditional.setdefault(name, asyncio.Lock())
                await held.enter_async_context(lock)
            yield

    async def existing(self, principal: Principal, resource_type: str, condition: str) -> str | None:
        """The one record that a condition such as `If-None-Exist` matches, as `Type/id`, or None.

        Raises:
            PreconditionError: it matches more than one.
            BadRequestError: the condition has no search parameter.
        """
        parameters = urllib.parse.parse_qsl(condition.lstrip("?"), keep_blank_values=True)
        query = search.parse(resource_type, parameters, lenient=False, base=self._base)
        if not query.clauses:
            raise BadRequestError("a condition needs at least one search parameter")
        query = msgspec.structs.replace(query, count=2)
        with quota.current().temporarily():
            found = await self._searching.search(principal, query, target=f"{resource_type}?{condition}")
        if len(found.bodies) > 1:
            raise PreconditionError("the condition matches more than one record")
        if not found.bodies:
            return None
        identity = identity_of(found.bodies[0])
        return f"{identity.resource_type}/{identity.id}"

    async def resolve(self, principal: Principal, reference: str) -> str:
        """What the conditional `reference`, such as `Practitioner?identifier=...`, stands for: `Type/id`.

        Raises:
            PreconditionError: it matches no record, or more than one, that `principal` may read.
        """
        resource_type, _, condition = reference.partition("?")
        if resource_type not in r4.RESOURCE_TYPES:
            raise BadRequestError("a conditional reference names no resource type")
        found = await self.existing(principal, resource_type, condition)
        if found is None:
            raise PreconditionError("a conditional reference matches no record")
        return found


def _bounded(get: Get) -> Get:
    """`get` until what it has read comes to `MOST_READ` bytes; what is asked for then is refused."""
    left = MOST_READ

    async def bounded(principal: Principal, asked: Asked) -> Response:
        nonlocal left
        if left <= 0:
            raise TooCostlyError("the bundle reads too much at once; ask for the rest in another one")
        reservation = quota.current()
        with reservation.temporarily():
            response = await get(principal, asked)
        size = len(response.resource or b"")
        reservation.reserve(size)
        left -= size
        return response

    return bounded


def _conditional_types(steps: Sequence[_Step]) -> set[str]:
    requests = (step.entry.request for step in steps if step.method == "POST")
    return {
        request.url.strip("/").partition("?")[0] for request in requests if request and request.if_none_exist
    }


def _checked_steps(body: bytes, received: Received) -> list[_Step]:
    # One resource after the other, not the whole at once: that would hold up everybody for as long.
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
    r4.check(frame_of(body, received), expected="Bundle")
    return _steps(received.entry)


def _steps(entries: Sequence[Entry], *, first: int = 0) -> list[_Step]:
    steps: list[_Step] = []
    for index, entry in enumerate(entries, start=first):
        if entry.request is None:
            raise _bad(index, "every entry needs a request")
        steps.append(_Step(index, entry, entry.request.method, entry.request.url))
        if _contradicts(entry):
            raise _bad(index, "fullUrl and the resource's id disagree")
        if entry.request.method in {"POST", "PUT"} and not bytes(entry.resource):
            raise _bad(index, "a POST or PUT needs a resource")
    return steps


def _contradicts(entry: Entry) -> bool:
    # FHIR R4, Bundle.entry.fullUrl: unless it is a URN it must be consistent with the resource's id.
    if not entry.full_url or entry.full_url.startswith("urn:") or not bytes(entry.resource):
        return False
    try:
        stated = _stated(bytes(entry.resource)).id
    except msgspec.MsgspecError:  # what is no resource is refused as such
        return False
    return bool(stated) and entry.full_url.rpartition("/")[2] != stated


class _Stated(msgspec.Struct, frozen=True):
    id: str = ""


_stated = msgspec.json.Decoder(_Stated).decode


def _bad(index: int, message: str) -> BadRequestError:
    return BadRequestError("the bundle can't be processed", problems=[entry_problem(index, message)])


def _within(index: int, refused: InvalidResourceError) -> InvalidResourceError:
    problems = [
        Problem(f"Bundle.entry[{index}].resource.{problem.path}", problem.message, problem.code)
        for problem in refused.problems
    ]
    return InvalidResourceError(str(refused), problems=problems)


def _check(index: int, resource: bytes) -> None:
    # Before its bytes are touched: reading them to set an id would drop a repeated name in silence.
    try:
        r4.check(resource)
    except InvalidResourceError as refused:
        raise _within(index, refused) from None


def _refused(refused: ExchangeError) -> Response:
    status = f"{refused.status} {HTTPStatus(refused.status).phrase}"
    return Response(status, outcome=outcome(refused), tx_id=refused.tx_id)


def _version(step: _Step) -> int | None:
    request = step.entry.request
    return None if request is None or not request.if_match else parse_etag(request.if_match)


def parse_etag(text: str) -> int:
    """The version that an `If-Match` value names: `W/"3"` is 3.

    Raises:
        PreconditionError: it names no version of this server.
    """
    tag = text.strip().removeprefix("W/").strip('"')
    if not tag.isdecimal() or len(tag) > 9:
        raise PreconditionError("If-Match does not name a version of this record")
    return int(tag)
