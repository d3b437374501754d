"""Concrete ML on the same bin codes, trees and depth as our own scoring, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from analytics.bench.measuring import ModelBench, ResultRow, result_row

REQUIREMENT = "concrete-ml==1.9.0"
RATIO_TARGET = 300.0


def compare_with_concrete(bench: ModelBench, folder: Path, own_ms: float, rows: int = 3) -> list[ResultRow]:
    """Time Concrete ML in the environment at `folder`, which is made there where it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)  # noqa: S603 - own paths
    script = Path(__file__).with_name("concrete_process.py")
    with TemporaryDirectory() as scratch:
        given = Path(scratch) / "given.npz"
        codes = bench.trained.bins.codes
        np.savez(
            given,
            # Concrete ML supports no missing values; they become a code of their own, below all others.
            training=np.nan_to_num(codes(bench.data.table[bench.trained.training_rows]) + 1),
            outcome=bench.data.outcome[bench.trained.training_rows],
            test=np.nan_to_num(codes(bench.table[:rows]) + 1),
        )
        command = [str(python), str(script), str(given), str(bench.settings.trees), str(bench.settings.depth)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - own paths
    found = json.loads(done.stdout.splitlines()[-1])
    ratio = found["cpu_ms"] / own_ms
    return [
        result_row("score.concrete.one_cpu_ms", found["cpu_ms"], "ms"),
        result_row("score.concrete.one_wall_ms", found["wall_ms"], "ms"),
        result_row("score.concrete.keys_bytes", found["keys_bytes"], "bytes"),
        result_row("score.ratio_concrete", ratio, "times", RATIO_TARGET, holds=ratio >= RATIO_TARGET),
    ]
