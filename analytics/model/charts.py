"""Charts of a model for its approval: ROC, calibration, bins and importance, as SVG and PNG.

Drawn with Vega-Lite (altair) and rendered by vl-convert in this process, without browser and network.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import pandas as pd
import vl_convert
from sklearn.metrics import roc_auc_score, roc_curve

from analytics.data.binning import Bins, Floats
from analytics.data.datasets import Dataset
from analytics.model.card import ModelCard, calibration_table
from analytics.model.training import TrainedModel

_INK, _ACCENT, _GREY = "#22303c", "#0b6e75", "#9aa7b1"
_GROUPS = ["#0b6e75", "#c2541b", "#5b4b8a", "#7a8f2b"]
_PIXELS_PER_POINT = 2.0


def draw_charts(data: Dataset, trained: TrainedModel, card: ModelCard) -> dict[str, alt.TopLevelMixin]:
    """Draw the four charts: `roc`, `calibration`, `bins` and `importance`, by name."""
    rows = trained.test_rows
    outcome = data.outcome[rows]
    probability = 1 / (1 + np.exp(-trained.margins(data.table[rows])))
    groups = {name: members[rows] for name, members in data.groups.items()}
    return {
        "roc": roc(outcome, probability, groups),
        "calibration": calibration(outcome, probability),
        "bins": bins(trained.bins, data, trained.training_rows),
        "importance": importance(card),
    }


def save_charts(charts: Mapping[str, alt.TopLevelMixin], folder: Path) -> list[Path]:
    """Write every chart as SVG and PNG into a folder, and return the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, chart in charts.items():
        specification = chart.to_json()
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        svg.write_text(vl_convert.vegalite_to_svg(specification), encoding="utf-8")
        png.write_bytes(vl_convert.vegalite_to_png(specification, scale=_PIXELS_PER_POINT))
        written += [svg, png]
    return written


def roc(
    outcome: npt.NDArray[np.int64], probability: Floats, groups: Mapping[str, npt.NDArray[np.str_]]
) -> alt.TopLevelMixin:
    """Draw sensitivity over false-positive rate, for all rows and for each group of each kind."""
    panels = []
    for kind, members in {"everyone": np.full(len(outcome), "everyone"), **groups}.items():
        parts = []
        for value in np.unique(members):
            chosen = members == value
            if len(np.unique(outcome[chosen])) < 2:
                continue
            false_rate, true_rate, _ = roc_curve(outcome[chosen], probability[chosen])
            area = roc_auc_score(outcome[chosen], probability[chosen])
            label = f"{value}: AUC {area:.3f}"
            parts.append(pd.DataFrame({"false": false_rate, "true": true_rate, "group": label}))
        panels.append(_roc_panel(kind, pd.concat(parts, ignore_index=True)))
    chart = alt.hconcat(*panels).resolve_scale(color="independent")
    return _styled(chart, "Discrimination: ROC curves")


def _roc_panel(kind: str, points: pd.DataFrame) -> Any:
    diagonal = (
        alt.Chart(pd.DataFrame({"false": [0.0, 1.0], "true": [0.0, 1.0]}))
        .mark_line(color=_GREY, strokeDash=[4, 4])
        .encode(x="false:Q", y="true:Q")
    )
    curves = (
        alt.Chart(points)
        .mark_line(strokeWidth=2, interpolate="step-after")
        .encode(
            x=alt.X("false:Q", title="1 - specificity", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("true:Q", title="sensitivity", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(
                "group:N",
                title=None,
                scale=alt.Scale(range=_GROUPS),
                legend=alt.Legend(orient="bottom", direction="vertical", labelLimit=240),
            ),
            order="true:Q",
        )
    )
    return alt.layer(diagonal, curves).properties(width=230, height=230, title=kind)


def calibration(outcome: npt.NDArray[np.int64], probability: Floats) -> alt.TopLevelMixin:
    """Draw observed over predicted share in ten groups of equal size, with 95 % intervals."""
    table = pd.DataFrame(calibration_table(outcome, probability))
    top = float(np.ceil(10 * max(table["high"].max(), table["predicted"].max())) / 10)
    scale = alt.Scale(domain=[0, top], nice=False)
    diagonal = (
        alt.Chart(pd.DataFrame({"predicted": [0.0, top], "observed": [0.0, top]}))
        .mark_line(color=_GREY, strokeDash=[4, 4])
        .encode(x="predicted:Q", y="observed:Q")
    )
    base = alt.Chart(table).encode(
        x=alt.X("predicted:Q", title="predicted risk", scale=scale, axis=alt.Axis(format="%"))
    )
    bars = base.mark_rule(color=_ACCENT).encode(
        y=alt.Y("low:Q", title="observed share", scale=scale, axis=alt.Axis(format="%")), y2="high:Q"
    )
    points = base.mark_circle(color=_ACCENT, size=70, opacity=1).encode(y="observed:Q")
    chart = alt.layer(diagonal, bars, points).properties(width=340, height=340)
    return _styled(chart, "Predicted and observed risk")


def bins(public: Bins, data: Dataset, rows: npt.NDArray[np.int64]) -> alt.TopLevelMixin:
    """Draw the share of training rows in every public bin of every feature."""
    codes = public.codes(data.table[rows])
    parts: list[dict[str, Any]] = []
    for f, name in enumerate(public.features):
        names = _bin_names(public.edges[f])
        present = codes[:, f][~np.isnan(codes[:, f])].astype(int)
        counts = np.bincount(present, minlength=len(names))
        parts += [
            {"feature": name, "order": i, "bin": label, "share": count / len(codes)}
            for i, (label, count) in enumerate(zip(names, counts, strict=True))
        ]
        absent = float(np.isnan(codes[:, f]).mean())
        parts.append({"feature": name, "order": len(names), "bin": "missing", "share": absent})
    table = pd.DataFrame(parts)
    table["kind"] = np.where(table["bin"] == "missing", "missing", "value")
    panels = [
        alt.Chart(table[table["feature"] == name])
        .mark_bar()
        .encode(
            x=alt.X(
                "bin:N",
                sort=alt.SortField("order"),
                title=None,
                axis=alt.Axis(labelAngle=-60, labelLimit=80, labelFontSize=8),
            ),
            y=alt.Y("share:Q", title="share of patients", axis=alt.Axis(format="%", tickCount=4)),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=["value", "missing"], range=[_ACCENT, _GREY]), legend=None
            ),
        )
        .properties(width=210, height=90, title=name)
        for name in public.features
    ]
    return _styled(alt.concat(*panels, columns=4), "The public bins: thresholds that the model may use")


def _bin_names(edges: tuple[float, ...]) -> list[str]:
    if not edges:
        return ["any"]
    text = [f"{e:.4g}" for e in edges]
    return [f"< {text[0]}", *(f"{a} to {b}" for a, b in pairwise(text)), f"≥ {text[-1]}"]


def importance(card: ModelCard) -> alt.TopLevelMixin:
    """Draw each feature's share of the total gain."""
    table = pd.DataFrame(card.content["importance"])
    base = alt.Chart(table).encode(
        y=alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=200)),
        x=alt.X("share:Q", title="share of total gain", axis=alt.Axis(format="%")),
    )
    bars = base.mark_bar(color=_ACCENT)
    labels = base.mark_text(align="left", dx=4, color=_INK).encode(text=alt.Text("share:Q", format=".1%"))
    chart = alt.layer(bars, labels).properties(width=380, height=alt.Step(20))
    return _styled(chart, "Importance of each feature")


def _styled(chart: Any, title: str) -> alt.TopLevelMixin:
    done: alt.TopLevelMixin = (
        chart.properties(title=alt.TitleParams(title, anchor="start", fontSize=15, color=_INK, offset=12))
        .configure_view(stroke=None)
        .configure_axis(gridColor="#e7ecef", labelColor=_INK, titleColor=_INK, titleFontWeight="normal")
        .configure_legend(labelColor=_INK)
        .configure(background="white", font="DejaVu Sans, Arial, sans-serif", padding=14)
    )
    return done
