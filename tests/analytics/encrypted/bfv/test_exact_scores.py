from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.packing import plan_layout
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.encrypted.parameters import (
    BFV_SETS,
    FAST,
)
from analytics.errors import (
    ArtefactMismatchError,
    CapacityError,
    DataError,
)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("name", list(BFV_SETS))
def test_the_decrypted_integer_is_exactly_the_plaintext_one(
    small: Callable[..., Any], name: str, depth: int, scale: float
) -> None:
    given = small(depth)
    model = CompiledModel.compile(given.xgboost, given.bins, [name])
    evaluator = BfvEvaluator()
    evaluator.add_model(model.frame.data)
    client = BfvClient.create(model.offer, name)
    evaluator.add_keys(client.keys)
    program = model.programs[name]
    expected = program.integers(given.bins.bits(given.bins.codes(given.table)))
    reference = given.reference(400)
    for row in range(round(4 * scale)):
        query = client.encrypt(given.table[row])
        answer = evaluator.score(query.data)
        assert client.integers(query, answer) == [expected[row]]
        score = client.open(query, answer)[0]
        assert abs(score.margin - reference[row]) <= score.error
        assert score.probability == pytest.approx(1 / (1 + np.exp(-score.margin)))


@pytest.mark.parametrize("name", ["fast", "private"])
@pytest.mark.parametrize(
    "shape",
    [{"gamma": 1e9}, {"trees": 1}, {"colsample_bytree": 0.2, "depth": 4}, {"features": 1, "depth": 2}],
)
def test_odd_ensembles_are_exact_too(small: Callable[..., Any], shape: dict[str, Any], name: str) -> None:
    """Single leaves only, one tree, trees that share no feature, one feature."""
    given = small(**{"depth": 3, **shape})
    model = CompiledModel.compile(given.xgboost, given.bins, [name])
    evaluator = BfvEvaluator()
    evaluator.add_model(model.frame.data)
    client = BfvClient.create(model.offer, name)
    evaluator.add_keys(client.keys)
    missing = np.full((1, len(given.bins.features)), np.nan)
    for row in (given.table[:1], missing):
        query = client.encrypt(row)
        expected = model.programs[name].integers(given.bins.bits(given.bins.codes(row)))
        assert client.integers(query, evaluator.score(query.data)) == list(expected)


@pytest.mark.parametrize("patients", [2, 8])
def test_several_patients_in_one_ciphertext_get_their_own_exact_scores(
    model3: CompiledModel, depth3: Any, patients: int
) -> None:
    evaluator = BfvEvaluator()
    evaluator.add_model(model3.frame.data)
    client = BfvClient.create(model3.offer, patients=patients)
    evaluator.add_keys(client.keys)
    for rows in (patients, 1):
        query = client.encrypt(depth3.table[:rows])
        bits = depth3.bins.bits(depth3.bins.codes(depth3.table[:rows]))
        expected = model3.programs["fast"].integers(bits)
        scores = client.open(query, evaluator.score(query.data))
        assert [
            round((s.margin - model3.offer.summary("fast").centre) * model3.offer.summary("fast").scale)
            for s in scores
        ] == list(expected)


def test_a_client_is_restored_from_its_secret_and_from_no_other(
    client: BfvClient, evaluator: BfvEvaluator, model3: CompiledModel, depth3: Any
) -> None:
    again = BfvClient.restore(model3.offer, client.secret(), client.keys)
    query = again.encrypt(depth3.table[3])
    assert again.open(query, evaluator.score(query.data))[0].margin == pytest.approx(
        client.open(query, evaluator.score(query.data))[0].margin
    )
    other = BfvClient.create(model3.offer)
    with pytest.raises(ArtefactMismatchError):
        BfvClient.restore(model3.offer, client.secret(), other.keys)


def test_rows_with_other_features_are_refused_before_encryption(client: BfvClient) -> None:
    with pytest.raises(DataError):
        client.encrypt([1.0, 2.0])


def test_too_many_columns_for_a_packed_layout_are_refused(model3: CompiledModel) -> None:
    with pytest.raises(CapacityError):
        plan_layout(32, 3000, FAST, patients=16)
    with pytest.raises(ValueError, match="power of two"):
        plan_layout(32, 100, FAST, patients=3)
