from __future__ import annotations

import json

import numpy as np
import pytest

from analytics.model.card import calibration_line, calibration_table, measures
from tests.support.analytics.survey_model import built


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
