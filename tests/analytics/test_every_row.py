"""Every held-out row of the survey, scored on ciphertext: exactly what the integers in clear say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analytics.datasets import load
from analytics.encrypted.artefacts import Model
from analytics.encrypted.client import Client
from analytics.encrypted.server import Evaluator
from analytics.training import train


@pytest.mark.slow
def test_every_row_held_out_from_the_survey_is_scored_exactly(scale: float) -> None:
    data = load("nhanes")
    trained = train(data)
    model = Model.compile(trained.xgboost, trained.bins)
    rows = trained.test_rows[: math.ceil(len(trained.test_rows) * min(scale, 1))]
    assert len(trained.test_rows) == 1579
    program = model.programs["fast"]
    bits = trained.bins.bits(trained.bins.codes(data.table[rows]))
    expected = program.integers(bits)
    client, evaluator = Client.create(model.offer), Evaluator()
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
