"""A patient's browser without one: cookies, forms, and an authenticator that signs as WebAuthn says."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import struct
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import cbor2
import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.node.parts import open_parts
from tests.support.scenarios.scenario_site import OpenedClient, Site, in_thread

UP, UV, AT = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One device with one key; `flags` and `signs` are what it says of its user and its counter."""

    origin: str
    flags: int = UP | UV
    signs: int = 0
    counts: bool = True
    credential: bytes = field(default_factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str) -> str:
        asked = json.loads(options)
        point = self.key.public_key().public_numbers()
        cose = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        )
        attested = bytes(16) + struct.pack(">H", len(self.credential)) + self.credential + cose
        data = self._data(asked["rp"]["id"], self.flags | AT) + attested
        return self._answer(
            {
                "clientDataJSON": self._client("webauthn.create", asked["challenge"]),
                "attestationObject": cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data}),
            }
        )

    def get(self, options: str) -> str:
        asked = json.loads(options)
        client = self._client("webauthn.get", asked["challenge"])
        data = self._data(asked["rpId"], self.flags)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer({"clientDataJSON": client, "authenticatorData": data, "signature": signature})

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, rp_id: str, flags: int) -> bytes:
        self.signs += self.counts
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.signs)

    def _answer(self, response: dict[str, bytes]) -> str:
        name = text(self.credential)
        parts = {part: text(value) for part, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": parts})


class Forms(HTMLParser):
    """The forms of a page: where each goes, and its fields as they stand."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str], list[tuple[str, str]]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((named, []))
        elif tag == "input" and self.found and _counts(named):
            self.found[-1][1].append((named["name"], named.get("value", "")))


def _counts(field: dict[str, str]) -> bool:
    """Return whether a browser sends an input as it stands."""
    chosen = field.get("type") not in {"radio", "checkbox"} or "checked" in field
    return bool(field.get("name")) and chosen


class Browser:
    """A browser at the pages of `site`; `device` is its authenticator."""

    def __init__(self, site: Site, *, language: str = "en") -> None:
        assert isinstance(site.http, OpenedClient)
        self.origin = site.demo.settings.base_url
        self.device = Authenticator(self.origin)
        self.http = httpx.Client(
            transport=site.http._inside, base_url=self.origin, headers={"Accept-Language": language}
        )

    def get(self, path: str) -> httpx.Response:
        return self.http.get(f"/patient{path}", follow_redirects=True)

    def post(self, path: str, fields: Any, **headers: str) -> httpx.Response:
        """Send a form, and do not go on to where the answer leads."""
        pairs = list(fields.items()) if isinstance(fields, dict) else fields
        sent = {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded", **headers}
        body = str(httpx.QueryParams(pairs))
        return self.http.post(f"/patient{path}", content=body, headers=sent)

    def form(self, page: httpx.Response, action: str, n: int = 0) -> list[tuple[str, str]]:
        """Return the fields of the `n`th form of a page that goes to `action`."""
        found = [f for attrs, f in Forms(page.text).found if attrs.get("action") == f"/patient{action}"]
        assert len(found) > n, f"no form to {action} in {page.text}"
        return found[n]

    def options(self, page: httpx.Response) -> str:
        return next(attrs["data-options"] for attrs, _ in Forms(page.text).found if "data-options" in attrs)

    def send(self, page: httpx.Response, action: str, n: int = 0, **changed: str) -> httpx.Response:
        """Send the `n`th form of a page to `action`, with some fields changed."""
        fields = [(k, v) for k, v in self.form(page, action, n) if k not in changed]
        return self.post(action, [*fields, *changed.items()])

    def enrol(self, code: str, *, label: str = "Ana, phone") -> httpx.Response:
        """Make the first passkey with a code of the hospital; return the answer to the last form."""
        page = self.post("/code", {"code": code, "label": label})
        assert page.status_code == 200, said(page)
        return self.send(page, "/enrol", response=self.device.create(self.options(page)))

    def sign_in(self) -> httpx.Response:
        page = self.get("/sign-in")
        return self.send(page, "/sign-in", response=self.device.get(self.options(page)))


def code_for(site: Site, patient: str, *, hours: int = 1, replace: bool = False) -> str:
    """Return a code as `consentry patient code` prints it, beside the gateway."""

    async def issue() -> str:
        with open_parts(site.demo.folder) as parts:
            if replace:
                await parts.door.passkeys.replace(patient, by="root")
            return await parts.door.codes.issue(patient, hours, by="root")

    return in_thread(issue())


def said(page: httpx.Response) -> str:
    """Return the words of a page."""
    body = re.sub(r"(?s)<(head|script|style|noscript).*?</\1>", " ", page.text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
