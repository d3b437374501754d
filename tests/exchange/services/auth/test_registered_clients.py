"""A client's keys rotate with an overlap, what was disabled is enabled again, and each change is an event."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
import pytest

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import MOST_KEYS, Client, fewer_keys, more_keys, new_client, read_key_set
from exchange.auth.oauth import OAuthError
from exchange.errors import BadRequestError, DamagedError, NotFoundError, UnauthenticatedError
from exchange.services.auth.registered_clients import Change


def adding(*keys: Any) -> Change:
    new = read_key_set(msgspec.json.encode({"keys": [public_jwk(key) for key in keys]}))
    return lambda client: msgspec.structs.replace(client, keys=more_keys(client, new))


def removing(*keys: Any) -> Change:
    kids = [public_jwk(key)["kid"] for key in keys]
    return lambda client: msgspec.structs.replace(client, keys=fewer_keys(client, kids))


async def token(asking: Any, key: Any) -> str:
    text: str = (await asking.tokens.exchange_assertion(asking.form(asking.sign(key=key)))).access_token
    return text


async def test_old_and_new_keys_hold_together_until_the_old_one_goes(
    asking: Any, elliptic: Any, other_elliptic: Any
) -> None:
    with pytest.raises(OAuthError, match="unknown"):
        await token(asking, other_elliptic)
    clients = asking.tokens.clients
    await clients.change("lab", adding(other_elliptic))
    held = [await token(asking, key) for key in (elliptic, other_elliptic)]
    await clients.change("lab", removing(elliptic))
    for one in held:  # whichever key it was for
        with pytest.raises(UnauthenticatedError):
            await asking.tokens.resolve(one)
    with pytest.raises(OAuthError, match="unknown"):
        await token(asking, elliptic)
    assert (await asking.tokens.resolve(await token(asking, other_elliptic))).client_id == "lab"


async def test_adding_a_key_ends_no_token(asking: Any, elliptic: Any, other_elliptic: Any) -> None:
    held = await token(asking, elliptic)
    await asking.tokens.clients.change("lab", adding(other_elliptic))
    assert (await asking.tokens.resolve(held)).client_id == "lab"


async def test_a_change_that_can_not_be_made_changes_nothing(
    asking: Any, elliptic: Any, other_elliptic: Any
) -> None:
    clients = asking.tokens.clients
    before = await clients.one("lab")
    for wanted, said in (
        (adding(elliptic), "already"),
        (removing(other_elliptic), "no key named"),
        (removing(elliptic), "needs a key"),
    ):
        with pytest.raises(BadRequestError, match=said):
            await clients.change("lab", wanted)
        assert await clients.one("lab") == before
    with pytest.raises(NotFoundError):
        await clients.change("nobody", adding(other_elliptic))
    many = msgspec.structs.replace(before, keys=before.keys * MOST_KEYS)
    with pytest.raises(BadRequestError, match="at most"):
        adding(other_elliptic)(many)


async def test_what_was_disabled_is_enabled_and_gets_no_old_token_back(asking: Any, elliptic: Any) -> None:
    clients = asking.tokens.clients
    held = await token(asking, elliptic)
    with pytest.raises(NotFoundError, match="no disabled client"):
        await clients.enable("lab")
    before = await clients.one("lab")
    await clients.disable("lab")
    with pytest.raises(OAuthError, match="unknown"):
        await token(asking, elliptic)
    await clients.enable("lab")
    assert await clients.one("lab") == before
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(held)
    assert (await asking.tokens.resolve(await token(asking, elliptic))).client_id == "lab"


@pytest.mark.parametrize(
    "change", ["jwks_url = 'http://127.0.0.1:9/x'", "jwks_url = 7", "keys = '[]'", "disabled = NULL"]
)
async def test_a_row_that_was_changed_in_the_database_gets_no_token(
    asking: Any, elliptic: Any, change: str
) -> None:
    if change.startswith("disabled"):
        await asking.tokens.clients.disable("lab")
    with sqlite3.connect(asking.path) as connection:
        connection.execute(f"UPDATE clients SET {change} WHERE client_id = 'lab'")
    with pytest.raises(DamagedError):
        await token(asking, elliptic)


async def test_an_address_of_keys_is_vouched_for_like_all_else(asking: Any, elliptic: Any) -> None:
    url = "http://127.0.0.1:9/jwks.json"
    wanted: Change = lambda client: msgspec.structs.replace(client, keys=(), jwks_url=url)  # noqa: E731
    changed: Client = await asking.tokens.clients.change("lab", wanted)
    assert await asking.tokens.clients.one("lab") == changed
    with pytest.raises(OAuthError, match="unknown"):
        await token(asking, elliptic)
    again = new_client(
        client_id="lab-2",
        name="x",
        organization="HospitalBMSP",
        jwks_url=url,
        allowed=["system/*.rs"],
        created=1,
    )
    await asking.tokens.clients.register(again)
    with sqlite3.connect(asking.path) as connection:
        connection.execute("UPDATE clients SET jwks_url = NULL WHERE client_id = 'lab-2'")
    with pytest.raises(DamagedError):
        await asking.tokens.clients.one("lab-2")
