"""The folder of a cohort job: its description, the finished batches, and in the end one result file.

Every finished batch is written at once, so a job that was stopped resumes with the next batch. A folder that
describes other patients, another model or another batch size is refused. Files are readable by their owner
only, because they hold scores.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analytics.data.binning import Floats
from analytics.errors import DataError

_JOB, _RESULT, _PARTS = "job.json", "scores.csv", "parts"
_COLUMNS = ("id", "margin", "probability")


class JobFolder:
    """One job: rows of features with their ids, in batches of `size`, scored with the model `model`."""

    def __init__(self, folder: Path, model: str, ids: Sequence[str], rows: Floats, size: int) -> None:
        self.folder, self.model, self.ids, self.rows, self.size = folder, model, ids, rows, size
        content = hashlib.sha256(json.dumps(list(ids)).encode())
        content.update(np.ascontiguousarray(rows).tobytes())
        self._description = {"model": model, "content": content.hexdigest(), "batch": size}

    def batch_rows(self, number: int) -> range:
        """Return the indices of a batch's rows."""
        return range(number * self.size, min((number + 1) * self.size, len(self.ids)))

    def open(self) -> list[int]:
        """Make or check the folder, and return the batches that are still to do.

        Raises:
            DataError: the folder holds another job.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = self.folder / _JOB
        if known.exists():
            if json.loads(known.read_text()) != self._description:
                raise DataError("the folder holds another job; choose an empty one")
        else:
            _write(known, json.dumps(self._description))
        if (self.folder / _RESULT).exists():
            return []
        (self.folder / _PARTS).mkdir(exist_ok=True, mode=0o700)
        batches = range(-(-len(self.ids) // self.size))
        return [i for i in batches if not self._part(i).exists()]

    def write_batch(self, number: int, margins: Floats) -> None:
        """Write a finished batch."""
        lines = []
        for row, margin in zip(self.batch_rows(number), margins, strict=True):
            lines.append([self.ids[row], f"{margin:.4f}", f"{1 / (1 + np.exp(-margin)):.4f}"])
        _write_csv(self._part(number), lines)

    def finish(self) -> Path:
        """Join the batches into the result file, remove them, and return the file's path."""
        result = self.folder / _RESULT
        if not result.exists():
            lines: list[list[str]] = [list(_COLUMNS)]
            for number in range(-(-len(self.ids) // self.size)):
                with self._part(number).open(newline="", encoding="utf-8") as part:
                    lines += list(csv.reader(part))
            _write_csv(result, lines)
            shutil.rmtree(self.folder / _PARTS)
        return result

    def _part(self, number: int) -> Path:
        return self.folder / _PARTS / f"{number:06}.csv"


def _write_csv(path: Path, lines: list[list[str]]) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(_open_private(fresh), "w", newline="", encoding="utf-8") as target:
        csv.writer(target, lineterminator="\n").writerows(lines)
    fresh.replace(path)


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(_open_private(fresh), "w", encoding="utf-8") as target:
        target.write(text)
    fresh.replace(path)


def _open_private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
