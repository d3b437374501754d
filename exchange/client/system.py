"""A client system of a hospital: it signs an assertion, gets a token, and calls FHIR."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from exchange.auth.assertions import ASSERTION_TYPE, PrivateKey, sign_assertion
from exchange.errors import ExchangeError
from exchange.runtime.private_files import write_private

SCOPE = "system/*.cruds"
FHIR_JSON = "application/fhir+json"


class ClientError(ExchangeError):
    """The gateway did not give a token; the message has its answer."""


def read_key(path: Path) -> PrivateKey:
    """Read the private key in a PEM file.

    Raises:
        ClientError: the file holds no P-384 or RSA key.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as why:
        raise ClientError(
            f"{path} holds no private key in PEM form ({type(why).__name__}); give the file that "
            "`consentry client key` wrote"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ClientError(
            f"{path} holds neither a P-384 nor an RSA key; make one with `consentry client key`"
        )
    return key


def write_key(path: Path, key: PrivateKey) -> None:
    """Write `key` to a new PEM file that only its owner can read."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(path, pem)


@dataclass(slots=True)
class SystemClient:
    """One registered client of one organisation, at one gateway."""

    base_url: str
    client_id: str
    organization: str
    key: PrivateKey = field(repr=False)
    purpose: str = "TREAT"
    user: str = ""
    user_name: str = ""
    role: str = ""
    reason: str = ""
    _token: str = field(default="", repr=False)
    _expires: float = 0.0

    def token(self, http: httpx.Client) -> str:
        """Return an access token that holds for at least another half minute.

        Raises:
            ClientError: the gateway refused.
        """
        if time.monotonic() < self._expires - 30:
            return self._token
        token_url = f"{self.base_url}/auth/token"
        assertion = sign_assertion(
            self.key,
            client_id=self.client_id,
            token_url=token_url,
            organization_id=self.organization,
            purpose=self.purpose,
            subject_id=self.user,
            subject_name=self.user_name,
            subject_role=self.role,
            reason=self.reason,
        )
        form = {
            "grant_type": "client_credentials",
            "scope": SCOPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        answer = http.post(token_url, data=form)
        if answer.status_code != 200:
            said = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            raise ClientError(f"no token: {answer.status_code} {said.get('error_description', '')}")
        body = answer.json()
        self._token, self._expires = body["access_token"], time.monotonic() + body["expires_in"]
        return self._token

    def call(self, http: httpx.Client, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call `method` on the FHIR `path` with a fresh token."""
        headers = {"Authorization": f"Bearer {self.token(http)}", "Accept": FHIR_JSON}
        if body is None:
            return http.request(method, f"{self.base_url}/fhir/{path}", headers=headers)
        headers["Content-Type"] = FHIR_JSON
        return http.request(method, f"{self.base_url}/fhir/{path}", headers=headers, json=body)
