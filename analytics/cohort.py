"""Score a cohort: encrypt here, evaluate on Dask workers, decrypt here, one result file at the end.

The caller is the hospital: it has the features and makes a key for the job. The workers are the evaluator's
and see ciphertext only. By default a local cluster plays their part; with a scheduler's address, workers
on many machines do. Workers load the model from a folder of their own, by its digest: it never passes
through the hospital.

Up to 20 patients are packed into BFV ciphertexts and their scores are exact; from there on CKKS with a slot
per patient is cheaper by far (margins to four decimals).

A job lives in a folder. Every finished batch is written there at once, so a job that was stopped goes on
where it was, and one that finds other patients or another model in its folder refuses to start. Files are
readable by their owner only: they hold scores.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.distributed import Client as DaskClient
from dask.distributed import LocalCluster, as_completed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from analytics.binning import Floats
from analytics.encrypted.artefacts import Model, Offer
from analytics.encrypted.client import Client, Query
from analytics.encrypted.server import Evaluator
from analytics.encrypted.slots_client import CAPACITY, SlotClient
from analytics.encrypted.slots_server import SlotEvaluator
from analytics.errors import DataError, UnknownError

PACKED_AT_MOST = 20
MODELS_FOLDER = "CONSENTRY_MODELS"
"""The environment variable that tells a worker where its model artefacts (`*.model`) are."""

_PACKED = 8
_JOB, _RESULT, _PARTS = "job.json", "scores.csv", "parts"
_COLUMNS = ("id", "margin", "probability")
Progressed = Callable[[int, int], None]


@dataclass(frozen=True)
class Cluster:
    """Where evaluation runs: a scheduler's address, or by default processes on this machine.

    `models` is the folder of model artefacts that local workers read; workers behind a scheduler have
    their own, named by the environment variable `CONSENTRY_MODELS`.
    """

    scheduler: str | None = None
    workers: int = 2
    models: Path | None = None

    @contextmanager
    def connect(self) -> Iterator[DaskClient]:
        """A connected Dask client; a local cluster ends with it."""
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


@dataclass(frozen=True)
class CohortResult:
    """Where the scores are, how many, and how many of them this run computed."""

    path: Path
    patients: int
    computed: int
    seconds: float
    method: str


@contextmanager
def progress_bar(text: str = "patients scored") -> Iterator[Progressed]:
    """A progress bar on the terminal, as the `progress` that `score_cohort` takes."""
    columns = (
        "[progress.description]{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def score_cohort(
    offer: Offer,
    ids: Sequence[str],
    table: npt.ArrayLike,
    folder: Path,
    *,
    cluster: Cluster,
    batch: int = CAPACITY,
    progress: Progressed | None = None,
) -> CohortResult:
    """Score rows of feature values (NaN where missing) and write `scores.csv` into the job's folder.

    Columns of the file: id, margin (log-odds), probability; rows in the order given. Calling again with the
    same arguments goes on where an earlier call stopped, or returns at once.

    Raises:
        DataError: the folder holds another job, or ids and rows differ in number.
        UnknownError: the workers do not have the model.
    """
    started = time.monotonic()
    rows = np.atleast_2d(np.asarray(table, np.float64))
    if len(ids) != len(rows) or len(set(ids)) != len(ids):
        raise DataError("every row needs one id of its own")
    method = _Packed(offer) if len(rows) <= PACKED_AT_MOST else _Slots(offer)
    size = min(batch, method.capacity)
    job = _Job(folder, offer, ids, rows, size)
    todo = job.open()
    if todo:
        with cluster.connect() as dask:
            _run(dask, job, method, todo, progress)
    path = job.finish()
    computed = sum(len(job.slice(i)) for i in todo)
    return CohortResult(path, len(rows), computed, time.monotonic() - started, method.name)


def _run(
    dask: DaskClient, job: _Job, method: _Packed | _Slots, todo: list[int], progress: Progressed | None
) -> None:
    keys = dask.scatter(method.keys, broadcast=True)
    workers = max(1, len(dask.scheduler_info(n_workers=-1)["workers"]))
    waiting: dict[Any, tuple[int, Query]] = {}
    queue = iter(todo)
    done = len(job.ids) - sum(len(job.slice(i)) for i in todo)
    finished = as_completed()

    def send() -> None:
        number = next(queue, None)
        if number is not None:
            query = method.encrypt(job.rows[job.slice(number)])
            future = dask.submit(evaluate, method.name, job.offer.model, keys, query.data, pure=False)
            waiting[future] = (number, query)
            finished.add(future)

    # A query is tens of megabytes, so only a few are under way at once.
    for _ in range(2 * workers):
        send()
    for future in finished:
        number, query = waiting.pop(future)
        job.write(number, method.open(query, future.result()))
        done += len(job.slice(number))
        if progress:
            progress(done, len(job.ids))
        send()


class _Packed:
    """Few patients: exact BFV scores, eight patients a ciphertext."""

    name, capacity = "packed", _PACKED

    def __init__(self, offer: Offer) -> None:
        self._client = Client.create(offer, "fast", patients=_PACKED)
        self.keys = self._client.keys

    def encrypt(self, rows: Floats) -> Query:
        return self._client.encrypt(rows)

    def open(self, query: Query, answer: bytes) -> Floats:
        return np.asarray([score.margin for score in self._client.open(query, answer)])


class _Slots:
    """Many patients: CKKS with a slot for each."""

    name, capacity = "slots", CAPACITY

    def __init__(self, offer: Offer) -> None:
        self._client = SlotClient(offer)
        self.keys = self._client.keys

    def encrypt(self, rows: Floats) -> Query:
        return self._client.encrypt(rows)

    def open(self, query: Query, answer: bytes) -> Floats:
        return self._client.open(query, answer)


def evaluate(method: str, model: str, keys: bytes, query: bytes) -> bytes:
    """What a Dask worker does: answer one encrypted batch with a model from its own folder.

    Raises:
        UnknownError: the folder does not hold the model.
        ArtefactError: the batch or the keys are refused.
    """
    evaluator = _evaluator(method, model)
    evaluator.add_keys(keys)
    return evaluator.score(query)


@lru_cache(maxsize=2)
def _evaluator(method: str, model: str) -> Evaluator | SlotEvaluator:
    folder = os.environ.get(MODELS_FOLDER)
    for path in sorted(Path(folder).glob("*.model")) if folder else ():
        data = path.read_bytes()
        if Model.read(data).digest == model:
            if method == _Slots.name:
                return SlotEvaluator(data)
            evaluator = Evaluator()
            evaluator.add_model(data)
            return evaluator
    raise UnknownError(f"the worker's {MODELS_FOLDER} does not hold this model")


class _Job:
    """The folder of a job: what it is about, finished batches, and in the end the result."""

    def __init__(self, folder: Path, offer: Offer, ids: Sequence[str], rows: Floats, size: int) -> None:
        self.folder, self.offer, self.ids, self.rows, self.size = folder, offer, ids, rows, size
        content = hashlib.sha256(json.dumps(list(ids)).encode())
        content.update(np.ascontiguousarray(rows).tobytes())
        self._about = {"model": offer.model, "content": content.hexdigest(), "batch": size}

    def slice(self, number: int) -> range:
        """The rows of a batch."""
        return range(number * self.size, min((number + 1) * self.size, len(self.ids)))

    def open(self) -> list[int]:
        """Make or check the folder; the batches that are still to do."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = self.folder / _JOB
        if known.exists():
            if json.loads(known.read_text()) != self._about:
                raise DataError("the folder holds another job; choose an empty one")
        else:
            _write(known, json.dumps(self._about))
        if (self.folder / _RESULT).exists():
            return []
        (self.folder / _PARTS).mkdir(exist_ok=True, mode=0o700)
        batches = range(-(-len(self.ids) // self.size))
        return [i for i in batches if not self._part(i).exists()]

    def _part(self, number: int) -> Path:
        return self.folder / _PARTS / f"{number:06}.csv"

    def write(self, number: int, margins: Floats) -> None:
        """Keep a finished batch."""
        lines = []
        for row, margin in zip(self.slice(number), margins, strict=True):
            lines.append([self.ids[row], f"{margin:.4f}", f"{1 / (1 + np.exp(-margin)):.4f}"])
        _write_csv(self._part(number), lines)

    def finish(self) -> Path:
        """Join the batches into the result file and remove them."""
        result = self.folder / _RESULT
        if not result.exists():
            lines: list[list[str]] = [list(_COLUMNS)]
            for number in range(-(-len(self.ids) // self.size)):
                with self._part(number).open(newline="", encoding="utf-8") as part:
                    lines += list(csv.reader(part))
            _write_csv(result, lines)
            shutil.rmtree(self.folder / _PARTS)
        return result


def _write_csv(path: Path, lines: list[list[str]]) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(_private(fresh), "w", newline="", encoding="utf-8") as target:
        csv.writer(target, lineterminator="\n").writerows(lines)
    fresh.replace(path)


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(_private(fresh), "w", encoding="utf-8") as target:
        target.write(text)
    fresh.replace(path)


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
