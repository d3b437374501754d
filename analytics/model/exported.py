"""The folder of an exported model: its files, and the artefacts read back.

Nothing here needs XGBoost, scikit-learn or a charting library, so that a hospital and an evaluator can read
an export with the libraries of encrypted scoring alone.
"""

from __future__ import annotations

from pathlib import Path

from analytics.data.binning import Bins
from analytics.encrypted.artefacts import CompiledModel, ModelOffer

MODEL_FILE = "risk.model"
OFFER_FILE = "risk.offer"
XGBOOST_FILE = "xgboost.json"
BINS_FILE = "bins.json"
CARD_FILE = "card.json"
PICTURES = "pictures"


def read_model(folder: Path) -> CompiledModel:
    """Read the MODEL of an exported folder.

    Raises:
        ArtefactError: it is damaged.
    """
    return CompiledModel.read((folder / MODEL_FILE).read_bytes())


def read_offer(folder: Path) -> ModelOffer:
    """Read the OFFER of an exported folder.

    Raises:
        ArtefactError: it is damaged.
    """
    return ModelOffer.read((folder / OFFER_FILE).read_bytes())


def compile_xgboost(xgboost: bytes, bins: Bins, folder: Path) -> CompiledModel:
    """Turn a model that was trained elsewhere on these bins into artefacts in a folder.

    Raises:
        UnsupportedModelError: it can't be scored on ciphertext; the message says which models can.
    """
    model = CompiledModel.compile(xgboost, bins)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model.frame.data)
    (folder / OFFER_FILE).write_bytes(model.offer.frame.data)
    return model
