"""The memory that a request holds while it comes and goes over a real connection is given back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exchange.api.http.limits import BodyLimits, RequestLimits
from exchange.api.http.protocol import BoundedHttpProtocol
from exchange.runtime import quota
from exchange.runtime.quota import COPIES_IN_MEMORY, FREE_BYTES, MemoryQuota

MIB = 1 << 20
LIMIT, LARGE = 16 * MIB, 6 * MIB
QUICK = 0.3
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
ANSWER = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def echo(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def large(_: Request) -> Response:
    quota.current().reserve(LARGE)
    return Response(b"x" * LARGE)


@dataclass(frozen=True)
class Server:
    port: int
    quota: MemoryQuota

    async def settles(self, used: int) -> None:
        """Wait until the requests hold `used` bytes."""
        async with asyncio.timeout(20 * QUICK):
            while self.quota.used != used:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    shared = MemoryQuota(LIMIT)
    app = Starlette(routes=[Route("/x", echo, methods=["POST"]), Route("/large", large)])
    config = uvicorn.Config(
        RequestLimits(app, shared, BodyLimits(body=LARGE, pause_seconds=QUICK)),
        http=BoundedHttpProtocol,
        port=0,
        log_config=None,
        lifespan="off",
    )
    served = uvicorn.Server(config)
    serving = asyncio.create_task(served.serve())
    while not served.started:  # noqa: ASYNC110 - uvicorn tells by this flag alone
        await asyncio.sleep(0.01)
    yield Server(served.servers[0].sockets[0].getsockname()[1], shared)
    served.should_exit = True
    await serving
    assert shared.used == 0


async def posted(
    server: Server, size: int, *sent: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % size)
    writer.writelines(sent)
    return reader, writer


async def test_an_announced_body_has_its_room_from_the_start_and_others_are_refused(server: Server) -> None:
    first, one = await posted(server, LARGE)
    await server.settles(COPIES_IN_MEMORY * LARGE - FREE_BYTES)
    second, other = await posted(server, LARGE)
    got = await second.read()
    assert got.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in got.lower()
    assert b'"throttled"' in got
    small, third = await posted(server, 3, b"abc")
    assert (await small.read()).endswith(b"3")
    one.write(b"x" * LARGE)
    assert (await first.read()).endswith(str(LARGE).encode())
    await server.settles(0)
    for writer in (one, other, third):
        writer.close()


async def test_a_client_that_goes_while_it_sends_gives_its_share_back(server: Server) -> None:
    _, writer = await posted(server, LARGE, b"x" * MIB)
    await server.settles(COPIES_IN_MEMORY * LARGE - FREE_BYTES)
    writer.close()
    await server.settles(0)


async def test_a_body_that_stalls_gives_its_share_back(server: Server) -> None:
    reader, writer = await posted(server, LARGE, b"x")
    await server.settles(COPIES_IN_MEMORY * LARGE - FREE_BYTES)
    assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    await server.settles(0)
    writer.close()


async def test_a_large_answer_arrives_whole(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(ANSWER)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"content-length: %d" % LARGE in head.lower()
    assert body == b"x" * LARGE
    writer.close()


async def test_an_answer_that_nobody_takes_is_held_until_the_connection_is_cut(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(ANSWER)
    await server.settles(LARGE - FREE_BYTES)
    await server.settles(0)
    with contextlib.suppress(OSError):
        assert len(await reader.read()) < LARGE
    writer.close()
