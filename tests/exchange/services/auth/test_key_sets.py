"""Clients that publish their keys: fetched from a server of this machine, in bounds, and rotated."""

from __future__ import annotations

import gzip
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import Client, check_key_set_url, new_client
from exchange.auth.oauth import OAuthError
from exchange.errors import BadRequestError, UnavailableError
from exchange.services.auth import key_sets
from exchange.services.auth.key_sets import FRESH, KEPT, LARGEST, PAUSE, KeySets, fetch_key_set


@dataclass
class Publisher:
    """A server with a key set; `asked` counts, and `body`, `status` and `pause` are as a test wants them."""

    body: bytes = b""
    status: int = 200
    pause: float = 0.0
    location: str = ""
    coding: str = ""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def publish(self, *keys: Any) -> None:
        self.body = msgspec.json.encode({"keys": [public_jwk(key) for key in keys]})


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    told = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            time.sleep(told.pause)
            self.send_response(told.status)
            if told.location:
                self.send_header("location", told.location)
            if told.coding:
                self.send_header("content-encoding", told.coding)
            self.send_header("content-length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: Any) -> None:
            """Keep the terminal empty."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def publishing(url: str, client_id: str = "published") -> Client:
    return new_client(
        client_id=client_id,
        name="System",
        organization="HospitalBMSP",
        jwks_url=url,
        allowed=["system/*.rs"],
        created=1,
    )


async def test_a_client_that_publishes_its_keys_rotates_them_by_itself(
    asking: Any, publisher: Publisher, elliptic: Any, other_elliptic: Any
) -> None:
    publisher.publish(elliptic)
    await asking.tokens.clients.register(publishing(publisher.url))

    async def signed_by(key: Any) -> str:
        form = asking.form(asking.sign(key=key, client_id="published"))
        text: str = (await asking.tokens.exchange_assertion(form)).access_token
        return text

    first = await signed_by(elliptic)
    assert (await asking.tokens.resolve(first)).client_id == "published"
    await signed_by(elliptic)
    assert len(publisher.asked) == 1
    with pytest.raises(OAuthError, match="unknown"):
        await signed_by(other_elliptic)
    publisher.publish(elliptic, other_elliptic)  # both hold for a while
    asking.tokens._key_sets._clock = lambda: time.monotonic() + PAUSE
    await signed_by(other_elliptic)
    await signed_by(elliptic)
    assert len(publisher.asked) == 2


async def test_an_address_is_asked_seldom_and_its_last_set_is_kept_for_a_while(
    publisher: Publisher, elliptic: Any, other_elliptic: Any
) -> None:
    now = [1000.0]
    sets, client = KeySets(lambda: now[0]), publishing(publisher.url)
    kid = public_jwk(elliptic)["kid"]
    publisher.publish(elliptic)
    assert await sets.key(client, kid, "ES384") is not None
    for _ in range(5):  # strangers name keys that there are not
        assert await sets.key(client, "unknown", "ES384") is None
        assert await sets.key(client, kid, "RS384") is None
    assert len(publisher.asked) == 1
    now[0] += FRESH
    publisher.status = 500
    for _ in range(3):
        assert await sets.key(client, kid, "ES384") is not None
    assert len(publisher.asked) == 2
    now[0] = 1000.0 + KEPT
    assert await sets.key(client, kid, "ES384") is None
    publisher.status = 200
    publisher.publish(other_elliptic)
    now[0] += PAUSE
    assert await sets.key(client, kid, "ES384") is None  # withdrawn there, it holds no more
    assert await sets.key(client, public_jwk(other_elliptic)["kid"], "ES384") is not None


async def test_a_key_that_was_withdrawn_holds_no_longer_than_a_set_is_fresh(
    publisher: Publisher, elliptic: Any, other_elliptic: Any
) -> None:
    now = [0.0]
    sets, client = KeySets(lambda: now[0]), publishing(publisher.url)
    publisher.publish(elliptic)
    kid = public_jwk(elliptic)["kid"]
    assert await sets.key(client, kid, "ES384") is not None
    publisher.publish(other_elliptic)
    now[0] += FRESH
    assert await sets.key(client, kid, "ES384") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": 404}, "404"),
        ({"status": 302, "location": "http://127.0.0.1:1/elsewhere"}, "302"),
        ({"body": b"{}"}, "no key set that can be used"),
        ({"body": b"<html>"}, "no key set that can be used"),
        ({"body": b'{"keys":[]}'}, "no key set that can be used"),
        ({"body": b'{"keys":[{"kty":"oct","k":"AAAA"}]}'}, "no key set that can be used"),
        ({"body": b" " * (LARGEST + 1)}, "more than"),
        ({"pause": 1.5}, "in time"),
    ],
)
async def test_an_answer_that_is_no_key_set_is_named(
    publisher: Publisher, change: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "pause" in change:
        monkeypatch.setattr(key_sets, "_TIMEOUT", 0.5)
    for name, value in change.items():
        setattr(publisher, name, value)
    with pytest.raises(UnavailableError, match=said):
        await fetch_key_set(publisher.url)
    assert len(publisher.asked) == 1


async def test_a_server_that_speaks_no_tls_or_is_away_is_called_so(publisher: Publisher) -> None:
    with pytest.raises(UnavailableError, match="TLS fails"):
        await fetch_key_set(publisher.url.replace("http:", "https:"))
    with pytest.raises(UnavailableError, match="can't be reached"):
        await fetch_key_set("http://127.0.0.1:1/jwks.json")


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/jwks.json",
        "http://127.0.0.1.example/jwks.json",
        "http://user@127.0.0.1/jwks.json",
        "https://user:secret@keys.example/jwks.json",
        "ftp://127.0.0.1/jwks.json",
        "file:///etc/passwd",
        "https://",
        "https://keys.example:0/jwks.json",
        "https://keys.example/jwks.json#part",
        "https://keys.example/\nset",
        "https://keys.example/" + "x" * 1000,
        "http://[::1",
    ],
)
def test_an_address_that_others_could_read_or_answer_for_is_refused(url: str) -> None:
    with pytest.raises(BadRequestError, match="https://"):
        check_key_set_url(url)
    with pytest.raises(BadRequestError, match="https://"):
        publishing(url)


@pytest.mark.parametrize("url", ["https://keys.example/set", "http://localhost:8080/x", "http://[::1]:80/x"])
def test_an_address_by_https_or_of_this_machine_is_accepted(url: str) -> None:
    assert publishing(url).keys == ()


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "x-unknown"])
async def test_a_packed_set_is_refused_before_it_is_unpacked(publisher: Publisher, coding: str) -> None:
    publisher.body, publisher.coding = gzip.compress(bytes(32 << 20)), coding
    tracemalloc.start()
    with pytest.raises(UnavailableError, match="content coding"):
        await fetch_key_set(publisher.url)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
