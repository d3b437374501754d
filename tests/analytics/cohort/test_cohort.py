from __future__ import annotations

import csv
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dask.distributed import Client as DaskClient

from analytics.cohort import batch_scoring, cluster
from analytics.cohort.batch_scoring import score_cohort
from analytics.cohort.cluster import MODELS_FOLDER, DaskCluster
from analytics.encrypted.artefacts import CompiledModel
from analytics.errors import DataError, UnknownDigestError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, model3: CompiledModel) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "risk.model").write_bytes(model3.frame.data)
    return folder


class InProcess(DaskCluster):
    """A cluster whose tasks run in this process's threads: the same scheduler, without its start-up."""

    def connect(self) -> Any:
        return DaskClient(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None)


@pytest.fixture
def in_process(models: Path, monkeypatch: pytest.MonkeyPatch) -> DaskCluster:
    monkeypatch.setenv(MODELS_FOLDER, str(models))
    cluster._evaluator.cache_clear()
    return InProcess()


def read(path: Path) -> dict[str, float]:
    with path.open(newline="") as lines:
        return {row["id"]: float(row["margin"]) for row in csv.DictReader(lines)}


def names(count: int) -> list[str]:
    return [f"patient-{i}" for i in range(count)]


def test_a_local_cluster_scores_a_cohort_into_one_private_file(
    models: Path, model3: CompiledModel, depth3: Any, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    result = score_cohort(
        model3.offer,
        names(100),
        depth3.table[:100],
        tmp_path / "job",
        cluster=DaskCluster(workers=1, models=models),
        batch=60,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (result.patients, result.computed, result.method) == (100, 100, "slots")
    assert {p.name for p in (tmp_path / "job").iterdir()} == {"job.json", "scores.csv"}
    assert stat.S_IMODE(result.path.stat().st_mode) == 0o600
    scores = read(result.path)
    assert list(scores) == names(100)
    np.testing.assert_allclose(list(scores.values()), depth3.reference(100), atol=2e-4)
    assert seen[-1] == (100, 100)


def test_a_few_patients_are_packed_and_within_the_exact_bound(
    in_process: DaskCluster, model3: CompiledModel, depth3: Any, tmp_path: Path
) -> None:
    result = score_cohort(model3.offer, names(11), depth3.table[:11], tmp_path, cluster=in_process)
    assert result.method == "packed"
    error = model3.offer.summary("fast").error + 1e-4
    assert np.abs(np.array(list(read(result.path).values())) - depth3.reference(11)).max() <= error


def test_a_stopped_job_goes_on_where_it_was(
    in_process: DaskCluster,
    model3: CompiledModel,
    depth3: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(rows: int = 90, **more: Any) -> batch_scoring.CohortResult:
        table = depth3.table[:rows] + more.pop("shift", 0)
        return score_cohort(model3.offer, names(rows), table, tmp_path, cluster=in_process, batch=30, **more)

    class PowerCutError(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done >= 60:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        run(progress=stop)
    assert len(list((tmp_path / "parts").iterdir())) == 2
    result = run()
    assert result.computed == 30
    np.testing.assert_allclose(list(read(result.path).values()), depth3.reference(90), atol=2e-4)
    assert run().computed == 0
    for other in ({"rows": 91}, {"shift": 1}):
        with pytest.raises(DataError, match="another job"):
            run(**other)


def test_workers_without_the_model_refuse(
    in_process: DaskCluster,
    model3: CompiledModel,
    depth3: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(MODELS_FOLDER, str(tmp_path))
    with pytest.raises(UnknownDigestError, match="does not hold this model"):
        score_cohort(model3.offer, names(30), depth3.table[:30], tmp_path / "job", cluster=in_process)
    assert list((tmp_path / "job" / "parts").iterdir()) == []


def test_ids_must_be_one_a_row(
    in_process: DaskCluster, model3: CompiledModel, depth3: Any, tmp_path: Path
) -> None:
    for ids in (["a"], ["a", "a"]):
        with pytest.raises(DataError, match="id of its own"):
            score_cohort(model3.offer, ids, depth3.table[:2], tmp_path, cluster=in_process)
