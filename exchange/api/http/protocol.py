"""The HTTP protocol of the server, with bounds: a head that is too long, too slow, or no HTTP is refused.

A request that the application sees has a complete head, and `limits` bounds the rest. Without this module
the server would wait for a head, and collect it, without end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exchange.fhir.outcome import MEDIA_TYPE, refusal
from exchange.runtime.metrics import CONNECTIONS

LONGEST_HEAD: Final = 64 * 1024
"""Bytes of a request's first line and headers that are collected; `limits` refuses shorter ones in words."""


_CONNECTION: Final = "consentry.connection"
_HEAD, _INTERIM = b"HTTP/1.1 ", b"HTTP/1.1 1"


def is_lost(scope: MutableMapping[str, Any]) -> bool:
    """Return whether the connection of a request is known to be gone, so that no answer arrives."""
    connection = scope.get(_CONNECTION)
    return connection is not None and connection.is_closing()


class ConnectionBounds:
    """The connections of one server: at most `most`, and of one peer's address at most `per_peer`."""

    def __init__(self, *, most: int, per_peer: int) -> None:
        self._most, self._per_peer = most, per_peer
        self._peers: Counter[str] = Counter()

    def enter(self, peer: str) -> bool:
        """Count a connection of `peer`, and return whether it is within the bounds."""
        self._peers[peer] += 1
        CONNECTIONS.inc()
        return self._peers[peer] <= self._per_peer and self._peers.total() <= self._most

    def leave(self, peer: str) -> None:
        """Count a connection of `peer` no more."""
        CONNECTIONS.dec()
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]


class GatheredWrites:
    """A connection's transport that sends the head of an answer together with the first part of its body.

    Each write is a call of the system, and a packet. A head goes out with the next write, at the end of its
    answer, or before the connection closes; an interim one (100) at once.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data`, and a head that waits; the head of an answer waits itself."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send a head that waits."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close the connection once all is sent."""
        self.flush()
        self._transport.close()


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools, with a bound and a deadline for each request's head.

    `bounds` are those of the connections, which all protocols of a server share.
    """

    head_timeout = 20.0
    """Seconds within which the head of a request must be complete."""

    def __init__(self, *arguments: Any, bounds: ConnectionBounds | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._bounds = bounds
        self._peer = ""
        self._waits = True
        self._collected = 0
        self._since = 0.0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Expect the first request."""
        self._gathered = GatheredWrites(transport)
        super().connection_made(self._gathered)  # type: ignore[arg-type]  # it has all that a transport has
        self._peer = self.client[0] if self.client else ""
        if self._bounds is not None and not self._bounds.enter(self._peer):
            self._refuse(503, "throttled", "there are too many connections; use those that are open")
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._settle()
        if self._bounds is not None:
            self._bounds.leave(self._peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read the next bytes of a request."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._waits:
            self._collected += len(data)
            if self._collected > LONGEST_HEAD:
                self._refuse(431, "too-long", "the address or the headers are over the limit")

    def on_message_begin(self) -> None:
        """Wait for the head of a request that begins."""
        super().on_message_begin()
        self._waits, self._collected = True, 0
        self._expect()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; the trailer of a body authorises and describes nothing."""
        if self._waits:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the wait: the head is complete."""
        self._waits = False
        self.scope[_CONNECTION] = self.transport  # type: ignore[typeddict-unknown-key]  # of this module alone
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Send all of an answer, and go on with the next request."""
        self._gathered.flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is no HTTP; `msg` is the parser's and is not passed on."""
        del msg
        self._refuse(400, "structure", "the request is not HTTP/1.1")

    def _expect(self) -> None:
        # One timer serves many requests: a timer for each costs more than to check this one again.
        self._since = self.loop.time()
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_timeout, self._give_up)

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self._waits:
            return
        left = self._since + self.head_timeout - self.loop.time()
        if left > 0:
            self._deadline = self.loop.call_later(left, self._give_up)
        elif self._is_answering():
            self._expect()  # an earlier request of this connection is under way
        elif not self.transport.is_closing():
            self._refuse(408, "timeout", "the request took too long to arrive")

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._settle()
        if not self._is_answering():  # nothing may come between the parts of an answer
            body = refusal(code, message)
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
                f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
                "cache-control: no-store\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
