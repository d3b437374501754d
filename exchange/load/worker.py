"""What a worker process of a load does: takes a piece of a file apart, checks and indexes what is in it.

It holds the index keys and no others: what it gives back is sealed and written by the process that it works
for. That one also answers what only the store can tell, which record a conditional reference stands for.
"""

from __future__ import annotations

import pickle
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection

import msgspec

from exchange.errors import ExchangeError
from exchange.fhir.bundle import conditional_references, rewrite_conditionals, rewrite_urns
from exchange.fhir.references import ID
from exchange.load import Item, Piece, Position, Unit, take_apart
from exchange.services.records.prepare import IndexedRecord, Indexer

_NAMESPACE = uuid.UUID("b5a7c5e2-6a34-5f0d-9a55-6c2a5b1f6b1e")
_RECORD = re.compile(rf"([A-Za-z]{{1,64}})/({ID})")
_SHOWN = 3


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where in its file something stood: line from 1, index of the entry from 0, none where there is none."""

    line: int | None
    entry: int | None


class Refused(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What can't be loaded, and why; the reason names elements, never values."""

    place: Place
    reason: str


class Removal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record to delete."""

    resource_type: str
    logical_id: str


class Seconds(msgspec.Struct, array_like=True, gc=False):
    """Processor seconds that went into reading, checking and indexing."""

    read: float = 0.0
    check: float = 0.0
    index: float = 0.0

    def __iadd__(self, other: Seconds) -> Seconds:
        self.read += other.read
        self.check += other.check
        self.index += other.index
        return self


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """One unit as it can be written: `prepared` and `removals`, each with its place in the same order.

    Of a transaction with anything `refused`, nothing is left to write.
    """

    bundle: str | None
    end: Position
    size: int
    items: tuple[Place, ...]
    refused: list[Refused]
    prepared: list[IndexedRecord] = []
    prepared_at: list[Place] = []
    removals: list[Removal] = []
    removals_at: list[Place] = []
    seconds: Seconds = msgspec.field(default_factory=Seconds)


class Wanted(msgspec.Struct, frozen=True, tag="wanted"):
    """Conditional references that must be known before the unit can go on."""

    references: list[str]


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The piece has no more units."""


class Answers(msgspec.Struct, frozen=True):
    """For each reference that was wanted, the `Type/id` that it stands for, or why there is none."""

    found: dict[str, str]
    refused: dict[str, str]


Message = Ready | Wanted | Done
Ask = Callable[[set[str]], Answers]


_encode = msgspec.msgpack.Encoder().encode
message_of: Callable[[bytes], Message] = msgspec.msgpack.Decoder(Message).decode
"""What a worker process says."""
answered: Callable[[Answers], bytes] = _encode
"""What it is told when it has asked."""
_answers_of = msgspec.msgpack.Decoder(Answers).decode


def serve(connection: Connection, indexer: Indexer) -> None:
    """Answer each `Piece` with its units as `Ready`, in order, and then `Done`; `Wanted` is a question."""
    checker = Checker(indexer)

    def ask(wanted: set[str]) -> Answers:
        connection.send_bytes(_encode(Wanted(sorted(wanted))))
        return _answers_of(connection.recv_bytes())

    while True:
        for ready in checker.units(pickle.loads(connection.recv_bytes()), ask):  # noqa: S301 - our own process
            connection.send_bytes(_encode(ready))
        connection.send_bytes(_encode(Done()))


class Checker:
    """Prepares what is in pieces; what conditional references stand for it keeps from piece to piece."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer
        self._resolved: dict[str, str] = {}

    def units(self, piece: Piece, ask: Ask) -> Iterator[Ready]:
        """Each unit of `piece`, with what can be written of it prepared."""
        indexer = self._indexer
        units = take_apart(piece)
        while True:
            started = time.thread_time()
            checking, indexing = indexer.seconds_checking, indexer.seconds_indexing
            unit = next(units, None)
            if unit is None:
                return
            ready = self._ready(unit, ask)
            seconds = ready.seconds
            seconds.check = indexer.seconds_checking - checking
            seconds.index = indexer.seconds_indexing - indexing
            seconds.read = time.thread_time() - started - seconds.check - seconds.index
            yield ready

    def _ready(self, unit: Unit, ask: Ask) -> Ready:
        at = tuple(Place(item.line, item.entry) for item in unit.items)
        refused = [Refused(Place(fault.line, fault.entry), fault.reason) for fault in unit.faults]
        ready = Ready(unit.bundle, unit.end, unit.size, at, refused)
        bodies: list[tuple[Item, str, Place, bytes]] = []
        ids = [_id_of(unit, item, index) for index, item in enumerate(unit.items)]
        urns = {
            item.full_url: f"{item.type}/{logical_id}"
            for item, logical_id in zip(unit.items, ids, strict=True)
            if item.full_url is not None and item.full_url.startswith("urn:")
        }
        for item, logical_id, place in zip(unit.items, ids, at, strict=True):
            method = item.request.method if item.request is not None else "PUT"
            if method in {"POST", "PUT"}:
                body = rewrite_urns(item.body, urns) if urns else item.body
                bodies.append((item, logical_id, place, body))
            else:
                _remove(ready, item, place)
        self._prepare(ready, bodies, ask)
        if unit.bundle == "transaction" and refused:
            for left in (ready.prepared, ready.prepared_at, ready.removals, ready.removals_at):
                left.clear()
        return ready

    def _prepare(self, ready: Ready, bodies: Sequence[tuple[Item, str, Place, bytes]], ask: Ask) -> None:
        wanted = [conditional_references(body) for *_, body in bodies]
        unknown = set().union(*wanted) - self._resolved.keys()
        unresolved: dict[str, str] = {}
        if unknown:
            answers = ask(unknown)
            self._resolved |= answers.found
            unresolved = answers.refused
        for (item, logical_id, place, body), references in zip(bodies, wanted, strict=True):
            if why := next((unresolved[name] for name in sorted(references) if name in unresolved), None):
                ready.refused.append(Refused(place, why))
                continue
            resolved = rewrite_conditionals(body, self._resolved) if references else body
            try:
                prepared = self._indexer.index(
                    resolved if item.id is not None else _named(resolved, logical_id),
                    resource_type=item.type,
                    logical_id=logical_id,
                )
            except ExchangeError as why_not:
                ready.refused.append(Refused(place, _reason(why_not)))
            else:
                ready.prepared.append(prepared)
                ready.prepared_at.append(place)


def _remove(ready: Ready, item: Item, place: Place) -> None:
    url = item.request.url if item.request is not None else ""
    record = _RECORD.fullmatch(url)
    if item.request is None or item.request.method != "DELETE" or record is None:
        ready.refused.append(Refused(place, "only POST, PUT and DELETE of Type/id can be loaded"))
    elif record[1] == "Consent":
        ready.refused.append(Refused(place, "a consent is never deleted; load it with the status inactive"))
    else:
        ready.removals.append(Removal(record[1], record[2]))
        ready.removals_at.append(place)


def _id_of(unit: Unit, item: Item, index: int) -> str:
    if item.id is not None:
        return item.id
    return str(uuid.uuid5(_NAMESPACE, f"{unit.fingerprint}/{item.line}/{item.entry}/{index}"))


def _named(body: bytes, logical_id: str) -> bytes:
    """`body`, which has no id, with one as its first member; all else byte for byte."""
    inside = body[1:].lstrip()
    return b'{"id":"' + logical_id.encode() + (b'"' if inside.startswith(b"}") else b'",') + inside


def _reason(refused: ExchangeError) -> str:
    shown = "; ".join(f"{problem.path}: {problem.message}" for problem in refused.problems[:_SHOWN])
    more = len(refused.problems) - _SHOWN
    if more > 0:
        shown += f"; and {more} more"
    return f"{refused}" + (f" ({shown})" if shown else "")
