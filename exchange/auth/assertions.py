"""Client assertions (`private_key_jwt`): the JWT that a client signs to get a token, written and read.

Reading has two parts, because they may disclose different things. `read_assertion` uses the sender's
text and public settings only, so its refusals can be precise. `verifies` needs the registered key; its
caller must refuse in one and the same way whether the client is unknown, the key is unknown or the
signature is wrong.

Two algorithms only, ES384 and RS384, each tied to its own kind of key, so that neither `none` nor a
public key used as a shared secret can pass. Keys that an assertion brings along are refused.

A CDS Hooks client shows a JWT of nearly the same form with every request (`read_hook_token`).

Source: SMART App Launch 2.2, "Client Authentication: Asymmetric"; RFC 7515, 7519, 7523; CDS Hooks 2.0,
"Trusting CDS Clients".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from exchange.auth import b2b
from exchange.auth.oauth import OAuthError

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey
T = TypeVar("T")

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Final = ("ES384", "RS384")
LONGEST_LIFE: Final = 300
"""Seconds that an assertion may live."""
LEEWAY: Final = 10
"""Seconds that a client's clock may differ from ours."""
LONGEST: Final = 16_384
"""Characters of the longest assertion that is read; a certificate chain in `x5c` fits."""

_FORM = re.compile(r"([A-Za-z0-9_-]{1,12000})\.([A-Za-z0-9_-]{1,12000})\.([A-Za-z0-9_-]{1,1400})", re.ASCII)
_IDENTIFIER = re.compile(r"[!-~]{1,255}", re.ASCII)
_KEYS_FROM_THE_SENDER = ("jwk", "jku", "x5u", "crit", "b64")
_NEVER_IN_A_HOOK = tuple(name for name in _KEYS_FROM_THE_SENDER if name != "jku")


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    typ: str = "JWT"


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    jti: str
    iat: float | None = None
    nbf: float | None = None
    extensions: Any = None


class _HookClaims(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]
    exp: float
    iat: float
    jti: str
    nbf: float | None = None


class Assertion(msgspec.Struct, frozen=True):
    """A client assertion that is well formed and in time; its signature is still to be checked.

    `expires` is when the claim `exp` stops counting, leeway included, in seconds since 1970 UTC.
    """

    text: str
    algorithm: str
    kid: str
    client_id: str
    jti: str
    expires: float
    extensions: Any

    @property
    def evidence(self) -> str:
        """The SHA-256 of the assertion as it was sent, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_assertion(text: str, *, token_url: str, now: float) -> Assertion:
    """Read the claims of `text`, checked as far as that needs no key; `now` is in seconds since 1970 UTC.

    Raises:
        OAuthError: `invalid_client`, saying which header parameter or claim is wrong.
    """
    head, claims = _split(text, _Claims, _KEYS_FROM_THE_SENDER)
    if claims is None:
        raise _refused("the JWT needs the claims iss, sub, aud, exp (a number) and jti")
    _check_parties(claims, token_url)
    _check_times(claims, now)
    return Assertion(
        text=text,
        algorithm=head.alg,
        kid=head.kid,
        client_id=claims.iss,
        jti=claims.jti,
        expires=claims.exp + LEEWAY,
        extensions=claims.extensions,
    )


def read_hook_token(text: str, *, url: str, now: float) -> Assertion:
    """Read the JWT of a CDS Hooks request to the service at `url`; `now` is in seconds since 1970 UTC.

    The issuer is the client_id of a registered system. A `jku` may be there, as the specification has it,
    and is not followed: the key is the registered one with that `kid`.

    Raises:
        OAuthError: `invalid_client`, saying which header parameter or claim is wrong.
    """
    head, claims = _split(text, _HookClaims, _NEVER_IN_A_HOOK)
    if claims is None:
        raise _refused("the JWT needs the claims iss, aud, exp and iat (numbers) and jti")
    if not _IDENTIFIER.fullmatch(claims.iss) or not _IDENTIFIER.fullmatch(claims.jti):
        raise _refused("iss and jti must be 1 to 255 printable ASCII characters without spaces")
    if claims.aud not in (url, [url]):
        raise _refused("aud must be exactly the URL of the CDS service that is called")
    _check_times(claims, now)
    return Assertion(
        text=text,
        algorithm=head.alg,
        kid=head.kid,
        client_id=claims.iss,
        jti=claims.jti,
        expires=claims.exp + LEEWAY,
        extensions=None,
    )


def _split(text: str, kind: type[T], never: tuple[str, ...]) -> tuple[_Header, T | None]:
    form = _FORM.fullmatch(text) if len(text) <= LONGEST else None
    if form is None:
        raise _refused("send a signed JWT in compact form of at most 16384 characters")
    header = _decode(form[1], dict[str, Any])
    if header is None or any(name in header for name in never):
        raise _refused(f"the JWT header must not carry {', '.join(never)}; select the key by kid")
    head = _convert(header, _Header)
    if head is None or head.alg not in ALGORITHMS or head.typ.upper() != "JWT" or not head.kid:
        raise _refused("the JWT header needs alg (ES384 or RS384), kid, and typ JWT")
    body = _decode(form[2], dict[str, Any])
    return head, None if body is None else _convert(body, kind)


def _check_parties(claims: _Claims, token_url: str) -> None:
    if claims.iss != claims.sub or not _IDENTIFIER.fullmatch(claims.iss):
        raise _refused("iss and sub must both be the client_id")
    if claims.aud not in (token_url, [token_url]):
        raise _refused("aud must be exactly the token_endpoint of .well-known/smart-configuration")
    if not _IDENTIFIER.fullmatch(claims.jti):
        raise _refused("jti must be 1 to 255 printable ASCII characters without spaces")


def _check_times(claims: _Claims | _HookClaims, now: float) -> None:
    if claims.exp + LEEWAY <= now:
        raise _refused("the assertion has expired (exp)")
    if claims.exp > now + LONGEST_LIFE + LEEWAY:
        raise _refused("exp must be at most 5 minutes ahead")
    if claims.nbf is not None and claims.nbf > now + LEEWAY:
        raise _refused("the assertion is not valid yet (nbf)")
    if claims.iat is not None and not claims.exp - LONGEST_LIFE <= claims.iat <= now + LEEWAY:
        raise _refused("iat must not be in the future, nor more than 5 minutes before exp")


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client", description)


def _decode(segment: str, kind: type[T]) -> T | None:
    try:
        raw = base64.b64decode(segment + "=" * (-len(segment) % 4), b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (binascii.Error, msgspec.MsgspecError, RecursionError):  # deep nesting exhausts the stack guard
        return None


def _convert(value: dict[str, Any], kind: type[T]) -> T | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


_registry = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
_registry.max_header_length = LONGEST


def verifies(assertion: Assertion, jwk: Mapping[str, str]) -> bool:
    """Check that `assertion` is signed by the owner of `jwk`, a public key that `auth.clients` accepted."""
    kind: type[ECKey | RSAKey] = ECKey if assertion.algorithm == "ES384" else RSAKey
    try:
        key = kind.import_key(dict(jwk))
        jws.deserialize_compact(assertion.text, key, registry=_registry)
    except (JoseError, ValueError, RecursionError):
        return False
    return True


def public_jwk(key: PrivateKey) -> dict[str, str]:
    """Return the public half of a client's `key`, to be registered; its `kid` is the RFC 7638 thumbprint."""
    imported = _joserfc_key(key)
    public = {name: str(value) for name, value in imported.as_dict(private=False).items()}
    return public | {"kid": imported.thumbprint(), "alg": _algorithm(key), "use": "sig"}


def sign_assertion(
    key: PrivateKey,
    *,
    client_id: str,
    token_url: str,
    organization_id: str,
    purpose: str,
    subject_id: str = "",
    subject_name: str = "",
    subject_role: str = "",
    reason: str = "",
    jti: str = "",
    now: float | None = None,
) -> str:
    """Sign an assertion as a real client sends it, with a P-384 or RSA `key` (see `public_jwk`).

    `purpose` is a bare PurposeOfUse code; `subject_role` is `system#code`, `reason` that of an emergency;
    `now` is in seconds since 1970 UTC, this moment if not given; without `jti` a random one is drawn.
    """
    issued = int(time.time() if now is None else now)
    extension: dict[str, Any] = {
        "version": b2b.VERSION,
        "organization_id": organization_id,
        "purpose_of_use": [f"{b2b.PURPOSE_SYSTEM}#{purpose}"],
    }
    subject = {"subject_id": subject_id, "subject_name": subject_name, "subject_role": subject_role}
    extension |= {name: value for name, value in subject.items() if value}
    claims: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "iat": issued,
        "exp": issued + LONGEST_LIFE,
        "jti": jti or secrets.token_urlsafe(24),
        "extensions": {"hl7-b2b": extension},
    }
    if reason:
        claims["extensions"][b2b.REASON_EXTENSION] = {"emergency_reason": reason}
    imported = _joserfc_key(key)
    header = {"alg": _algorithm(key), "kid": imported.thumbprint(), "typ": "JWT"}
    return jws.serialize_compact(header, msgspec.json.encode(claims), imported, registry=_registry)


def sign_hook_token(
    key: PrivateKey, *, client_id: str, url: str, jti: str = "", now: float | None = None
) -> str:
    """Sign the JWT that a CDS Hooks client sends to the service at `url` (see `sign_assertion`)."""
    issued = int(time.time() if now is None else now)
    claims = {
        "iss": client_id,
        "aud": url,
        "iat": issued,
        "exp": issued + LONGEST_LIFE,
        "jti": jti or secrets.token_urlsafe(24),
    }
    imported = _joserfc_key(key)
    header = {"alg": _algorithm(key), "kid": imported.thumbprint(), "typ": "JWT"}
    return jws.serialize_compact(header, msgspec.json.encode(claims), imported, registry=_registry)


def _joserfc_key(key: PrivateKey) -> ECKey | RSAKey:
    return ECKey.import_key(key) if isinstance(key, EllipticCurvePrivateKey) else RSAKey.import_key(key)


def _algorithm(key: PrivateKey) -> str:
    return "ES384" if isinstance(key, EllipticCurvePrivateKey) else "RS384"
