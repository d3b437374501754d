"""The authentication of rows that the operator wrote to the database: clients, and issued tokens.

The database holds a token's digest and its grant, sealed under the token and a key of this gateway
together: a reader of the database learns neither, and a writer can make no token and extend none. A
client's row carries a MAC under another such key, so none can be added, changed or enabled again by
writing to the database alone; nor can the settings that say who is who, or a
patient's passkey.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.auth.clients import Client
from exchange.errors import DamagedError

_NONCE_BYTES = 12
_BEARER = b"consentry/bearer/2\0"
_CLIENT = b"consentry/client/1\0"
_CLIENTS = b"consentry/clients/1\0"
_HOLDER = b"consentry/holder/1\0"
_ROW = b"consentry/row/1\0"
_SETTINGS = b"consentry/settings/1\0"


class OperatorSeal:
    """Seals of tokens and MACs of clients under the 32 bytes of `key`, which never leave this object."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal_bearer(self, token: str, data: bytes, *, expires: int) -> bytes:
        """Encrypt `data` so that this gateway opens it with `token`; `expires` is in ms since 1970 UTC."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher(token).encrypt(nonce, data, _label(expires))

    def open_bearer(self, token: str, sealed: bytes, *, expires: int) -> bytes:
        """Return the data that were sealed for `token`.

        Raises:
            DamagedError: the bytes or the time were changed, or belong to another token or gateway.
        """
        try:
            return self._cipher(token).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _label(expires))
        except (InvalidTag, ValueError, OverflowError):
            raise DamagedError("a stored access token does not verify; ask for a new one") from None

    def seal_holder(self, digest: bytes, data: bytes) -> bytes:
        """Encrypt `data` about the holder of the token with `digest`, for this gateway's operator."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._holders().encrypt(nonce, data, digest)

    def open_holder(self, digest: bytes, sealed: bytes) -> bytes:
        """Return the data that were sealed about the holder of a token.

        Raises:
            DamagedError: the bytes were changed, or belong to another token or gateway.
        """
        try:
            return self._holders().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], digest)
        except (InvalidTag, ValueError, TypeError):
            raise DamagedError("a stored access token does not verify; ask for a new one") from None

    def seal_row(self, name: bytes, data: bytes) -> bytes:
        """Encrypt `data` for this gateway, as the content of what `name` says: a table, and a key in it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._rows().encrypt(nonce, data, name)

    def open_row(self, name: bytes, sealed: bytes) -> bytes:
        """Return the data that were sealed under `name`.

        Raises:
            DamagedError: the bytes were changed, or belong to another name or gateway.
        """
        try:
            return self._rows().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name)
        except (InvalidTag, ValueError, TypeError):
            raise DamagedError("a row about a patient's sign-in does not verify") from None

    def mac(self, client: Client) -> bytes:
        """Return the MAC over every field of `client`: HMAC-SHA-256 (32 bytes) over its canonical JSON."""
        return hmac.digest(self._key, _CLIENT + msgspec.json.encode(_fields(client)), "sha256")

    def check(self, client: Client, mac: bytes) -> None:
        """Check that a client's row is as it was registered here.

        Raises:
            DamagedError: the row was changed; the message names no field.
        """
        if not hmac.compare_digest(self.mac(client), mac):
            raise DamagedError("a registered client does not verify; run `consentry verify`")

    def clients_root(self, macs: Sequence[bytes]) -> str:
        """Return the root over the MACs of all clients, in their order: 64 hexadecimal digits."""
        return hmac.digest(self._key, _CLIENTS + b"".join(macs), "sha256").hex()

    def mac_settings(self, value: bytes) -> bytes:
        """Return the MAC over the encoded settings that say who is who (32 bytes)."""
        return hmac.digest(self._key, _SETTINGS + value, "sha256")

    def check_settings(self, value: bytes, mac: bytes) -> None:
        """Check that the recorded settings are as this node recorded them.

        Raises:
            DamagedError: they were changed otherwise.
        """
        if not hmac.compare_digest(self.mac_settings(value), mac):
            raise DamagedError("the recorded settings do not verify; restore the database from a backup")

    def _holders(self) -> AESGCM:
        return AESGCM(hmac.digest(self._key, _HOLDER, "sha256"))

    def _rows(self) -> AESGCM:
        return AESGCM(hmac.digest(self._key, _ROW, "sha256"))

    def _cipher(self, token: str) -> AESGCM:
        return AESGCM(hmac.digest(self._key, _BEARER + token.encode(), "sha256"))


def _fields(client: Client) -> dict[str, Any]:
    """Return the fields of a client; one that came later counts only if it is set, so that old MACs hold."""
    fields: dict[str, Any] = msgspec.to_builtins(client)
    if not client.jwks_url:
        del fields["jwks_url"]
    return fields


def _label(expires: int) -> bytes:
    return expires.to_bytes(8, "big")
