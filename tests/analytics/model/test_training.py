from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analytics.bench import encrypted_scoring
from analytics.data import datasets
from analytics.model import workbench
from analytics.model.card import calibration_line, calibration_table, measures
from analytics.data.catalogue import DIABETES
from analytics.encrypted.artefacts import CompiledModel, ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.errors import DataError
from analytics.data.feature_values import NoUsableDataError
from analytics.data.features import extract_features
from analytics.model.training import TrainingSettings, train


@cache
def built() -> workbench.Built:
    return workbench.build("nhanes", TrainingSettings(trees=40))


def test_the_survey_has_the_catalogues_features_and_no_feature_that_defines_the_outcome() -> None:
    data = datasets.nhanes()
    assert data.features == DIABETES.names
    assert len(data.table) > 5000
    assert 0.15 < data.outcome.mean() < 0.25
    assert np.isnan(data.table).mean() < 0.05
    with_hba1c = datasets.nhanes(with_hba1c=True)
    assert with_hba1c.features == (*DIABETES.names, "hba1c")
    assert with_hba1c.outcome.sum() < data.outcome.sum()


def test_support2_leaves_out_what_looks_into_the_future() -> None:
    data = datasets.support2()
    assert not {"surv2m", "surv6m", "sfdm2", "time", "event"} & set(data.features)
    assert len(data.table) > 8000
    assert np.isfinite(data.outcome).all()


def test_training_is_deterministic_and_never_sees_the_test_rows() -> None:
    data = datasets.nhanes()
    first, second = train(data, TrainingSettings(trees=10)), train(data, TrainingSettings(trees=10))
    assert first.xgboost == second.xgboost
    assert set(first.training_rows).isdisjoint(first.test_rows)
    assert len(first.training_rows) + len(first.test_rows) == len(data.outcome)


def test_sixteen_public_bins_cost_little_accuracy() -> None:
    data = datasets.nhanes()
    coarse, fine = (train(data, TrainingSettings(trees=40, max_bins=n)) for n in (16, 64))
    areas = [
        roc_auc_score(data.outcome[t.test_rows], t.margins(data.table[t.test_rows])) for t in (coarse, fine)
    ]
    assert areas[0] > 0.82
    assert areas[1] - areas[0] < 0.005


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"depth": 5}, {"trees": 0}, {"test_share": 1.0}])
def test_settings_that_could_not_be_scored_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        TrainingSettings(**wrong)


def test_one_outcome_only_and_unknown_data_are_refused() -> None:
    data = datasets.nhanes()
    with pytest.raises(DataError, match="both values"):
        train(datasets.Dataset(**{**vars(data), "outcome": np.zeros_like(data.outcome)}))
    with pytest.raises(DataError, match="known are nhanes, support2"):
        datasets.load("other")


def test_the_card_says_what_the_model_is_worth_and_for_whom() -> None:
    content = built().card.content
    assert content["model"] == built().model.digest
    assert 0.8 < content["performance"]["auc"] < 0.9
    low, high = content["performance"]["auc_interval"]
    assert low < content["performance"]["auc"] < high
    assert set(content["subgroups"]) == {"sex", "age band"}
    assert {g["rows"] for g in content["subgroups"]["sex"].values()} != {0}
    assert all("auc" in g for g in content["subgroups"]["sex"].values())
    for program in content["encrypted"].values():
        assert program["largest_difference_on_test_rows"] <= program["margin_error_bound"]
    assert sum(f["share"] for f in content["importance"]) == pytest.approx(1, abs=0.01)


def test_the_cards_digest_covers_every_figure() -> None:
    card = built().card
    assert json.loads(card.canonical) == json.loads(json.dumps(card.content))
    changed = json.loads(card.canonical)
    changed["performance"]["auc"] += 0.0001
    assert type(card)(changed).digest != card.digest


def test_measures_of_small_or_uniform_groups_say_only_their_size() -> None:
    outcome = np.array([0, 1] * 10)
    assert set(measures(outcome, np.full(20, 0.5), 0.5)) == {"rows", "prevalence"}
    assert set(measures(np.zeros(100, int), np.full(100, 0.5), 0.5)) == {"rows", "prevalence"}


def test_perfect_probabilities_are_found_calibrated_and_distorted_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.02, 0.98, 20_000)
    outcome = (rng.random(20_000) < probability).astype(int)
    slope, intercept = calibration_line(outcome, probability)
    assert (slope, intercept) == (pytest.approx(1, abs=0.05), pytest.approx(0, abs=0.05))
    assert calibration_line(outcome, probability**2)[0] < 0.8
    table = calibration_table(outcome, probability)
    assert sum(row["rows"] for row in table) == 20_000
    assert all(abs(row["predicted"] - row["observed"]) < 0.05 for row in table)


def test_a_model_is_exported_for_each_role_with_pictures(tmp_path: Path) -> None:
    written = workbench.export(built(), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "risk.model",
        "risk.offer",
        "xgboost.json",
        "bins.json",
        "card.json",
        "pictures",
    }
    assert workbench.read_model(tmp_path).digest == built().model.digest
    assert workbench.read_offer(tmp_path).model == built().model.digest
    pictures = [p for p in written if p.parent.name == "pictures"]
    assert {p.name for p in pictures} == {
        f"{name}.{kind}" for name in ("roc", "calibration", "bins", "importance") for kind in ("svg", "png")
    }
    for picture in pictures:
        start = picture.read_bytes()[:8]
        assert start.startswith(b"<svg") if picture.suffix == ".svg" else start == b"\x89PNG\r\n\x1a\n"


def test_a_patient_in_fhir_is_scored_on_ciphertext_as_xgboost_scores_the_vector() -> None:
    demo = pytest.importorskip("exchange.demo.nhanes", reason="the survey as FHIR is not in this tree")
    offer = ModelOffer.read(built().model.offer.frame.data)
    client, evaluator = BfvClient.create(offer, "precise"), BfvEvaluator()
    evaluator.add_model(built().model.frame.data)
    evaluator.add_keys(client.keys)
    scored = 0
    for person in demo.participants(20):
        try:
            found = extract_features(DIABETES, person.patient, person.records, date(2018, 12, 31))
        except NoUsableDataError:
            continue
        vector = found.vector(offer.bins.features)
        query = client.encrypt(vector)
        (score,) = client.open(query, evaluator.score(query.data))
        assert abs(score.margin - built().trained.margins(vector)[0]) <= score.error < 0.002
        scored += 1
    assert scored > 3


def test_a_model_trained_elsewhere_is_compiled_into_the_same_artefacts(tmp_path: Path) -> None:
    model = workbench.compile_xgboost(built().trained.xgboost, built().trained.bins, tmp_path)
    assert model.frame.data == built().model.frame.data
    assert CompiledModel.read((tmp_path / "risk.model").read_bytes()).digest == model.digest


def test_the_benchmarks_rows_say_whether_each_target_holds() -> None:
    rows = encrypted_scoring.score_rows(test_rows=2, sweep=False, timed_rows=1)
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
    (panel,) = encrypted_scoring.growth_chart(rows).to_dict()["concat"]
    assert panel["title"] == "nhanes, by trees, depth 3"
    assert panel["encoding"]["y"]["field"] == "cpu"
