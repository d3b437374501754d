"""The evaluator's HTTP service and its workers, asked by the hospital's client."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from analytics.encrypted import seal
from analytics.encrypted.artefacts import CompiledModel, ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.errors import (
    ArtefactMismatchError,
    DamagedArtefactError,
    DataError,
    UnauthenticatedError,
    UnknownDigestError,
    WorkerLostError,
)
from analytics.evaluator.app import EvaluatorSettings, create_app, read_models, serve
from analytics.evaluator.client import EvaluatorClient
from analytics.evaluator.pool import PoolLimits
from analytics.evaluator.worker import WorkerRequest, answer
from tests.support.analytics.crafted_ciphertexts import crafted, unpacked

TOKEN = "a token for tests"
OTHER, METRICS = "another token", "a token for the metrics"
CLIENTS = {
    name: hashlib.sha256(token.encode()).hexdigest()
    for name, token in (("hospital", TOKEN), ("other", OTHER), ("metrics", METRICS))
}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def service(model3: CompiledModel) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    app = create_app(EvaluatorSettings((model3.frame.data,), CLIENTS, pool=PoolLimits(workers=1, seconds=20)))
    transport = httpx.ASGITransport(app)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://evaluator", headers=headers) as http,
    ):
        yield app, http


async def test_over_http_a_client_fetches_sends_and_reads(
    service: tuple[FastAPI, httpx.AsyncClient], model3: CompiledModel, depth3: Any
) -> None:
    _, http = service
    assert (await http.get("/models")).json() == {"models": [model3.digest]}
    offer = ModelOffer.read((await http.get(f"/models/{model3.digest}/offer")).content)
    client = BfvClient.create(offer)
    query = client.encrypt(depth3.table[:1])
    early = await http.post("/score", content=query.data)
    assert (early.status_code, early.json()["code"]) == (404, "unknown")
    sent = await http.put("/keys", content=client.keys)
    assert sent.json() == {"digest": client.keys_digest}
    query = client.encrypt(depth3.table[:1])
    answer = await http.post("/score", content=query.data)
    assert answer.status_code == 200
    score = client.open(query, answer.content)[0]
    assert abs(score.margin - depth3.reference(1)[0]) <= score.error
    again = await http.post("/score", content=query.data)
    assert (again.status_code, again.json()["code"]) == (409, "replayed")
    text = (await http.get("/metrics", headers=bearer(METRICS))).text
    assert f'consentry_evaluator_patients_ever{{client="hospital",model="{model3.digest[:12]}"}} 1.0' in text
    assert "consentry_evaluator_score_seconds_count" in text
    assert 'consentry_evaluator_refused_total{code="replayed"} 1.0' in text


async def test_the_hospitals_side_sends_keys_when_needed_and_keeps_commitments(
    service: tuple[FastAPI, httpx.AsyncClient], model3: CompiledModel, depth3: Any
) -> None:
    _, http = service
    remote = EvaluatorClient(http)
    assert await remote.models() == (model3.digest,)
    client = BfvClient.create(await remote.offer(model3.digest), "private", patients=2)
    first = await remote.score(client, depth3.table[:2])
    second = await remote.score(client, depth3.table[:2])
    for found in (first, second):
        np.testing.assert_allclose([s.margin for s in found.scores], depth3.reference(2), atol=0.05)
        assert found.model == model3.digest
    digests = {first.query_digest, first.answer_digest, second.query_digest, second.answer_digest}
    assert len(digests) == 4
    with pytest.raises(UnknownDigestError):
        await remote.offer("0" * 64)
    http.headers["authorization"] = "Bearer other"
    with pytest.raises(UnauthenticatedError):
        await remote.models()


async def test_an_evaluator_of_one_set_refuses_keys_of_the_others(model3: CompiledModel, depth3: Any) -> None:
    limits = PoolLimits(workers=1, sets=("private",))
    app = create_app(EvaluatorSettings((model3.frame.data,), CLIENTS, pool=limits))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://evaluator", headers=bearer(TOKEN)
        ) as http,
    ):
        remote = EvaluatorClient(http)
        with pytest.raises(ArtefactMismatchError, match="under private alone"):
            await remote.score(BfvClient.create(model3.offer), depth3.table[:1])
        (found,) = (await remote.score(BfvClient.create(model3.offer, "private"), depth3.table[:1])).scores
    assert abs(found.margin - depth3.reference(1)[0]) <= found.error


async def test_an_evaluator_that_is_not_there_or_talks_nonsense_is_an_error_to_retry() -> None:
    def nonsense(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/models":
            raise httpx.ConnectError("refused")
        return httpx.Response(502, text="<html>")

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(nonsense), base_url="http://evaluator"
    ) as http:
        for call in (EvaluatorClient(http).models(), EvaluatorClient(http).offer("0" * 64)):
            with pytest.raises(WorkerLostError):
                await call


def test_serving_anyone_on_every_interface_is_refused(model3: CompiledModel) -> None:
    with pytest.raises(DataError, match="loopback"):
        serve(EvaluatorSettings((model3.frame.data,), unsafe_open=True), host="0.0.0.0")


async def test_no_secret_and_no_feature_is_in_the_evaluators_memory(
    service: tuple[FastAPI, httpx.AsyncClient], model3: CompiledModel, depth3: Any
) -> None:
    app, http = service
    client = BfvClient.create(model3.offer)
    assert (await http.put("/keys", content=client.keys)).status_code == 201
    query = client.encrypt(depth3.table[:1])
    answer = await http.post("/score", content=query.data)
    assert client.open(query, answer.content)
    coefficients = client._secret.data()
    secret = struct.pack("<32Q", *(coefficients.data(i) for i in range(32)))
    saved = client.secret()[200:400]
    (worker,) = app.state.pool.processes
    # The search finds bytes that must be there, so it would find those that must not.
    assert in_memory(os.getpid(), secret)
    assert in_memory(worker, bytes.fromhex(model3.digest)) or in_memory(worker, model3.digest.encode())
    assert not in_memory(worker, secret)
    assert not in_memory(worker, saved)


def in_memory(process: int, needle: bytes) -> bool:
    """Search a process's writable memory for these bytes."""
    with Path(f"/proc/{process}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            start, end = (int(x, 16) for x in span.split("-"))
            if "rw" not in rights or end - start > 1 << 32:
                continue
            try:
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
            except (OSError, OverflowError, ValueError):
                continue
    return False


async def test_the_service_survives_the_death_of_its_workers(
    service: tuple[FastAPI, httpx.AsyncClient], model3: CompiledModel, depth3: Any
) -> None:
    app, http = service
    client = BfvClient.create(model3.offer)
    await http.put("/keys", content=client.keys)
    (worker,) = app.state.pool.processes
    os.kill(worker, signal.SIGABRT)
    lost = await http.post("/score", content=client.encrypt(depth3.table[:1]).data)
    assert (lost.status_code, lost.json()["code"]) == (503, "worker-lost")
    query = client.encrypt(depth3.table[:1])
    answer = await http.post("/score", content=query.data)
    assert abs(client.open(query, answer.content)[0].margin - depth3.reference(1)[0]) < 0.05
    assert app.state.pool.processes != (worker,)


def hostile_objects(data: bytes) -> list[bytes]:
    """Return SEAL objects with size fields that lie."""
    sizes = (0, 16, 1 << 20, 1 << 40, (1 << 64) - 1)
    out = [data[:8] + struct.pack("<Q", size) + data[16:] for size in sizes]
    # Zstandard, mode 2, is what SEAL wrote; told another, it unpacks something else.
    out += [data[:5] + bytes([mode]) + data[6:] for mode in (0, 1, 7)]
    plain = seal._seal_object(struct.pack("<32sBQQQdQ", data[16:48], 0, 1 << 60, 8192, 2, 1.0, 1))
    return [*out, plain]


async def test_hostile_objects_are_refused_and_the_service_goes_on(
    service: tuple[FastAPI, httpx.AsyncClient], model3: CompiledModel, depth3: Any
) -> None:
    _, http = service
    client = BfvClient.create(model3.offer)
    await http.put("/keys", content=client.keys)
    frame = unframe(client.encrypt(depth3.table[:1]).data, ArtefactKind.QUERY, sections=(1,))
    for data in hostile_objects(frame.sections[0]):
        reply = await http.post("/score", content=Frame(ArtefactKind.QUERY, frame.header, (data,)).data)
        assert reply.status_code in {422, 503}
    keys = unframe(client.keys, ArtefactKind.KEYS, sections=(2,))
    for data in hostile_objects(keys.sections[1]):
        bad = Frame(ArtefactKind.KEYS, keys.header, (keys.sections[0], data)).data
        assert (await http.put("/keys", content=bad)).status_code in {422, 503}
    query = client.encrypt(depth3.table[:1])
    assert client.open(query, (await http.post("/score", content=query.data)).content)


async def test_who_is_not_known_gets_nothing(
    service: tuple[FastAPI, httpx.AsyncClient], model3: CompiledModel
) -> None:
    _, http = service
    everything = (("GET", "/models"), ("POST", "/score"), ("PUT", "/keys"), ("GET", "/metrics"))
    for header in ({}, {"authorization": "Bearer other"}, {"authorization": TOKEN}):
        for method, path in everything:
            http.headers.pop("authorization", None)
            reply = await http.request(method, path, headers=header)
            assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")
    assert (await http.get("/health")).status_code == 200


async def test_limits_on_size_and_number_hold(model3: CompiledModel) -> None:
    settings = EvaluatorSettings(
        (model3.frame.data,), unsafe_open=True, patients_per_minute=3, largest_query=1000, pool=PoolLimits(1)
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://evaluator") as http,
    ):
        codes = [(await http.post("/score", content=b"x" * n)).json()["code"] for n in (1001, 1000, 10, 10)]
    assert codes == ["too-large", "damaged", "damaged", "busy"]


def test_no_clients_means_nobody_and_no_models_is_refused(model3: CompiledModel, tmp_path: Path) -> None:
    assert EvaluatorSettings((model3.frame.data,)).clients == {}
    assert not EvaluatorSettings((model3.frame.data,)).unsafe_open
    with pytest.raises(Exception, match="no model artefact"):
        read_models(tmp_path)
    (tmp_path / "a.model").write_bytes(model3.frame.data[:-1])
    with pytest.raises(DamagedArtefactError):
        create_app(EvaluatorSettings(read_models(tmp_path)))


async def test_the_metrics_have_a_token_of_their_own(
    service: tuple[FastAPI, httpx.AsyncClient], model3: CompiledModel
) -> None:
    _, http = service
    assert (await http.get("/metrics", headers=bearer(TOKEN))).status_code == 401
    assert (await http.get("/metrics", headers=bearer(METRICS))).status_code == 200
    for method, path in (("GET", "/models"), ("POST", "/score"), ("PUT", "/keys")):
        assert (await http.request(method, path, headers=bearer(METRICS))).status_code == 401


async def test_one_client_neither_pushes_out_nor_uses_the_keys_of_another(
    model3: CompiledModel, depth3: Any
) -> None:
    made = [BfvClient.create(model3.offer) for _ in range(3)]
    room = len(made[0].keys) + (64 << 10)  # for one client's keys, and not for two
    limits = PoolLimits(workers=1, client_keys=room)
    app = create_app(EvaluatorSettings((model3.frame.data,), CLIENTS, pool=limits))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://evaluator") as http,
    ):
        for client, token in zip(made, (TOKEN, OTHER, OTHER), strict=True):
            assert (await http.put("/keys", content=client.keys, headers=bearer(token))).status_code == 201

        async def score(client: BfvClient, token: str) -> int:
            query = client.encrypt(depth3.table[:1]).data
            return (await http.post("/score", content=query, headers=bearer(token))).status_code

        assert await score(made[0], TOKEN) == 200, "others' keys have pushed these out"
        assert await score(made[0], OTHER) == 404
        assert [await score(client, OTHER) for client in made[1:]] == [404, 200]


async def test_no_crafted_ciphertext_ends_a_worker(
    service: tuple[FastAPI, httpx.AsyncClient], model3: CompiledModel, depth3: Any
) -> None:
    app, http = service
    client = BfvClient.create(model3.offer)
    await http.put("/keys", content=client.keys)
    frame = unframe(client.encrypt(depth3.table[:1]).data, ArtefactKind.QUERY, sections=(1,))
    whole = unpacked(frame.sections[0])
    sound = Frame(ArtefactKind.QUERY, frame.header, (whole,)).data
    assert (await http.post("/score", content=sound)).status_code == 200
    before = app.state.pool.processes
    found = set()
    for section in crafted(frame.sections[0]):
        reply = await http.post("/score", content=Frame(ArtefactKind.QUERY, frame.header, (section,)).data)
        if section != whole:
            found.add((reply.status_code, reply.json().get("code") if reply.status_code != 200 else ""))
    assert {status for status, _ in found} <= {200, 422}, found
    assert (422, "unfit-ciphertext") in found
    assert app.state.pool.processes == before
    assert app.state.pool.lost == 0


async def test_a_fault_of_a_worker_is_a_refusal_and_not_its_end() -> None:
    class Broken(BfvEvaluator):
        def score(self, data: bytes) -> bytes:
            raise ZeroDivisionError

    reply = answer(Broken(), WorkerRequest("score", b""))
    assert reply.code == "unfit-ciphertext"
