"""The persons who hold tokens: sealed for the operator beside each token, so that it can be listed and ended.

A person's token without this is refused: it could not be ended.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from exchange.auth.principal import Kind, Principal
from exchange.crypto.operator_seal import OperatorSeal
from exchange.store.records import clients as store


class Holder(msgspec.Struct, frozen=True):
    """The person that a token is for, the operator who issued it, and when, in ms since 1970 UTC."""

    kind: Kind
    user: str
    by: str
    issued: int


@dataclass(frozen=True, slots=True)
class HeldToken:
    """A person's token that holds; `name` is the id that stands in the log for it."""

    name: str
    holder: Holder
    expires: int


class Holders:
    """Seals, lists and ends the tokens of persons."""

    def __init__(self, seal: OperatorSeal) -> None:
        self._seal = seal

    def sealed(self, digest: bytes, holder: Holder) -> bytes:
        """Return `holder` sealed for the token with `digest`."""
        return self._seal.seal_holder(digest, msgspec.json.encode(holder))

    def opened(self, digest: bytes, sealed: bytes) -> Holder:
        """Return the holder of a token.

        Raises:
            DamagedError: it is not as it was sealed.
        """
        return msgspec.json.decode(self._seal.open_holder(digest, sealed), type=Holder)

    def is_of(self, digest: bytes, sealed: bytes | None, principal: Principal) -> bool:
        """Return whether a token's row says whose it is; a system's needs not to."""
        if sealed is None:
            return principal.kind is Kind.SYSTEM
        return self.opened(digest, sealed).user == principal.user

    def held(self, connection: Connection, now: int) -> list[HeldToken]:
        """Return the tokens that persons hold, those that end first at the beginning."""
        return [
            HeldToken(token.client_id, self.opened(digest, token.holder), token.expires)
            for digest, token in store.persons_tokens(connection, now).items()
            if token.holder is not None
        ]

    def end(self, connection: Connection, whose: str, now: int) -> int:
        """Void every token of the person or client `whose`, and return how many there were."""
        digests = [
            digest
            for digest, token in store.persons_tokens(connection, now).items()
            if token.holder is not None and self.opened(digest, token.holder).user == whose
        ]
        return store.revoke_tokens(connection, digests) + store.revoke_tokens_of(connection, whose)
