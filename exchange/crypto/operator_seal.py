"""Authenticates what stands in the database on the operator's word: clients, and tokens that were issued.

The database keeps a token's digest and what it stands for, sealed under the token and a key of this
gateway together: whoever reads the database learns neither, and whoever writes to it can make no token
and let none live longer. A client's row carries a MAC under another such key, so none can be added,
changed or enabled again by writing to the database alone.
"""

from __future__ import annotations

import hmac
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.auth.clients import Client
from exchange.errors import DamagedError

_NONCE_BYTES = 12
_BEARER = b"consentry/bearer/2\0"
_CLIENT = b"consentry/client/1\0"


class OperatorSeal:
    """Seals tokens and vouches for clients with the 32 bytes of `key`, which never leave this object."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal_bearer(self, token: str, data: bytes, *, expires: int) -> bytes:
        """Encrypt `data` so that this gateway opens it with `token`; `expires` is in ms since 1970 UTC."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher(token).encrypt(nonce, data, _label(expires))

    def open_bearer(self, token: str, sealed: bytes, *, expires: int) -> bytes:
        """What `seal_bearer` was given for `token`.

        Raises:
            DamagedError: the bytes or the time were changed, or belong to another token or gateway.
        """
        try:
            return self._cipher(token).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _label(expires))
        except (InvalidTag, ValueError, OverflowError):
            raise DamagedError("a stored access token does not verify; ask for a new one") from None

    def mac(self, client: Client) -> bytes:
        """The 32 bytes that vouch for every field of `client`: HMAC-SHA-256 over its canonical JSON."""
        return hmac.digest(self._key, _CLIENT + msgspec.json.encode(client), "sha256")

    def check(self, client: Client, mac: bytes) -> None:
        """Refuse a client whose row is not as it was registered here.

        Raises:
            DamagedError: naming no field of it.
        """
        if not hmac.compare_digest(self.mac(client), mac):
            raise DamagedError("a registered client does not verify; run `consentry verify`")

    def _cipher(self, token: str) -> AESGCM:
        return AESGCM(hmac.digest(self._key, _BEARER + token.encode(), "sha256"))


def _label(expires: int) -> bytes:
    return expires.to_bytes(8, "big")
