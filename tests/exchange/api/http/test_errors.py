"""Errors and limits over HTTP: every refusal an OperationOutcome, no failure with a word too much."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import httpx
import pytest
import structlog
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from exchange.api.http import errors
from exchange.api.http.limits import MAX_ADDRESS, MAX_HEADER_COUNT, MAX_HEADERS, BodyLimits, RequestLimits
from exchange.errors import (
    DamagedError,
    ExchangeError,
    ForbiddenError,
    InvalidResourceError,
    NotFoundError,
    Problem,
    UnavailableError,
)
from exchange.runtime import logs
from exchange.runtime.quota import MemoryQuota
from exchange.services.access.request_rates import RequestRates

SECRET = "Erika Mustermann 1964-08-12"
LIMIT = 1000
RATES = RequestRates(per_client=1_000_000, unknown=1_000_000)


class Faulty:
    """A middleware that fails before the application's own handlers can see it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/outer":
            raise ForbiddenError("not here")
        await self._app(scope, receive, send)


class Strict(BaseModel):
    """Query parameters of which no others may be sent."""

    model_config = ConfigDict(extra="forbid")
    count: int = 0


def application() -> FastAPI:
    app = FastAPI()
    app.state.raised = None

    @app.get("/raise")
    async def raise_() -> None:
        raise app.state.raised

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"first"
            raise ValueError(SECRET)

        return StreamingResponse(body())

    @app.get("/number")
    async def number(count: int, kind: Literal["a", "b"] = "a") -> int:
        return count

    @app.get("/strict")
    async def strict(asked: Annotated[Strict, Query()]) -> int:
        return asked.count

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.post("/stubborn")
    async def stubborn(request: Request) -> str:
        for _ in range(3):
            try:
                await request.body()
            except Exception:  # noqa: BLE001 - an application that swallows what it should not
                continue
        return "all is well"

    @app.post("/parsed")
    async def parsed(body: dict[str, Any]) -> int:
        return len(body)

    app.add_middleware(Faulty)
    errors.install(app)
    app.add_middleware(RequestLimits, quota=MemoryQuota(1 << 30), rates=RATES, limits=BodyLimits(body=LIMIT))
    return app


@pytest.fixture
def app() -> FastAPI:
    return application()


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://a.example"
    ) as client:
        yield client


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "disabled", False)
    logs.configure("info", stream=stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def issue(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    first: dict[str, Any] = body["issue"][0]
    return first


def tree(root: type[ExchangeError] = ExchangeError) -> list[type[ExchangeError]]:
    found = [root, *(error for child in root.__subclasses__() for error in tree(child))]
    return [error for error in found if error.__module__ == ExchangeError.__module__]


@pytest.mark.parametrize("kind", tree())
async def test_every_refusal_is_answered_with_its_status_and_code(
    app: FastAPI, http: httpx.AsyncClient, kind: type[ExchangeError]
) -> None:
    app.state.raised = kind("told", tx_id="tx1")
    answer = await http.get("/raise")
    assert answer.status_code == kind.status
    assert issue(answer) == {"severity": "error", "code": kind.code, "diagnostics": "told"}
    assert answer.headers["x-consentry-tx"] == "tx1"
    assert ("retry-after" in answer.headers) == (kind.status in {429, 503})
    assert ("www-authenticate" in answer.headers) == (kind.status == 401)


async def test_problems_are_answered_with_their_paths(app: FastAPI, http: httpx.AsyncClient) -> None:
    app.state.raised = InvalidResourceError("invalid", problems=[Problem("Patient.name", "is wrong")])
    assert issue(await http.get("/raise"))["expression"] == ["Patient.name"]


async def test_a_refusal_without_a_transaction_names_none(app: FastAPI, http: httpx.AsyncClient) -> None:
    app.state.raised = NotFoundError("nothing")
    assert "x-consentry-tx" not in (await http.get("/raise")).headers


async def test_a_refusal_outside_of_the_routes_is_an_outcome_too(http: httpx.AsyncClient) -> None:
    answer = await http.get("/outer")
    assert (answer.status_code, issue(answer)["code"]) == (403, "forbidden")


async def test_an_unknown_address_is_an_outcome(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/nowhere/{SECRET}")
    assert (answer.status_code, issue(answer)["code"]) == (404, "not-found")
    assert "Erika" not in answer.text


async def test_a_method_that_is_not_there_is_an_outcome_and_names_those_that_are(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.delete("/length")
    assert (answer.status_code, issue(answer)["code"]) == (405, "not-supported")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("status", [400, 401, 403, 406, 408, 413, 415, 418, 429, 500, 502, 503])
async def test_what_the_framework_raises_is_an_outcome_without_its_detail(
    app: FastAPI, http: httpx.AsyncClient, status: int
) -> None:
    app.state.raised = HTTPException(status, detail=SECRET)
    answer = await http.get("/raise")
    assert answer.status_code == status
    assert issue(answer)["severity"] == "error"
    assert "Erika" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize("query", ["", f"?count={SECRET}", f"?count=1&kind={SECRET}"])
async def test_a_wrong_parameter_is_named_but_not_repeated(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/number{query}")
    told = issue(answer)
    assert (answer.status_code, told["code"]) == (400, "invalid")
    assert ("kind" if "kind" in query else "count") in told["diagnostics"]
    assert "Erika" not in answer.text


async def test_a_parameter_that_is_not_declared_is_not_repeated(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/strict?{SECRET}=1")
    assert (answer.status_code, issue(answer)["code"]) == (400, "invalid")
    assert "Erika" not in answer.text


@pytest.mark.parametrize("body", [f'{{"{SECRET}"', f'["{SECRET}"]', f'"{SECRET}"', "\ud83d"])
async def test_a_body_that_is_not_understood_is_not_repeated(http: httpx.AsyncClient, body: str) -> None:
    content = body.encode(errors="surrogatepass")
    answer = await http.post("/parsed", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, issue(answer)["code"]) == (400, "invalid")
    assert "Erika" not in answer.text


async def test_a_failure_is_500_without_words_and_logged_by_class_and_place(
    app: FastAPI, http: httpx.AsyncClient, written: io.StringIO
) -> None:
    app.state.raised = KeyError(SECRET)
    app.state.raised.__cause__ = ValueError(SECRET)
    answer = await http.get("/raise")
    assert (answer.status_code, issue(answer)["code"]) == (500, "exception")
    assert "Erika" not in answer.text
    assert "Erika" not in written.getvalue()
    [line] = [json.loads(text) for text in written.getvalue().splitlines()]
    assert (line["event"], line["error"], line["causes"]) == ("request.failed", "KeyError", ["ValueError"])
    assert line["request_id"] == answer.headers["x-request-id"]
    assert any(place.endswith("raise_") for place in line["frames"])


@pytest.mark.parametrize("kind", [UnavailableError, DamagedError])
async def test_an_outage_is_logged_without_its_message(
    app: FastAPI, http: httpx.AsyncClient, written: io.StringIO, kind: type[ExchangeError]
) -> None:
    app.state.raised = kind(SECRET)
    await http.get("/raise")
    [line] = [json.loads(text) for text in written.getvalue().splitlines()]
    assert (line["event"], line["error"], line["status"]) == ("request.unavailable", kind.__name__, 503)
    assert "Erika" not in written.getvalue()


async def test_a_refusal_is_not_logged_as_a_failure(
    app: FastAPI, http: httpx.AsyncClient, written: io.StringIO
) -> None:
    app.state.raised = NotFoundError(SECRET)
    await http.get("/raise")
    assert written.getvalue() == ""


async def test_a_failure_in_the_middle_of_an_answer_ends_it_unfinished(
    app: FastAPI, written: io.StringIO
) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()  # the client stays and says nothing
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope("GET", "/stream"), receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"]
    assert json.loads(written.getvalue())["event"] == "request.failed"
    assert "Erika" not in written.getvalue()


async def test_a_client_that_goes_away_is_no_failure(app: FastAPI, written: io.StringIO) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope("POST", "/length"), receive, send)
    assert sent[0]["status"] == 408
    assert written.getvalue() == ""
    app.state.raised = ClientDisconnect()
    await app(scope("GET", "/raise"), receive, send)
    assert written.getvalue() == ""


def scope(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "server": ("a.example", 80),
        "client": ("b.example", 4),
        "state": {},
    }


class Sender:
    """A client that sends a body in chunks and counts how many were taken."""

    def __init__(self, chunk: bytes, chunks: int) -> None:
        self.chunk, self.left, self.taken = chunk, chunks, 0
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        self.taken += 1
        self.left -= 1
        return {"type": "http.request", "body": self.chunk, "more_body": self.left > 0}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        assert [message["type"] for message in self.sent] == ["http.response.start", "http.response.body"]
        status: int = self.sent[0]["status"]
        return status


async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(http: httpx.AsyncClient) -> None:
    assert (await http.post("/length", content=b"x" * LIMIT)).json() == LIMIT
    answer = await http.post("/length", content=b"x" * (LIMIT + 1))
    assert (answer.status_code, issue(answer)["code"]) == (413, "too-long")


async def test_an_announced_length_over_the_limit_is_refused_unread(app: FastAPI) -> None:
    sender = Sender(b"x", 10)
    length = (b"content-length", str(LIMIT + 1).encode())
    await app(scope("POST", "/length", length), sender.receive, sender.send)
    assert (sender.status, sender.taken) == (413, 0)
    assert (b"connection", b"close") in sender.sent[0]["headers"]


@pytest.mark.parametrize("path", ["/length", "/stubborn", "/parsed"])
async def test_a_body_without_a_length_is_cut_off_at_the_limit(app: FastAPI, path: str) -> None:
    sender = Sender(b"x" * 300, 1_000_000)
    content_type = (b"content-type", b"application/json")
    await app(scope("POST", path, content_type), sender.receive, sender.send)
    assert (sender.status, sender.taken) == (413, 4)
    assert json.loads(sender.sent[1]["body"])["issue"][0]["code"] == "too-long"


@pytest.mark.parametrize("value", [b"-1", b"+5", b"1e3", b"", b"x", b"0x10", b"5, 5", b"9" * 5000])
async def test_a_length_that_is_no_number_is_refused(app: FastAPI, value: bytes) -> None:
    sender = Sender(b"x", 1)
    await app(scope("POST", "/length", (b"content-length", value)), sender.receive, sender.send)
    assert sender.status in {400, 413}


async def test_two_different_lengths_are_refused(app: FastAPI) -> None:
    sender = Sender(b"x", 1)
    lengths = ((b"content-length", b"1"), (b"content-length", b"2"))
    await app(scope("POST", "/length", *lengths), sender.receive, sender.send)
    assert (sender.status, sender.taken) == (400, 0)


async def test_headers_and_addresses_are_bounded(http: httpx.AsyncClient) -> None:
    many = {f"x-{n}": "1" for n in range(MAX_HEADER_COUNT + 1)}
    assert (await http.get("/number?count=1", headers=many)).status_code == 431
    big = {"x-big": "1" * MAX_HEADERS}
    answer = await http.get("/number?count=1", headers=big)
    assert (answer.status_code, issue(answer)["code"]) == (431, "too-long")
    answer = await http.get("/number?count=" + "1" * MAX_ADDRESS)
    assert (answer.status_code, issue(answer)["code"]) == (414, "too-long")


async def test_a_request_is_named_by_us_and_never_by_the_sender(http: httpx.AsyncClient) -> None:
    answers = [await http.get("/number?count=1", headers={"X-Request-Id": SECRET}) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in ids)
    assert all(len(answer.headers.get_list("x-request-id")) == 1 for answer in answers)


async def test_the_request_id_does_not_stick_to_later_log_lines(http: httpx.AsyncClient) -> None:
    await http.get("/number?count=1")
    assert logs.request_id.get() == ""
