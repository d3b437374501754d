"""A node that scores, its evaluator, and somebody between the two who may meddle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from exchange.demo.scoring import Evaluated
from tests.support.scenarios.scenario_site import Site

Meddling = Callable[[bytes], tuple[int, bytes]]
"""From a query on its way to the evaluator to the status and body that the gateway gets."""


@dataclass
class Between:
    """Forwards everything to the evaluator and keeps it; `meddle` takes over what is sent to `/score`."""

    evaluator: str
    token: str
    port: int = 0
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    meddle: Meddling | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def queries(self) -> list[bytes]:
        return [body for _, path, body in self.seen if path == "/score"]

    def forward(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(method, self.evaluator + path, content=body, headers=headers, timeout=30)
        return answer.status_code, answer.content

    def scored(self, query: bytes) -> tuple[int, bytes]:
        """Return the evaluator's honest answer."""
        status, body = self.forward("POST", "/score", query)
        if status == 200:
            self.answers.append(body)
        return status, body

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        self.seen.append((method, path, body))
        if path == "/score":
            return (self.meddle or self.scored)(body)
        return self.forward(method, path, body)

    @contextmanager
    def meddling(self, how: Meddling) -> Iterator[None]:
        self.meddle = how
        try:
            yield
        finally:
            self.meddle = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                status, content = between.handle(self.command, self.path, body)
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:
                    self.close_connection = True  # the gateway has given up waiting

            do_GET = do_PUT = do_POST = answer  # noqa: N815 - the names that http.server calls

            def log_message(self, *_: Any) -> None:
                """Keep the terminal empty."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@dataclass
class ScoringSite:
    """The site, who stands between it and the evaluator, and the model in clear to compare with."""

    site: Site
    between: Between
    evaluated: Evaluated
    xgboost: bytes
    bins: dict[str, Any]

    def assess(self, caller: Any, patient: str, body: Any = None) -> httpx.Response:
        answer: httpx.Response = caller("POST", f"Patient/{patient}/$assess-risk", body)
        return answer

    def stored(self, patient: str) -> list[dict[str, Any]]:
        return self.site.city.found(f"RiskAssessment?patient={patient}")
