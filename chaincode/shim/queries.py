"""Queries that the peer answers in parts: ranges of keys, and the history of one key."""

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
from chaincode.ledger import StateEntry, StatePage
from chaincode.shim.stream import Conversation

_AFTER_COMPOSITE = "\x01"  # composite keys live under U+0000; an empty start would walk into them


class Modification(msgspec.Struct, frozen=True):
    """One committed write of a key, at `timestamp` in ms since 1970 UTC; `value` is None for a deletion."""

    tx_id: str
    timestamp: int
    value: bytes | None


async def read_page(
    peer: Conversation, start: str, end: str, *, limit: int, bookmark: str, collection: str = ""
) -> StatePage:
    """Return up to `limit` entries with `start <= key < end`; the bookmark is the next page's first key.

    The peer's own pagination is not used: it refuses transactions that also write, and leaves the range
    out of the read set, so that a key that appears meanwhile would go unnoticed. A plain range is
    read as far as the page reaches and closed there; validation then covers exactly the keys read.
    """
    if limit < 1:
        raise BadArgumentError("a page holds at least one entry")
    question = GetStateByRange(
        startKey=bookmark or start or _AFTER_COMPOSITE, endKey=end, collection=collection
    )
    entries: list[StateEntry] = []
    async with _results(peer, ChaincodeMessage.GET_STATE_BY_RANGE, question) as results:
        async for result in results:
            found = KV.FromString(result)
            if len(entries) == limit:
                return StatePage(entries, bookmark=found.key)
            entries.append(StateEntry(found.key, found.value))
    return StatePage(entries)


async def read_history(peer: Conversation, key: str) -> list[Modification]:
    """Return every committed write of `key`, the newest first."""
    history: list[Modification] = []
    async with _results(peer, ChaincodeMessage.GET_HISTORY_FOR_KEY, GetHistoryForKey(key=key)) as results:
        async for result in results:
            found = KeyModification.FromString(result)
            milliseconds = found.timestamp.seconds * 1000 + found.timestamp.nanos // 1_000_000
            history.append(Modification(found.tx_id, milliseconds, None if found.is_delete else found.value))
    return history


@asynccontextmanager
async def _results(peer: Conversation, question: int, body: Any) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yield the encoded results; the peer's iterator is closed even when the reader stops early."""
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
        if part.has_more:  # the peer closes by itself an iterator that was read to its end
            await peer.ask(ChaincodeMessage.QUERY_STATE_CLOSE, QueryStateClose(id=part.id))
