"""Budgets of patients: how many a client may have scored by a model in a day and ever, kept on disk.

Enough answers give a model away, whatever the encryption: each is the ensemble's value for a patient of the
client's choice. So patients are counted, not queries, which hold up to 64. Counts outlive the process, and
a new token for a client's name starts nothing anew. The owner of the models is told in the
log at half, at nine tenths, and at the end of a budget for life.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analytics.errors import DataError, EvaluatorBusyError, SpentBudgetError, UnfitCiphertextError

_DAY = 86_400
_TOLD: Final = (0.5, 0.9, 1.0)
_TABLE = (
    "CREATE TABLE IF NOT EXISTS spent (client TEXT, model TEXT, day INTEGER NOT NULL, "
    "today INTEGER NOT NULL, ever INTEGER NOT NULL, PRIMARY KEY (client, model))"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PatientLimits:
    """Most patients of one client and model, in a day of UTC and ever."""

    a_day: int = 1_000
    ever: int = 20_000


@dataclass(frozen=True)
class SpentPatients:
    """The patients of one client and model that were scored today and ever."""

    client: str
    model: str
    today: int
    ever: int


class PatientBudgets:
    """The counts of all clients; in the file at `path`, or in memory alone without one."""

    def __init__(self, limits: PatientLimits, path: Path | None = None) -> None:
        self._limits = limits
        try:
            self._database = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False
            )
            self._database.execute(_TABLE)
        except sqlite3.Error as why:
            raise DataError(f"the file of budgets can't be used ({why})") from None

    @contextmanager
    def taking(self, client: str, model: str, patients: int) -> Iterator[None]:
        """Count `patients` for the body of this context, which answers them; not if it fails.

        A query that SEAL refuses counts: whether it does may depend on the model, and would be free to ask.

        Raises:
            EvaluatorBusyError: the budget of the day is used up, or the counts can't be written.
            SpentBudgetError: the budget for life is used up.
        """
        before = self.spent(client, model)
        if before.ever + patients > self._limits.ever:
            _log.error("%s has used up its patients for model %s: %d", client, model[:12], before.ever)
            raise SpentBudgetError("this client's patients for this model are used up; ask the model's owner")
        if before.today + patients > self._limits.a_day:
            raise EvaluatorBusyError("this client's patients for the day are used up")
        self._add(client, model, patients)
        try:
            yield
        except UnfitCiphertextError:
            self._tell(before, patients)
            raise
        except BaseException:
            self._add(client, model, -patients)
            raise
        self._tell(before, patients)

    def _tell(self, before: SpentPatients, patients: int) -> None:
        for share in _TOLD:
            if before.ever < share * self._limits.ever <= before.ever + patients:
                used, model = 100 * share, before.model[:12]
                _log.warning("%s has used %.0f %% of its patients for model %s", before.client, used, model)

    def spent(self, client: str, model: str) -> SpentPatients:
        """Return the counts of a client and model."""
        row = self._execute(
            "SELECT day, today, ever FROM spent WHERE client = ? AND model = ?", (client, model)
        ).fetchone()
        day, today, ever = row or (0, 0, 0)
        return SpentPatients(client, model, today if day == _today() else 0, ever)

    def all(self) -> list[SpentPatients]:
        """Return the counts of all clients and models."""
        rows = self._execute("SELECT client, model FROM spent ORDER BY client, model", ()).fetchall()
        return [self.spent(client, model) for client, model in rows]

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _add(self, client: str, model: str, patients: int) -> None:
        day = _today()
        self._execute(
            "INSERT INTO spent VALUES (:client, :model, :day, :n, :n) ON CONFLICT (client, model) DO UPDATE "
            "SET today = max(0, :n + CASE day WHEN :day THEN today ELSE 0 END), ever = max(0, ever + :n), "
            "day = :day",
            {"client": client, "model": model, "day": day, "n": patients},
        )

    def _execute(self, statement: str, values: dict[str, object] | tuple[object, ...]) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error:
            _log.exception("the file of budgets can't be used")
            raise EvaluatorBusyError("the counts of patients can't be kept; ask the model's owner") from None


def _today() -> int:
    return int(time.time()) // _DAY
