"""The process that computes on ciphertext, apart from the one that talks to clients.

SEAL was not written for hostile input: bytes that pass its checks may still make it abort, and that must
end a worker and not the service. So the arithmetic runs here, started as `python -m
analytics.evaluator.worker`, over pipes: each message is a four-byte little-endian length and a msgpack map
(no pickle). A worker holds models and evaluation keys, never a secret, limits its own memory, writes no
core file, and ends when its input does.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from typing import BinaryIO, Literal

import msgspec

from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.errors import AnalyticsError, UnfitCiphertextError

LENGTH = struct.Struct("<I")


class WorkerRequest(msgspec.Struct, frozen=True):
    """One call of `BfvEvaluator`: register a model, store keys, or score."""

    call: Literal["model", "keys", "score"]
    data: bytes


class WorkerReply(msgspec.Struct, frozen=True):
    """The call's result (a digest or an artefact), or the code and message of its refusal."""

    result: bytes = b""
    code: str = ""
    message: str = ""


def serve(source: BinaryIO, target: BinaryIO, evaluator: BfvEvaluator) -> None:
    """Answer requests until the input ends."""
    decoder = msgspec.msgpack.Decoder(WorkerRequest)
    while head := source.read(LENGTH.size):
        body = source.read(LENGTH.unpack(head)[0])
        reply = msgspec.msgpack.encode(answer(evaluator, decoder.decode(body)))
        target.write(LENGTH.pack(len(reply)) + reply)
        target.flush()


def answer(evaluator: BfvEvaluator, request: WorkerRequest) -> WorkerReply:
    """Return one request's reply; a refusal is a reply too."""
    try:
        if request.call == "model":
            return WorkerReply(evaluator.add_model(request.data).encode())
        if request.call == "keys":
            return WorkerReply(evaluator.add_keys(request.data).encode())
        return WorkerReply(evaluator.score(request.data))
    except AnalyticsError as refusal:
        return WorkerReply(code=refusal.code, message=str(refusal))
    except Exception as fault:  # noqa: BLE001 - the next client's request must not meet a dead worker
        sys.stderr.write(f"a request failed: {type(fault).__name__}\n")
        return WorkerReply(code=UnfitCiphertextError.code, message="this can't be computed on")


def main() -> None:
    """Run a worker on standard input and output. Arguments: bytes of memory, bytes for keys, sets."""
    memory, keys = (int(x) for x in sys.argv[1:3])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # A library's output must not end up between two replies.
    os.dup2(2, 1)
    serve(source, target, BfvEvaluator(key_memory=keys, sets=sys.argv[3:]))


if __name__ == "__main__":
    main()
