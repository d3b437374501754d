"""Requests that stall or never end, over real sockets: each connection ends, with words where they fit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterable
from functools import partial

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from exchange.api.http.limits import BodyLimits, RequestLimits
from exchange.api.http.protocol import LONGEST_HEAD, BoundedHttpProtocol, ConnectionBounds, GatheredWrites
from exchange.runtime.quota import MemoryQuota
from exchange.services.access.request_rates import RequestRates

QUICK = 0.3
RATES = RequestRates(per_client=1_000_000, unknown=1_000_000)


async def echo(request: Request) -> PlainTextResponse:
    if request.url.path == "/names":
        await request.body()
        return PlainTextResponse(" ".join(sorted(request.headers)))
    if request.url.path == "/slow":
        await asyncio.sleep(4 * QUICK)
    return PlainTextResponse(str(len(await request.body())))


class Hasty(BoundedHttpProtocol):
    head_timeout = QUICK


@pytest.fixture
async def port() -> AsyncIterator[int]:
    limits = BodyLimits(body=10_000, pause_seconds=QUICK, body_seconds=4 * QUICK)
    app = Starlette(routes=[Route("/{rest:path}", echo, methods=["GET", "POST"])])
    config = uvicorn.Config(
        RequestLimits(app, MemoryQuota(1 << 30), RATES, limits),
        http=Hasty,
        log_config=None,
        lifespan="off",
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn tells by this flag alone
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


async def answer(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Return all that the server says to `pieces` until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = bytearray()

    async def collect() -> None:
        with contextlib.suppress(OSError):  # closed while more was sent
            while chunk := await reader.read(65_536):
                got.extend(chunk)

    async with asyncio.timeout(20 * QUICK):
        collecting = asyncio.create_task(collect())
        with contextlib.suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        await collecting
    writer.close()
    return bytes(got)


def refused(got: bytes, status: int) -> None:
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), got[:200]
    assert b"application/fhir+json" in head
    assert json.loads(body)["resourceType"] == "OperationOutcome"


HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("begun", [b"", b"GET /x HT", HEAD, HEAD + b"X: y"])
async def test_a_head_that_does_not_come_ends_with_408(port: int, begun: bytes) -> None:
    refused(await answer(port, begun), 408)


async def test_a_head_that_drips_ends_with_408(port: int) -> None:
    refused(await answer(port, *([HEAD] + [b"X: y\r\n"] * 8), pause=QUICK / 5), 408)


@pytest.mark.parametrize("begun", [b"GET /", HEAD + b"X: ", HEAD + b"X"])
async def test_a_head_that_does_not_end_is_not_collected(port: int, begun: bytes) -> None:
    got = await answer(port, begun, *([b"y" * 16_384] * (LONGEST_HEAD // 16_384 + 1)))
    refused(got, 431)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "field",
    [
        b"Authorization: Bearer t",
        b"If-Match: W/1",
        b"Content-Type: text/plain",
        b"X-HTTP-Method-Override: PUT",
    ],
)
async def test_a_trailer_is_no_header(port: int, field: bytes, apart: bool) -> None:
    begun = b"POST /names HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    body, trailer = b"5\r\nhello\r\n", b"0\r\n" + field + b"\r\n\r\n"
    pieces = (begun + body, trailer) if apart else (begun + body + trailer,)
    got = await answer(port, *pieces, pause=QUICK / 3)
    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b"connection host transfer-encoding")


async def test_the_request_after_a_trailer_has_its_own_headers(port: int) -> None:
    first = b"POST /names HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n"
    got = await answer(port, first + b"GET /names HTTP/1.1\r\nHost: x\r\nC: d\r\nConnection: close\r\n\r\n")
    assert got.endswith(b"c connection host")


async def test_what_is_no_http_is_refused_in_fhirs_words(port: int) -> None:
    refused(await answer(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 400)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n"]
)
async def test_a_body_that_stalls_ends_with_408(port: int, framing: bytes) -> None:
    refused(await answer(port, HEAD + framing + b"abc"), 408)


async def test_a_body_that_drips_ends_with_408(port: int) -> None:
    drops = [b"1\r\na\r\n"] * 12
    refused(await answer(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *drops, pause=QUICK / 2), 408)


async def test_requests_in_their_time_are_answered_on_one_connection(port: int) -> None:
    one = HEAD + b"Content-Length: 3\r\n\r\nabc"
    last = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nab"
    got = await answer(port, one, one, last, pause=QUICK / 2)
    assert got.count(b"HTTP/1.1 200 OK") == 3
    assert got.endswith(b"2")


async def test_an_answer_that_takes_long_is_not_cut(port: int) -> None:
    slow = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    got = await answer(port, slow + b"GET /nex")  # and the next request is begun meanwhile
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408 " in got


@pytest.mark.parametrize(("most", "per_peer"), [(2, 10), (10, 2)])
async def test_connections_beyond_the_bound_are_refused_and_those_before_go_on(most: int, per_peer: int):
    app = Starlette(routes=[Route("/{rest:path}", echo, methods=["GET", "POST"])])
    bounds = ConnectionBounds(most=most, per_peer=per_peer)
    config = uvicorn.Config(
        RequestLimits(app, MemoryQuota(1 << 30), RATES),
        http=partial(BoundedHttpProtocol, bounds=bounds),  # type: ignore[arg-type]
        port=0,
        log_config=None,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells by this flag alone
        await asyncio.sleep(0.01)
    at = server.servers[0].sockets[0].getsockname()[1]
    first = [await asyncio.open_connection("127.0.0.1", at) for _ in range(2)]
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", at)
        refused = await reader.read()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b'"throttled"' in refused
        writer.close()
    for reader, writer in first:
        writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
    for _ in range(500):  # until they have left
        reader, writer = await asyncio.open_connection("127.0.0.1", at)
        writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            found = await reader.read()
        writer.close()
        if found.startswith(b"HTTP/1.1 200 "):
            break
        await asyncio.sleep(0.01)
    assert found.startswith(b"HTTP/1.1 200 ")
    server.should_exit = True
    await serving


class Sent(asyncio.Transport):
    """A transport that keeps what it is given to send, one item for each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.is_open = True

    def write(self, data: bytes) -> None:  # type: ignore[override]  # bytes are all that is sent here
        assert self.is_open
        self.calls.append(bytes(data))

    def writelines(self, parts: Iterable[bytes]) -> None:  # type: ignore[override]  # as above
        self.write(b"".join(parts))

    def close(self) -> None:
        self.is_open = False

    def is_closing(self) -> bool:
        return not self.is_open


WRITES = st.sampled_from(
    [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"body", b"", b"HTTP/1.1 of a body"]
)


@given(writes=st.lists(WRITES | st.none(), max_size=12))
def test_all_writes_are_sent_in_order_whatever_is_gathered(writes: list[bytes | None]) -> None:
    sent = Sent()
    gathered = GatheredWrites(sent)
    expected = b""
    for data in writes:
        if data is None:  # the end of an answer
            gathered.flush()
            assert b"".join(sent.calls) == expected
        else:
            gathered.write(data)
            expected += data
        assert expected.startswith(b"".join(sent.calls))
    gathered.close()
    assert b"".join(sent.calls) == expected
    assert gathered.is_closing()
    assert len(sent.calls) <= len(writes) + 1


def test_a_head_goes_out_with_its_body_and_an_interim_one_at_once() -> None:
    sent = Sent()
    gathered = GatheredWrites(sent)
    gathered.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(sent.calls) == 1
    gathered.write(b"HTTP/1.1 200 OK\r\n\r\n")
    gathered.write(b"body")
    assert sent.calls[1:] == [b"HTTP/1.1 200 OK\r\n\r\nbody"]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
async def test_answers_of_one_connection_come_whole_and_in_turn(port: int, method: bytes) -> None:
    asked = method + b" /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
    got = await answer(port, (asked + b"\r\n") * 2 + asked + b"Connection: close\r\n\r\n")
    assert got.count(b"HTTP/1.1 ") == 3
    bodies = [part.partition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 ")[1:]]
    assert len(set(bodies)) == 1
    assert method != b"HEAD" or bodies[0] == b""
