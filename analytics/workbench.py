"""Train a model and put everything about it in a folder: what each role gets, the card, and the pictures.

```
risk.model          for evaluators: trees and rows
risk.offer          for hospitals: bins and scale, public
xgboost.json        the model as XGBoost knows it
bins.json           the public bins
card.json           the model card; its digest is what the ledger registers
pictures/           roc, calibration, bins, importance, as SVG and PNG
```
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from analytics.binning import Bins
from analytics.card import Card, describe_model
from analytics.datasets import Dataset, load
from analytics.encrypted.artefacts import Model, Offer
from analytics.training import Settings, Trained, train

MODEL, OFFER, XGBOOST, BINS, CARD = "risk.model", "risk.offer", "xgboost.json", "bins.json", "card.json"


@dataclass(frozen=True)
class Built:
    """A trained model with its artefacts and card."""

    data: Dataset
    trained: Trained
    model: Model
    card: Card


def build(data: Dataset | str, settings: Settings | None = None) -> Built:
    """Train, compile for all parameter sets, and measure.

    Raises:
        DataError: the data set is unknown or can't be trained on.
        CapacityError: the model is too large for a parameter set.
    """
    chosen = load(data) if isinstance(data, str) else data
    trained = train(chosen, settings)
    model = Model.compile(trained.xgboost, trained.bins)
    return Built(chosen, trained, model, describe_model(chosen, trained, model))


def export(built: Built, folder: Path, *, pictures: bool = True) -> list[Path]:
    """Write a built model into a folder; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        MODEL: built.model.frame.data,
        OFFER: built.model.offer.frame.data,
        XGBOOST: built.trained.xgboost,
        BINS: json.dumps(built.trained.bins.to_json(), indent=1).encode(),
        CARD: json.dumps(built.card.content, indent=1, ensure_ascii=False).encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    written = [folder / name for name in files]
    if pictures:
        from analytics import charts  # noqa: PLC0415 - drawing takes seconds to load

        drawn = charts.draw(built.data, built.trained, built.card)
        written += charts.save(drawn, folder / "pictures")
    return written


def read_model(folder: Path) -> Model:
    """The MODEL of an exported folder.

    Raises:
        ArtefactError: it is damaged.
    """
    return Model.read((folder / MODEL).read_bytes())


def read_offer(folder: Path) -> Offer:
    """The OFFER of an exported folder.

    Raises:
        ArtefactError: it is damaged.
    """
    return Offer.read((folder / OFFER).read_bytes())


def compile_xgboost(xgboost: bytes, bins: Bins, folder: Path) -> Model:
    """Turn a model that was trained elsewhere on these bins into artefacts in a folder.

    Raises:
        UnsupportedModelError: it can't be scored on ciphertext; the message says what can.
    """
    model = Model.compile(xgboost, bins)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model.frame.data)
    (folder / OFFER).write_bytes(model.offer.frame.data)
    return model
