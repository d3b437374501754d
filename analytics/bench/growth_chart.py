"""The chart of how the cost of one patient grows with trees, features and bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from analytics.bench.measuring import ResultRow
from analytics.model.training import TrainingSettings


def growth_chart(rows: Sequence[ResultRow]) -> Any:
    """Draw the rows of a sweep as a chart for `charts.save_charts`."""
    found = [r["labels"] | {"cpu": r["value"]} for r in rows if r["name"] == "score.sweep.cpu_ms"]
    table = pd.DataFrame(found)
    usual = TrainingSettings()
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
    return alt.concat(*charts, columns=3, title="Cost of scoring one patient")
