"""Worker processes, each of which holds a conversation with this one over a pipe of its own.

A conversation goes back and forth: a process asks for facts that it lacks, and goes on with the answer.
Messages are bytes; their meaning is for the two sides to agree on.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Generic, TypeVar

from exchange.errors import UnavailableError
from exchange.runtime.private_files import forbid_core_dumps

T = TypeVar("T")
R = TypeVar("R")

Serve = Callable[[Connection, T], None]
"""The work of a process, with its copy of `given`: it answers on the connection until EOFError is raised."""

_END_TIMEOUT = 5.0
"""Seconds that a process has to end."""


class Processes(Generic[T]):
    """`count` processes that run `serve`, a function of a module, each with its own copy of `given`."""

    def __init__(self, count: int, serve: Serve[T], given: T) -> None:
        self._count = count
        self._serve = serve
        self._given = given
        self._all: list[Conversation] = []
        self._idle: asyncio.Queue[Conversation | None] = asyncio.Queue()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="conversation")

    async def start(self) -> None:
        """Start the processes within a second or two; they share one import of their modules."""
        for conversation in await asyncio.to_thread(lambda: [self._one() for _ in range(self._count)]):
            self._idle.put_nowait(conversation)

    def _one(self) -> Conversation:
        context = get_context("forkserver")
        context.set_forkserver_preload(["__main__", self._serve.__module__])
        ours, theirs = context.Pipe()
        process = context.Process(target=_run, args=(self._serve, theirs, self._given), daemon=True)
        process.start()
        theirs.close()
        conversation = Conversation(process, ours, self._threads)
        self._all.append(conversation)
        return conversation

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Conversation]:
        """Yield an idle process; the first to ask gets the next one.

        A conversation that is broken off ends its process, which would go on answering it; another process
        takes its place.
        """
        conversation = await self._idle.get()
        try:
            if conversation is None or not conversation.process.is_alive():
                conversation = await asyncio.to_thread(self._one)
            yield conversation
        except BaseException:
            if conversation is not None:
                conversation.process.terminate()
            conversation = None
            raise
        finally:
            self._idle.put_nowait(conversation)

    def close(self) -> None:
        """End the processes, also during work."""
        for conversation in self._all:
            conversation.process.terminate()
        for conversation in self._all:
            conversation.process.join(_END_TIMEOUT)
        self._threads.shutdown()
        for conversation in self._all:
            conversation.connection.close()


@dataclass(frozen=True, slots=True)
class Conversation:
    """One process, as the other side of a conversation."""

    process: ForkServerProcess
    connection: Connection
    threads: ThreadPoolExecutor

    async def send(self, message: bytes) -> None:
        """Send one message.

        Raises:
            UnavailableError: the process has died.
        """
        await self._offload(lambda: self.connection.send_bytes(message))

    async def receive(self) -> bytes:
        """Return the next message.

        Raises:
            UnavailableError: the process has died.
        """
        return await self._offload(self.connection.recv_bytes)

    async def _offload(self, work: Callable[[], R]) -> R:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, work)
        except (EOFError, OSError):
            raise UnavailableError("a worker process died; load again to go on") from None


def _run(serve: Serve[T], connection: Connection, given: T) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that has the terminal
    gc.freeze()  # the objects of this moment live as long as the process
    forbid_core_dumps()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the other side is gone
        serve(connection, given)
