"""Known answers belong to one hospital, are the model's own, and find a program that is another."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from analytics.encrypted.artefacts import CompiledModel, ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.known_answers import KNOWN_PATIENTS
from analytics.errors import DamagedArtefactError
from tests.support.analytics.other_programs import with_other_constant


def test_a_hospitals_offer_survives_its_bytes_and_no_two_have_the_same_patients(
    model3: CompiledModel,
) -> None:
    first, second = (model3.offer_for_hospital() for _ in range(2))
    read = ModelOffer.read(first.frame.data)
    assert read.known is not None
    assert first.known is not None
    assert second.known is not None
    np.testing.assert_array_equal(read.known.codes, first.known.codes)
    assert (read.known.answers, read.known.programs) == (first.known.answers, first.known.programs)
    assert len(read.known.codes) == KNOWN_PATIENTS
    assert not np.array_equal(first.known.codes, second.known.codes, equal_nan=True)
    assert (read.model, read.bins, read.sets) == (model3.digest, model3.offer.bins, model3.offer.sets)


def test_the_evaluators_offer_has_none_and_its_programs_are_those_that_were_compiled(
    model3: CompiledModel,
) -> None:
    there = CompiledModel.read(model3.frame.data)
    assert there.offer.known is None
    assert ModelOffer.read(there.offer.frame.data).known is None
    known = model3.offer_for_hospital().known
    assert known is not None
    assert there.program_digests == known.programs
    assert len(set(known.programs.values())) == len(known.programs) == 3


def test_every_known_patient_has_the_models_own_score_by_way_of_its_values(model3: CompiledModel) -> None:
    offer = model3.offer_for_hospital()
    assert offer.known is not None
    seen = set()
    for _ in range(400):
        for name, program in model3.programs.items():
            values, integer = offer.known.one(offer.bins, name)
            codes = offer.bins.codes([values])
            seen.add(tuple(codes[0].tolist()))
            assert program.integers(offer.bins.bits(codes))[0] == integer
    assert len({str(one) for one in seen}) > KNOWN_PATIENTS / 2


@pytest.mark.parametrize("name", ["fast", "precise", "private"])
def test_on_ciphertext_a_known_patient_tells_the_program_from_another(
    model3: CompiledModel, depth3: Any, name: str
) -> None:
    offer = model3.offer_for_hospital()
    assert offer.known is not None
    client = BfvClient.create(offer, name, patients=2)
    values, expected = offer.known.one(offer.bins, name)
    real = depth3.table[0].tolist()
    for place in (0, 1):
        table = [real, values] if place else [values, real]
        for frame, right in ((model3.frame, True), (with_other_constant(model3.frame), False)):
            evaluator = BfvEvaluator()
            evaluator.add_model(frame.data)
            evaluator.add_keys(client.keys)
            query = client.encrypt(table)
            integers = client.integers(query, evaluator.score(query.data))
            assert (integers[place] == expected) is right
            if right:
                score = client.score_of(integers[1 - place])
                assert abs(score.margin - depth3.reference(1)[0]) <= score.error


def test_another_program_has_another_digest(model3: CompiledModel) -> None:
    other = CompiledModel.read(with_other_constant(model3.frame).data)
    assert other.digest == model3.digest, "the trees are the same, as far as the name tells"
    assert all(other.program_digests[name] != digest for name, digest in model3.program_digests.items())
    section = bytearray(model3.frame.sections[1])
    section[0] ^= 1
    sections = (model3.frame.sections[0], bytes(section), *model3.frame.sections[2:])
    altered = CompiledModel.read(Frame(ArtefactKind.MODEL, model3.frame.header, sections).data)
    name = model3.frame.header["programs"][0]["set"]
    changed = {
        key for key, digest in altered.program_digests.items() if digest != model3.program_digests[key]
    }
    assert changed == {name}


@pytest.mark.parametrize(
    "change",
    [
        lambda given: given.update(codes=[]),
        lambda given: given["codes"][0].pop(),
        lambda given: given["codes"][0].__setitem__(0, 99),
        lambda given: given["codes"][0].__setitem__(0, -1),
        lambda given: given["codes"][0].__setitem__(0, 0.5),
        lambda given: given["answers"]["fast"].pop(),
        lambda given: given["answers"].pop("fast"),
        lambda given: given["programs"].pop("fast"),
        lambda given: given.update(more=1),
    ],
)
def test_known_answers_that_do_not_fit_the_offer_are_refused(model3: CompiledModel, change: Any) -> None:
    frame = unframe(model3.offer_for_hospital().frame.data, ArtefactKind.OFFER, sections=(1,))
    given = json.loads(frame.sections[0])
    change(given)
    with pytest.raises(DamagedArtefactError, match="known answers"):
        ModelOffer.read(Frame(ArtefactKind.OFFER, frame.header, (json.dumps(given).encode(),)).data)
