"""The model card: discrimination and calibration, overall and by group, to be read before approval.

Everything is measured on rows that neither the bins nor the trees have seen. The card reports how well the
model separates, whether its probabilities agree with observed shares, and both again for each group of
patients, because a model can be good on average and wrong for some. The ledger holds the card's digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve

from analytics.data.binning import Floats
from analytics.data.datasets import Dataset
from analytics.encrypted.artefacts import CompiledModel
from analytics.model.training import TrainedModel, describe_settings

FORMAT = "consentry-model-card/1"
_CALIBRATION_BINS = 10
_RESAMPLES = 200
_SMALL_GROUP = 50
"""Groups with fewer rows get their size and no figures, which would be mostly chance."""


@dataclass(frozen=True)
class ModelCard:
    """A model card: a JSON object, and the digest of its canonical form."""

    content: Mapping[str, Any]

    @cached_property
    def canonical(self) -> bytes:
        """Return the card's canonical JSON: sorted keys, no spaces, UTF-8."""
        return json.dumps(
            self.content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
        ).encode()

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.canonical).hexdigest()


def describe_model(data: Dataset, trained: TrainedModel, model: CompiledModel) -> ModelCard:
    """Measure a trained model on its held-out rows and write the card."""
    rows = trained.test_rows
    outcome = data.outcome[rows]
    margins = trained.margins(data.table[rows])
    probability = 1 / (1 + np.exp(-margins))
    threshold = youden_threshold(outcome, probability)
    return ModelCard(
        {
            "format": FORMAT,
            "model": model.digest,
            "bins": trained.bins.digest,
            "data": _data_section(data, trained),
            "training": {**describe_settings(trained.settings), "software": {"xgboost": xgb.__version__}},
            "performance": measures(outcome, probability, threshold, resamples=_RESAMPLES),
            "calibration": calibration_table(outcome, probability),
            "subgroups": {
                group: {
                    str(value): measures(
                        outcome[members[rows] == value], probability[members[rows] == value], threshold
                    )
                    for value in np.unique(members)
                }
                for group, members in data.groups.items()
            },
            "importance": importance(trained),
            "encrypted": _encrypted_section(data, trained, model, margins),
            "use": _use_section(data),
        }
    )


def _data_section(data: Dataset, trained: TrainedModel) -> dict[str, Any]:
    return {
        "name": data.name,
        "title": data.title,
        "outcome": data.outcome_text,
        "features": list(data.features),
        "training_rows": len(trained.training_rows),
        "test_rows": len(trained.test_rows),
        "prevalence": _rounded(data.outcome.mean()),
        "missing": {
            name: _rounded(np.isnan(data.table[:, f]).mean()) for f, name in enumerate(data.features)
        },
    }


def _encrypted_section(
    data: Dataset, trained: TrainedModel, model: CompiledModel, margins: Floats
) -> dict[str, Any]:
    """Return, by parameter set, the bound on the error and the largest difference on the test rows."""
    bits = trained.bins.bits(trained.bins.codes(data.table[trained.test_rows]))
    return {
        name: {
            "margin_error_bound": _rounded(program.error, 8),
            "rows": len(program.weights),
            "largest_difference_on_test_rows": _rounded(np.abs(program.margins(bits) - margins).max(), 8),
        }
        for name, program in model.programs.items()
    }


def _use_section(data: Dataset) -> dict[str, Any]:
    return {
        "intended": f"An estimate of {data.outcome_text}, to draw a clinician's attention. "
        "It is no diagnosis.",
        "population": data.title,
        "limits": [
            "Trained on one population; measure it on your own patients before use.",
            "A feature that is missing is handled by the trees, at a cost in accuracy.",
        ],
    }


def measures(
    outcome: npt.NDArray[np.int64], probability: Floats, threshold: float, *, resamples: int = 0
) -> dict[str, Any]:
    """Measure discrimination and calibration on some rows, and errors at a threshold on the probability.

    With `resamples` the AUC gets a 95 % interval from that many bootstrap samples. A group with fewer than
    50 rows, or with one outcome only, gets its size and prevalence.
    """
    out: dict[str, Any] = {
        "rows": len(outcome),
        "prevalence": _rounded(outcome.mean()) if len(outcome) else None,
    }
    if len(outcome) < _SMALL_GROUP or len(np.unique(outcome)) < 2:
        return out
    flagged = probability >= threshold
    slope, intercept = calibration_line(outcome, probability)
    out |= {
        "auc": _rounded(roc_auc_score(outcome, probability)),
        "average_precision": _rounded(average_precision_score(outcome, probability)),
        "brier": _rounded(brier_score_loss(outcome, probability)),
        "log_loss": _rounded(log_loss(outcome, probability)),
        "mean_prediction": _rounded(probability.mean()),
        "calibration_slope": _rounded(slope),
        "calibration_intercept": _rounded(intercept),
        "threshold": _rounded(threshold),
        "sensitivity": _rounded(flagged[outcome == 1].mean()),
        "specificity": _rounded((~flagged)[outcome == 0].mean()),
    }
    if resamples:
        out["auc_interval"] = _auc_interval(outcome, probability, resamples)
    return out


def youden_threshold(outcome: npt.NDArray[np.int64], probability: Floats) -> float:
    """Return the probability at which sensitivity plus specificity is largest."""
    false_rate, true_rate, thresholds = roc_curve(outcome, probability)
    return float(min(1.0, thresholds[int(np.argmax(true_rate - false_rate))]))


def calibration_line(outcome: npt.NDArray[np.int64], probability: Floats) -> tuple[float, float]:
    """Fit slope and intercept of the outcome's log-odds over the predicted ones; (1, 0) is perfect."""
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    logit = np.log(clipped / (1 - clipped))[:, None]
    fitted = LogisticRegression(C=1e6).fit(logit, outcome)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def calibration_table(
    outcome: npt.NDArray[np.int64], probability: Floats, bins: int = _CALIBRATION_BINS
) -> list[dict[str, Any]]:
    """Compare predicted and observed share in groups of equal size, from the lowest risk to the highest.

    `low` and `high` are the 95 % Wilson interval of the observed share.
    """
    order = np.argsort(probability, kind="stable")
    table = []
    for members in np.array_split(order, bins):
        if len(members) == 0:
            continue
        observed = float(outcome[members].mean())
        low, high = _wilson(observed, len(members))
        table.append(
            {
                "rows": len(members),
                "predicted": _rounded(probability[members].mean()),
                "observed": _rounded(observed),
                "low": _rounded(low),
                "high": _rounded(high),
            }
        )
    return table


def importance(trained: TrainedModel) -> list[dict[str, Any]]:
    """Return each feature's share of the total gain of all splits, largest first."""
    gain = trained.booster().get_score(importance_type="total_gain")
    shares = {name: float(np.sum(gain.get(name, 0.0))) for name in trained.bins.features}
    total = sum(shares.values()) or 1.0
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return [{"feature": name, "share": _rounded(share / total)} for name, share in ranked]


def _wilson(share: float, rows: int) -> tuple[float, float]:
    z = 1.959964
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    spread = z * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return max(0.0, centre - float(spread)), min(1.0, centre + float(spread))


def _auc_interval(outcome: npt.NDArray[np.int64], probability: Floats, resamples: int) -> list[float]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(resamples):
        chosen = rng.integers(0, len(outcome), len(outcome))
        if len(np.unique(outcome[chosen])) == 2:
            found.append(roc_auc_score(outcome[chosen], probability[chosen]))
    low, high = np.quantile(found, [0.025, 0.975])
    return [_rounded(low), _rounded(high)]


def _rounded(value: float, digits: int = 4) -> float:
    return round(float(value), digits)
