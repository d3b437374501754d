"""Train a model and export it to a folder: the artefacts of each role, the card, and the charts.

```
risk.model          for evaluators: trees and rows
risk.offer          for hospitals: bins and scale, public
xgboost.json        the model in XGBoost's own format
bins.json           the public bins
card.json           the model card; the ledger registers its digest
pictures/           roc, calibration, bins, importance, as SVG and PNG
```

`exported` reads such a folder without the libraries that training needs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from analytics.data.datasets import Dataset, load_dataset
from analytics.encrypted.artefacts import CompiledModel
from analytics.model.card import ModelCard, describe_model
from analytics.model.exported import BINS_FILE, CARD_FILE, MODEL_FILE, OFFER_FILE, PICTURES, XGBOOST_FILE
from analytics.model.training import TrainedModel, TrainingSettings, train


@dataclass(frozen=True)
class BuiltModel:
    """A trained model with its artefacts and card."""

    data: Dataset
    trained: TrainedModel
    model: CompiledModel
    card: ModelCard


def build_model(data: Dataset | str, settings: TrainingSettings | None = None) -> BuiltModel:
    """Train, compile for all parameter sets, and measure.

    Raises:
        DataError: the data set is unknown or can't be trained on.
        CapacityError: the model is too large for a parameter set.
    """
    chosen = load_dataset(data) if isinstance(data, str) else data
    trained = train(chosen, settings)
    model = CompiledModel.compile(trained.xgboost, trained.bins)
    return BuiltModel(chosen, trained, model, describe_model(chosen, trained, model))


def export_model(built: BuiltModel, folder: Path, *, pictures: bool = True) -> list[Path]:
    """Write a built model into a folder, and return the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        MODEL_FILE: built.model.frame.data,
        OFFER_FILE: built.model.offer.frame.data,
        XGBOOST_FILE: built.trained.xgboost,
        BINS_FILE: json.dumps(built.trained.bins.to_json(), indent=1).encode(),
        CARD_FILE: json.dumps(built.card.content, indent=1, ensure_ascii=False).encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    written = [folder / name for name in files]
    if pictures:
        from analytics.model import charts  # noqa: PLC0415 - drawing takes seconds to load

        drawn = charts.draw_charts(built.data, built.trained, built.card)
        written += charts.save_charts(drawn, folder / PICTURES)
    return written
