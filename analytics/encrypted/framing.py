"""One binary frame for every artefact that crosses a role boundary; lengths first, digest last, no pickle.

```
offset  size  field
0       4     magic "CSNT"
4       1     format version, 1
5       1     kind, see `Kind`
6       2     number of sections
8       4     length of the header
12      8 n   lengths of the sections
..            header: canonical JSON (sorted keys, no spaces), then the sections
end-32  32    SHA-256 of all that precedes
```

Integers are little-endian. The digest makes damage visible and gives the artefact its name. It is not a
signature: the connection authenticates the sender of a frame (TLS and a token, or the ledger's record).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

from analytics.errors import ArtefactMismatchError, DamagedArtefactError, FormatVersionError

MAGIC = b"CSNT"
VERSION = 1
MAX_HEADER = 4 << 20
_FIXED = struct.Struct("<4sBBHI")
_LENGTH = struct.Struct("<Q")
_DIGEST = 32


class ArtefactKind(IntEnum):
    """The kind of artefact in a frame, and the roles that may hold it."""

    MODEL = 1
    """Model owner to evaluator: the trees and their rows. Not for clients."""
    OFFER = 2
    """Model owner to client: the public bins, scale and layout. Public."""
    KEYS = 3
    """Client to evaluator: relinearisation and Galois keys. Can't decrypt."""
    QUERY = 4
    """Client to evaluator: encrypted columns."""
    ANSWER = 5
    """Evaluator to client: the encrypted, masked score."""
    SECRET = 6
    """Client to its own vault: the secret key. Never leaves the client."""
    COLUMNS = 7
    """Client to evaluator: one ciphertext per column, one slot per patient."""
    MARGINS = 8
    """Evaluator to client: one ciphertext with a margin per slot."""


@dataclass(frozen=True)
class Frame:
    """A kind, a JSON header, and sections of bytes."""

    kind: ArtefactKind
    header: dict[str, Any]
    sections: tuple[bytes, ...]

    @cached_property
    def data(self) -> bytes:
        """Return the frame's bytes; the same content always gives the same bytes."""
        header = _canonical(self.header)
        fixed = _FIXED.pack(MAGIC, VERSION, self.kind, len(self.sections), len(header))
        body = b"".join([fixed, *(_LENGTH.pack(len(s)) for s in self.sections), header, *self.sections])
        return body + hashlib.sha256(body).digest()

    @property
    def digest(self) -> str:
        """Return the frame's name: its SHA-256 in hexadecimal."""
        return self.data[-_DIGEST:].hex()


def unframe(data: bytes, kind: ArtefactKind, *, sections: Sequence[int]) -> Frame:
    """Split a frame after checking every length and the digest. `sections` are the counts allowed.

    Raises:
        DamagedArtefactError: truncated, longer than stated, altered, or no frame.
        FormatVersionError: another format version.
        ArtefactMismatchError: a frame of another kind.
    """
    if len(data) < _FIXED.size + _DIGEST:
        raise DamagedArtefactError("the artefact is shorter than an empty frame")
    magic, version, stated, count, header_length = _FIXED.unpack_from(data)
    if magic != MAGIC:
        raise DamagedArtefactError("not a Consentry artefact")
    if version != VERSION:
        raise FormatVersionError(f"artefact format {version}; this release reads format {VERSION}")
    if hashlib.sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
        raise DamagedArtefactError("the artefact was cut short or altered: its digest does not match")
    if stated != kind:
        raise ArtefactMismatchError(f"expected an artefact of kind {kind.name}, got {_name(stated)}")
    if count not in sections or header_length > MAX_HEADER:
        raise DamagedArtefactError("the artefact's sections are not those of its kind")
    position = _FIXED.size + count * _LENGTH.size
    if position + header_length + _DIGEST > len(data):
        raise DamagedArtefactError("the artefact's lengths do not add up")
    lengths = [_LENGTH.unpack_from(data, _FIXED.size + i * _LENGTH.size)[0] for i in range(count)]
    if position + header_length + sum(lengths) + _DIGEST != len(data):
        raise DamagedArtefactError("the artefact's lengths do not add up")
    header = _header(data[position : position + header_length])
    position += header_length
    parts = []
    for length in lengths:
        parts.append(data[position : position + length])
        position += length
    frame = Frame(kind, header, tuple(parts))
    # `data` would put the same megabytes together again.
    vars(frame)["data"] = data
    return frame


def _canonical(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _name(kind: int) -> str:
    return ArtefactKind(kind).name if kind in set(ArtefactKind) else f"number {kind}"


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedArtefactError("the artefact's header is not JSON") from error
    if not isinstance(header, dict):
        raise DamagedArtefactError("the artefact's header is not an object")
    if not _is_canonical(header, text):
        raise DamagedArtefactError("the artefact's header is not in canonical form")
    return header


def _is_canonical(header: dict[str, Any], text: bytes) -> bool:
    try:
        return _canonical(header) == text
    except (ValueError, RecursionError):
        return False
