"""Bounds on a request that is not authenticated yet, and a name for each request.

The outermost middleware. It bounds the address, the headers and the body, whether or not the body's
length is announced, and answers what is over a limit without reading on. A body that stops coming, or comes
too slowly, ends with 408, and an answer that the client does not receive ends the connection.

The memory that requests hold together is bounded too (`runtime/quota.py`). Of a body what has arrived counts;
one that is announced and has no room is refused before it is read. Of a caller that is not known yet little
is read: the application calls `admit_body` once it knows the caller.

Each request gets a random `X-Request-Id`, which stands on every log line of that request; one that the
sender chose is not used, since it could carry anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange.api.http.protocol import is_lost
from exchange.errors import BadRequestError, ThrottledError, TooCostlyError
from exchange.fhir.outcome import MEDIA_TYPE, refusal
from exchange.runtime.budget import WorkBudget
from exchange.runtime.fair_queue import peer
from exchange.runtime.logs import AnsweredRequest, answered, request_id
from exchange.runtime.metrics import REQUEST_SECONDS, REQUESTS
from exchange.runtime.quota import MemoryQuota, Reservation
from exchange.services.access.releases import Exchange
from exchange.services.access.request_rates import RequestRates

MAX_ADDRESS = 16 * 1024
MAX_HEADERS = 32 * 1024
MAX_HEADER_COUNT = 100

CHUNK_BYTES = 256 * 1024
"""Bytes of an answer that are sent at once: the connection copies each chunk that it gets."""
RETRY_AFTER = 2
"""Seconds after which a client may try again when it is refused with 503."""

_BODY_LIMIT = "consentry.body_limit"
_ADMIT = "consentry.admit_body"
_TOLD = "consentry.told"
_UNLOGGED = "/health"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CUT = "the body was cut off"
_REFUSED = 400  # and above: statuses of refusals
_requests = lru_cache(maxsize=None)(REQUESTS.labels)  # there are as many as there are figures
_Refusal = tuple[int, str, str]
_TOO_LARGE: _Refusal = (413, "too-long", "the body is over the limit")
_TOO_SLOW: _Refusal = (408, "timeout", "the body took too long to arrive")
_TOO_OFTEN: _Refusal = (
    429,
    "throttled",
    "too many requests of this address had no valid token; ask less often, or with one",
)
_UNKNOWN = 401  # the status of a request whose caller is not known
_WITHOUT_TOKEN = ("/fhir/metadata", "/fhir/.well-known/")
_THROTTLED: _Refusal = (503, "throttled", "other requests use the gateway's memory; try again soon")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The bounds of bodies.

    `body` is in bytes, and so is `stranger`, the part that is read before the caller is known. A body, or a
    client that receives a large answer, may pause for `pause_seconds`; a body may last `body_seconds` in all.
    """

    body: int = 16 * 1024 * 1024
    stranger: int = 256 * 1024
    pause_seconds: float = 30.0
    body_seconds: float = 300.0


def body_limit(scope: Scope) -> int:
    """Return the bytes that the body of a request may have, unpacked too."""
    found: int = scope[_BODY_LIMIT]
    return found


def admit_body(scope: Scope) -> None:
    """Let the whole body of a request be read: its caller is known.

    Raises:
        BadRequestError: there is no memory for the body that is announced; the answer says so and ends the
            connection.
    """
    admit: Callable[[], None] = scope[_ADMIT]
    admit()


def tell(scope: Scope, **fields: str) -> None:
    """Have `fields` of `exchange.runtime.logs.AnsweredRequest` stand on the line of the request."""
    scope[_TOLD].update(fields)


class RequestLimits:
    """ASGI middleware: bounded requests, each with an id and a reservation."""

    def __init__(
        self, app: ASGIApp, quota: MemoryQuota, rates: RequestRates, limits: BodyLimits | None = None
    ) -> None:
        self._app = app
        self._quota = quota
        self._rates = rates
        self._limits = limits or BodyLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = os.urandom(16).hex()
        scope[_TOLD] = {}
        reservation = Reservation(self._quota)
        exchange = _Exchange(scope, receive, send, name=name, limits=self._limits, reservation=reservation)
        address = (scope.get("client") or ("",))[0]
        wait = self._rates.wait_of_unknown(address) if _needs_token(scope) else 0
        refused = _over(scope) or _announced(scope["headers"], self._limits.body)
        if refused or wait:
            await exchange.refuse(refused or _TOO_OFTEN, retry_after=wait or RETRY_AFTER)
            exchange.log()
            return
        scope[_BODY_LIMIT] = self._limits.body
        scope[_ADMIT] = exchange.admit
        outer = request_id.set(name)
        from_ = peer.set(address)
        try:
            with reservation, WorkBudget(), Exchange() as disclosure:
                await exchange.run(self._app, disclosure)
        finally:
            peer.reset(from_)
            request_id.reset(outer)
            if exchange.status == _UNKNOWN:
                self._rates.note_unknown(address)
            exchange.log()


class _CutError(BadRequestError):
    """The body went over a limit while the application read it; the answer is this module's."""


class _Exchange:
    """One request and its answer: counts the body's bytes, and adds the id to the answer."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        name: str,
        limits: BodyLimits,
        reservation: Reservation,
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._reservation = reservation
        self._taken = self._arrived = 0
        self._header = (b"x-request-id", name.encode())
        self._limits = limits
        self._most = min(limits.stranger, limits.body)
        self._until = 0.0
        self._whole = False
        self._cut: _Refusal | None = None
        self._started = self._ended = self._lost = False
        self._name = name
        self._began = time.perf_counter()
        self.status = self._sent = 0

    async def run(self, app: ASGIApp, disclosure: Exchange) -> None:
        with contextlib.suppress(_CutError):  # it is answered below
            await app(self._scope, self._counted, self._named)
        if self._cut is not None and not self._started:
            await self.refuse(self._cut)
        if self._lost or self._cut is not None or not self._ended:
            disclosure.lose()
        elif self.status >= _REFUSED:
            disclosure.lose(status=self.status)

    def admit(self) -> None:
        self._most = self._limits.body
        try:
            with self._reservation.temporarily():
                self._reservation.reserve(max(0, _length(self._scope["headers"]) - self._taken))
        except (ThrottledError, TooCostlyError):
            self._cut = _THROTTLED
            raise _CutError(_CUT) from None

    async def refuse(self, refused: _Refusal, *, retry_after: int = RETRY_AFTER) -> None:
        status, code, message = refused
        headers = {"Cache-Control": "no-store"}
        if status != _TOO_OFTEN[0] or _brings_body(self._scope):  # a new connection costs more than this one
            headers["Connection"] = "close"
        if status in {429, 503}:
            headers["Retry-After"] = str(retry_after)
        response = Response(refusal(code, message), status, headers, MEDIA_TYPE)
        response.raw_headers.append(self._header)
        self.status, self._sent = status, len(response.body)
        await response(self._scope, self._receive, self._send)

    def log(self) -> None:
        """Count the request and write its line; looks at the health are neither."""
        if self._scope["path"].startswith(_UNLOGGED):
            return
        taken = time.perf_counter() - self._began
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        told = self._scope[_TOLD]
        _requests(method, told.get("interaction", ""), self.status).inc()
        REQUEST_SECONDS.observe(taken)
        answered(AnsweredRequest(method, self.status, round(taken * 1e3, 3), self._sent, self._name, **told))

    async def _counted(self) -> Message:
        if self._cut is not None:
            raise _CutError(_CUT)
        if self._whole:  # the next message is the end of the connection, after any time
            return await self._receive()
        try:
            message = await self._next()
            self._arrived += len(message.get("body", b""))
            self._make_room(self._arrived)
        except TimeoutError:
            self._cut = _TOO_SLOW
            raise _CutError(_CUT) from None
        except (ThrottledError, TooCostlyError):
            self._cut = _THROTTLED
            raise _CutError(_CUT) from None
        if message["type"] == "http.request":
            self._whole = not message.get("more_body", False)
            if self._arrived > self._most:
                self._cut = _TOO_LARGE
                raise _CutError(_CUT)
        return message

    def _make_room(self, size: int) -> None:
        if size > self._taken:
            self._reservation.reserve(size - self._taken)
            self._taken = size

    async def _next(self) -> Message:
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + self._limits.body_seconds
        async with asyncio.timeout_at(min(now + self._limits.pause_seconds, self._until)):
            return await self._receive()

    async def _named(self, message: Message) -> None:
        # The answer to a body that was cut is this one, not the application's, unless that had begun.
        if self._cut is not None and not self._started:
            return
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            message = {**message, "headers": [*message.get("headers", ()), self._header]}
        self._sent += len(message.get("body", b""))
        self._lost = self._lost or is_lost(self._scope)
        if len(message.get("body", b"")) > CHUNK_BYTES:
            await self._send_large(message)
        else:
            await self._send(message)
        if message["type"] == "http.response.body":
            self._ended = not message.get("more_body", False)

    async def _send_large(self, message: Message) -> None:
        # The answer's records are gone. Each chunk waits until the one before it was received.
        body, more = message["body"], message.get("more_body", False)
        self._reservation.hold(min(self._reservation.held, self._arrived + len(body)))
        for start in range(0, len(body), CHUNK_BYTES):
            left = len(body) - start
            chunk = {
                **message,
                "body": body[start : start + CHUNK_BYTES],
                "more_body": more or left > CHUNK_BYTES,
            }
            self._lost = self._lost or is_lost(self._scope)  # the one before took as long as the client liked
            try:
                async with asyncio.timeout(self._limits.pause_seconds):
                    await self._send(chunk)
            except TimeoutError:
                self._cut = _TOO_SLOW
                return  # the server sees an unfinished answer and cuts the connection


def _needs_token(scope: Scope) -> bool:
    """Check whether a request brings no token to an address that answers none without."""
    path: str = scope["path"]
    return (
        path.startswith("/fhir")
        and not path.startswith(_WITHOUT_TOKEN)
        and not any(name == b"authorization" for name, _ in scope["headers"])
    )


def _brings_body(scope: Scope) -> bool:
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])


def _over(scope: Scope) -> _Refusal | None:
    address = len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))
    if address > MAX_ADDRESS:
        return 414, "too-long", "the address is over the limit; search with POST and _search"
    headers = scope["headers"]
    if len(headers) > MAX_HEADER_COUNT or sum(len(n) + len(v) for n, v in headers) > MAX_HEADERS:
        return 431, "too-long", "the headers are over the limit"
    return None


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def _announced(headers: Iterable[tuple[bytes, bytes]], most: int) -> _Refusal | None:
    lengths = {value for name, value in headers if name == b"content-length"}
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not length.isdigit():
        return 400, "invalid", "content-length is not one number"
    return _TOO_LARGE if len(length) > 15 or int(length) > most else None
