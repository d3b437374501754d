from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analytics.data import datasets
from analytics.errors import DataError
from analytics.model.training import TrainingSettings, train


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
        datasets.load_dataset("other")
