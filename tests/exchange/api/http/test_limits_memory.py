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

from exchange.api.http.limits import BodyLimits, RequestLimits, admit_body
from exchange.api.http.protocol import BoundedHttpProtocol
from exchange.runtime import quota
from exchange.runtime.quota import COPIES_IN_MEMORY, FREE_BYTES, MemoryQuota
from exchange.services.access.request_rates import RequestRates

MIB = 1 << 20
LIMIT, LARGE = 16 * MIB, 6 * MIB
STRANGER = BodyLimits().stranger
QUICK = 0.3
RATES = RequestRates(per_client=1_000_000, unknown=1_000_000)
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
ANSWER = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def echo(request: Request) -> Response:
    admit_body(request.scope)
    return Response(str(len(await request.body())))


async def unknown(request: Request) -> Response:
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
    app = Starlette(
        routes=[
            Route("/x", echo, methods=["POST"]),
            Route("/unknown", unknown, methods=["POST"]),
            Route("/large", large),
        ]
    )
    config = uvicorn.Config(
        RequestLimits(app, shared, RATES, BodyLimits(body=LARGE, pause_seconds=QUICK)),
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


async def test_a_body_counts_as_it_arrives_and_one_without_room_is_refused_before_it_does(
    server: Server,
) -> None:
    first, one = await posted(server, LARGE, b"x" * (LARGE - 1))
    await server.settles(COPIES_IN_MEMORY * (LARGE - 1) - FREE_BYTES)
    second, other = await posted(server, LARGE)
    got = await second.read()
    assert got.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in got.lower()
    assert b'"throttled"' in got
    small, third = await posted(server, 3, b"abc")
    assert (await small.read()).endswith(b"3")
    one.write(b"x")
    assert (await first.read()).endswith(str(LARGE).encode())
    await server.settles(0)
    for writer in (one, other, third):
        writer.close()


async def test_announced_bodies_that_do_not_come_hold_nothing_and_keep_no_other_out(server: Server) -> None:
    silent = [await posted(server, LARGE) for _ in range(20)]
    reader, writer = await posted(server, LARGE, b"x" * LARGE)
    assert (await reader.read()).endswith(str(LARGE).encode())
    for _, one in [*silent, (reader, writer)]:
        one.close()
    await server.settles(0)


@pytest.mark.parametrize("announced", [True, False])
async def test_of_a_caller_that_is_not_known_little_is_read(server: Server, announced: bool) -> None:
    head = HEAD.replace(b"/x", b"/unknown")
    for size, expected in ((STRANGER, b" 200 "), (STRANGER + 1, b" 413 ")):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        if announced:
            writer.write(head + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
        else:
            writer.write(
                head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
            )
        assert expected in (await reader.read()).partition(b"\r\n")[0]
        writer.close()


async def test_a_client_that_goes_while_it_sends_gives_its_share_back(server: Server) -> None:
    _, writer = await posted(server, LARGE, b"x" * (2 * MIB))
    await server.settles(COPIES_IN_MEMORY * 2 * MIB - FREE_BYTES)
    writer.close()
    await server.settles(0)


async def test_a_body_that_stalls_gives_its_share_back(server: Server) -> None:
    reader, writer = await posted(server, LARGE, b"x" * (2 * MIB))
    await server.settles(COPIES_IN_MEMORY * 2 * MIB - FREE_BYTES)
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
