"""Encrypted scoring: exactness, the cost of one patient and of cohorts, and a score over HTTP.

The arithmetic is measured by `analytics.bench`, interleaved in this process. Over HTTP it is a gateway and
an evaluator as processes of their own: a member's system asks `$assess-risk`, one request after the other,
on a patient who permits it and has a new heart rate each time. Each answer is two ledger transactions, a
score on ciphertext and a stored RiskAssessment.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from exchange.bench.report import Row, percentile
from exchange.demo.consortium import LAKE, build, permit_consent
from exchange.demo.nhanes import participants
from exchange.demo.process import free_port, serving
from exchange.demo.scoring import Evaluated, Training, evaluating

_PEOPLE = 20
_WARM = 5
_HTTP_TARGET = "<= 120"
_AT_LEAST = ("exact_rows", "cohort_per_s", "ratio_concrete")


def measure(
    *, test_rows: int | None, sweep: bool, concrete: Path | None, plot: Path | None, requests: int = 60
) -> list[Row]:
    """Measure all rows. `concrete` is a folder for Concrete ML's own environment, made if need be; without it
    nothing is compared with Concrete ML. `plot` is a folder for a picture of a sweep.
    """
    from analytics.bench.encrypted_scoring import score_rows  # noqa: PLC0415 - seconds for other benches

    rows = _over_http(requests)
    found = score_rows(test_rows=test_rows, sweep=sweep, concrete=concrete, progress=_say)
    if plot is not None and sweep:
        from analytics.bench.growth_chart import growth_chart  # noqa: PLC0415 - needs the extra `pictures`
        from analytics.model.charts import save_charts  # noqa: PLC0415 - same

        save_charts({"score-growth": growth_chart(found)}, plot)
    return [*(_row(one) for one in found), *rows]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _row(found: dict[str, Any]) -> Row:
    name = str(found["name"])
    if labels := found.get("labels"):  # of a sweep: the same figure for many models
        what, of = name.rsplit(".", 1)[1], "{data}.{trees}x{depth}.{features}f.{bins}b.{set}".format(**labels)
        name = f"score.sweep.{of.replace(' ', '-')}.{what}"
    target = ""
    if found["target"] is not None:
        relation = ">=" if name.endswith(_AT_LEAST) else "<="
        target = f"{relation} {found['target']}"
    return Row(name, float(found["value"]), str(found["unit"]), target)


def _over_http(requests: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch:
        folder = Path(scratch)
        training = Training(folder / "model")
        try:
            demo = asyncio.run(build(folder / "node", free_port(), _PEOPLE))
            _say("100 trees of depth 3, over HTTP")
            evaluated: Evaluated = training.finished()
        finally:
            training.abandon()
        evaluated.used_by(demo.folder)
        person = max(participants(_PEOPLE), key=lambda one: len(one.records))
        patient = str(person.patient["id"])
        with (
            evaluating(evaluated),
            serving(demo.folder.path, demo.settings.base_url),
            httpx.Client(timeout=30) as http,
        ):
            city, lake = demo.client(demo.settings.member), demo.client(LAKE)
            city.call(http, "POST", "Consent", permit_consent(patient, LAKE)).raise_for_status()
            taken = []
            for number in range(_WARM + requests):
                # Equal inputs would give the stored assessment, and no score.
                newest = _heart_rate(patient, 50 + number % 100)
                city.call(http, "POST", "Observation", newest).raise_for_status()
                lake.token(http)
                started = time.perf_counter()
                lake.call(http, "POST", f"Patient/{patient}/$assess-risk").raise_for_status()
                taken.append(1e3 * (time.perf_counter() - started))
    timed = taken[_WARM:]
    return [
        Row("score.http_p50_ms", percentile(timed, 0.5), "ms", _HTTP_TARGET),
        Row("score.http_p90_ms", percentile(timed, 0.9), "ms"),
        Row("score.http_min_ms", min(timed), "ms"),
    ]


def _heart_rate(patient: str, value: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "/min"},
    }
