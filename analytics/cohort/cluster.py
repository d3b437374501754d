"""The Dask cluster that plays the evaluator's part for a cohort, and the task that its workers run.

By default a local cluster of processes; with a scheduler's address, workers on many machines. Workers see
ciphertext only. Each loads the model from a folder of its own, by the model's digest, so that the trees never
pass through the hospital.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dask.distributed import Client as DaskClient
from dask.distributed import LocalCluster

from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.encrypted.ckks.server import CkksEvaluator
from analytics.errors import DataError, UnknownDigestError

MODELS_FOLDER = "CONSENTRY_MODELS"
"""The environment variable that names a worker's folder of model artefacts (`*.model`)."""

PACKED, SLOTS = "packed", "slots"
"""The two methods: BFV with a few patients per ciphertext, CKKS with a slot per patient."""


@dataclass(frozen=True)
class DaskCluster:
    """The place of evaluation: a scheduler's address, or by default processes on this machine.

    `models` is the folder of model artefacts that local workers read; workers behind a scheduler have
    their own, named by the environment variable `CONSENTRY_MODELS`.
    """

    scheduler: str | None = None
    workers: int = 2
    models: Path | None = None

    @contextmanager
    def connect(self) -> Iterator[DaskClient]:
        """Yield a connected Dask client; a local cluster ends with it."""
        if self.scheduler is not None:
            with DaskClient(self.scheduler) as client:
                yield client
            return
        if self.models is None:
            raise DataError("a local cluster needs the folder of the model artefacts")
        with (
            LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                dashboard_address=None,
                host="127.0.0.1",
                env={MODELS_FOLDER: str(self.models.resolve())},
            ) as cluster,
            DaskClient(cluster) as client,
        ):
            yield client


def evaluate_batch(method: str, model: str, keys: bytes, query: bytes) -> bytes:
    """Answer one encrypted batch with a model from the worker's own folder: the task of a Dask worker.

    Raises:
        UnknownDigestError: the folder does not hold the model.
        ArtefactError: the batch or the keys are refused.
    """
    evaluator = _evaluator(method, model)
    evaluator.add_keys(keys)
    return evaluator.score(query)


@lru_cache(maxsize=2)
def _evaluator(method: str, model: str) -> BfvEvaluator | CkksEvaluator:
    folder = os.environ.get(MODELS_FOLDER)
    for path in sorted(Path(folder).glob("*.model")) if folder else ():
        data = path.read_bytes()
        if CompiledModel.read(data).digest == model:
            if method == SLOTS:
                return CkksEvaluator(data)
            evaluator = BfvEvaluator()
            evaluator.add_model(data)
            return evaluator
    raise UnknownDigestError(f"the worker's {MODELS_FOLDER} does not hold this model")
