from __future__ import annotations

import json
from typing import Any

import pytest

from analytics.encrypted.artefacts import CompiledModel, ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.framing import ArtefactKind, unframe
from analytics.errors import (
    ArtefactMismatchError,
    DamagedArtefactError,
    UnsupportedModelError,
)
from tests.support.analytics.altered_frames import reframed


def test_the_offer_holds_no_tree_and_the_query_no_feature(
    model3: CompiledModel, client: BfvClient, depth3: Any
) -> None:
    offer = model3.offer.frame
    assert offer.sections == ()
    assert set(offer.header) == {"model", "bins", "sets", "cohort_depth"}
    assert set(offer.header["sets"]["fast"]) == {"rows", "squarings", "scale", "centre", "error"}
    query = unframe(client.encrypt(depth3.table[0]).data, ArtefactKind.QUERY, sections=(1,))
    assert set(query.header) == {"model", "set", "keys", "patients"}


def test_models_survive_their_artefact_and_altered_ones_are_refused(model3: CompiledModel) -> None:
    again = CompiledModel.read(model3.frame.data)
    assert again.digest == model3.digest
    assert again.frame.data == model3.frame.data
    assert ModelOffer.read(model3.offer.frame.data).frame.data == model3.offer.frame.data
    frame = model3.frame
    with pytest.raises(ArtefactMismatchError):
        CompiledModel.read(reframed(frame, header={"model": "0" * 64}))
    with pytest.raises(DamagedArtefactError):
        CompiledModel.read(reframed(frame, sections=(*frame.sections[:-1], b"1234")))
    with pytest.raises(DamagedArtefactError):
        CompiledModel.read(
            reframed(frame, sections=(*frame.sections[:-1], b"\xff" * len(frame.sections[-1])))
        )
    other = json.loads(frame.sections[0])
    other["learner"]["attributes"] = {}
    with pytest.raises(UnsupportedModelError):
        CompiledModel.read(reframed(frame, sections=(json.dumps(other).encode(), *frame.sections[1:])))
