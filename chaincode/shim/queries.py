"""Reads that the peer answers in parts: ranges of keys, and the history of one key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from fabric_protos.ledger.queryresult.kv_query_result_pb2 import KV, KeyModification
from fabric_protos.peer.chaincode_shim_pb2 import (
    ChaincodeMessage,
    GetHistoryForKey,
    GetStateByRange,
    QueryResponse,
    QueryStateClose,
    QueryStateNext,
)

from chaincode.errors import BadArgumentError
from chaincode.ledger import Entry, Page
from chaincode.shim.stream import Conversation

_AFTER_COMPOSITE = "\x01"  # composite keys live under U+0000; an empty start would walk into them


class Modification(msgspec.Struct, frozen=True):
    """One committed write of a key, at `timestamp` in ms since 1970 UTC; `value` is None for a deletion."""

    tx_id: str
    timestamp: int
    value: bytes | None


async def read_page(
    peer: Conversation, start: str, end: str, *, limit: int, bookmark: str, collection: str = ""
) -> Page:
    """Up to `limit` entries with `start <= key < end`; the bookmark is the key that begins the next page.

    The peer's own pagination is not used: it refuses transactions that also write, and leaves the range
    out of the read set, so that a key which appears meanwhile would go unnoticed. A plain range is
    read as far as the page reaches and closed there; validation then covers exactly what was read.
    """
    if limit < 1:
        raise BadArgumentError("a page holds at least one entry")
    question = GetStateByRange(
        startKey=bookmark or start or _AFTER_COMPOSITE, endKey=end, collection=collection
    )
    entries: list[Entry] = []
    async with _results(peer, ChaincodeMessage.GET_STATE_BY_RANGE, question) as results:
        async for result in results:
            found = KV.FromString(result)
            if len(entries) == limit:
                return Page(entries, bookmark=found.key)
            entries.append(Entry(found.key, found.value))
    return Page(entries)


async def read_history(peer: Conversation, key: str) -> list[Modification]:
    """Every committed write of `key`, the newest first."""
    history: list[Modification] = []
    async with _results(peer, ChaincodeMessage.GET_HISTORY_FOR_KEY, GetHistoryForKey(key=key)) as results:
        async for result in results:
            past = KeyModification.FromString(result)
            milliseconds = past.timestamp.seconds * 1000 + past.timestamp.nanos // 1_000_000
            history.append(Modification(past.tx_id, milliseconds, None if past.is_delete else past.value))
    return history


@asynccontextmanager
async def _results(peer: Conversation, question: int, body: Any) -> AsyncIterator[AsyncIterator[bytes]]:
    """The encoded results; the peer's iterator is closed even when the reader stops early."""
    part = QueryResponse.FromString(await peer.ask(question, body))

    async def walk() -> AsyncIterator[bytes]:
        nonlocal part
        while True:
            for result in part.results:
                yield result.resultBytes
            if not part.has_more:
                return
            following = QueryStateNext(id=part.id)
            part = QueryResponse.FromString(await peer.ask(ChaincodeMessage.QUERY_STATE_NEXT, following))

    try:
        yield walk()
    finally:
        if part.has_more:  # the peer closes by itself what was read to its end
            await peer.ask(ChaincodeMessage.QUERY_STATE_CLOSE, QueryStateClose(id=part.id))
