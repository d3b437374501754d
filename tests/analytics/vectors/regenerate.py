"""Vectors of scoring, written to `scoring.json`; run this program when a format changes on purpose.

The model in `tiny.json` is fixed, so nothing here depends on a training run. Digests cover the bytes that
roles exchange; a change in any of them means that artefacts of the two releases do not fit together.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from analytics.data.binning import Bins
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.framing import ArtefactKind, Frame
from analytics.encrypted.parameters import BFV_SETS

HERE = Path(__file__).parent


def vectors() -> dict[str, Any]:
    """Return everything that is frozen."""
    tiny = json.loads((HERE / "tiny.json").read_text())
    bins = Bins.from_json(tiny["bins"])
    model = CompiledModel.compile(json.dumps(tiny["xgboost"]).encode(), bins)
    rows = [[0.0, 0.5, -1.0], [1.5, float("nan"), 0.2], [float("nan")] * 3]
    bits = bins.bits(bins.codes(rows))
    layouts = {}
    for name, parameters in BFV_SETS.items():
        for patients in (1, 2 if parameters.flood_bits else 8):
            layout = model.offer.layout(name, patients)
            placed = layout.place(np.tile(bits, (3, 1))[:patients])
            checks = b"".join(np.concatenate(c).astype("<i8").tobytes() for c in layout._checks)
            layouts[f"{name}, {patients}"] = {
                "steps": list(layout.steps),
                "placed": digest(placed.astype("<i8").tobytes()),
                "checks": digest(checks),
            }
    return {
        "frame": Frame(ArtefactKind.QUERY, {"b": 1, "a": "x"}, (b"one", b"")).data.hex(),
        "bins": bins.digest,
        "model": model.digest,
        "model_artefact": digest(model.frame.data),
        "offer_artefact": digest(model.offer.frame.data),
        "bits": ["".join(map(str, row)) for row in bits],
        "integers": {name: program.integers(bits).tolist() for name, program in model.programs.items()},
        "layouts": layouts,
    }


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    (HERE / "scoring.json").write_text(json.dumps(vectors(), indent=1, sort_keys=True) + "\n")
