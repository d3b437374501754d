"""Rows of the model are in no sanitised answer, whatever keys a client sends; in others they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analytics.encrypted import sampling, seal
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv import sanitising
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.parameters import PRIVATE, bfv_parameters
from analytics.errors import ArtefactMismatchError, CapacityError, GarbledAnswerError, UnfitCiphertextError
from tests.support.analytics.altered_frames import reframed
from tests.support.analytics.crafted_keys import crafted_keys, crafted_query, polynomials, slots_of

MODULI = seal.bfv_context(PRIVATE).moduli[:2]
PRODUCT = MODULI[0] * MODULI[1]


def zero_keys() -> dict[str, bytes]:
    """Return zero keys of which none comes from a secret key."""

    def constant(value: int) -> bytes:
        return np.concatenate([np.full(PRIVATE.ring, value % q) for q in MODULI]).astype("<u8").tobytes()

    common = np.concatenate(sanitising._common(PRIVATE)).astype("<u8").tobytes()
    return {
        "zero": constant(0),
        "one": constant(1),
        "above the flood": constant(1 << 90),
        "the public polynomial": common,
    }


@pytest.fixture(scope="module")
def quadratic(small: Callable[..., Any]) -> tuple[Any, CompiledModel]:
    given = small(2)
    return given, CompiledModel.compile(given.xgboost, given.bins)


def attack(given: Any, model: CompiledModel, name: str, patients: int, zero: bytes | None) -> np.ndarray:
    """Return both polynomials of the answer to a crafted query under crafted keys."""
    keys = crafted_keys(model.offer, name, patients, zero)
    evaluator = BfvEvaluator()
    evaluator.add_model(model.frame.data)
    evaluator.add_keys(keys.data)
    bits = given.bins.bits(given.bins.codes(given.table[:patients]))
    return polynomials(name, evaluator.score(crafted_query(model.offer, name, patients, keys, bits).data))


def squares(given: Any, model: CompiledModel, name: str) -> np.ndarray:
    """Return the square of every row on the first patient: from such squares the model can be rebuilt."""
    program = model.programs[name]
    rows = given.bins.bits(given.bins.codes(given.table[:1])) @ program.weights.T
    return (rows % program.modulus) ** 2 % program.modulus


@pytest.mark.parametrize("name", ["fast", "precise"])
def test_crafted_keys_read_every_row_where_answers_are_not_sanitised(
    quadratic: tuple[Any, CompiledModel], name: str
) -> None:
    given, model = quadratic
    right = squares(given, model, name)[0]
    found = slots_of(name, attack(given, model, name, 1, None)[1])[: len(right)]
    assert len(right) > 10
    assert (found == right).all()


@pytest.mark.parametrize("patients", [1, 2])
@pytest.mark.parametrize("kind", list(zero_keys()))
def test_crafted_keys_read_no_row_of_a_sanitised_answer(
    quadratic: tuple[Any, CompiledModel], kind: str, patients: int
) -> None:
    given, model = quadratic
    first, second = (attack(given, model, "private", patients, zero_keys()[kind]) for _ in range(2))
    right = squares(given, model, "private")[0]
    common = sanitising._common(PRIVATE)[0].astype(object)
    prime = MODULI[0]
    for small in (0, 1, -1, 2):
        mixed = (first[1] + small * first[0]) % prime
        assert (slots_of("private", mixed)[: len(right)] != right).mean() > 0.8
    free = np.setdiff1d(np.arange(PRIVATE.ring), sanitising.kept(PRIVATE.ring))
    for numbers in (first[0], first[0] - second[0], first[1], first[1] - second[1], first[1] - common):
        assert looks_uniform(numbers[free], prime)


def looks_uniform(numbers: np.ndarray, modulus: int) -> bool:
    """Return whether a chi-squared test of 16 bins passes; uniform numbers fail once in ten million."""
    counts = np.bincount((numbers % modulus * 16 // modulus).astype(np.int64), minlength=16)
    expected = len(numbers) / 16
    return bool(((counts - expected) ** 2 / expected).sum() < 65)


def test_of_any_result_and_zero_key_three_flooded_numbers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    bfv = seal.bfv_context(PRIVATE)
    floods: list[int] = []
    real = sanitising.secrets.randbits

    def noted(bits: int) -> int:
        floods.append(real(bits))
        return floods[-1]

    monkeypatch.setattr(sanitising.secrets, "randbits", noted)
    value = np.stack([np.stack([sampling.uniform(q, PRIVATE.ring) for q in MODULI]) for _ in (0, 1)])
    zero = sanitising.read_zero_key(bfv, zero_keys()["zero"])
    result = bfv.ciphertext_of(value.astype(np.uint64))
    sanitising.sanitise(bfv, zero, result)
    assert all(0 <= flood < 1 << PRIVATE.flood_bits for flood in floods)
    ring = PRIVATE.ring
    first = np.asarray([[result[j * ring + i] for i in range(ring)] for j in (0, 1)], object)
    moved = first - value[0]
    whole = combined(moved)
    kept = list(sanitising.kept(ring))
    half = 1 << PRIVATE.flood_bits - 1
    assert [whole[i] for i in kept] == [(flood - half) % PRODUCT for flood in floods]
    free = np.setdiff1d(np.arange(ring), kept)
    assert looks_uniform(whole[free], PRODUCT)


def combined(residues: np.ndarray) -> np.ndarray:
    """Return the numbers modulo both primes with these residues."""
    one, two = MODULI
    return (residues[0] + (residues[1] - residues[0]) * pow(one, -1, two) % two * one) % PRODUCT


def test_an_answer_leaves_as_many_bits_as_the_documentation_says() -> None:
    assert 2.0**33 < PRODUCT / 2**PRIVATE.flood_bits <= 2.0**34
    assert len(sanitising.kept(PRIVATE.ring)) == 3


def test_a_ciphertext_that_is_no_answer_does_not_pass_as_one(model3: CompiledModel, depth3: Any) -> None:
    client = BfvClient.create(model3.offer, "private", patients=2)
    query = client.encrypt(depth3.table[:2])
    bfv = seal.bfv_context(PRIVATE)
    header = {"model": model3.digest, "set": "private", "query": query.digest}
    for _ in range(20):
        numbers = np.stack([sampling.uniform(MODULI[0], PRIVATE.ring)[None] for _ in (0, 1)])
        noise = seal.dump(bfv.ciphertext_of(numbers.astype(np.uint64)))
        with pytest.raises(GarbledAnswerError):
            client.open(query, Frame(ArtefactKind.ANSWER, header, (noise,)).data)
    nothing = seal.dump(bfv.ciphertext_of(np.zeros((2, 1, PRIVATE.ring), np.uint64)))
    with pytest.raises(UnfitCiphertextError):
        client.open(query, Frame(ArtefactKind.ANSWER, header, (nothing,)).data)


def test_zero_keys_that_do_not_fit_are_refused(model3: CompiledModel) -> None:
    client, evaluator = BfvClient.create(model3.offer, "private"), BfvEvaluator()
    frame = unframe(client.keys, ArtefactKind.KEYS, sections=(3,))
    *switching, sound = frame.sections
    too_large = MODULI[0].to_bytes(8, "little") + sound[8:]
    for bad in (b"", sound[:-8], sound + bytes(8), too_large, b"\xff" * len(sound)):
        with pytest.raises(UnfitCiphertextError):
            evaluator.add_keys(reframed(frame, sections=(*switching, bad)))
    evaluator.add_keys(client.keys)


def test_an_evaluator_of_one_set_refuses_the_keys_of_others(model3: CompiledModel) -> None:
    evaluator = BfvEvaluator(sets=["private"])
    for name in ("fast", "precise"):
        with pytest.raises(ArtefactMismatchError, match="under private alone"):
            evaluator.add_keys(BfvClient.create(model3.offer, name).keys)
    evaluator.add_keys(BfvClient.create(model3.offer, "private").keys)


def test_a_sanitised_ciphertext_holds_two_patients_at_most(model3: CompiledModel) -> None:
    with pytest.raises(CapacityError, match="at most 2"):
        BfvClient.create(model3.offer, "private", patients=4)
    assert bfv_parameters("fast").flood_bits == 0
