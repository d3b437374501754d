from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from analytics.data.binning import Bins, Floats
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.compiler.ensemble import BINS_ATTRIBUTE
from analytics.model.training import margins

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))


@dataclass(frozen=True)
class Small:
    """A small model over synthetic rows, quick enough for every test."""

    bins: Bins
    table: Floats
    xgboost: bytes

    def reference(self, rows: int) -> Floats:
        booster = xgb.Booster()
        booster.load_model(bytearray(self.xgboost))
        return margins(booster, self.bins, self.table[:rows])


def make_small(depth: int, trees: int = 12, *, seed: int = 0, features: int = 5, **more: Any) -> Small:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(400, features)).round(2)
    table[rng.random(table.shape) < 0.1] = np.nan
    filled = np.nan_to_num(table)
    outcome = (
        filled[:, 0] + filled[:, 1 % features] * filled[:, 2 % features] + rng.normal(size=400) > 0
    ).astype(int)
    bins = Bins.fit(table, [f"f{i}" for i in range(features)], max_bins=8)
    matrix = xgb.DMatrix(bins.codes(table), outcome, feature_names=list(bins.features))
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": depth,
        "eta": 0.3,
        "nthread": 1,
        **more,
    }
    booster = xgb.train(settings, matrix, trees)
    booster.set_attr(**{BINS_ATTRIBUTE: bins.digest})
    return Small(bins, table, bytes(booster.save_raw("json")))


@pytest.fixture(scope="session")
def small() -> Callable[..., Small]:
    return make_small


@pytest.fixture(scope="session")
def depth3() -> Small:
    return make_small(3)


@pytest.fixture(scope="session")
def model3(depth3: Small) -> CompiledModel:
    return CompiledModel.compile(depth3.xgboost, depth3.bins)


@pytest.fixture(scope="session")
def scale() -> float:
    return SCALE
