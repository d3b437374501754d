from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.encrypted.framing import ArtefactKind, unframe
from analytics.errors import (
    ArtefactError,
    ArtefactMismatchError,
    GarbledAnswerError,
)
from tests.support.analytics.altered_frames import reframed


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


def test_an_answer_to_another_query_is_refused(
    client: BfvClient, evaluator: BfvEvaluator, depth3: Any
) -> None:
    first, second = client.encrypt(depth3.table[0]), client.encrypt(depth3.table[1])
    answer = evaluator.score(first.data)
    with pytest.raises(ArtefactMismatchError, match="another query"):
        client.open(second, answer)


def test_an_answer_from_another_model_is_refused(
    client: BfvClient, evaluator: BfvEvaluator, depth3: Any
) -> None:
    query = client.encrypt(depth3.table[0])
    answer = unframe(evaluator.score(query.data), ArtefactKind.ANSWER, sections=(1,))
    with pytest.raises(ArtefactMismatchError, match="another model"):
        client.open(query, reframed(answer, header={"model": "0" * 64}))
