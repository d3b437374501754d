"""Budgets count patients, for a day and ever, over restarts, if they are answered or refused by SEAL."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.encrypted import seal
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.errors import DataError, EvaluatorBusyError, SpentBudgetError
from analytics.evaluator import budgets
from analytics.evaluator.app import EvaluatorSettings, create_app
from analytics.evaluator.budgets import PatientBudgets, PatientLimits
from analytics.evaluator.pool import PoolLimits

TOKEN = "a token for tests"
CLIENTS = {"hospital": hashlib.sha256(TOKEN.encode()).hexdigest()}


class Days:
    """The day that the counts go by."""

    def __init__(self) -> None:
        self.day = 20_000


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> Days:
    made = Days()
    monkeypatch.setattr(budgets, "_today", lambda: made.day)
    return made


Step = tuple[str, str, int, bool, int]
steps = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(["m", "n"]),
    st.integers(1, 64),
    st.booleans(),
    st.integers(0, 1),
)


def outcome_of(counted: PatientBudgets, client: str, model: str, patients: int, *, answered: bool) -> str:
    """Take patients, for an answer that comes or fails, and return what happened."""
    try:
        with counted.taking(client, model, patients):
            if not answered:
                int("no number")
    except SpentBudgetError:
        return "spent for life"
    except EvaluatorBusyError:
        return "spent today"
    except ValueError:
        return "failed"
    return "answered"


@given(st.lists(steps, max_size=40), st.integers(1, 150), st.integers(1, 400))
def test_a_client_never_gets_more_patients_than_its_budgets(taken: list[Step], a_day: int, ever: int) -> None:
    day = 20_000
    today: dict[tuple[str, str, int], int] = {}
    total: dict[tuple[str, str], int] = {}
    counted = PatientBudgets(PatientLimits(a_day, ever))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(budgets, "_today", lambda: day)
        for client, model, patients, answered, later in taken:
            day += later
            was = today.get((client, model, day), 0), total.get((client, model), 0)
            expected = "answered" if answered else "failed"
            if was[1] + patients > ever:
                expected = "spent for life"
            elif was[0] + patients > a_day:
                expected = "spent today"
            assert outcome_of(counted, client, model, patients, answered=answered) == expected
            if expected == "answered":
                today[client, model, day] = was[0] + patients
                total[client, model] = was[1] + patients
            spent = counted.spent(client, model)
            assert spent.today == today.get((client, model, day), 0)
            assert spent.ever == total.get((client, model), 0)
    counted.close()


def test_counts_outlive_the_process_and_the_day(tmp_path: Path, days: Days) -> None:
    for _ in range(3):
        counted = PatientBudgets(PatientLimits(a_day=100, ever=350), tmp_path / "patients.db")
        with counted.taking("a", "m", 80):
            pass
        with pytest.raises(EvaluatorBusyError, match="day"), counted.taking("a", "m", 21):
            pass
        counted.close()
        days.day += 1
    counted = PatientBudgets(PatientLimits(a_day=100, ever=350), tmp_path / "patients.db")
    assert [(one.client, one.today, one.ever) for one in counted.all()] == [("a", 0, 240)]
    with pytest.raises(SpentBudgetError, match="owner"), counted.taking("a", "m", 111):
        pass
    with counted.taking("a", "m", 100), counted.taking("b", "m", 100):
        pass


def test_the_owner_is_told_before_a_budget_ends(caplog: pytest.LogCaptureFixture) -> None:
    counted = PatientBudgets(PatientLimits(a_day=1000, ever=100))
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            with counted.taking("city", "m" * 64, 10):
                pass
        with pytest.raises(SpentBudgetError), counted.taking("city", "m" * 64, 1):
            pass
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(" %")[0].split()[-1] for text in told[:3]] == ["50", "90", "100"]
    assert len(told) == 4
    assert "used up" in told[3]
    assert all("city" in text for text in told)


def test_a_file_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "patients.db").write_bytes(b"x" * 5000)
    with pytest.raises(DataError, match="budgets"):
        PatientBudgets(PatientLimits(), tmp_path / "patients.db")


@asynccontextmanager
async def asking(settings: EvaluatorSettings) -> AsyncIterator[httpx.AsyncClient]:
    """Run an evaluator, and yield a client of it with a token."""
    app = create_app(settings)
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://evaluator", headers=headers) as http,
    ):
        yield http


async def test_a_query_of_many_patients_costs_all_of_them(model3: CompiledModel, depth3: Any) -> None:
    settings = EvaluatorSettings(
        (model3.frame.data,), CLIENTS, patients=PatientLimits(a_day=20, ever=20), pool=PoolLimits(workers=1)
    )
    async with asking(settings) as http:
        client = BfvClient.create(model3.offer, patients=16)
        await http.put("/keys", content=client.keys)
        # One row in the ciphertext, and room for sixteen: nobody can see how many are filled.
        query = client.encrypt(depth3.table[:1])
        unknown = unframe(query.data, ArtefactKind.QUERY, sections=(1,))
        bad = Frame(ArtefactKind.QUERY, unknown.header | {"keys": "0" * 64}, unknown.sections).data
        assert (await http.post("/score", content=query.data[:-1])).status_code == 400
        assert (await http.post("/score", content=bad)).status_code == 404
        assert (await http.post("/score", content=query.data)).status_code == 200
        refused = await http.post("/score", content=client.encrypt(depth3.table[:1]).data)
        assert (refused.status_code, refused.json()["code"]) == (403, "budget-spent")


async def test_a_query_that_seal_refuses_counts_since_its_refusal_may_tell_of_the_model(
    model3: CompiledModel, depth3: Any
) -> None:
    settings = EvaluatorSettings(
        (model3.frame.data,), CLIENTS, patients=PatientLimits(a_day=2, ever=2), pool=PoolLimits(workers=1)
    )
    async with asking(settings) as http:
        client = BfvClient.create(model3.offer)
        await http.put("/keys", content=client.keys)
        sound = unframe(client.encrypt(depth3.table[:1]).data, ArtefactKind.QUERY, sections=(1,))
        bfv = seal.bfv_context(client.parameters)
        ring = client.parameters.ring
        # With zero in the second polynomial the computation is transparent, which SEAL refuses midway.
        numbers = np.stack([np.ones((bfv.top, ring)), np.zeros((bfv.top, ring))]).astype(np.uint64)
        transparent = seal.dump(bfv.ciphertext_of(numbers))
        statuses = []
        for section in (transparent, b"", sound.sections[0]):
            query = Frame(ArtefactKind.QUERY, sound.header, (section,)).data
            statuses.append((await http.post("/score", content=query)).status_code)
    assert statuses == [422, 422, 403]


async def test_the_minute_counts_patients_too(model3: CompiledModel, depth3: Any) -> None:
    settings = EvaluatorSettings(
        (model3.frame.data,), CLIENTS, patients_per_minute=20, pool=PoolLimits(workers=1)
    )
    async with asking(settings) as http:
        client = BfvClient.create(model3.offer, patients=16)
        await http.put("/keys", content=client.keys)
        statuses = [
            (await http.post("/score", content=client.encrypt(depth3.table[:1]).data)).status_code
            for _ in range(2)
        ]
    assert statuses == [200, 429]
