"""Registering a client: only keys that can be checked safely, only scopes that mean something."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import Client, new_client
from exchange.errors import BadRequestError


def register(*keys: dict[str, Any], **changes: Any) -> Client:
    told: dict[str, Any] = {
        "client_id": "lab",
        "name": "Laboratory, Münster",
        "organization": "HospitalBMSP",
        "jwks": msgspec.json.encode({"keys": keys}),
        "allowed": ["system/*.rs"],
        "created": 1,
    }
    return new_client(**(told | changes))


def test_keys_are_reduced_to_what_a_check_needs(elliptic: Any, modular: Any) -> None:
    client = register(public_jwk(elliptic) | {"x5c": ["AAAA"]}, public_jwk(modular))
    assert [set(key) for key in client.keys] == [
        {"kty", "crv", "x", "y", "kid", "alg"},
        {"kty", "n", "e", "kid", "alg"},
    ]


def test_a_key_is_found_by_its_kid_for_its_own_algorithm_only(elliptic: Any) -> None:
    jwk = public_jwk(elliptic)
    client = register(jwk)
    assert client.key(jwk["kid"], "ES384") is not None
    assert client.key(jwk["kid"], "RS384") is None
    assert client.key("other", "ES384") is None


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (lambda: ECKey.generate_key("P-384", {"kid": "k"}).as_dict(private=True), "private"),
        (lambda: RSAKey.generate_key(2048, {"kid": "k"}).as_dict(private=True), "private"),
        (lambda: OctKey.generate_key(256, {"kid": "k"}).as_dict(private=True), "private"),
        (lambda: ECKey.generate_key("P-256", {"kid": "k"}).as_dict(private=False), "P-384"),
        (lambda: OKPKey.generate_key("Ed25519", {"kid": "k"}).as_dict(private=False), "neither"),
        (lambda: modular_jwk(1024), "2048"),
        (lambda: modular_jwk(4104), "4096"),
        (lambda: public_jwk(rsa.generate_private_key(3, 2048)), "65537"),
        (lambda: {"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA", "kid": "k"}, "sound"),
        (lambda: fresh() | {"y": "A" * 64}, "sound"),
        (lambda: {"kty": "EC", "kid": "k"}, "sound"),
        (lambda: {"kty": "RSA", "n": "!!", "e": "AQAB", "kid": "k"}, "sound"),
        (lambda: {"kty": "RSA", "n": ["x"], "e": "AQAB", "kid": "k"}, "sound"),
        (lambda: {"kty": ["EC"], "kid": "k"}, "neither"),
        (dict, "neither"),
        (lambda: fresh() | {"alg": "ES256"}, "ES384"),
        (lambda: fresh() | {"alg": "RS384"}, "ES384"),
        (lambda: fresh() | {"use": "enc"}, "signatures"),
        (lambda: fresh() | {"key_ops": ["encrypt"]}, "signatures"),
        (lambda: fresh() | {"key_ops": 7}, "signatures"),
        (lambda: fresh() | {"kid": ""}, "kid"),
        (lambda: fresh() | {"kid": 7}, "kid"),
    ],
)
def test_unusable_keys_are_refused_with_what_to_do(key: Any, told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        register(key())


def modular_jwk(bits: int) -> dict[str, Any]:
    modulus = ((1 << bits - 1) + 1).to_bytes(bits // 8, "big")
    return {
        "kty": "RSA",
        "n": base64.urlsafe_b64encode(modulus).decode().rstrip("="),
        "e": "AQAB",
        "kid": "k",
    }


def fresh() -> dict[str, Any]:
    return dict(public_jwk(ec.generate_private_key(ec.SECP384R1())))


def test_a_private_key_is_never_repeated_in_the_refusal() -> None:
    private = ECKey.generate_key("P-384", {"kid": "k"}).as_dict(private=True)
    with pytest.raises(BadRequestError) as refused:
        register(dict(private))
    assert str(private["d"]) not in str(refused.value)


def test_two_keys_with_one_kid_are_refused(elliptic: Any, modular: Any) -> None:
    with pytest.raises(BadRequestError, match="kid"):
        register(public_jwk(elliptic) | {"kid": "k"}, public_jwk(modular) | {"kid": "k"})


@pytest.mark.parametrize(
    "jwks",
    [b"", b"{}", b"[]", b'{"keys":{}}', b'{"keys":[1]}', b'{"keys":[]}', b"\xff", b"[" * 9999, b'{"keys":7}'],
)
def test_what_is_no_key_set_is_refused(jwks: bytes) -> None:
    with pytest.raises(BadRequestError, match="key set"):
        register(jwks=jwks)


def test_more_keys_than_the_limit_are_refused(elliptic: Any) -> None:
    keys = [public_jwk(elliptic) | {"kid": str(n)} for n in range(11)]
    with pytest.raises(BadRequestError, match="1 to 10"):
        register(*keys)


def test_a_url_instead_of_a_key_set_is_refused_with_the_reason() -> None:
    with pytest.raises(BadRequestError, match="give it as the key set"):
        register(jwks=b" https://lab.example/jwks.json")


@pytest.mark.parametrize(
    "allowed", [[], [""], ["openid"], ["patient/*.rs"], ["system/*.rs", "system/*.rs?category=x"]]
)
def test_scopes_that_mean_nothing_are_refused(elliptic: Any, allowed: list[str]) -> None:
    with pytest.raises(BadRequestError, match="scopes"):
        register(public_jwk(elliptic), allowed=allowed)


@pytest.mark.parametrize("client_id", ["", "a b", "é", "x" * 256, "a\n"])
def test_awkward_client_ids_are_refused(elliptic: Any, client_id: str) -> None:
    with pytest.raises(BadRequestError, match="client_id"):
        register(public_jwk(elliptic), client_id=client_id)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256])
def test_awkward_names_are_refused(elliptic: Any, name: str) -> None:
    with pytest.raises(BadRequestError, match="name"):
        register(public_jwk(elliptic), name=name)
