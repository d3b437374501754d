"""Train a risk model that can be scored on ciphertext: XGBoost on the codes of public bins.

The rows are split once, by a fixed seed and stratified by outcome. Bins and trees see the training part
only, and every figure of a model card is measured on the rest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.model_selection import train_test_split

from analytics.data.binning import MAX_BINS, Bins, Floats
from analytics.data.datasets import Dataset
from analytics.encrypted.compiler.ensemble import BINS_ATTRIBUTE, MAX_DEPTH
from analytics.errors import DataError


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a training run. The figures in the documentation are of a model with the defaults."""

    trees: int = 100
    depth: int = 3
    learning_rate: float = 0.1
    max_bins: int = MAX_BINS
    min_child_weight: float = 5.0
    reg_lambda: float = 1.0
    test_share: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= MAX_DEPTH:
            raise DataError(f"depth {self.depth}: encrypted scoring supports depth 1 to {MAX_DEPTH}")
        if not 1 <= self.trees <= 5000:
            raise DataError("between 1 and 5000 trees are supported")
        if not 0 < self.test_share < 1:
            raise DataError("the share of test rows lies between 0 and 1")


@dataclass(frozen=True)
class TrainedModel:
    """A model in XGBoost's JSON, its bins, and the data set's rows for training and for testing."""

    xgboost: bytes
    bins: Bins
    settings: TrainingSettings
    training_rows: npt.NDArray[np.int64]
    test_rows: npt.NDArray[np.int64]

    def booster(self) -> xgb.Booster:
        """Return the model as XGBoost's own object."""
        return booster(self.xgboost)

    def margins(self, table: npt.ArrayLike) -> Floats:
        """Return plaintext XGBoost's log-odds for rows of feature values."""
        return margins(self.booster(), self.bins, table)


def booster(model: bytes) -> xgb.Booster:
    """Return XGBoost's object for a model in JSON."""
    out = xgb.Booster()
    out.load_model(bytearray(model))
    return out


def margins(model: xgb.Booster, bins: Bins, table: npt.ArrayLike) -> Floats:
    """Return plaintext XGBoost's log-odds for rows of feature values."""
    matrix = xgb.DMatrix(bins.codes(table), feature_names=list(bins.features))
    return np.asarray(model.predict(matrix, output_margin=True), np.float64)


def train(data: Dataset, settings: TrainingSettings | None = None) -> TrainedModel:
    """Fit bins and trees on the training part of a data set.

    Raises:
        DataError: all rows have the same outcome.
    """
    chosen = settings or TrainingSettings()
    if len(np.unique(data.outcome)) != 2:
        raise DataError("the outcome must take both values, 0 and 1")
    training, test = train_test_split(
        np.arange(len(data.outcome)),
        test_size=chosen.test_share,
        random_state=chosen.seed,
        stratify=data.outcome,
    )
    bins = Bins.fit(data.table[training], data.features, max_bins=chosen.max_bins)
    model = fit(bins, bins.codes(data.table[training]), data.outcome[training], chosen)
    return TrainedModel(model, bins, chosen, np.sort(training), np.sort(test))


def fit(bins: Bins, codes: Floats, outcome: npt.NDArray[np.int64], settings: TrainingSettings) -> bytes:
    """Train on bin codes and return XGBoost's JSON, which names the bins that it was trained on."""
    matrix = xgb.DMatrix(codes, outcome, feature_names=list(bins.features))
    model = xgb.train(xgboost_parameters(settings), matrix, settings.trees)
    model.set_attr(**{BINS_ATTRIBUTE: bins.digest})
    return bytes(model.save_raw("json"))


def xgboost_parameters(settings: TrainingSettings) -> dict[str, Any]:
    """Return XGBoost's parameters: with one thread, so that the same rows give the same bytes."""
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        # Every code gets a cut of its own, so that XGBoost's sketch loses none.
        "max_bin": max(64, 2 * settings.max_bins),
        "max_depth": settings.depth,
        "eta": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "lambda": settings.reg_lambda,
        "seed": settings.seed,
        "nthread": 1,
    }


def describe_settings(settings: TrainingSettings) -> dict[str, Any]:
    """Return the settings for a model card."""
    return asdict(settings)
