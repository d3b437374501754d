"""Arguments and results of the access contract: the published language of its calls."""

from __future__ import annotations

import msgspec

from chaincode.access.model import AccessRequest, Decision, LogEntry, RecordedEvent

PAGE_LIMIT = 500
"""Most entries in one page of a pair's log."""


class Authorize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `access:authorize`: 1 to `chaincode.access.model.BATCH_LIMIT` requests."""

    requests: tuple[AccessRequest, ...]


class Decisions(msgspec.Struct, frozen=True):
    """Result of `access:authorize`: one decision per request, in order."""

    decisions: tuple[Decision, ...]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `access:record`: 1 to `chaincode.access.model.BATCH_LIMIT` events of the caller."""

    events: tuple[RecordedEvent, ...]


class Recorded(msgspec.Struct, frozen=True):
    """Result of `access:record`: how many entries the transaction wrote, one per event, in order."""

    entries: int


class NoteReleases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `access:release`: 1 to `chaincode.access.model.BATCH_LIMIT` roots, in no set order.

    Each is a salted commitment to the position of one permitted entry of the caller's, and to what was
    released on it. It says neither to the reader of a ledger.
    """

    roots: tuple[str, ...]


class NotedReleases(msgspec.Struct, frozen=True):
    """Result of `access:release`: how many roots the transaction wrote."""

    roots: int


class ReadPairLog(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Argument of `access:trail`.

    `since` (inclusive) and `until` (exclusive) bound the transactions' times, in milliseconds since 1970
    UTC. `bookmark` is the one that the page before gave. The caller is the custodian where none is named.
    """

    pair: str
    limit: int = PAGE_LIMIT
    bookmark: str = ""
    since: int | None = None
    until: int | None = None
    custodian: str = ""


class PairLog(msgspec.Struct, frozen=True):
    """Result of `access:trail`: entries in the order of time; `bookmark` is empty at the end."""

    entries: tuple[LogEntry, ...] = msgspec.field(name="records")
    bookmark: str
