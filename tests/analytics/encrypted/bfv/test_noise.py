from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tenseal import sealapi

from analytics.encrypted import sampling, seal
from analytics.encrypted.bfv import row_evaluation, sanitising
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.packing import padded_rows, plan_layout
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.encrypted.compiler.row_program import RowProgram
from analytics.encrypted.framing import ArtefactKind, unframe
from analytics.encrypted.parameters import (
    BFV_SETS,
    FAST,
    PRIVATE,
    BfvParameters,
)


def worst_case(rows: int, columns: int, squarings: int, parameters: BfvParameters) -> RowProgram:
    """Make a program of dense and uniform weights: none compiled from trees makes more noise."""
    rng = np.random.default_rng(rows)
    t = parameters.plain_modulus
    weights = rng.integers(0, t, (rows, columns))
    offsets, kappas = rng.integers(0, t, (2, rows))
    return RowProgram(t, squarings, weights, offsets, kappas, 7, 1.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", list(BFV_SETS))
@pytest.mark.parametrize(("rows", "columns", "squarings"), [(64, 64, 1), (340, 340, 1), (900, 340, 2)])
def test_the_noise_margin_stays_above_the_floor_in_the_worst_case(
    name: str, rows: int, columns: int, squarings: int
) -> None:
    parameters = BFV_SETS[name]
    bfv, t = seal.bfv_context(parameters), parameters.plain_modulus
    program = worst_case(rows, columns, squarings, parameters)
    layout = plan_layout(padded_rows(rows), columns, parameters)
    generator = sealapi.KeyGenerator(bfv.context)
    relin, galois = seal.RelinKeys(), seal.GaloisKeys()
    generator.create_relin_keys(relin)
    generator.create_galois_keys([seal.galois_element(s, parameters.ring) for s in layout.steps], galois)
    secret = generator.secret_key()
    encryptor, decryptor = sealapi.Encryptor(bfv.context, secret), sealapi.Decryptor(bfv.context, secret)
    zero = None
    if parameters.flood_bits:
        zero = sanitising.read_zero_key(bfv, sanitising.zero_key(bfv, decryptor))
    keys = row_evaluation.EvaluationKeys(relin, galois, zero, frozenset(layout.steps), parameters, 0)
    encoded = row_evaluation.EncodedProgram(program, layout, parameters)
    rng = np.random.default_rng(1)
    for bits in (
        np.zeros((1, columns), np.int64),
        np.ones((1, columns), np.int64),
        np.full((1, columns), t - 1),
        rng.integers(0, t, (1, columns)),
    ):
        ciphertext = seal.Ciphertext()
        encryptor.encrypt_symmetric(bfv.encode(layout.place(bits)), ciphertext)
        answer = row_evaluation.evaluate(bfv, encoded, keys, ciphertext)
        if parameters.flood_bits:
            assert noise_before_flooding(bfv, encoded, keys, ciphertext, decryptor) < 44
            assert sanitised_margin(bfv, answer, decryptor) >= parameters.floor
            slots = sanitising.read_slots(bfv, decryptor, answer)
        else:
            floor = parameters.single.floor if squarings == 1 else parameters.floor
            assert decryptor.invariant_noise_budget(answer) >= floor
            plaintext = seal.Plaintext()
            decryptor.decrypt(answer, plaintext)
            slots = bfv.decode(plaintext)
        collected = layout.collect(slots, t)
        if bits.max() <= 1:
            assert collected == list(program.integers(bits))


def noise_before_flooding(bfv: Any, encoded: Any, keys: Any, ciphertext: Any, decryptor: Any) -> float:
    """Measure the bits of noise in the result at the level where it is flooded."""
    babies = row_evaluation._babies(bfv, encoded.layout, keys, ciphertext)
    value = row_evaluation._squares(
        bfv, encoded, keys, row_evaluation._rows(bfv, encoded, keys, babies, 0), 0
    )
    last = bfv.parameters.levels[1]
    bfv.evaluator.mod_switch_to_inplace(value, bfv.ids[last])
    bfv.evaluator.relinearize_inplace(value, keys.relin)
    size = sum(bfv.parameters.primes[:last]) - np.log2(bfv.parameters.plain_modulus) - 1
    return float(size - decryptor.invariant_noise_budget(value))


def sanitised_margin(bfv: Any, answer: Any, decryptor: Any) -> float:
    """Measure the bits between the noise of the kept coefficients and half the room of a plaintext value."""
    ring, modulus, t = bfv.parameters.ring, bfv.moduli[0], bfv.parameters.plain_modulus
    first, second = np.asarray([answer[i] for i in range(2 * ring)], np.int64).reshape(2, ring)
    phase = (first + sampling.times_small(second, sanitising._secret(bfv, decryptor), modulus)) % modulus
    rests = [int(phase[place]) * t % modulus for place in sanitising.kept(ring)]
    largest = max(min(rest, modulus - rest) for rest in rests)
    return float(np.log2(modulus / 2 / largest))


def test_the_flooding_leaves_nothing_to_tell_two_models_apart() -> None:
    """The statistical distance that the documentation of `parameters` states."""
    kept = len(sanitising.kept(PRIVATE.ring))
    assert kept * 2.0 ** (44 + 1 - PRIVATE.flood_bits) <= 2.0**-27


def test_two_queries_and_two_answers_for_one_patient_have_nothing_in_common(
    client: BfvClient, evaluator: BfvEvaluator, depth3: Any
) -> None:
    first, second = client.encrypt(depth3.table[0]), client.encrypt(depth3.table[0])
    assert first.digest != second.digest
    bfv = seal.bfv_context(FAST)
    slots = []
    for query in (first, second):
        answer = unframe(evaluator.score(query.data), ArtefactKind.ANSWER, sections=(1,))
        plaintext = seal.Plaintext()
        client._decryptor.decrypt(bfv.ciphertext(answer.sections[0], primes=1), plaintext)
        slots.append(bfv.decode(plaintext))
    # Beyond the score the client sees uniform values: equal slots are chance, and zeros too.
    assert np.mean(slots[0] == slots[1]) < 0.002
    assert np.mean(slots[0] == 0) < 0.002
