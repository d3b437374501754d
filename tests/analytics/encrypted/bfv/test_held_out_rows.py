"""Held-out rows of the survey, scored on ciphertext: exactly what the integers in clear say.

A third of them, as scores take a minute for all; CONSENTRY_TEST_SCALE=3 tries every row.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analytics.data.datasets import load_dataset
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.model.training import train


@pytest.mark.slow
def test_rows_held_out_from_the_survey_are_scored_exactly(scale: float) -> None:
    data = load_dataset("nhanes")
    trained = train(data)
    model = CompiledModel.compile(trained.xgboost, trained.bins)
    rows = trained.test_rows[: math.ceil(len(trained.test_rows) * min(scale / 3, 1))]
    assert len(trained.test_rows) == 1579
    program = model.programs["fast"]
    bits = trained.bins.bits(trained.bins.codes(data.table[rows]))
    expected = program.integers(bits)
    client, evaluator = BfvClient.create(model.offer), BfvEvaluator()
    evaluator.add_model(model.frame.data)
    evaluator.add_keys(client.keys)
    for row, right in zip(rows, expected, strict=True):
        query = client.encrypt(data.table[row])
        assert client.integers(query, evaluator.score(query.data)) == [right]
    read, plain = program.margins(bits), trained.margins(data.table[rows])
    assert np.abs(read - plain).max() <= program.error
    if len(rows) == 1579:
        outcome = data.outcome[rows]
        assert abs(roc_auc_score(outcome, read) - roc_auc_score(outcome, plain)) < 5e-5
