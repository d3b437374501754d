from __future__ import annotations

import pytest

from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator


@pytest.fixture(scope="module")
def evaluator(model3: CompiledModel) -> BfvEvaluator:
    made = BfvEvaluator()
    made.add_model(model3.frame.data)
    return made


@pytest.fixture(scope="module")
def client(model3: CompiledModel, evaluator: BfvEvaluator) -> BfvClient:
    made = BfvClient.create(model3.offer)
    evaluator.add_keys(made.keys)
    return made
