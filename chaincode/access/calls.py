"""What the access contract takes and gives back: the published language of its calls."""

from __future__ import annotations

import msgspec

from chaincode.access.model import Decision, Record, Request

PAGE_LIMIT = 500
"""Most records in one page of a trail."""


class Authorize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `access:authorize`: 1 to `chaincode.access.model.BATCH_LIMIT` requests."""

    requests: tuple[Request, ...]


class Decisions(msgspec.Struct, frozen=True):
    """Result of `access:authorize`: one decision per request, in order."""

    decisions: tuple[Decision, ...]


class ReadTrail(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Argument of `access:trail`.

    `since` (inclusive) and `until` (exclusive) bound the transactions' times, in milliseconds since 1970
    UTC. `bookmark` is the one that the page before gave.
    """

    pair: str
    limit: int = PAGE_LIMIT
    bookmark: str = ""
    since: int | None = None
    until: int | None = None


class Trail(msgspec.Struct, frozen=True):
    """Result of `access:trail`: records in the order of time; `bookmark` is empty at the end."""

    records: tuple[Record, ...]
    bookmark: str
