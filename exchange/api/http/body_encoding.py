"""Bodies as FHIR JSON, whatever they were wrapped in: a content coding, a byte order mark.

A body that is stored is stored as it was meant: unpacked, and without a mark before its first character.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from starlette.datastructures import Headers

from exchange.errors import BadRequestError, TooLargeError, UnsupportedMediaError
from exchange.runtime import quota

_MARK: Final = b"\xef\xbb\xbf"
_GZIP: Final = 16 + zlib.MAX_WBITS
_STEP: Final = 1 << 20
_UNCODED: Final = frozenset({"", "identity"})


def check_coding(headers: Headers, *, supported: frozenset[str] = frozenset()) -> str:
    """Return the content coding of a body, empty where there is none.

    Raises:
        UnsupportedMediaError: it is not one of those `supported`.
    """
    coding = ", ".join(headers.getlist("content-encoding")).strip().lower()
    coding = "gzip" if coding == "x-gzip" else coding
    if coding in _UNCODED:
        return ""
    if coding not in supported:
        raise UnsupportedMediaError("the body's content coding is not supported; send gzip or none")
    return coding


async def decoded(headers: Headers, body: bytes, *, most: int) -> bytes:
    """Return `body` unpacked and without a byte order mark; it may unpack to `most` bytes.

    Raises:
        UnsupportedMediaError: the coding is not supported.
        BadRequestError: the body is not in its coding.
        TooLargeError: it unpacks to more than `most` bytes.
        ThrottledError: other requests take the memory for it.
    """
    if check_coding(headers, supported=frozenset({"gzip"})):
        body = await _unpacked(body, most)
    return body.removeprefix(_MARK)


async def _unpacked(body: bytes, most: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    parts: list[bytes] = []
    size = 0
    rest = body
    while not unpacking.eof:
        try:
            part = await asyncio.to_thread(unpacking.decompress, rest, _STEP)
        except zlib.error:
            raise BadRequestError("the body is not gzip, as its content coding says") from None
        size += len(part)
        if size > most:
            raise TooLargeError("the body is over the limit once it is unpacked")
        quota.current().reserve(len(part))
        parts.append(part)
        rest = unpacking.unconsumed_tail
        if not part and not rest and not unpacking.eof:
            raise BadRequestError("the body ends before its gzip stream does")
    if unpacking.unused_data:
        raise BadRequestError("the body goes on after its gzip stream")
    return b"".join(parts)
