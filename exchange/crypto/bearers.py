"""Seals what an access token stands for under the token itself.

The database keeps a token's digest and these bytes: whoever reads it learns neither the token nor who
holds it, and whoever presents the token brings the key along.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from exchange.core.errors import DamagedError
from exchange.core.randomness import random_bytes

_NONCE_BYTES = 12


def _cipher(token: str) -> AESGCM:
    # A token is 256 random bits, so expanding it is enough (RFC 5869, section 3.3).
    info = b"consentry/bearer/1"
    return AESGCM(HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info).derive(token.encode()))


def seal_bearer(token: str, data: bytes) -> bytes:
    """Encrypt `data` so that `token` opens it."""
    nonce = random_bytes(_NONCE_BYTES)
    return nonce + _cipher(token).encrypt(nonce, data, None)


def open_bearer(token: str, sealed: bytes) -> bytes:
    """What `seal_bearer` was given for `token`.

    Raises:
        DamagedError: the bytes were changed, or belong to another token.
    """
    try:
        return _cipher(token).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except (InvalidTag, ValueError):
        raise DamagedError("a stored access token does not verify; ask for a new one") from None
