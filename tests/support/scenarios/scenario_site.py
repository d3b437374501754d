"""A gateway under test, and everybody who calls it.

A site in process answers through the whole ASGI application, on a loop of its own thread, so that tests
stay plain functions and one node can live as long as a module. A site that serves is a process of its own
over another copy, for what only a network shows.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from exchange.api.app import create_app
from exchange.auth.principal import Kind, Member, Principal
from exchange.client.system import FHIR_JSON, SystemClient
from exchange.demo.consortium import CITY, LAKE, RIDGE, Demo, permit_consent, settings_for
from exchange.demo.nhanes import Participant
from exchange.demo.process import free_port
from exchange.node.build import NodeLimits
from exchange.node.folder import NodeFolder
from exchange.node.identity.accepted_changes import accept_settings
from exchange.node.open import Node, open_node
from exchange.node.parts import open_parts
from exchange.services.records.limits import RecordLimits
from tests.support.postgres_server import Server

PEOPLE = 4
"""Participants on the node that all copies start from."""

EMBEDDED, FABRIC, POSTGRESQL = "embedded", "fabric", "postgresql"
EVERY_LEDGER = (EMBEDDED, pytest.param(FABRIC, marks=pytest.mark.fabric))
"""For modules about what the ledger decides and logs; see `conftest.new_node`."""
EVERY_STORE = (EMBEDDED, POSTGRESQL)
"""For modules about what is kept."""
EVERY_NODE = (*EVERY_LEDGER, POSTGRESQL)
"""For modules about both."""

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
MISSING = "00000000-0000-4000-8000-000000000000"
TX = "x-consentry-tx"

__all__ = ["CITY", "LAKE", "RIDGE"]

T = TypeVar("T")
Body = dict[str, Any] | bytes | str | None


@dataclass
class Caller:
    """Somebody with a token at one gateway; `path` is relative to the FHIR base, or an absolute URL."""

    http: httpx.Client
    base: str
    token: Callable[[], str]

    def __call__(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        params: Any = None,
        data: dict[str, str] | None = None,
        **headers: str,
    ) -> httpx.Response:
        """The answer to one request; header names are written with underscores."""
        sent = {"Authorization": f"Bearer {self.token()}", "Accept": FHIR_JSON}
        content: bytes | str | None = None
        if isinstance(body, dict):
            body = httpx.Request("POST", "http://x", json=body).content
        if body is not None:
            content = body
            sent["Content-Type"] = FHIR_JSON
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("http") else f"{self.base}/{path}"
        return self.http.request(method, url, content=content, data=data, params=params, headers=sent)

    def get(self, path: str, params: Any = None, **headers: str) -> httpx.Response:
        return self("GET", path, params=params, **headers)

    def post(self, path: str, body: Body, **headers: str) -> httpx.Response:
        return self("POST", path, body, **headers)

    def put(self, path: str, body: Body, **headers: str) -> httpx.Response:
        return self("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> httpx.Response:
        return self("DELETE", path, **headers)

    def found(self, path: str, params: Any = None) -> list[dict[str, Any]]:
        """Return all resources of a search or history, over all of its pages."""
        resources: list[dict[str, Any]] = []
        answer = self.get(path, params)
        while True:
            assert answer.status_code == 200, answer.text
            bundle = answer.json()
            resources += [entry["resource"] for entry in bundle.get("entry", ()) if "resource" in entry]
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            if not following:
                return resources
            answer = self.get(following[0])


@dataclass
class Site:
    """A gateway under test: its folder, its HTTP client, the people on it, and who may call."""

    demo: Demo
    http: httpx.Client
    people: tuple[Participant, ...]
    _systems: dict[tuple[str, ...], SystemClient] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return self.demo.settings.fhir_base

    def limited(self, **limits: int) -> AbstractContextManager[None]:
        """Have the node in this process bound its records by `limits` inside (see `RecordLimits`)."""
        assert isinstance(self.http, OpenedClient)
        return self.http.limited(NodeLimits(records=RecordLimits(**limits)))

    def system(
        self,
        member: Member,
        purpose: str = "TREAT",
        *,
        user: str = "",
        role: str = "",
        scope: str = "",
        reason: str = "",
    ) -> Caller:
        """Return the member's records system, asking for `purpose` on behalf of `user`, for a `reason`."""
        key = (member.msp_id, purpose, user, role, reason)
        client = self._systems.get(key)
        if client is None:
            client = self._systems[key] = self.demo.client(member, purpose, user=user)
            client.role = role
            client.reason = reason
        return Caller(self.http, self.base, lambda: client.token(self.http))

    @property
    def city(self) -> Caller:
        return self.system(CITY)

    @property
    def lake(self) -> Caller:
        return self.system(LAKE)

    @property
    def ridge(self) -> Caller:
        return self.system(RIDGE)

    def patient(self, logical_id: str) -> Caller:
        """Return the patient with a token as `consentry token patient` issues it."""
        return self._local(
            Principal(
                kind=Kind.PATIENT,
                client_id=f"patient-{logical_id}",
                organization=CITY.msp_id,
                purpose="PATRQT",
                scopes=("patient/*.rs", "patient/Consent.cruds"),
                evidence="0" * 64,
                user=f"Patient/{logical_id}",
                patient=logical_id,
            )
        )

    def officer(self, user: str = "o.reyes") -> Caller:
        """Return the officer with a token as `consentry token officer` issues it."""
        return self._local(
            Principal(
                kind=Kind.OFFICER,
                client_id=f"officer-{user}",
                organization=CITY.msp_id,
                purpose="HOPERAT",
                scopes=("user/AuditEvent.rs",),
                evidence="0" * 64,
                user=user,
            )
        )

    def bearer(self, token: str) -> Caller:
        """Return a caller with a token from elsewhere."""
        return Caller(self.http, self.base, lambda: token)

    def _local(self, principal: Principal, seconds: int = 3600) -> Caller:
        return self.bearer(self.issue(principal, seconds))

    def issue(self, principal: Principal, seconds: int = 3600) -> str:
        """Issue a token by the gateway itself."""

        async def issue() -> str:
            with open_parts(self.demo.folder) as parts:
                return await parts.tokens.issue_local(principal, seconds)

        return in_thread(issue())

    def new_patient(self, **elements: Any) -> str:
        """Store another patient of City Hospital and return the logical id."""
        body = {"resourceType": "Patient", "active": True, **elements}
        answer = self.city.post("Patient", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def observation(self, patient: str, **elements: Any) -> dict[str, Any]:
        """Store a new Observation about `patient` and return it as stored."""
        answer = self.city.post("Observation", observation(patient, **elements))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


def observation(patient: str, *, code: str = "8867-4", **elements: Any) -> dict[str, Any]:
    """Return a heart rate of `patient`, or another LOINC `code`."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-20T08:30:00Z",
        "valueQuantity": {"value": 71, "system": "http://unitsofmeasure.org", "code": "/min"},
    } | elements


def consent(
    patient: str, *recipients: Member, status: str = "active", logical_id: str = "", **provision: Any
) -> dict[str, Any]:
    """Return a Consent of `patient` that permits `recipients` to treat, with more elements."""
    body = permit_consent(patient, recipients[0], status=status)
    role = body["provision"]["actor"][0]["role"]
    body["provision"]["actor"] = [
        {"role": role, "reference": {"reference": f"Organization/{member.organization}"}}
        for member in recipients
    ]
    body["provision"] |= provision
    if logical_id:
        body["id"] = logical_id
    return body


def is_outcome(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """Return the OperationOutcome that `answer` must be, with one of `statuses`."""
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["content-type"].startswith(FHIR_JSON)
    body: dict[str, Any] = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"]
    return body


def fresh_id() -> str:
    return str(uuid.uuid4())


class Loop:
    """An event loop on a thread of its own, for tests that are plain functions."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`, whether or not this thread has a running loop."""
    loop = Loop()
    try:
        return loop.run(work)
    finally:
        loop.close()


class InProcess(httpx.BaseTransport):
    """Requests to an ASGI application that lives on another thread's loop; bodies arrive whole."""

    def __init__(self, app: Any, loop: Loop) -> None:
        self._loop = loop
        self.serve(app)

    def serve(self, app: Any) -> None:
        """Answer with `app` from now on."""
        self._asgi = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._loop.run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        answer = await self._asgi.handle_async_request(asked)
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


def copied(built: Path, to: Path, server: Server | None = None) -> Demo:
    """Make a copy of the built node at `to`, with a port of its own, and of its database on `server`."""
    shutil.copytree(built, to)
    folder = NodeFolder(to)
    old, new = folder.load(), settings_for(free_port())
    text = folder.settings_file.read_text(encoding="utf-8")
    text = text.replace(old.base_url, new.base_url).replace(f"port = {old.port}", f"port = {new.port}")
    if server is not None:
        name = str(conninfo_to_dict(str(old.database))["dbname"])
        text = text.replace(str(old.database), server.new_database(like=name))
    folder.settings_file.write_text(text, encoding="utf-8")
    accept_settings(folder, by="tests")
    return Demo(folder, folder.load())


class OpenedClient(httpx.Client):
    """The HTTP client of a node in this process, which can be opened anew with other limits."""

    def __init__(self, demo: Demo, limits: NodeLimits | None = None) -> None:
        self._demo, self.loop = demo, Loop()
        self._stack = AsyncExitStack()
        self._inside = InProcess(None, self.loop)
        super().__init__(transport=self._inside)
        self.node = self._open(limits)

    def _open(self, limits: NodeLimits | None) -> Node:
        node: Node = self.loop.run(self._stack.enter_async_context(open_node(self._demo.folder, limits)))
        self._inside.serve(create_app(node.gateway, body_limit=node.settings.body_limit))
        return node

    def end(self) -> None:
        """Close the node and its loop."""
        self.loop.run(self._stack.aclose())
        self.loop.close()

    @contextmanager
    def limited(self, limits: NodeLimits) -> Iterator[None]:
        """Have the node open with `limits` inside, and as it was afterwards."""
        self.loop.run(self._stack.aclose())
        self.node = self._open(limits)
        try:
            yield
        finally:
            self.loop.run(self._stack.aclose())
            self.node = self._open(None)


@contextmanager
def opened(demo: Demo, limits: NodeLimits | None = None) -> Iterator[tuple[OpenedClient, Node, Loop]]:
    """Open the node of `demo` in this process, with its HTTP client and the loop that it lives on."""
    http = OpenedClient(demo, limits)
    try:
        with http:
            yield http, http.node, http.loop
    finally:
        http.end()
