"""Registered clients: systems that may ask for tokens, with their keys and their scopes.

A key set is checked when it is registered, so that every later signature check has a bounded cost and
one meaning: P-384 for ES384, RSA of 2048 to 4096 bits with exponent 65537 for RS384, public parts only.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from chaincode.consent.model import PURPOSES
from exchange.auth import scopes
from exchange.errors import BadRequestError
from exchange.runtime.tls import is_confidential

MOST_KEYS: Final = 10
_URL = re.compile(r"[!-~]{1,1000}", re.ASCII)
_NAME = re.compile(r"[!-~]{1,255}", re.ASCII)
_ALGORITHM = {"EC": "ES384", "RSA": "RS384"}
_PUBLIC = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_EXPONENT = "AQAB"  # 65537

FOR_PATIENTS: Final = "PATRQT"
"""The purpose of use of a system that speaks for patients."""


class Client(msgspec.Struct, frozen=True):
    """A registered system of a member.

    `organization` is an MSP id; `keys` are public JWKs with `kid` and `alg`; `scopes` bound what it can
    be granted; times are in milliseconds since 1970 UTC, `disabled` is None while it may ask.

    `purpose` has the purposes of use that it may state, separated by spaces; the first one is that of
    assertions that state none, as those of plain SMART clients never do. Where it is empty, assertions must
    state one, and may state any but `PATRQT`.

    `jwks_url` is the address of the client's key set, if it publishes one; `keys` is empty then.
    """

    client_id: str
    name: str
    organization: str
    keys: tuple[dict[str, str], ...]
    scopes: tuple[str, ...]
    created: int
    disabled: int | None = None
    purpose: str = ""
    jwks_url: str = ""

    @property
    def default_purpose(self) -> str:
        """The purpose of use of an assertion that states none; empty where it must state one."""
        return self.purpose.partition(" ")[0]

    def may_state(self, purpose: str) -> bool:
        """Return whether the registration allows `purpose`; to speak for patients, it has to name that."""
        return purpose in self.purpose.split() if self.purpose else purpose != FOR_PATIENTS

    def key(self, kid: str, algorithm: str) -> dict[str, str] | None:
        """Return the key named `kid`, if it is registered and one for `algorithm`."""
        return find_key(self.keys, kid, algorithm)


def find_key(keys: Iterable[dict[str, str]], kid: str, algorithm: str) -> dict[str, str] | None:
    """Return the key named `kid` of `keys`, if it is one for `algorithm`."""
    return next((key for key in keys if key["kid"] == kid and key["alg"] == algorithm), None)


def new_client(
    *,
    client_id: str,
    name: str,
    organization: str,
    jwks: bytes = b"",
    jwks_url: str = "",
    allowed: Iterable[str],
    created: int,
    purpose: str = "",
) -> Client:
    """Check and return a client to register; `jwks` is a JSON Web Key Set, `allowed` bounds its scopes.

    With a `jwks_url` the key set is the one at that address. `purpose` has codes such as TREAT, that of
    assertions without one first (see `Client`).

    Raises:
        BadRequestError: saying what to correct.
    """
    if not _NAME.fullmatch(client_id):
        raise BadRequestError("a client_id is 1 to 255 printable ASCII characters without spaces")
    if not 1 <= len(name) <= 255 or not name.isprintable():
        raise BadRequestError("a client's name is 1 to 255 printable characters")
    granted = tuple(dict.fromkeys(allowed))
    if not granted or any(
        (scope := scopes.parse(text)) is None or scope.level != "system" for text in granted
    ):
        raise BadRequestError(
            "a client needs one or more scopes of the form system/Type.cruds or system/*.read"
        )
    purposes = dict.fromkeys(purpose.split())
    if not PURPOSES.issuperset(purposes):
        raise BadRequestError(f"a client's purposes are of {' '.join(sorted(PURPOSES))}")
    if jwks_url:
        check_key_set_url(jwks_url)
    keys = () if jwks_url else read_key_set(jwks)
    listed = " ".join(purposes)
    return Client(client_id, name, organization, keys, granted, created, purpose=listed, jwks_url=jwks_url)


def check_key_set_url(url: str) -> None:
    """Refuse an address that no key set is fetched from.

    Raises:
        BadRequestError: saying what to correct.
    """
    if not _URL.fullmatch(url) or not is_confidential(url) or "#" in url:
        raise BadRequestError(
            "a key set's URL is https://..., or http:// on this machine, of at most 1000 printable ASCII "
            "characters and without a user or a fragment"
        )


def more_keys(client: Client, added: Iterable[dict[str, str]]) -> tuple[dict[str, str], ...]:
    """Return the client's keys with `added` beside them, so that old and new ones hold for a while.

    Raises:
        BadRequestError: there would be too many, or two of one name.
    """
    new = tuple(added)
    if taken := {key["kid"] for key in client.keys} & {key["kid"] for key in new}:
        raise BadRequestError(
            f"the client has a key named {min(taken)} already; give each key a kid of its own"
        )
    if len(client.keys) + len(new) > MOST_KEYS:
        raise BadRequestError(f"a client has at most {MOST_KEYS} keys; remove those that are out of use")
    return client.keys + new


def fewer_keys(client: Client, kids: Iterable[str]) -> tuple[dict[str, str], ...]:
    """Return the client's keys without those named in `kids`.

    Raises:
        BadRequestError: it has no such key, or would have none left.
    """
    gone = set(kids)
    if strange := gone - {key["kid"] for key in client.keys}:
        raise BadRequestError(
            f"the client has no key named {min(strange)}; `consentry client keys` lists them"
        )
    left = tuple(key for key in client.keys if key["kid"] not in gone)
    if not left:
        raise BadRequestError("a client needs a key; add the new one first, or disable the client")
    return left


def read_key_set(jwks: bytes) -> tuple[dict[str, str], ...]:
    """Read the keys of a JSON Web Key Set, reduced to the members that a signature check needs.

    Raises:
        BadRequestError: it is a URL, holds a private key, or a key that can't be used; says which.
    """
    if jwks.lstrip()[:4].lower() == b"http":
        raise BadRequestError("that is an address and no key set; give it as the key set's URL")
    try:
        keys = msgspec.json.decode(jwks, type=dict[str, Any])["keys"]
        listed = msgspec.convert(keys, list[dict[str, Any]])
    except (msgspec.MsgspecError, KeyError, RecursionError):
        raise BadRequestError("a key set is a JSON object with an array named keys") from None
    if not 1 <= len(listed) <= MOST_KEYS:
        raise BadRequestError(f"a key set holds 1 to {MOST_KEYS} keys")
    checked = tuple(_check(key, place) for place, key in enumerate(listed, start=1))
    if len({key["kid"] for key in checked}) < len(checked):
        raise BadRequestError("each key needs a kid of its own")
    return checked


def _check(key: dict[str, Any], place: int) -> dict[str, str]:
    kind = key.get("kty")
    if _PRIVATE & key.keys():
        raise BadRequestError(
            f"key {place} holds private parts: make a new pair and register the public half only"
        )
    if (
        not isinstance(kind, str)
        or kind not in _ALGORITHM
        or key.get("alg", _ALGORITHM[kind]) != _ALGORITHM[kind]
    ):
        raise BadRequestError(f"key {place} is neither an EC key for ES384 nor an RSA key for RS384")
    if key.get("use", "sig") != "sig" or key.get("key_ops", ["verify"]) != ["verify"]:
        raise BadRequestError(f"key {place} is not meant for signatures")
    kid = key.get("kid")
    if not isinstance(kid, str) or not _NAME.fullmatch(kid):
        raise BadRequestError(f"key {place} needs a kid of 1 to 255 printable ASCII characters")
    public = {name: str(key.get(name, "")) for name in _PUBLIC[kind]}
    _check_strength(public, place)
    return public | {"kid": kid, "alg": _ALGORITHM[kind]}


def _check_strength(public: dict[str, str], place: int) -> None:
    kind: type[ECKey | RSAKey] = ECKey if public["kty"] == "EC" else RSAKey
    try:
        # The bounds come first: nothing is computed with a key that exceeds them.
        sound = public["crv"] == "P-384" if kind is ECKey else _is_bounded(public)
        if sound:
            kind.import_key(dict(public))
    except (JoseError, ValueError, TypeError):
        sound = False
    if not sound:
        raise BadRequestError(
            f"key {place} is not a sound P-384 key or RSA key of 2048 to 4096 bits (e=65537)"
        )


def _is_bounded(public: dict[str, str]) -> bool:
    modulus = base64.urlsafe_b64decode(public["n"] + "=" * (-len(public["n"]) % 4))
    return 2048 <= int.from_bytes(modulus, "big").bit_length() <= 4096 and public["e"] == _EXPONENT
