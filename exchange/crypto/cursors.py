"""Opaque links to the next page: the state of a search, sealed so that a URL discloses nothing."""

from __future__ import annotations

import base64
import binascii
import os
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.errors import BadRequestError

T = TypeVar("T")
_NONCE_BYTES = 12
_MAX_LENGTH = 16_384


class Cursors:
    """Cursors sealed under a key of 32 bytes, each bound to the client that it was made for."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, value: object, *, client: str) -> str:
        """Seal a msgspec-encodable `value` as URL-safe text."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, msgspec.json.encode(value), client.encode())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, text: str, kind: type[T], *, client: str) -> T:
        """Return the value that was sealed as `text`.

        Raises:
            BadRequestError: the text was changed, or was made for another client or server.
        """
        try:
            raw = base64.urlsafe_b64decode(text[:_MAX_LENGTH] + "=" * (-len(text) % 4))
            opened = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], client.encode())
            return msgspec.json.decode(opened, type=kind)
        except (InvalidTag, ValueError, binascii.Error, msgspec.MsgspecError):
            raise BadRequestError("the page link does not hold; start the search again") from None
