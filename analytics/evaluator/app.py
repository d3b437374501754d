"""The evaluator as an HTTP service: models and offers out, keys and queries in, encrypted answers back.

```
GET  /models                    digests of the models that can be scored
GET  /models/{digest}/offer     OFFER, public
GET  /models/{digest}/programs  digests of the compiled programs that were loaded
PUT  /keys                      KEYS in; {"digest": ...}
POST /score                     QUERY in, ANSWER out
GET  /health                    liveness
GET  /metrics                   Prometheus, for the client `metrics`
```

Bodies are artefacts (`application/octet-stream`). Refusals are `{"code", "message"}` with the status of
their class in `errors`. The service learns from a request its client, its model, its time and its size,
and nothing about the patient. No endpoint accepts a decrypted score or discloses whether one could be
read. `admission` has the rules about clients and replays, `budgets` those about patients.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
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

from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.server import MAX_PATIENTS
from analytics.encrypted.framing import ArtefactKind, unframe
from analytics.errors import (
    AnalyticsError,
    ArtefactMismatchError,
    BodyTooLargeError,
    DataError,
    UnknownDigestError,
)
from analytics.evaluator.admission import RateLimit, ReplayCache, authenticated_client, check_role
from analytics.evaluator.budgets import PatientBudgets, PatientLimits
from analytics.evaluator.pool import PoolLimits, WorkerPool

BINARY = "application/octet-stream"
_BUCKETS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5, 1, 5)


@dataclass(frozen=True)
class EvaluatorSettings:
    """The settings of an evaluator.

    `models` are MODEL artefacts. `clients` maps a client's name to the SHA-256 of its bearer token, in
    hexadecimal; without any, every request is refused. `budgets` is the file that keeps the counts of
    patients; without one they are lost at the end. `unsafe_open` serves anyone: for a loopback
    demonstration.
    """

    models: tuple[bytes, ...]
    clients: Mapping[str, str] = field(default_factory=dict)
    unsafe_open: bool = False
    patients_per_minute: int = 600
    patients: PatientLimits = field(default_factory=PatientLimits)
    budgets: Path | None = None
    largest_query: int = 1 << 20
    largest_keys: int = 64 << 20
    pool: PoolLimits = field(default_factory=PoolLimits)


def read_models(folder: Path) -> tuple[bytes, ...]:
    """Read every `*.model` artefact in a folder.

    Raises:
        DataError: there is none.
    """
    found = tuple(path.read_bytes() for path in sorted(folder.glob("*.model")))
    if not found:
        raise DataError("the folder holds no model artefact (*.model)")
    return found


class _Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "consentry_evaluator"
        self.seconds = Histogram(
            f"{name}_score_seconds", "Time to answer a query", buckets=_BUCKETS, registry=self.registry
        )
        self.refused = Counter(f"{name}_refused", "Requests refused", ["code"], registry=self.registry)
        self.keys = Gauge(f"{name}_stored_key_bytes", "Evaluation keys held, as sent", registry=self.registry)
        self.patients = Gauge(
            f"{name}_patients_ever",
            "Patients answered, ever",
            ["client", "model"],
            registry=self.registry,
        )
        self.lost = Gauge(
            f"{name}_workers_lost", "Workers that ended or ran out of time", registry=self.registry
        )


class _Evaluator:
    """The state that the routes share."""

    def __init__(self, settings: EvaluatorSettings) -> None:
        self.settings = settings
        models = [CompiledModel.read(data) for data in settings.models]
        self.offers = {model.digest: model.offer.frame.data for model in models}
        self.programs = {model.digest: model.program_digests for model in models}
        data = {model.digest: raw for model, raw in zip(models, settings.models, strict=True)}
        self.pool = WorkerPool(data, settings.pool)
        self.metrics = _Metrics()
        self.rate_limit = RateLimit(settings.patients_per_minute)
        self.budgets = PatientBudgets(settings.patients, settings.budgets)
        self.replays = ReplayCache()

    def client(self, request: Request) -> str:
        """Return the name of the client.

        Raises:
            UnauthenticatedError: the request has no known token, or not the one for this.
        """
        if self.settings.unsafe_open:
            return request.client.host if request.client else "unknown"
        name = authenticated_client(request.headers.get("authorization", ""), self.settings.clients)
        check_role(name, metrics=request.url.path == "/metrics")
        return name


def serve(
    settings: EvaluatorSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8100,
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Run the evaluator until it is told to stop; over TLS with a `certificate` (PEM) and its `key`.

    Raises:
        DataError: `unsafe_open` is set for another than the loopback interface.
    """
    if settings.unsafe_open and host not in {"127.0.0.1", "::1", "localhost"}:
        raise DataError("an evaluator without clients' tokens is for the loopback interface only")
    # One process: the workers do the arithmetic, and rates and replays are counted in one place.
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
            raise BodyTooLargeError(f"the body is larger than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def create_app(settings: EvaluatorSettings) -> FastAPI:
    """Make the evaluator's ASGI application; its workers start and end with the application's lifespan.

    Raises:
        ArtefactError, UnsupportedModelError: a model can't be used.
    """
    evaluator = _Evaluator(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with evaluator.pool:
            yield
        evaluator.budgets.close()

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
    async def metrics(_: str = Depends(evaluator.client)) -> Response:
        for spent in evaluator.budgets.all():
            labels = evaluator.metrics.patients.labels(spent.client, spent.model[:12])
            labels.set(spent.ever)
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
            raise UnknownDigestError("no model of that digest is registered")
        return Response(evaluator.offers[digest], media_type=BINARY)

    @app.get("/models/{digest}/programs")
    async def programs(digest: str, _: str = client) -> dict[str, str]:
        if digest not in evaluator.programs:
            raise UnknownDigestError("no model of that digest is registered")
        return evaluator.programs[digest]

    @app.put("/keys", status_code=201)
    async def keys(request: Request, name: str = client) -> dict[str, str]:
        evaluator.rate_limit.spend(name)
        return {"digest": await evaluator.pool.add_keys(name, await _body(request, settings.largest_keys))}

    @app.post("/score")
    async def score(request: Request, name: str = client) -> Response:
        evaluator.rate_limit.spend(name)
        data = await _body(request, settings.largest_query)
        query = evaluator.pool.query(name, data)
        if not 1 <= query.patients <= MAX_PATIENTS:
            raise ArtefactMismatchError(f"a query holds 1 to {MAX_PATIENTS} patients")
        evaluator.rate_limit.spend(name, query.patients - 1)
        with evaluator.metrics.seconds.time():
            evaluator.replays.add(unframe(data, ArtefactKind.QUERY, sections=(1,)).digest)
            with evaluator.budgets.taking(name, query.model, query.patients):
                return Response(await evaluator.pool.score(name, data), media_type=BINARY)
