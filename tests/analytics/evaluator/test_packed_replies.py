"""Nothing that an evaluator sends unpacks to more than its own length, in any place that reads it."""

from __future__ import annotations

import gzip
import inspect
import re
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from analytics.encrypted import seal
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv import client as bfv_client
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.ckks import client as ckks_client
from analytics.encrypted.ckks.client import CkksClient
from analytics.encrypted.framing import ArtefactKind, Frame
from analytics.errors import ArtefactMismatchError, GarbledAnswerError, UnfitCiphertextError
from analytics.evaluator.client import EvaluatorClient

_BLOCK = 128 << 10


def bomb(size: int) -> bytes:
    """Return an object in SEAL's packed form (Zstandard) whose content is `size` zeros."""
    frame = struct.pack("<IBB", 0xFD2FB528, 0, 0x38)  # no content size, a window of 128 KiB
    blocks = size // _BLOCK
    frame += b"".join(
        struct.pack("<I", _BLOCK << 3 | 1 << 1 | (n == blocks - 1))[:3] + b"\0" for n in range(blocks)
    )
    minor = seal._seal_minor()
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, minor, 2, 0, 16 + len(frame)) + frame


@pytest.mark.parametrize("scheme", ["fast", "precise", "private", "cohort"])
def test_a_bomb_in_the_place_of_a_ciphertext_is_refused_by_its_length(
    model3: CompiledModel, depth3: Any, scheme: str
) -> None:
    given: dict[str, Any] = {"model": model3.digest}
    opened: Callable[[bytes], Any]
    if scheme == "cohort":
        cohort = CkksClient(model3.offer)
        query = cohort.encrypt(depth3.table[:3])
        kind, given = ArtefactKind.MARGINS, given | {"query": query.digest, "scale": 1.0}
        opened = lambda data: cohort.open(query, data)  # noqa: E731 - one of two doors
    else:
        client = BfvClient.create(model3.offer, scheme)
        query = client.encrypt(depth3.table[:1])
        kind, given = ArtefactKind.ANSWER, given | {"query": query.digest, "set": scheme}
        opened = lambda data: client.open(query, data)  # noqa: E731 - the other one
    right = 16 * 8192
    padded = bomb(1 << 30)
    for section in (padded, padded + bytes(right - len(padded)), b"", bytes(right - 8), bytes(right + 8)):
        tracemalloc.start()
        with pytest.raises((UnfitCiphertextError, GarbledAnswerError)):
            opened(Frame(kind, given, (section,)).data)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


def test_a_client_has_seal_read_its_own_secret_and_nothing_else() -> None:
    calls = [
        call
        for module in (bfv_client, ckks_client)
        for call in re.findall(r"seal\.load\(|\.ciphertext\(", inspect.getsource(module))
    ]
    assert calls == ["seal.load("]
    assert "seal.load(seal.SecretKey()" in inspect.getsource(bfv_client)


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
