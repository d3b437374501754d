"""Encrypted scoring compared with plaintext XGBoost and Concrete ML on the same model and rows.

`score_rows` returns the rows of `consentry bench score`. Everything runs in one process and interleaved: each
patient is scored by every method before the next one, so that other work on the machine disturbs all alike.
Concrete ML needs an environment of its own, which is made only on request.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from analytics.bench.concrete import compare_with_concrete
from analytics.bench.measuring import ModelBench, ResultRow, result_row
from analytics.data.datasets import Dataset, load_dataset
from analytics.model.training import TrainingSettings

HEADLINE = ("nhanes", 100, 3)
TREES, DEPTHS, DATASETS = (50, 100, 200), (2, 3, 4), ("nhanes", "support2")


def score_rows(
    *,
    test_rows: int | None = None,
    sweep: bool = True,
    timed_rows: int = 15,
    concrete: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[ResultRow]:
    """Measure, and return rows of name, value, unit, target and holds.

    Exactness is checked on `test_rows` held-out rows of the headline model (None for all of them, some
    minutes). `sweep` adds how cost grows with trees, depth, features and bins. `concrete` names a folder for
    Concrete ML's environment, which is made there where it is missing (gigabytes, minutes).
    """
    report = progress or (lambda _: None)
    name, trees, depth = HEADLINE
    report(f"{name}, {trees} trees of depth {depth}: exactness")
    headline = ModelBench(load_dataset(name), TrainingSettings(trees=trees, depth=depth))
    out = _exactness(headline, test_rows)
    out += headline.timings("score", timed_rows)
    own = next(row["value"] for row in out if row["name"] == "score.one_cpu_ms")
    shallow = ModelBench(headline.data, TrainingSettings(trees=trees, depth=2), ("fast",))
    out += [row for row in shallow.timings("score.depth2", timed_rows) if row["name"].endswith("cpu_ms")]
    report("cohort")
    out += headline.cohort("score")
    if concrete is not None:
        report("Concrete ML")
        out += compare_with_concrete(headline, concrete, own)
    if sweep:
        out += _sweep(timed_rows, report)
    out.append(result_row("machine.load", os.getloadavg()[0], "processes"))
    out.append(result_row("machine.cores", os.cpu_count() or 1, "cores"))
    return out


def _exactness(bench: ModelBench, test_rows: int | None) -> list[ResultRow]:
    count = len(bench.table) if test_rows is None else min(test_rows, len(bench.table))
    bits = bench.trained.bins.bits(bench.trained.bins.codes(bench.table))
    out: list[ResultRow] = []
    for name, client in bench.clients.items():
        program = bench.model.programs[name]
        expected = program.integers(bits)
        exact = 0
        for row in range(count):
            query = client.encrypt(bench.table[row])
            exact += client.integers(query, bench.evaluator.score(query.data)) == [expected[row]]
        # The decrypted integers equal the plaintext ones, so clients read these margins.
        read = program.margins(bits)
        error = float(np.abs(read - bench.reference).max())
        delta = abs(roc_auc_score(bench.outcome, read) - roc_auc_score(bench.outcome, bench.reference))
        flips = int(((read > 0) != (bench.reference > 0)).sum())
        own = "score" if name == "fast" else f"score.{name}"
        out.append(result_row(f"{own}.exact_rows", exact, "rows", count, holds=exact == count))
        out.append(result_row(f"{own}.auc_delta", float(delta), "AUC", 5e-5, holds=bool(delta < 5e-5)))
        out.append(
            result_row(f"{own}.margin_error", error, "log-odds", program.error, holds=error <= program.error)
        )
        out.append(result_row(f"{own}.label_flips", flips, f"of {len(read)} rows"))
    return out


def _sweep(timed_rows: int, report: Callable[[str], None]) -> list[ResultRow]:
    """Measure the cost by trees and depth on both data sets, and by features and bins on one."""
    out: list[ResultRow] = []

    def add(data: Dataset, settings: TrainingSettings) -> None:
        labels = {
            "data": data.name,
            "trees": settings.trees,
            "depth": settings.depth,
            "features": len(data.features),
            "bins": settings.max_bins,
        }
        report(", ".join(f"{key} {value}" for key, value in labels.items()))
        bench = ModelBench(data, settings)
        for row in [*bench.timings("score.sweep", timed_rows), *bench.cohort("score.sweep", 1)]:
            name = str(row["name"])
            parts = name.split(".")
            chosen = parts[2] if len(parts) == 4 else "fast"
            if name.endswith(("one_cpu_ms", "cohort_per_s")):
                short = "score.sweep.cpu_ms" if name.endswith("one_cpu_ms") else "score.sweep.cohort_per_s"
                out.append(
                    {**row, "name": short, "target": None, "holds": None, "labels": {**labels, "set": chosen}}
                )

    for data in map(load_dataset, DATASETS):
        for depth in DEPTHS:
            for trees in TREES:
                add(data, TrainingSettings(trees=trees, depth=depth))
    base = load_dataset("support2")
    for features in (8, 16):
        add(_narrow(base, features), TrainingSettings())
    for bins in (8, 32):
        add(base, TrainingSettings(max_bins=bins))
    return out


def _narrow(data: Dataset, features: int) -> Dataset:
    return Dataset(
        f"{data.name} of {features}",
        data.title,
        data.outcome_text,
        data.features[:features],
        data.table[:, :features],
        data.outcome,
        data.groups,
    )


if __name__ == "__main__":
    json.dump(score_rows(progress=lambda text: print(text, file=sys.stderr)), sys.stdout, indent=1)  # noqa: T201 - a progress line
