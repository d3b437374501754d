"""The evaluator as an HTTP service: models and offers out, keys and queries in, encrypted answers back.

```
GET  /models                    digests of the models that can be scored
GET  /models/{digest}/offer     OFFER, public
PUT  /keys                      KEYS in; {"digest": ...}
POST /score                     QUERY in, ANSWER out
GET  /health  /metrics          liveness; Prometheus
```

Bodies are artefacts (`application/octet-stream`). Refusals are `{"code", "message"}` with the status of their
class in `errors`. The service learns from a request who asked, for which model, when, and its size;
nothing about the patient. It has no endpoint that takes a decrypted score or says whether one could be read.

Clients are known by bearer token; without any, every request is refused. Each client has a budget of
queries a minute, because enough answers about patients that can't exist would give the model away.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from cachetools import FIFOCache
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from analytics.encrypted.artefacts import Model
from analytics.encrypted.framing import Kind, unframe
from analytics.encrypted.pool import PoolLimits, WorkerPool
from analytics.errors import (
    AnalyticsError,
    BusyError,
    DataError,
    ReplayedError,
    TooLargeError,
    UnauthenticatedError,
    UnknownError,
)

BINARY = "application/octet-stream"
_REMEMBERED = 100_000
_BUCKETS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5, 1, 5)


@dataclass(frozen=True)
class EvaluatorSettings:
    """How an evaluator runs.

    `models` are MODEL artefacts. `clients` maps a client's name to the SHA-256 of its bearer token, in
    hexadecimal; with none, nobody is served. `unsafe_open` serves anyone: for a loopback demonstration.
    """

    models: tuple[bytes, ...]
    clients: Mapping[str, str] = field(default_factory=dict)
    unsafe_open: bool = False
    queries_per_minute: int = 600
    largest_query: int = 1 << 20
    largest_keys: int = 64 << 20
    pool: PoolLimits = field(default_factory=PoolLimits)


def models_in(folder: Path) -> tuple[bytes, ...]:
    """Every `*.model` artefact in a folder.

    Raises:
        DataError: there is none.
    """
    found = tuple(path.read_bytes() for path in sorted(folder.glob("*.model")))
    if not found:
        raise DataError("the folder holds no model artefact (*.model)")
    return found


class _Budget:
    """A bucket of queries for each client, refilled evenly over the minute."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._size = float(per_minute)
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, client: str) -> None:
        """Take one query from a client's bucket.

        Raises:
            BusyError: it is empty.
        """
        now = time.monotonic()
        left, since = self._left.get(client, (self._size, now))
        left = min(self._size, left + (now - since) * self._rate)
        if left < 1:
            raise BusyError("this client's queries for the minute are used up")
        self._left[client] = (left - 1, now)


class _Seen:
    """Digests of the latest queries, so that none is answered twice."""

    def __init__(self, size: int = _REMEMBERED) -> None:
        self._digests: FIFOCache[str, None] = FIFOCache(size)

    def add(self, digest: str) -> None:
        """Remember a query.

        Raises:
            ReplayedError: it was seen before.
        """
        if digest in self._digests:
            raise ReplayedError("this query was sent before; encrypt a new one")
        self._digests[digest] = None


class _Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "consentry_evaluator"
        self.seconds = Histogram(
            f"{name}_score_seconds", "Time to answer a query", buckets=_BUCKETS, registry=self.registry
        )
        self.refused = Counter(f"{name}_refused", "Requests refused", ["code"], registry=self.registry)
        self.keys = Gauge(f"{name}_stored_key_bytes", "Evaluation keys held, as sent", registry=self.registry)
        self.lost = Gauge(
            f"{name}_workers_lost", "Workers that ended or ran out of time", registry=self.registry
        )


class _Evaluator:
    """What the routes share."""

    def __init__(self, settings: EvaluatorSettings) -> None:
        self.settings = settings
        models = [Model.read(data) for data in settings.models]
        self.offers = {model.digest: model.offer.frame.data for model in models}
        data = {model.digest: raw for model, raw in zip(models, settings.models, strict=True)}
        self.pool = WorkerPool(data, settings.pool)
        self.metrics = _Metrics()
        self.budget = _Budget(settings.queries_per_minute)
        self.seen = _Seen()

    def client(self, request: Request) -> str:
        """The name of who asks.

        Raises:
            UnauthenticatedError: nobody known.
        """
        if self.settings.unsafe_open:
            return request.client.host if request.client else "unknown"
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = hashlib.sha256(token.encode()).hexdigest()
        # Every entry is compared, so that the time taken does not tell which one matched.
        matches = [name for name, known in self.settings.clients.items() if hmac.compare_digest(given, known)]
        if scheme.lower() != "bearer" or not matches:
            raise UnauthenticatedError("a known bearer token is needed")
        return matches[0]


def serve(
    settings: EvaluatorSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8100,
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Run the evaluator until it is told to stop; by TLS with a `certificate` (PEM) and its `key`.

    Raises:
        DataError: anyone would be served, on more than this machine.
    """
    if settings.unsafe_open and host not in {"127.0.0.1", "::1", "localhost"}:
        raise DataError("an evaluator without clients' tokens is for the loopback interface only")
    # One process: the workers do the arithmetic, and budgets and replays are counted in one place.
    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        log_level="warning",
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


async def _body(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def create_app(settings: EvaluatorSettings) -> FastAPI:
    """The evaluator's ASGI application; its workers start and end with the application's lifespan.

    Raises:
        ArtefactError, UnsupportedModelError: a model can't be used.
    """
    evaluator = _Evaluator(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with evaluator.pool:
            yield

    app = FastAPI(title="Consentry evaluator", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.pool = evaluator.pool

    @app.exception_handler(AnalyticsError)
    async def refuse(_: Request, refusal: AnalyticsError) -> JSONResponse:
        evaluator.metrics.refused.labels(refusal.code).inc()
        return JSONResponse({"code": refusal.code, "message": str(refusal)}, refusal.status)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        evaluator.metrics.keys.set(evaluator.pool.stored_bytes)
        evaluator.metrics.lost.set(evaluator.pool.lost)
        return Response(generate_latest(evaluator.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    _routes(app, evaluator)
    return app


def _routes(app: FastAPI, evaluator: _Evaluator) -> None:
    settings = evaluator.settings
    client = Depends(evaluator.client)

    @app.get("/models")
    async def models(_: str = client) -> dict[str, list[str]]:
        return {"models": sorted(evaluator.offers)}

    @app.get("/models/{digest}/offer")
    async def offer(digest: str, _: str = client) -> Response:
        if digest not in evaluator.offers:
            raise UnknownError("no model of that digest is registered")
        return Response(evaluator.offers[digest], media_type=BINARY)

    @app.put("/keys", status_code=201)
    async def keys(request: Request, who: str = client) -> dict[str, str]:
        evaluator.budget.spend(who)
        return {"digest": await evaluator.pool.add_keys(await _body(request, settings.largest_keys))}

    @app.post("/score")
    async def score(request: Request, who: str = client) -> Response:
        evaluator.budget.spend(who)
        data = await _body(request, settings.largest_query)
        with evaluator.metrics.seconds.time():
            evaluator.seen.add(unframe(data, Kind.QUERY, sections=(1,)).digest)
            return Response(await evaluator.pool.score(data), media_type=BINARY)
