from __future__ import annotations

import numpy as np

from analytics.data import datasets
from analytics.data.catalogue import DIABETES


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
