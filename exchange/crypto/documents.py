"""Sealed document versions, which only a Permit opens.

A version's key is HKDF-Expand(subject's data key, reference token and version); a record that concerns
several patients needs all their keys, so that erasing any one of them erases it. The associated data are
the reference token, the version, the content digest and the rest of the row (time, subjects, index terms),
so that no row can replace another and no change goes unnoticed. The digest is keyed by the subject: equal
bodies of one subject have equal digests, and a guess at a body can't be tested without the key.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.auth.write_right import WriteRight
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.permit import Permit
from exchange.errors import DamagedError

_NONCE_BYTES = 12
_LABEL = b"consentry/document/1"


class PermitError(Exception):
    """A document was to be opened without a Permit that covers its subjects: a defect in the caller."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed version as it is stored.

    `digest` is the keyed content digest, `bound` the rest of the row as canonical bytes (the store's
    `binding`), and `sealed` the nonce and ciphertext.
    """

    reference: bytes
    version: int
    digest: bytes
    bound: bytes
    sealed: bytes


def _material(subjects: Sequence[SubjectKeys]) -> bytes:
    if not subjects:
        raise ValueError("a document belongs to at least one subject")
    if len(subjects) == 1:
        return subjects[0].data
    return b"".join(keys.data for keys in sorted(subjects, key=lambda keys: keys.token))


def _expand(material: bytes, info: bytes) -> bytes:
    # HKDF-Expand with SHA-256 (RFC 5869, section 2.3), of which one block is enough.
    return hmac.digest(material, info + b"\x01", "sha256")


def _context(reference: bytes, version: int) -> bytes:
    return reference + version.to_bytes(8, "big")


def _associated(reference: bytes, version: int, content_digest: bytes, bound: bytes) -> bytes:
    return _context(reference, version) + content_digest + bound


def digest(subjects: Sequence[SubjectKeys], body: bytes) -> bytes:
    """Return the 32-byte content digest of `body` as received."""
    return hmac.digest(_material(subjects), b"consentry/digest/1" + body, "sha256")


def seal(
    subjects: Sequence[SubjectKeys],
    reference: bytes,
    version: int,
    *,
    content_digest: bytes,
    bound: bytes,
    body: bytes,
) -> Envelope:
    """Encrypt `body` as `version` of `reference` under the keys of all its `subjects`."""
    nonce = os.urandom(_NONCE_BYTES)
    cipher = AESGCM(_expand(_material(subjects), _LABEL + _context(reference, version)))
    associated = _associated(reference, version, content_digest, bound)
    return Envelope(
        reference, version, content_digest, bound, nonce + cipher.encrypt(nonce, body, associated)
    )


def open_document(permit: Permit, subjects: Sequence[SubjectKeys], envelope: Envelope) -> bytes:
    """Open a document for the holder of a Permit that covers every one of `subjects`.

    Raises:
        PermitError: the permit is missing, stale or does not cover all subjects.
        DamagedError: the row does not verify; nothing was opened.
    """
    if not isinstance(permit, Permit) or not permit.covers(tuple(keys.token for keys in subjects)):
        raise PermitError("no valid permit for this document")
    return _open(subjects, envelope)


def is_sound(subjects: Sequence[SubjectKeys], envelope: Envelope) -> bool:
    """Return whether a stored version verifies, and nothing of its content, for `consentry verify`."""
    try:
        _open(subjects, envelope)
    except DamagedError:
        return False
    return True


def labels_of(right: WriteRight, subjects: Sequence[SubjectKeys], envelope: Envelope) -> list[dict[str, Any]]:
    """Return the security labels of a version and nothing else of its content, to keep them in the next one.

    Only a holder of the right to write has a use for them: an update would drop labels that it does not know.

    Raises:
        PermitError: there is no right to write.
        DamagedError: the row does not verify; nothing was opened.
    """
    if not isinstance(right, WriteRight):
        raise PermitError("no right to replace this document")
    try:
        return _labelled(_open(subjects, envelope)).meta.security
    except msgspec.MsgspecError:
        raise DamagedError("a stored document is no resource; run `consentry verify`") from None


class _Meta(msgspec.Struct):
    security: list[dict[str, Any]] = []


class _Labelled(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


_labelled = msgspec.json.Decoder(_Labelled).decode


def _open(subjects: Sequence[SubjectKeys], envelope: Envelope) -> bytes:
    context = _context(envelope.reference, envelope.version)
    cipher = AESGCM(_expand(_material(subjects), _LABEL + context))
    associated = _associated(envelope.reference, envelope.version, envelope.digest, envelope.bound)
    sealed = envelope.sealed
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
    except (InvalidTag, ValueError):
        raise DamagedError("a stored document does not verify; run `consentry verify`") from None


def seal_metadata(keys: SubjectKeys, label: bytes, data: bytes) -> bytes:
    """Encrypt metadata of a subject, such as compiled consents and details of log entries.

    `label` names the row that the bytes belong to; no other row's label opens them.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(keys.metadata).encrypt(nonce, data, label)


def open_metadata(keys: SubjectKeys, label: bytes, sealed: bytes) -> bytes:
    """Open sealed metadata of a subject, which are never a document."""
    try:
        return AESGCM(keys.metadata).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label)
    except (InvalidTag, ValueError):
        raise DamagedError("stored data about a subject do not verify; run `consentry verify`") from None
