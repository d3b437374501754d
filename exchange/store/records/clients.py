"""Registered clients, the access tokens they hold, and the assertions they have used up.

Tokens are stored as SHA-256 digests only: a reader of the database can't use one. An assertion's `jti` is
stored until the assertion has expired, and its primary key refuses a replay, so two
gateway processes over one database can't both accept it. Times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from exchange.auth.clients import Client
from exchange.errors import ConflictError, DamagedError
from exchange.store.engine.dialect import IN_BYTE_ORDER, bounded_text, is_postgres
from exchange.store.records.schema import metadata

clients = Table(
    "clients",
    metadata,
    Column("client_id", bounded_text(255), primary_key=True),
    Column("name", bounded_text(255), nullable=False),
    Column("organization", bounded_text(255), nullable=False),
    Column("keys", LargeBinary, nullable=False),
    Column("scopes", Text().with_variant(IN_BYTE_ORDER, "postgresql"), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("disabled", BigInteger),
    Column("purpose", bounded_text(255), nullable=False),
    Column("mac", LargeBinary(32), nullable=False),  # of all the others
    Column("jwks_url", bounded_text(1000)),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("client_id", bounded_text(255), nullable=False, index=True),
    Column("principal", LargeBinary, nullable=False),  # sealed under the token, with `expires`
    Column("expires", BigInteger, nullable=False, index=True),
    Column("holder", LargeBinary),  # of a person's token: whose it is, sealed for the operator
    sqlite_with_rowid=False,
)

used_assertions = Table(
    "used_assertions",
    metadata,
    Column("client_id", bounded_text(255), primary_key=True),
    Column("jti", bounded_text(255), primary_key=True),
    Column("expires", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

_encode = msgspec.json.Encoder().encode
_decode_keys = msgspec.json.Decoder(tuple[dict[str, str], ...]).decode


T = TypeVar("T")

_UNREADABLE = "a row of a client or of a token can't be read; run `consentry verify`"


class StoredToken(msgspec.Struct, frozen=True):
    """A token as it is stored: its client, its principal, sealed, and its end in ms since 1970 UTC.

    `holder` says whose it is, sealed for the operator; None for a system's.
    """

    client_id: str
    principal: bytes
    expires: int
    holder: bytes | None = None


Registered = tuple[Client, bytes]
"""A client as its row says, and the MAC that the row carries."""


def register(connection: Connection, client: Client, mac: bytes) -> None:
    """Add `client`.

    Raises:
        ConflictError: its client_id is taken, be it by a disabled client.
    """
    try:
        with connection.begin_nested():
            connection.execute(insert(clients), _values(client, mac))
    except IntegrityError:
        raise ConflictError(
            "this client_id is taken; choose another one, or enable the client if it is disabled"
        ) from None


def find(connection: Connection, client_id: str, *, lock: bool = False) -> Registered | None:
    """Return the client, disabled or not; with `lock` it can't be disabled before this transaction ends."""
    statement = select(clients).where(clients.c.client_id == client_id)
    if lock:
        statement = statement.with_for_update(read=True)
    row = connection.execute(statement).first()
    return None if row is None else _registered(row)


def everyone(connection: Connection) -> Iterator[Registered]:
    """Yield all clients, disabled ones included, by client_id."""
    for row in connection.execute(select(clients).order_by(clients.c.client_id)):
        yield _registered(row)


def macs(connection: Connection) -> list[bytes]:
    """Return the MACs of all clients, by client_id.

    Raises:
        DamagedError: a row is of another kind than any that was written.
    """
    statement = select(clients.c.mac).order_by(clients.c.client_id)
    return [_converted(mac, bytes) for mac in connection.execute(statement).scalars()]


def lock(connection: Connection) -> None:
    """Have no other transaction change clients before this one ends; they may be read."""
    if is_postgres(connection):
        connection.execute(text("LOCK TABLE clients IN SHARE ROW EXCLUSIVE MODE"))


def count(connection: Connection) -> int:
    """Return how many clients there are."""
    return int(connection.execute(select(func.count()).select_from(clients)).scalar_one())


def change(connection: Connection, client: Client, mac: bytes) -> None:
    """Put `client` in place of the one with its client_id."""
    statement = update(clients).where(clients.c.client_id == client.client_id)
    connection.execute(statement.values(_values(client, mac)))


def use_assertion(connection: Connection, client_id: str, jti: str, expires: int) -> bool:
    """Mark an assertion as used; False if it has been used before, here or by another process."""
    try:
        with connection.begin_nested():
            connection.execute(
                insert(used_assertions), {"client_id": client_id, "jti": jti, "expires": expires}
            )
    except IntegrityError:
        return False
    return True


def store_token(
    connection: Connection,
    digest: bytes,
    *,
    client_id: str,
    principal: bytes,
    expires: int,
    holder: bytes | None = None,
) -> None:
    """Store the sealed `principal` of the token with `digest`, and of a person's its sealed `holder`."""
    values = {
        "digest": digest,
        "client_id": client_id,
        "principal": principal,
        "expires": expires,
        "holder": holder,
    }
    connection.execute(insert(access_tokens), values)


def find_token(connection: Connection, digest: bytes) -> StoredToken | None:
    """Return the token with `digest` as it is stored; it may have expired.

    Raises:
        DamagedError: the row is of another kind than any that was written.
    """
    row = connection.execute(select(access_tokens).where(access_tokens.c.digest == digest)).first()
    return None if row is None else _converted(_fields(row, StoredToken), StoredToken)


def persons_tokens(connection: Connection, now: int) -> dict[bytes, StoredToken]:
    """Return the tokens of persons that have not expired at `now`, by their digests."""
    table = access_tokens.c
    statement = select(access_tokens).where(table.holder.is_not(None), table.expires > now)
    rows = connection.execute(statement.order_by(table.expires))
    return {row.digest: _converted(_fields(row, StoredToken), StoredToken) for row in rows}


def revoke_tokens(connection: Connection, digests: Sequence[bytes]) -> int:
    """Void the tokens with these digests; how many there were."""
    return connection.execute(delete(access_tokens).where(access_tokens.c.digest.in_(list(digests)))).rowcount


def revoke_tokens_of(connection: Connection, client_id: str) -> int:
    """Void every token of a client; how many there were."""
    return connection.execute(delete(access_tokens).where(access_tokens.c.client_id == client_id)).rowcount


def sweep(connection: Connection, now: int, *, limit: int) -> int:
    """Delete up to `limit` expired tokens and as many expired assertions; how many rows went."""
    stale_tokens = _oldest(access_tokens, now, limit)
    stale_uses = _oldest(used_assertions, now, limit)
    gone = connection.execute(delete(access_tokens).where(access_tokens.c.digest.in_(stale_tokens)))
    key = tuple_(used_assertions.c.client_id, used_assertions.c.jti)
    used = connection.execute(delete(used_assertions).where(key.in_(stale_uses)))
    return gone.rowcount + used.rowcount


def has_expired(connection: Connection, now: int) -> bool:
    """Return whether `sweep` would delete anything."""
    return any(
        connection.execute(_oldest(table, now, 1)).first() is not None
        for table in (access_tokens, used_assertions)
    )


def _oldest(table: Table, now: int, limit: int) -> Any:
    expires = table.c.expires
    return select(*table.primary_key).where(expires <= now).order_by(expires).limit(limit)


def _values(client: Client, mac: bytes) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "name": client.name,
        "organization": client.organization,
        "keys": _encode(client.keys),
        "scopes": " ".join(client.scopes),
        "created": client.created,
        "disabled": client.disabled,
        "purpose": client.purpose,
        "mac": mac,
        "jwks_url": client.jwks_url or None,
    }


def _registered(row: Row[Any]) -> Registered:
    values = _fields(row, Client)
    try:
        values["keys"] = _decode_keys(row.keys)
        values["scopes"] = row.scopes.split(" ")
        values["jwks_url"] = "" if row.jwks_url is None else row.jwks_url
    except (msgspec.MsgspecError, AttributeError, TypeError):
        raise DamagedError(_UNREADABLE) from None
    return _converted(values, Client), _converted(row.mac, bytes)


def _fields(row: Row[Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in kind.__struct_fields__}


def _converted(value: Any, kind: type[T]) -> T:
    # SQLite stores any kind of value in any column, so the values of a row are of no certain type.
    try:
        return msgspec.convert(value, kind, builtin_types=(bytes,))
    except msgspec.ValidationError:
        raise DamagedError(_UNREADABLE) from None
