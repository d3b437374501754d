"""Scores of a cohort: encrypted here, evaluated on Dask workers, decrypted here, one result file at the end.

The caller is the hospital: it has the features and makes a key for the job. The workers are the evaluator's
and see ciphertext only (see `cluster`). A job lives in a folder and can be resumed (see `job_folder`).

Up to 20 patients are packed into BFV ciphertexts and their scores are exact; above that number CKKS with a
slot per patient is cheaper by far (margins to four decimals).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.distributed import Client as DaskClient
from dask.distributed import as_completed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from analytics.cohort.cluster import PACKED, SLOTS, DaskCluster, evaluate_batch
from analytics.cohort.job_folder import JobFolder
from analytics.data.binning import Floats
from analytics.encrypted.artefacts import EncryptedQuery, ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.ckks.client import CAPACITY, CkksClient
from analytics.errors import DataError

PACKED_AT_MOST = 20
_PACKED_PATIENTS = 8
ReportProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class CohortResult:
    """The file of scores, the number of patients, and the number of scores that this run computed."""

    path: Path
    patients: int
    computed: int
    seconds: float
    method: str


@contextmanager
def progress_bar(text: str = "patients scored") -> Iterator[ReportProgress]:
    """Show a progress bar on the terminal; yields the `progress` argument of `score_cohort`."""
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
    offer: ModelOffer,
    ids: Sequence[str],
    table: npt.ArrayLike,
    folder: Path,
    *,
    cluster: DaskCluster,
    batch: int = CAPACITY,
    progress: ReportProgress | None = None,
) -> CohortResult:
    """Score rows of feature values (NaN where missing) and write `scores.csv` into the job's folder.

    Columns of the file: id, margin (log-odds), probability; rows in the order given. Calling again with the
    same arguments resumes a stopped job, or returns at once where the job is finished.

    Raises:
        DataError: the folder holds another job, or ids and rows differ in number.
        UnknownDigestError: the workers do not have the model.
    """
    started = time.monotonic()
    rows = np.atleast_2d(np.asarray(table, np.float64))
    if len(ids) != len(rows) or len(set(ids)) != len(ids):
        raise DataError("every row needs one id of its own")
    method = _PackedBatches(offer) if len(rows) <= PACKED_AT_MOST else _SlotBatches(offer)
    size = min(batch, method.capacity)
    job = JobFolder(folder, offer.model, ids, rows, size)
    todo = job.open()
    if todo:
        with cluster.connect() as dask:
            _run(dask, job, method, todo, progress)
    path = job.finish()
    computed = sum(len(job.batch_rows(i)) for i in todo)
    return CohortResult(path, len(rows), computed, time.monotonic() - started, method.name)


def _run(
    dask: DaskClient,
    job: JobFolder,
    method: _PackedBatches | _SlotBatches,
    todo: list[int],
    progress: ReportProgress | None,
) -> None:
    keys = dask.scatter(method.keys, broadcast=True)
    workers = max(1, len(dask.scheduler_info(n_workers=-1)["workers"]))
    waiting: dict[Any, tuple[int, EncryptedQuery]] = {}
    queue = iter(todo)
    done = len(job.ids) - sum(len(job.batch_rows(i)) for i in todo)
    finished = as_completed()

    def send() -> None:
        number = next(queue, None)
        if number is not None:
            query = method.encrypt(job.rows[job.batch_rows(number)])
            future = dask.submit(evaluate_batch, method.name, job.model, keys, query.data, pure=False)
            waiting[future] = (number, query)
            finished.add(future)

    # A query is tens of megabytes, so only a few are under way at once.
    for _ in range(2 * workers):
        send()
    for future in finished:
        number, query = waiting.pop(future)
        job.write_batch(number, method.open(query, future.result()))
        done += len(job.batch_rows(number))
        if progress:
            progress(done, len(job.ids))
        send()


class _PackedBatches:
    """Few patients: exact BFV scores, eight patients a ciphertext."""

    name, capacity = PACKED, _PACKED_PATIENTS

    def __init__(self, offer: ModelOffer) -> None:
        self._client = BfvClient.create(offer, "fast", patients=_PACKED_PATIENTS)
        self.keys = self._client.keys

    def encrypt(self, rows: Floats) -> EncryptedQuery:
        return self._client.encrypt(rows)

    def open(self, query: EncryptedQuery, answer: bytes) -> Floats:
        return np.asarray([score.margin for score in self._client.open(query, answer)])


class _SlotBatches:
    """Many patients: CKKS with a slot for each."""

    name, capacity = SLOTS, CAPACITY

    def __init__(self, offer: ModelOffer) -> None:
        self._client = CkksClient(offer)
        self.keys = self._client.keys

    def encrypt(self, rows: Floats) -> EncryptedQuery:
        return self._client.encrypt(rows)

    def open(self, query: EncryptedQuery, answer: bytes) -> Floats:
        return self._client.open(query, answer)
