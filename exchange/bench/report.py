"""The answer of a bench: rows, the machine's load, and one JSON object."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table


class Row(msgspec.Struct, frozen=True):
    """One figure. `target` reads like `<= 5` or `>= 0.33`, empty where there is none to hold."""

    name: str
    value: float
    unit: str
    target: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the value meets the target; None without one."""
        if not self.target:
            return None
        relation, _, bound = self.target.partition(" ")
        return self.value <= float(bound) if relation == "<=" else self.value >= float(bound)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> dict[str, object]:
    """Describe the machine: its load, its cores, and its Python."""
    one, five, _ = os.getloadavg()
    return {
        "load_1": round(one, 2),
        "load_5": round(five, 2),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def show(name: str, rows: Sequence[Row], *, before: dict[str, object], as_json: bool) -> None:
    """Print the answer; `before` is the machine as it was when the bench began."""
    if as_json:
        body = {
            "bench": name,
            "load": {"before": before, "after": machine()},
            "rows": [
                {
                    "name": row.name,
                    "value": round(row.value, 4),
                    "unit": row.unit,
                    "target": row.target or None,
                    "holds": row.holds,
                }
                for row in rows
            ],
        }
        print(msgspec.json.encode(body).decode())
        return
    table = Table(title=f"consentry bench {name}")
    table.add_column("figure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    for title in ("unit", "target", "holds"):
        table.add_column(title)
    for row in rows:
        verdict = {None: "", True: "yes", False: "NO"}[row.holds]
        table.add_row(row.name, f"{row.value:,.3f}", row.unit, row.target, verdict)
    Console().print(table)
    print(f"load when it began: {before['load_1']} on {before['cores']} cores")
