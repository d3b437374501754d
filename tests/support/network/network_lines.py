"""The lines between a network's nodes, which can be cut: what is under way then waits, as packets would.

Nodes are told to find each other at an address of their own, where every connection is passed on to the
node itself, unless its two ends are on different sides of a cut. Which node began a connection is known
from its process. Clients belong to no side: each stands beside the peer that it asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Self

import msgspec
import psutil

from exchange import devnet
from exchange.devnet.topology import HOST, NetworkOrganisation, Orderer, Topology

ELSEWHERE = "127.0.0.2"
_CHUNK = 1 << 16


class DistantOrderer(Orderer, frozen=True):
    """One that is reached through a line."""

    @property
    def reached(self) -> str:
        return ELSEWHERE


class DistantOrganisation(NetworkOrganisation, frozen=True):
    """One whose peer is reached through a line."""

    @property
    def reached(self) -> str:
        return ELSEWHERE


def distant(planned: Topology) -> Topology:
    """Return the same nodes, each at the other end of a line."""
    return msgspec.structs.replace(
        planned,
        orderers=tuple(DistantOrderer(**msgspec.structs.asdict(one)) for one in planned.orderers),
        organisations=tuple(
            DistantOrganisation(**msgspec.structs.asdict(one)) for one in planned.organisations
        ),
    )


@dataclass(eq=False)
class _Line:
    """A connection to the node `target`, begun from a port of its `source`; None is a client."""

    target: str
    port: int
    source: str | None = None


class Lines:
    """Passes connections on, in a thread of its own, between `with` and its end."""

    def __init__(self, topology: Topology) -> None:
        self._ports = {port: one.name for one in topology.orderers for port in (one.port, one.admin_port)}
        self._ports |= {one.peer_port: one.peer for one in topology.organisations}
        self._network: devnet.Network | None = None
        self._side: frozenset[str] = frozenset()
        self._towards: frozenset[str] = frozenset()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines")
        self._changed = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._passing: dict[asyncio.Task[None], _Line] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def belong_to(self, running: devnet.Network) -> None:
        """Record the owners of connections, from now on and so far."""
        self._network = running
        self._call(self._learn())

    @contextlib.contextmanager
    def cut(self, *side: str, towards: tuple[str, ...] = ()) -> Iterator[None]:
        """Cut `side` (processes, by name) off from all others, or only from those `towards`."""
        self._call(self._divide(frozenset(side), frozenset(towards)))
        try:
            yield
        finally:
            self._call(self._divide(frozenset(), frozenset()))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        for port, name in self._ports.items():
            server = await asyncio.start_server(self._connected(port, name), ELSEWHERE, port)
            self._servers.append(server)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _learn(self) -> None:
        owners = await asyncio.to_thread(self._owners)
        for line in self._passing.values():
            line.source = owners.get(line.port)

    async def _divide(self, side: frozenset[str], towards: frozenset[str]) -> None:
        self._side, self._towards = side, towards
        self._changed.set()
        self._changed = asyncio.Event()

    def _connected(
        self, port: int, target: str
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            line = self._passing[task] = _Line(target, writer.get_extra_info("peername")[1])
            try:
                line.source = (await asyncio.to_thread(self._owners)).get(line.port)
                await self._whole(line)
                there, back = await asyncio.open_connection(HOST, port)
                await asyncio.gather(self._pass(line, reader, back), self._pass(line, there, writer))
            except (OSError, asyncio.CancelledError):
                writer.close()
            finally:
                del self._passing[task]

        return connected

    async def _pass(self, line: _Line, heard: asyncio.StreamReader, told: asyncio.StreamWriter) -> None:
        try:
            while data := await heard.read(_CHUNK):
                await self._whole(line)
                told.write(data)
                await told.drain()
        except ConnectionError:
            pass
        finally:
            await self._whole(line)  # an end doesn't get through either
            told.close()

    async def _whole(self, line: _Line) -> None:
        while self._is_cut(line.source, line.target):
            await self._changed.wait()

    def _is_cut(self, source: str | None, target: str) -> bool:
        if source is None or (source in self._side) == (target in self._side):
            return False
        return not self._towards or source in self._towards or target in self._towards

    def _owners(self) -> dict[int, str]:
        """Return the owners of the ports that connections through here come from."""
        found: dict[int, str] = {}
        started = {} if self._network is None else dict(self._network.state.started)
        for name, process in started.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in psutil.Process(process.pid).net_connections("tcp4"):
                    if one.raddr and one.raddr.ip == ELSEWHERE:
                        found[one.laddr.port] = name
        return found
