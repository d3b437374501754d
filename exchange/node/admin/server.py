"""The gateway's side of the admin socket.

1. The socket lies in the node's folder and is its owner's alone (mode 600); it grants what the files grant.
2. Of the ledger it passes on the policy's calls and the retirement of pairs, and no others: nothing is
   decided or read by this way.
3. One load at a time, by half of the processors, so that requests go on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import structlog

from exchange.errors import DamagedError, ExchangeError, UnavailableError
from exchange.ledger.errors import RefusedError, UnknownOutcomeError
from exchange.load import cut, find
from exchange.load.load import BulkLoad
from exchange.load.ordered_queue import LoadedBatch
from exchange.node.admin import messages
from exchange.node.admin.messages import LONGEST, Load, Question, Refused, Submit, line
from exchange.node.folder import NodeFolder
from exchange.node.open import Node

_POLICY, _RETIRE = "policy:", "consent:retire"
_log = structlog.get_logger()


@asynccontextmanager
async def admin_socket(folder: NodeFolder, node: Node) -> AsyncIterator[None]:
    """Answer commands at the node's admin socket inside; without one where the file system has no sockets."""
    try:
        listener = messages.bound(folder.admin_socket)
    except OSError as why:
        _log.warning("admin.no_socket", reason=why.strerror or type(why).__name__)
        yield
        return
    asked = _AdminServer(node)
    server = await asyncio.start_unix_server(asked.answer, sock=listener, limit=LONGEST)
    try:
        yield
    finally:
        server.close()
        await asked.end()
        folder.admin_socket.unlink(missing_ok=True)


class _AdminServer:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._loading = asyncio.Lock()
        self._answering: set[asyncio.Task[None]] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as one
        self._answering.add(task)
        try:
            await self._answer(reader, writer)
        except (OSError, ValueError):  # the command is gone, or is none
            pass
        finally:
            self._answering.discard(task)
            writer.close()

    async def end(self) -> None:
        """Break off what is being done; what a load has stored stays."""
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = messages.read_question(await reader.readline())
        except msgspec.MsgspecError:
            await _send(writer, Refused("this is no question of a command; is it of another release?"))
            return
        try:
            await self._do(question, reader, writer)
        except ExchangeError as why:
            await _send(writer, _refused(why))

    async def _do(
        self, question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if isinstance(question, Load):
            await self._load(question, reader, writer)
        elif not (question.function.startswith(_POLICY) or question.function == _RETIRE):
            await _send(
                writer, Refused(f"{question.function} is no call of the policy, and retires no pairs")
            )
        elif isinstance(question, Submit):
            done = await self._node.transactions.submit(question.function, question.args)
            await _send(writer, messages.Submitted(done.tx_id, done.block, done.time, done.result))
        else:
            result = await self._node.transactions.evaluate(question.function, question.args)
            await _send(writer, messages.ContractResult(result))

    async def _load(self, asked: Load, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._loading.locked():
            await _send(writer, Refused("another load is under way; wait for its end, then call again"))
            return
        node = self._node
        async with (
            self._loading,
            BulkLoad(
                msp_id=node.settings.msp_id,
                indexer=node.indexer,
                writing=node.gateway.writing,
                conditions=node.gateway.conditions,
                records=node.records,
                workers=max(1, (os.cpu_count() or 2) // 2),
                same_ids=asked.same_ids,
            ) as bulk,
        ):
            paths = [Path(path) for path in asked.paths]
            plan = await asyncio.to_thread(find, paths, await bulk.positions())
            await _send(writer, messages.Planned(plan.size, tuple(map(str, plan.faults))))
            told = asyncio.create_task(reader.readline())  # to stop, or the end of the connection
            try:
                async with aclosing(bulk.load(cut(plan))) as loads:
                    async for batches in loads:
                        await _send(writer, _loaded(batches))
                        if told.done():
                            break
            finally:
                told.cancel()
                with suppress(asyncio.CancelledError, OSError, ValueError):
                    await told
            await _send(writer, messages.Ended())


def _loaded(batches: Sequence[LoadedBatch]) -> messages.Loaded:
    return messages.Loaded(
        size=sum(batch.size for batch in batches),
        stored=sum(batch.stored for batch in batches),
        unchanged=sum(batch.unchanged for batch in batches),
        faults=tuple(str(fault) for batch in batches for fault in batch.faults),
        notices=tuple(str(notice) for batch in batches for notice in batch.notices),
    )


def _refused(why: ExchangeError) -> Refused:
    if isinstance(why, RefusedError):
        return Refused(str(why.reason), contract=why.reason.code)
    return Refused(
        str(why),
        unknown_outcome=isinstance(why, UnknownOutcomeError),
        damaged=isinstance(why, DamagedError) and not isinstance(why, UnavailableError),
    )


async def _send(writer: asyncio.StreamWriter, message: msgspec.Struct) -> None:
    writer.write(line(message))
    await writer.drain()
