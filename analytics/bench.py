"""Measure encrypted scoring against plaintext XGBoost and Concrete ML on the same model and rows.

`score_rows` gives the rows of `consentry bench score`. Everything runs in one process and interleaved: each
patient is scored by every method before the next one, so that what else the machine does falls on all
alike. Times are of this thread's CPU (the figure that other work on the machine disturbs least) and of the
wall clock, medians. Concrete ML needs an environment of its own, which is made only when asked for.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from analytics.datasets import Dataset, load
from analytics.encrypted.artefacts import Model
from analytics.encrypted.client import Client
from analytics.encrypted.parameters import SETS
from analytics.encrypted.server import Evaluator, key_memory
from analytics.encrypted.slots_client import CAPACITY, SlotClient
from analytics.encrypted.slots_server import SlotEvaluator
from analytics.training import Settings, Trained, margins, train

Row = dict[str, Any]
HEADLINE = ("nhanes", 100, 3)
TREES, DEPTHS, DATASETS = (50, 100, 200), (2, 3, 4), ("nhanes", "support2")
CPU_TARGETS = {("fast", 3): 30.0, ("fast", 2): 20.0, ("private", 3): 60.0}
COHORT_TARGET, RATIO_TARGET = 9000.0, 300.0
CONCRETE = "concrete-ml==1.9.0"


def score_rows(
    *,
    test_rows: int | None = None,
    sweep: bool = True,
    timed_rows: int = 15,
    concrete: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Row]:
    """The measurements as rows of name, value, unit, target and holds.

    Exactness is checked on `test_rows` held-out rows of the headline model (None for all of them, some
    minutes). `sweep` adds how cost grows with trees, depth, features and bins. `concrete` names a folder for
    Concrete ML's environment, made there if need be (gigabytes, minutes).
    """
    say = progress or (lambda _: None)
    name, trees, depth = HEADLINE
    say(f"{name}, {trees} trees of depth {depth}: exactness")
    headline = _Bench(load(name), Settings(trees=trees, depth=depth))
    out = _exactness(headline, test_rows)
    out += headline.timings("score", timed_rows)
    own = next(row["value"] for row in out if row["name"] == "score.one_cpu_ms")
    shallow = _Bench(headline.data, Settings(trees=trees, depth=2), ("fast",))
    out += [row for row in shallow.timings("score.depth2", timed_rows) if row["name"].endswith("cpu_ms")]
    say("cohort")
    out += headline.cohort("score")
    if concrete is not None:
        say("Concrete ML")
        out += _concrete(headline, concrete, own)
    if sweep:
        out += _sweep(timed_rows, say)
    out.append(_row("machine.load", os.getloadavg()[0], "processes", None))
    out.append(_row("machine.cores", os.cpu_count() or 1, "cores", None))
    return out


def growth_chart(rows: Sequence[Row]) -> Any:
    """How the cost of one patient grows, drawn from the rows of a sweep, for `charts.save`."""
    import altair as alt  # noqa: PLC0415 - only this picture needs it
    import pandas as pd  # noqa: PLC0415 - same

    found = [r["labels"] | {"cpu": r["value"]} for r in rows if r["name"] == "score.sweep.cpu_ms"]
    table = pd.DataFrame(found)
    usual = Settings()
    by_trees = table[(table["bins"] == usual.max_bins) & ~table["data"].str.contains(" of ")]
    standard = table[(table["trees"] == usual.trees) & (table["depth"] == usual.depth)]
    wide = standard[standard["data"].str.startswith("support2")]
    panels = {
        **{
            f"{data}, by trees, depth {depth}": ("trees", part)
            for (data, depth), part in by_trees.groupby(["data", "depth"])
        },
        "support2, by features": ("features", wide[wide["bins"] == usual.max_bins]),
        "support2, by bins": ("bins", wide[wide["features"] == wide["features"].max()]),
    }
    charts = [
        alt.Chart(part)
        .mark_line(point=True)
        .encode(
            x=alt.X(f"{axis}:Q", scale=alt.Scale(zero=False)),
            y=alt.Y("cpu:Q", title="ms of CPU"),
            color=alt.Color("set:N", title="parameter set"),
        )
        .properties(width=230, height=140, title=title)
        for title, (axis, part) in panels.items()
        if len(part)
    ]
    return alt.concat(*charts, columns=3, title="What scoring one patient costs")


def _row(name: str, value: float, unit: str, target: float | None, holds: bool | None = None) -> Row:  # noqa: FBT001 - a column
    return {"name": name, "value": value, "unit": unit, "target": target, "holds": holds}


@dataclass
class _Times:
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def take(self, call: Callable[[], Any]) -> Any:
        cpu, wall = time.thread_time(), time.perf_counter()
        result = call()
        self.cpu.append(1e3 * (time.thread_time() - cpu))
        self.wall.append(1e3 * (time.perf_counter() - wall))
        return result


class _Bench:
    """One model with its roles set up, ready to be timed."""

    def __init__(self, data: Dataset, settings: Settings, sets: Sequence[str] = tuple(SETS)) -> None:
        self.data, self.settings, self.sets = data, settings, tuple(sets)
        self.trained: Trained = train(data, settings)
        self.booster = self.trained.booster()
        self.model = Model.compile(self.trained.xgboost, self.trained.bins, self.sets)
        self.table = data.table[self.trained.test_rows]
        self.outcome = data.outcome[self.trained.test_rows]
        self.reference = self.trained.margins(self.table)
        self.evaluator = Evaluator()
        self.evaluator.add_model(self.model.frame.data)
        self.clients = {name: Client.create(self.model.offer, name) for name in self.sets}
        for name, client in self.clients.items():
            self.evaluator.add_keys(client.keys)
            self.evaluator.prepare(self.model.digest, name)

    def timings(self, prefix: str, count: int) -> list[Row]:
        """Times and sizes of single patients, all methods taking turns."""
        score = {name: _Times() for name in self.sets}
        encrypt, read, plain = _Times(), _Times(), _Times()
        sizes: dict[str, tuple[int, int]] = {}
        for row in self.table[:count]:
            for name, client in self.clients.items():
                query = encrypt.take(partial(client.encrypt, row))
                answer = score[name].take(partial(self.evaluator.score, query.data))
                read.take(partial(client.open, query, answer))
                sizes[name] = (len(query.data), len(answer))
            plain.take(partial(margins, self.booster, self.trained.bins, row))
        out: list[Row] = []
        for name in self.sets:
            own = prefix if name == "fast" else f"{prefix}.{name}"
            target = CPU_TARGETS.get((name, self.settings.depth)) if self.settings.trees == 100 else None
            value = float(np.median(score[name].cpu))
            holds = value <= target if target else None
            out.append(_row(f"{own}.one_cpu_ms", value, "ms", target, holds))
            out.append(_row(f"{own}.one_wall_ms", float(np.median(score[name].wall)), "ms", None))
            client = self.clients[name]
            steps = len(self.model.offer.layout(name).steps)
            memory = key_memory(SETS[name], steps)
            out.append(_row(f"{own}.query_bytes", sizes[name][0], "bytes", None))
            out.append(_row(f"{own}.answer_bytes", sizes[name][1], "bytes", None))
            out.append(_row(f"{own}.keys_bytes", len(client.keys), "bytes", None))
            out.append(_row(f"{own}.client_memory_bytes", memory, "bytes", None))
        out.append(_row(f"{prefix}.encrypt_cpu_ms", float(np.median(encrypt.cpu)), "ms", None))
        out.append(_row(f"{prefix}.open_cpu_ms", float(np.median(read.cpu)), "ms", None))
        out.append(_row(f"{prefix}.xgboost_cpu_ms", float(np.median(plain.cpu)), "ms", None))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        out.append(_row(f"{prefix}.process_peak_bytes", peak, "bytes", None))
        return out

    def cohort(self, prefix: str, repeats: int = 3) -> list[Row]:
        """Patients a second and core of a full batch, reading the query included."""
        client, evaluator = SlotClient(self.model.offer), SlotEvaluator(self.model.frame.data)
        evaluator.add_keys(client.keys)
        rows = self.data.table[np.arange(CAPACITY) % len(self.data.table)]
        query = client.encrypt(rows)
        times = _Times()
        answer = b""
        for _ in range(repeats):
            answer = times.take(lambda: evaluator.score(query.data))
        error = np.abs(client.open(query, answer) - self.trained.margins(rows)).max()
        rate = 1e3 * CAPACITY / float(np.median(times.cpu))
        target = COHORT_TARGET if self.settings.depth == 3 else None
        return [
            _row(
                f"{prefix}.cohort_per_s", rate, "patients/s/core", target, rate >= target if target else None
            ),
            _row(f"{prefix}.cohort_margin_error", float(error), "log-odds", 1.5e-4, bool(error <= 1.5e-4)),
            _row(f"{prefix}.cohort_query_bytes_each", len(query.data) / CAPACITY, "bytes", None),
        ]


def _exactness(bench: _Bench, test_rows: int | None) -> list[Row]:
    count = len(bench.table) if test_rows is None else min(test_rows, len(bench.table))
    bits = bench.trained.bins.bits(bench.trained.bins.codes(bench.table))
    out: list[Row] = []
    for name, client in bench.clients.items():
        program = bench.model.programs[name]
        expected = program.integers(bits)
        exact = 0
        for row in range(count):
            query = client.encrypt(bench.table[row])
            exact += client.integers(query, bench.evaluator.score(query.data)) == [expected[row]]
        # The decrypted integers equal the plaintext ones, so these margins are what clients read.
        read = program.margins(bits)
        error = float(np.abs(read - bench.reference).max())
        delta = abs(roc_auc_score(bench.outcome, read) - roc_auc_score(bench.outcome, bench.reference))
        flips = int(((read > 0) != (bench.reference > 0)).sum())
        own = "score" if name == "fast" else f"score.{name}"
        out.append(_row(f"{own}.exact_rows", exact, "rows", count, exact == count))
        out.append(_row(f"{own}.auc_delta", float(delta), "AUC", 5e-5, bool(delta < 5e-5)))
        out.append(_row(f"{own}.margin_error", error, "log-odds", program.error, error <= program.error))
        out.append(_row(f"{own}.label_flips", flips, f"of {len(read)} rows", None))
    return out


def _sweep(timed_rows: int, say: Callable[[str], None]) -> list[Row]:
    """Cost by trees and depth on both data sets, and by features and bins on one."""
    out: list[Row] = []

    def add(data: Dataset, settings: Settings) -> None:
        labels = {
            "data": data.name,
            "trees": settings.trees,
            "depth": settings.depth,
            "features": len(data.features),
            "bins": settings.max_bins,
        }
        say(", ".join(f"{key} {value}" for key, value in labels.items()))
        bench = _Bench(data, settings)
        for row in [*bench.timings("score.sweep", timed_rows), *bench.cohort("score.sweep", 1)]:
            name = str(row["name"])
            parts = name.split(".")
            chosen = parts[2] if len(parts) == 4 else "fast"
            if name.endswith(("one_cpu_ms", "cohort_per_s")):
                short = "score.sweep.cpu_ms" if name.endswith("one_cpu_ms") else "score.sweep.cohort_per_s"
                out.append(
                    {**row, "name": short, "target": None, "holds": None, "labels": {**labels, "set": chosen}}
                )

    for data in map(load, DATASETS):
        for depth in DEPTHS:
            for trees in TREES:
                add(data, Settings(trees=trees, depth=depth))
    base = load("support2")
    for features in (8, 16):
        add(_narrow(base, features), Settings())
    for bins in (8, 32):
        add(base, Settings(max_bins=bins))
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


def _concrete(bench: _Bench, folder: Path, own_ms: float, rows: int = 3) -> list[Row]:
    """Concrete ML on the same bin codes, trees and depth, in its own environment."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", CONCRETE], check=True)  # noqa: S603 - own paths
    peer = Path(__file__).with_name("concrete_peer.py")
    with TemporaryDirectory() as scratch:
        given = Path(scratch) / "given.npz"
        codes = bench.trained.bins.codes
        np.savez(
            given,
            # Concrete ML takes no missing values; they become a code of their own, below all others.
            training=np.nan_to_num(codes(bench.data.table[bench.trained.training_rows]) + 1),
            outcome=bench.data.outcome[bench.trained.training_rows],
            test=np.nan_to_num(codes(bench.table[:rows]) + 1),
        )
        command = [str(python), str(peer), str(given), str(bench.settings.trees), str(bench.settings.depth)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - own paths
    found = json.loads(done.stdout.splitlines()[-1])
    ratio = found["cpu_ms"] / own_ms
    return [
        _row("score.concrete.one_cpu_ms", found["cpu_ms"], "ms", None),
        _row("score.concrete.one_wall_ms", found["wall_ms"], "ms", None),
        _row("score.concrete.keys_bytes", found["keys_bytes"], "bytes", None),
        _row("score.ratio_concrete", ratio, "times", RATIO_TARGET, ratio >= RATIO_TARGET),
    ]


if __name__ == "__main__":
    json.dump(score_rows(progress=lambda text: print(text, file=sys.stderr)), sys.stdout, indent=1)  # noqa: T201 - a progress line
