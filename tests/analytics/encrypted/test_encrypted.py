"""Scores on ciphertext: exactness, noise margins, and what each role refuses."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tenseal import sealapi

from analytics.encrypted import seal
from analytics.encrypted.bfv import server
from analytics.encrypted.artefacts import CompiledModel, ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.framing import Frame, ArtefactKind, unframe
from analytics.encrypted.bfv.packing import padded_rows, plan_layout
from analytics.encrypted.parameters import FAST, PRIVATE, SEAL_128_BIT_LIMIT, BFV_SETS, BfvParameters
from analytics.encrypted.compiler.rows import RowProgram
from analytics.encrypted.bfv.server import BfvEvaluator, key_memory
from analytics.encrypted.parameters import CKKS_SETS
from analytics.encrypted.ckks.client import CkksClient
from analytics.encrypted.ckks.server import CkksEvaluator
from analytics.errors import AnalyticsError, ArtefactError, EvaluatorBusyError, CapacityError, DamagedArtefactError, DataError, GarbledAnswerError, ArtefactMismatchError, UnfitCiphertextError, UnknownDigestError, UnsupportedModelError, FormatVersionError, error_class
from analytics.data.feature_values import NoUsableDataError


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


@pytest.mark.parametrize(
    "shape",
    [{"gamma": 1e9}, {"trees": 1}, {"colsample_bytree": 0.2, "depth": 4}, {"features": 1, "depth": 2}],
)
def test_odd_ensembles_are_exact_too(small: Callable[..., Any], shape: dict[str, Any]) -> None:
    """Single leaves only, one tree, trees that share no feature, one feature."""
    given = small(**{"depth": 3, **shape})
    model = CompiledModel.compile(given.xgboost, given.bins, ["fast"])
    evaluator = BfvEvaluator()
    evaluator.add_model(model.frame.data)
    client = BfvClient.create(model.offer)
    evaluator.add_keys(client.keys)
    missing = np.full((1, len(given.bins.features)), np.nan)
    for row in (given.table[:1], missing):
        query = client.encrypt(row)
        expected = model.programs["fast"].integers(given.bins.bits(given.bins.codes(row)))
        assert client.integers(query, evaluator.score(query.data)) == list(expected)


def test_a_cohort_model_that_depends_on_nothing_is_refused(small: Callable[..., Any]) -> None:
    given = small(3, gamma=1e9)
    model = CompiledModel.compile(given.xgboost, given.bins, ["fast"])
    with pytest.raises(CapacityError, match="any feature"):
        CkksEvaluator(model.frame.data)


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
            round((s.margin - model3.offer.terms("fast").centre) * model3.offer.terms("fast").scale)
            for s in scores
        ] == list(expected)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_cohorts_agree_with_xgboost_to_the_rounding(small: Callable[..., Any], depth: int) -> None:
    given = small(depth)
    model = CompiledModel.compile(given.xgboost, given.bins, ["fast"])
    client, evaluator = CkksClient(model.offer), CkksEvaluator(model.frame.data)
    evaluator.add_keys(client.keys)
    query = client.encrypt(given.table)
    margins = client.open(query, evaluator.score(query.data))
    np.testing.assert_allclose(margins, given.reference(400), atol=1.5e-4)


def worst_case(rows: int, columns: int, squarings: int, parameters: BfvParameters) -> RowProgram:
    """A program whose weights are dense and uniform: none compiled from trees makes more noise."""
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
    relin, galois, public = seal.RelinKeys(), seal.GaloisKeys(), seal.PublicKey()
    generator.create_relin_keys(relin)
    generator.create_galois_keys([seal.galois_element(s, parameters.ring) for s in layout.steps], galois)
    generator.create_public_key(public)
    flooding = sealapi.Encryptor(bfv.context, public) if parameters.flood_bits else None
    keys = server._Keys(relin, galois, flooding, frozenset(layout.steps), parameters, 0)
    prepared = server._Prepared(program, layout, parameters)
    secret = generator.secret_key()
    encryptor, decryptor = sealapi.Encryptor(bfv.context, secret), sealapi.Decryptor(bfv.context, secret)
    rng = np.random.default_rng(1)
    for bits in (
        np.zeros((1, columns), np.int64),
        np.ones((1, columns), np.int64),
        np.full((1, columns), t - 1),
        rng.integers(0, t, (1, columns)),
    ):
        ciphertext = seal.Ciphertext()
        encryptor.encrypt_symmetric(bfv.encode(layout.place(bits)), ciphertext)
        answer = server.evaluate(bfv, prepared, keys, ciphertext)
        floor = parameters.only.floor if squarings == 1 else parameters.floor
        assert decryptor.invariant_noise_budget(answer) >= floor
        if parameters.flood_bits:
            assert noise_before_flooding(bfv, prepared, keys, ciphertext, decryptor) < 40
        plaintext = seal.Plaintext()
        decryptor.decrypt(answer, plaintext)
        collected = layout.collect(bfv.decode(plaintext), t)
        if bits.max() <= 1:
            assert collected == list(program.integers(bits))


def noise_before_flooding(bfv: Any, prepared: Any, keys: Any, ciphertext: Any, decryptor: Any) -> float:
    """Bits of noise in the result at the level where it is flooded."""
    babies = server._babies(bfv, prepared.layout, keys, ciphertext)
    value = server._squares(bfv, prepared, keys, server._rows(bfv, prepared, keys, babies, 0), 0)
    last = bfv.parameters.levels[1]
    bfv.evaluator.mod_switch_to_inplace(value, bfv.ids[last])
    bfv.evaluator.relinearize_inplace(value, keys.relin)
    size = sum(bfv.parameters.primes[:last]) - np.log2(bfv.parameters.plain_modulus) - 1
    return float(size - decryptor.invariant_noise_budget(value))


@pytest.mark.parametrize("parameters", [*BFV_SETS.values(), *CKKS_SETS.values()], ids=lambda p: p.name)
def test_every_parameter_set_is_within_seals_table_for_128_bits(parameters: Any) -> None:
    limit = sealapi.CoeffModulus.MaxBitCount(8192, sealapi.SEC_LEVEL_TYPE.TC128)
    assert sum(parameters.primes) <= limit == SEAL_128_BIT_LIMIT[8192]


def test_the_flooding_leaves_nothing_to_tell_two_models_apart() -> None:
    """The statistical distance that the documentation of `parameters` states."""
    assert PRIVATE.ring * 2.0 ** (40 + 1 - PRIVATE.flood_bits) <= 2.0**-30


def test_flooding_noise_is_uniform_over_its_range_and_not_beyond() -> None:
    bfv = seal.bfv_context(PRIVATE)
    generator = sealapi.KeyGenerator(bfv.context)
    secret = generator.secret_key()
    encryptor, decryptor = sealapi.Encryptor(bfv.context, secret), sealapi.Decryptor(bfv.context, secret)
    fresh = seal.Ciphertext()
    encryptor.encrypt_symmetric(bfv.encode(np.zeros(8192, np.int64)), fresh)
    bfv.evaluator.mod_switch_to_inplace(fresh, bfv.ids[2])
    for bits in (53, 60, 84):
        flooded = seal.Ciphertext()
        bfv.evaluator.add(fresh, bfv.noise(bits, primes=2), flooded)
        # 108 bits of modulus less the plaintext's 17 and the noise's sign bit.
        assert decryptor.invariant_noise_budget(flooded) in {90 - bits, 91 - bits, 92 - bits}


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
    # What the client sees beyond the score is uniform: equal slots are chance, and zeros too.
    assert np.mean(slots[0] == slots[1]) < 0.002
    assert np.mean(slots[0] == 0) < 0.002


def test_the_offer_holds_no_tree_and_the_query_no_feature(model3: CompiledModel, client: BfvClient, depth3: Any) -> None:
    offer = model3.offer.frame
    assert offer.sections == ()
    assert set(offer.header) == {"model", "bins", "sets", "cohort_depth"}
    assert set(offer.header["sets"]["fast"]) == {"rows", "squarings", "scale", "centre", "error"}
    query = unframe(client.encrypt(depth3.table[0]).data, ArtefactKind.QUERY, sections=(1,))
    assert set(query.header) == {"model", "set", "keys", "patients"}


def reframed(frame: Frame, **changes: Any) -> bytes:
    """The frame with another header or other sections, and a digest that fits: what an attacker sends."""
    header = {**frame.header, **changes.pop("header", {})}
    return Frame(changes.get("kind", frame.kind), header, changes.get("sections", frame.sections)).data


def test_cut_or_altered_frames_are_refused(client: BfvClient, evaluator: BfvEvaluator, depth3: Any) -> None:
    data = client.encrypt(depth3.table[0]).data
    rng = random.Random(5)
    for length in (0, 1, 11, 40, len(data) // 2, len(data) - 1):
        with pytest.raises(DamagedArtefactError):
            evaluator.score(data[:length])
    with pytest.raises(DamagedArtefactError):
        evaluator.score(data + b"\x00")
    for _ in range(60):
        altered = bytearray(data)
        altered[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        with pytest.raises((DamagedArtefactError, FormatVersionError)):
            evaluator.score(bytes(altered))


def test_frames_of_another_kind_or_version_are_refused(
    client: BfvClient, evaluator: BfvEvaluator, model3: CompiledModel, depth3: Any
) -> None:
    with pytest.raises(ArtefactMismatchError, match="SECRET"):
        evaluator.add_keys(client.secret())
    with pytest.raises(ArtefactMismatchError, match="OFFER"):
        evaluator.add_model(model3.offer.frame.data)
    with pytest.raises(ArtefactMismatchError, match="MODEL"):
        ModelOffer.read(model3.frame.data)
    body = bytearray(client.encrypt(depth3.table[0]).data[:-32])
    body[4] = 2
    with pytest.raises(FormatVersionError, match="format 2"):
        evaluator.score(bytes(body) + hashlib.sha256(body).digest())


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        ({"model": "0" * 64}, UnknownDigestError),
        ({"keys": "0" * 64}, UnknownDigestError),
        ({"set": "precise"}, ArtefactMismatchError),
        ({"set": "none"}, ArtefactMismatchError),
        ({"patients": 3}, ArtefactMismatchError),
        ({"patients": 0}, ArtefactMismatchError),
        ({"patients": 1 << 40}, ArtefactMismatchError),
        ({"patients": 8}, ArtefactMismatchError),
        ({"patients": "1"}, DamagedArtefactError),
        ({"extra": 1}, DamagedArtefactError),
    ],
)
def test_queries_with_another_header_are_refused(
    client: BfvClient, evaluator: BfvEvaluator, depth3: Any, header: dict[str, Any], refusal: type[AnalyticsError]
) -> None:
    frame = unframe(client.encrypt(depth3.table[0]).data, ArtefactKind.QUERY, sections=(1,))
    with pytest.raises(refusal):
        evaluator.score(reframed(frame, header=header))


def ciphertexts_that_do_not_fit(client: BfvClient) -> dict[str, bytes]:
    bfv = seal.bfv_context(FAST)
    encode = bfv.encode(np.arange(8192) % 7)
    fresh, low, squared, transformed = (seal.Ciphertext() for _ in range(4))
    client._encryptor.encrypt_symmetric(encode, fresh)
    bfv.evaluator.mod_switch_to(fresh, bfv.ids[1], low)
    bfv.evaluator.square(fresh, squared)
    bfv.evaluator.transform_to_ntt(fresh, transformed)
    other = seal.bfv_context(PRIVATE)
    generator = sealapi.KeyGenerator(other.context)
    foreign = sealapi.Encryptor(other.context, generator.secret_key())
    return {
        "lower level": seal.dump(low),
        "three parts": seal.dump(squared),
        "ntt form": seal.dump(transformed),
        "other parameters": seal.dump(foreign.encrypt_symmetric(other.encode(np.arange(8192) % 7))),
        "a key": seal.dump(client._secret),
        "empty": b"",
        "noise": random.Random(1).randbytes(131_000),
        "header only": seal.dump(fresh)[:16],
        "cut": seal.dump(fresh)[:70_000],
    }


def test_ciphertexts_that_do_not_fit_are_refused_before_use(
    client: BfvClient, evaluator: BfvEvaluator, depth3: Any
) -> None:
    frame = unframe(client.encrypt(depth3.table[0]).data, ArtefactKind.QUERY, sections=(1,))
    for name, data in ciphertexts_that_do_not_fit(client).items():
        with pytest.raises(UnfitCiphertextError):
            evaluator.score(reframed(frame, sections=(data,)))
        answer = Frame(ArtefactKind.ANSWER, {"model": "m", "set": "fast", "query": "q"}, (data,))
        assert answer.data, name


def test_keys_that_do_not_fit_are_refused(client: BfvClient, evaluator: BfvEvaluator, model3: CompiledModel) -> None:
    frame = unframe(client.keys, ArtefactKind.KEYS, sections=(2,))
    relin, galois = frame.sections
    private = unframe(BfvClient.create(model3.offer, "private").keys, ArtefactKind.KEYS, sections=(3,))
    steps = frame.header["steps"]
    bad: list[tuple[dict[str, Any], tuple[bytes, ...]]] = [
        ({}, (galois, relin)),
        ({}, (relin, relin)),
        ({}, (relin, galois[:-100])),
        ({}, (relin[:16], galois)),
        ({}, private.sections[:2]),
        ({"set": "private"}, (relin, galois)),
        ({"set": "precise"}, (relin, galois)),
        ({"steps": steps[:-1]}, (relin, galois)),
        ({"steps": [*steps[:-1], 77]}, (relin, galois)),
        ({"steps": [*steps, steps[0]]}, (relin, galois)),
        ({"steps": [-1]}, (relin, galois)),
        ({"steps": list(range(300))}, (relin, galois)),
    ]
    for header, sections in bad:
        with pytest.raises(ArtefactError):
            evaluator.add_keys(reframed(frame, header=header, sections=sections))


def test_altered_ciphertexts_give_an_error_or_the_right_score_but_never_a_wrong_one(
    client: BfvClient, evaluator: BfvEvaluator, model3: CompiledModel, depth3: Any, scale: float
) -> None:
    """Bits flipped inside a ciphertext whose frame fits again, on the way there and on the way back."""
    rng = random.Random(9)
    query = client.encrypt(depth3.table[0])
    frame = unframe(query.data, ArtefactKind.QUERY, sections=(1,))
    right = client.integers(query, evaluator.score(query.data))
    seen = {"refused": 0, "garbled": 0, "right": 0}

    def flipped(data: bytes) -> bytes:
        out = bytearray(data)
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        return bytes(out)

    def judge(run: Callable[[], list[int]]) -> None:
        try:
            got = run()
        except GarbledAnswerError:
            seen["garbled"] += 1
        except ArtefactError:
            seen["refused"] += 1
        else:
            assert got == right
            seen["right"] += 1

    def there() -> list[int]:
        altered = reframed(frame, sections=(flipped(frame.sections[0]),))
        answer = unframe(evaluator.score(altered), ArtefactKind.ANSWER, sections=(1,))
        return client.integers(query, reframed(answer, header={"query": query.digest}))

    answer = unframe(evaluator.score(query.data), ArtefactKind.ANSWER, sections=(1,))

    def back() -> list[int]:
        return client.integers(query, reframed(answer, sections=(flipped(answer.sections[0]),)))

    for _ in range(round(20 * scale)):
        judge(there)
        judge(back)
    assert seen["garbled"] + seen["refused"] > seen["right"]


def test_another_clients_keys_or_secret_give_no_score(
    client: BfvClient, evaluator: BfvEvaluator, model3: CompiledModel, depth3: Any
) -> None:
    other = BfvClient.create(model3.offer)
    evaluator.add_keys(other.keys)
    query = client.encrypt(depth3.table[0])
    frame = unframe(query.data, ArtefactKind.QUERY, sections=(1,))
    swapped = reframed(frame, header={"keys": other.keys_digest})
    answer = unframe(evaluator.score(swapped), ArtefactKind.ANSWER, sections=(1,))
    with pytest.raises(GarbledAnswerError):
        client.open(query, reframed(answer, header={"query": query.digest}))
    with pytest.raises(GarbledAnswerError):
        other.open(query, evaluator.score(query.data))


def test_an_answer_to_another_query_is_refused(client: BfvClient, evaluator: BfvEvaluator, depth3: Any) -> None:
    first, second = client.encrypt(depth3.table[0]), client.encrypt(depth3.table[1])
    answer = evaluator.score(first.data)
    with pytest.raises(ArtefactMismatchError, match="another query"):
        client.open(second, answer)


def test_an_answer_from_another_model_is_refused(client: BfvClient, evaluator: BfvEvaluator, depth3: Any) -> None:
    query = client.encrypt(depth3.table[0])
    answer = unframe(evaluator.score(query.data), ArtefactKind.ANSWER, sections=(1,))
    with pytest.raises(ArtefactMismatchError, match="another model"):
        client.open(query, reframed(answer, header={"model": "0" * 64}))


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


def test_keys_are_bounded_in_memory_and_the_oldest_go(model3: CompiledModel, depth3: Any) -> None:
    clients = [BfvClient.create(model3.offer) for _ in range(3)]
    each = key_memory(FAST, len(model3.offer.layout("fast").steps))
    evaluator = BfvEvaluator(key_memory=2 * each + 1)
    evaluator.add_model(model3.frame.data)
    for client in clients:
        evaluator.add_keys(client.keys)
        assert evaluator.key_bytes <= 2 * each
    assert evaluator.keys == tuple(c.keys_digest for c in clients[1:])
    with pytest.raises(UnknownDigestError, match="send them again"):
        evaluator.score(clients[0].encrypt(depth3.table[0]).data)
    with pytest.raises(EvaluatorBusyError):
        BfvEvaluator(key_memory=each - 1).add_keys(clients[0].keys)


def test_rows_with_other_features_are_refused_before_encryption(client: BfvClient) -> None:
    with pytest.raises(DataError):
        client.encrypt([1.0, 2.0])


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
        CompiledModel.read(reframed(frame, sections=(*frame.sections[:-1], b"\xff" * len(frame.sections[-1]))))
    other = json.loads(frame.sections[0])
    other["learner"]["attributes"] = {}
    with pytest.raises(UnsupportedModelError):
        CompiledModel.read(reframed(frame, sections=(json.dumps(other).encode(), *frame.sections[1:])))


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


def test_every_refusal_has_a_code_of_its_own_and_travels_by_it() -> None:
    kinds: list[type[AnalyticsError]] = [AnalyticsError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    own = [kind for kind in kinds if kind.__module__ == "analytics.errors"]
    assert len({kind.code for kind in own}) == len(own)
    stays_home = {AnalyticsError, NoUsableDataError}
    for kind in own:
        assert error_class(kind.code) is (AnalyticsError if kind in stays_home else kind)
    assert error_class("from a later release") is AnalyticsError


def test_too_many_columns_for_a_packed_layout_are_refused(model3: CompiledModel) -> None:
    with pytest.raises(CapacityError):
        plan_layout(32, 3000, FAST, patients=16)
    with pytest.raises(ValueError, match="power of two"):
        plan_layout(32, 100, FAST, patients=3)
