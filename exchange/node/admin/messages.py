"""The messages on the admin socket: one JSON object on a line, each of a kind that its tag names.

A connection has one question. A load is answered by many messages and may be told to stop between two.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

LONGEST: Final = 16 << 20
"""Bytes of the longest message."""
_LONGEST_ADDRESS = 100  # bytes of a socket's address; systems take 104 or 108


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Asks for a transaction of a contract."""

    function: str
    args: bytes


class Evaluate(msgspec.Struct, frozen=True, tag=True):
    """Asks a contract, without a transaction."""

    function: str
    args: bytes


class Load(msgspec.Struct, frozen=True, tag=True):
    """Asks to load the files at absolute `paths`, which the gateway's user can read."""

    paths: tuple[str, ...]
    same_ids: bool


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Ends a load after the batches that are being written."""


class Submitted(msgspec.Struct, frozen=True, tag=True):
    """The transaction, which committed."""

    tx_id: str
    block: int
    time: int
    result: bytes


class ContractResult(msgspec.Struct, frozen=True, tag=True):
    """The contract's result."""

    result: bytes


class Planned(msgspec.Struct, frozen=True, tag=True):
    """The bytes on disk that will be read, and the files that can't be."""

    size: int
    faults: tuple[str, ...]


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """The outcome of durable batches: how many resources, of how many bytes on disk, and the faults.

    `notices` are what the authors of consents are told.
    """

    size: int
    stored: int
    unchanged: int
    faults: tuple[str, ...]
    notices: tuple[str, ...] = ()


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The load is over."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The question was not done; `contract` is the code where a contract refused."""

    message: str
    contract: str = ""
    unknown_outcome: bool = False
    damaged: bool = False


Question = Submit | Evaluate | Load
Answer = Submitted | ContractResult | Planned | Loaded | Ended | Refused
M = TypeVar("M")

read_question = msgspec.json.Decoder(Question).decode
read_answer = msgspec.json.Decoder(Answer).decode
_encode = msgspec.json.Encoder().encode


def line(message: msgspec.Struct) -> bytes:
    """Return `message` as it is sent."""
    return _encode(message) + b"\n"


@contextmanager
def address(path: Path) -> Iterator[str]:
    """Yield an address for the socket at `path`, however long that is.

    Raises:
        OSError: it is too long for this system.
    """
    if len(os.fsencode(path.absolute())) <= _LONGEST_ADDRESS:
        yield str(path.absolute())
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:  # where the system has no such files, the connection fails with the reason
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bound(path: Path) -> socket.socket:
    """Return a listening socket at `path` that its owner alone may use, in place of one that was left there.

    Raises:
        OSError: there can be none.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(path) as place:
            before = os.umask(0o177)
            try:
                listener.bind(place)
            finally:
                os.umask(before)
        listener.listen(8)
    except OSError:
        listener.close()
        raise
    return listener
