"""One model with its roles set up, ready to be timed, and the rows of results.

Times are of this thread's CPU (the figure that other work on the machine disturbs least) and of the wall
clock, medians.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from analytics.data.datasets import Dataset
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator, key_memory
from analytics.encrypted.ckks.client import CAPACITY, CkksClient
from analytics.encrypted.ckks.server import CkksEvaluator
from analytics.encrypted.parameters import BFV_SETS
from analytics.model.training import TrainedModel, TrainingSettings, margins, train

ResultRow = dict[str, Any]
CPU_TARGETS = {("fast", 3): 30.0, ("fast", 2): 20.0, ("private", 3): 60.0}
COHORT_TARGET = 9000.0


def result_row(
    name: str, value: float, unit: str, target: float | None = None, *, holds: bool | None = None
) -> ResultRow:
    """Return one row of results; `holds` is whether the target is met, None without one."""
    return {"name": name, "value": value, "unit": unit, "target": target, "holds": holds}


@dataclass
class Times:
    """CPU and wall times of repeated calls, in milliseconds."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def measure(self, call: Callable[[], Any]) -> Any:
        """Time a call and return its result."""
        cpu, wall = time.thread_time(), time.perf_counter()
        result = call()
        self.cpu.append(1e3 * (time.thread_time() - cpu))
        self.wall.append(1e3 * (time.perf_counter() - wall))
        return result


class ModelBench:
    """One trained model, its evaluator, and a client for each parameter set."""

    def __init__(
        self, data: Dataset, settings: TrainingSettings, sets: Sequence[str] = tuple(BFV_SETS)
    ) -> None:
        self.data, self.settings, self.sets = data, settings, tuple(sets)
        self.trained: TrainedModel = train(data, settings)
        self.booster = self.trained.booster()
        self.model = CompiledModel.compile(self.trained.xgboost, self.trained.bins, self.sets)
        self.table = data.table[self.trained.test_rows]
        self.outcome = data.outcome[self.trained.test_rows]
        self.reference = self.trained.margins(self.table)
        self.evaluator = BfvEvaluator()
        self.evaluator.add_model(self.model.frame.data)
        self.clients = {name: BfvClient.create(self.model.offer, name) for name in self.sets}
        for name, client in self.clients.items():
            self.evaluator.add_keys(client.keys)
            self.evaluator.encode_program(self.model.digest, name)

    def timings(self, prefix: str, count: int) -> list[ResultRow]:
        """Measure times and sizes of single patients, all methods taking turns."""
        score = {name: Times() for name in self.sets}
        encrypt, read, plain = Times(), Times(), Times()
        sizes: dict[str, tuple[int, int]] = {}
        for row in self.table[:count]:
            for name, client in self.clients.items():
                query = encrypt.measure(partial(client.encrypt, row))
                answer = score[name].measure(partial(self.evaluator.score, query.data))
                read.measure(partial(client.open, query, answer))
                sizes[name] = (len(query.data), len(answer))
            plain.measure(partial(margins, self.booster, self.trained.bins, row))
        out: list[ResultRow] = []
        for name in self.sets:
            own = prefix if name == "fast" else f"{prefix}.{name}"
            target = CPU_TARGETS.get((name, self.settings.depth)) if self.settings.trees == 100 else None
            value = median(score[name].cpu)
            holds = value <= target if target else None
            out.append(result_row(f"{own}.one_cpu_ms", value, "ms", target, holds=holds))
            out.append(result_row(f"{own}.one_wall_ms", median(score[name].wall), "ms"))
            client = self.clients[name]
            steps = len(self.model.offer.layout(name).steps)
            memory = key_memory(BFV_SETS[name], steps)
            out.append(result_row(f"{own}.query_bytes", sizes[name][0], "bytes"))
            out.append(result_row(f"{own}.answer_bytes", sizes[name][1], "bytes"))
            out.append(result_row(f"{own}.keys_bytes", len(client.keys), "bytes"))
            out.append(result_row(f"{own}.client_memory_bytes", memory, "bytes"))
        out.append(result_row(f"{prefix}.encrypt_cpu_ms", median(encrypt.cpu), "ms"))
        out.append(result_row(f"{prefix}.open_cpu_ms", median(read.cpu), "ms"))
        out.append(result_row(f"{prefix}.xgboost_cpu_ms", median(plain.cpu), "ms"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        out.append(result_row(f"{prefix}.process_peak_bytes", peak, "bytes"))
        return out

    def cohort(self, prefix: str, repeats: int = 3) -> list[ResultRow]:
        """Measure patients per second and core of a full batch, reading the query included."""
        client, evaluator = CkksClient(self.model.offer), CkksEvaluator(self.model.frame.data)
        evaluator.add_keys(client.keys)
        rows = self.data.table[np.arange(CAPACITY) % len(self.data.table)]
        query = client.encrypt(rows)
        times = Times()
        answer = b""
        for _ in range(repeats):
            answer = times.measure(lambda: evaluator.score(query.data))
        error = np.abs(client.open(query, answer) - self.trained.margins(rows)).max()
        rate = 1e3 * CAPACITY / median(times.cpu)
        target = COHORT_TARGET if self.settings.depth == 3 else None
        return [
            result_row(
                f"{prefix}.cohort_per_s",
                rate,
                "patients/s/core",
                target,
                holds=rate >= target if target else None,
            ),
            result_row(
                f"{prefix}.cohort_margin_error", float(error), "log-odds", 1.5e-4, holds=bool(error <= 1.5e-4)
            ),
            result_row(f"{prefix}.cohort_query_bytes_each", len(query.data) / CAPACITY, "bytes"),
        ]
