from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.ckks.client import CkksClient
from analytics.encrypted.ckks.server import CkksEvaluator
from analytics.encrypted.framing import ArtefactKind, unframe
from analytics.errors import (
    ArtefactMismatchError,
    CapacityError,
    DamagedArtefactError,
    DataError,
    GarbledAnswerError,
    UnfitCiphertextError,
    UnknownDigestError,
)
from tests.support.analytics.altered_frames import reframed


def test_a_cohort_model_that_depends_on_nothing_is_refused(small: Callable[..., Any]) -> None:
    given = small(3, gamma=1e9)
    model = CompiledModel.compile(given.xgboost, given.bins, ["fast"])
    with pytest.raises(CapacityError, match="any feature"):
        CkksEvaluator(model.frame.data)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_cohorts_agree_with_xgboost_to_the_rounding(small: Callable[..., Any], depth: int) -> None:
    given = small(depth)
    model = CompiledModel.compile(given.xgboost, given.bins, ["fast"])
    client, evaluator = CkksClient(model.offer), CkksEvaluator(model.frame.data)
    evaluator.add_keys(client.keys)
    query = client.encrypt(given.table)
    margins = client.open(query, evaluator.score(query.data))
    np.testing.assert_allclose(margins, given.reference(400), atol=1.5e-4)


def test_cohort_queries_and_keys_that_do_not_fit_are_refused(model3: CompiledModel, depth3: Any) -> None:
    client, evaluator = CkksClient(model3.offer), CkksEvaluator(model3.frame.data)
    query = client.encrypt(depth3.table[:5])
    with pytest.raises(UnknownDigestError):
        evaluator.score(query.data)
    evaluator.add_keys(client.keys)
    columns = model3.ensemble.bins.width
    frame = unframe(query.data, ArtefactKind.COLUMNS, sections=(columns,))
    one = BfvClient.create(model3.offer)
    with pytest.raises(UnfitCiphertextError):
        evaluator.score(reframed(frame, sections=(b"", *frame.sections[1:])))
    with pytest.raises(DamagedArtefactError):
        evaluator.score(reframed(frame, sections=frame.sections[1:]))
    with pytest.raises(ArtefactMismatchError):
        evaluator.score(reframed(frame, header={"set": "cohort-2"}))
    with pytest.raises((DamagedArtefactError, ArtefactMismatchError)):
        evaluator.add_keys(one.keys)
    with pytest.raises(ArtefactMismatchError, match="SECRET"):
        evaluator.score(one.secret())
    answer = unframe(evaluator.score(query.data), ArtefactKind.MARGINS, sections=(1,))
    with pytest.raises(ArtefactMismatchError):
        client.open(client.encrypt(depth3.table[:5]), answer.data)
    other = CkksClient(model3.offer)
    with pytest.raises(GarbledAnswerError):
        other.open(query, answer.data)
    with pytest.raises(DataError):
        client.encrypt(np.zeros((5000, len(model3.offer.bins.features))))
