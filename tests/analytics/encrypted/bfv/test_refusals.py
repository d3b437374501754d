from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import pytest
from tenseal import sealapi

from analytics.encrypted import seal
from analytics.encrypted.artefacts import CompiledModel, ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator, key_memory
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.parameters import (
    FAST,
    PRIVATE,
)
from analytics.errors import (
    AnalyticsError,
    ArtefactError,
    ArtefactMismatchError,
    DamagedArtefactError,
    EvaluatorBusyError,
    FormatVersionError,
    UnfitCiphertextError,
    UnknownDigestError,
)
from tests.support.analytics.altered_frames import reframed


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
    client: BfvClient,
    evaluator: BfvEvaluator,
    depth3: Any,
    header: dict[str, Any],
    refusal: type[AnalyticsError],
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


def test_keys_that_do_not_fit_are_refused(
    client: BfvClient, evaluator: BfvEvaluator, model3: CompiledModel
) -> None:
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
