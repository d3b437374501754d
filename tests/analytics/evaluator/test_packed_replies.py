"""An evaluator's reply takes no more memory than an answer, however it is packed."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from analytics.encrypted import seal
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.ckks.client import CkksClient
from analytics.encrypted.framing import ArtefactKind, Frame
from analytics.errors import AnalyticsError, ArtefactMismatchError
from analytics.evaluator.client import EvaluatorClient

_BLOCK = 128 << 10
_BOMB = 1 << 30


def zstandard(content: bytes, zeros: int) -> bytes:
    """Return a Zstandard frame of `content` and then so many zeros, three bytes for 128 KiB of them."""
    parts = [struct.pack("<IBB", 0xFD2FB528, 0, 0x38)]
    for start in range(0, len(content), _BLOCK):
        part = content[start : start + _BLOCK]
        parts.append(struct.pack("<I", len(part) << 3)[:3] + part)
    count = zeros // _BLOCK
    parts += [struct.pack("<I", _BLOCK << 3 | 2 | (n == count - 1))[:3] + b"\0" for n in range(count)]
    return b"".join(parts)


def packed(content: bytes, zeros: int) -> bytes:
    """Return an object in SEAL's packed form, mode 2."""
    body = zstandard(content, zeros)
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, seal._seal_minor(), 2, 0, 16 + len(body)) + body


def bombs(level: Any, *, transformed: bool) -> dict[str, bytes]:
    """Return ciphertexts that unpack to a gibibyte: around the numbers, within them, and twice packed."""
    numbers = np.random.default_rng(1).integers(0, 1 << 48, 2 * 8192).astype("<u8").tobytes()
    count, many = struct.pack("<Q", 2 * 8192), struct.pack("<Q", _BOMB // 8)
    identity = struct.pack("<4Q", *level)

    def members(array: bytes, polynomials: int = 2) -> bytes:
        return struct.pack("<32sBQQQdQ", identity, transformed, polynomials, 8192, 1, 1.0, 1) + array

    plain = seal._seal_object(count + numbers)
    return {
        "zeros alone": packed(b"", _BOMB),
        "zeros after all": packed(members(plain), _BOMB),
        "zeros after the numbers": seal._seal_object(members(packed(count + numbers, _BOMB))),
        "more numbers": seal._seal_object(members(packed(many, _BOMB))),
        "more polynomials": seal._seal_object(members(packed(many, _BOMB), _BOMB // 8 // 8192)),
        "twice packed": packed(members(packed(count + numbers, _BOMB)), _BOMB),
        "more numbers, twice packed": packed(members(packed(many, _BOMB)), _BOMB),
    }


@contextmanager
def at_most(memory: int) -> Iterator[None]:
    """Check that this process needs no more than so much more memory, in bytes, at any moment inside."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    yield
    assert peak() - before <= memory


def peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


def test_the_measure_sees_what_is_taken_and_given_back() -> None:
    with pytest.raises(AssertionError), at_most(16 << 20):
        np.ones(64 << 20, np.uint8)


@pytest.mark.parametrize("scheme", ["fast", "precise", "private", "cohort"])
def test_no_answer_unpacks_to_more_than_an_answer(model3: CompiledModel, depth3: Any, scheme: str) -> None:
    client: BfvClient | CkksClient
    if scheme == "cohort":
        client = CkksClient(model3.offer)
        kind, more, level = ArtefactKind.MARGINS, {}, client._ckks.ids[1]
    else:
        client = BfvClient.create(model3.offer, scheme)
        kind, more, level = ArtefactKind.ANSWER, {"set": scheme}, client._bfv.ids[1]
    query = client.encrypt(depth3.table[:1])
    header = {"model": model3.digest, "query": query.digest, **more}
    for data in bombs(level, transformed=scheme == "cohort").values():
        answer = Frame(kind, header, (data,)).data
        with at_most(48 << 20), pytest.raises(AnalyticsError):
            client.open(query, answer)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "x-unknown"])
@pytest.mark.parametrize("status", [200, 422])
async def test_a_packed_reply_is_refused_before_it_is_unpacked(coding: str, status: int) -> None:
    asked: list[httpx.Request] = []

    class Packed(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            pytest.fail("the body of a packed reply was read")
            yield gzip.compress(bytes(1 << 20))

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, headers={"content-encoding": coding}, stream=Packed())

    async with httpx.AsyncClient(transport=httpx.MockTransport(reply), base_url="http://evaluator") as http:
        remote = EvaluatorClient(http)
        for call in (remote.models, lambda: remote.offer("0" * 64), lambda: remote.programs("0" * 64)):
            with pytest.raises(ArtefactMismatchError, match="packed"):
                await call()
    assert {request.headers["accept-encoding"] for request in asked} == {"identity"}
