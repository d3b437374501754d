from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent / "vectors"


def regenerated() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("regenerate", VECTORS / "regenerate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.vectors()
    return found


def test_formats_layouts_and_compiled_models_are_those_of_earlier_releases() -> None:
    frozen = json.loads((VECTORS / "scoring.json").read_text())
    assert regenerated() == frozen
