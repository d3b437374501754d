from __future__ import annotations

import json

from analytics.bench.encrypted_scoring import score_rows
from analytics.bench.growth_chart import growth_chart


def test_the_benchmarks_rows_say_whether_each_target_holds() -> None:
    rows = score_rows(test_rows=2, sweep=False, timed_rows=1)
    by_name = {row["name"]: row for row in rows}
    assert len(by_name) == len(rows)
    assert by_name["score.exact_rows"]["value"] == 2
    assert by_name["score.exact_rows"]["holds"]
    assert by_name["score.auc_delta"]["holds"]
    assert {"score.one_cpu_ms", "score.cohort_per_s", "score.private.one_cpu_ms"} <= set(by_name)
    assert all(set(row) == {"name", "value", "unit", "target", "holds"} for row in rows)
    json.dumps(rows)


def test_the_growth_chart_draws_a_sweep() -> None:
    labels = {"data": "nhanes", "depth": 3, "features": 12, "bins": 16, "set": "fast"}
    rows = [
        {"name": "score.sweep.cpu_ms", "value": 10.0 * trees, "labels": {**labels, "trees": trees}}
        for trees in (50, 100)
    ]
    (panel,) = growth_chart(rows).to_dict()["concat"]
    assert panel["title"] == "nhanes, by trees, depth 3"
    assert panel["encoding"]["y"]["field"] == "cpu"
