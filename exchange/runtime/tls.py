"""Addresses that are asked confidentially, and failures of TLS, told apart from a server that is away."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit


def tls_failure(why: BaseException) -> str | None:
    """Return how TLS failed, if `why` or what caused it is a failure of TLS; None otherwise."""
    cause: BaseException | None = why
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's TLS certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return f"TLS fails ({cause.reason or 'the connection ended'}): does the server speak it?"
        cause = cause.__cause__ or cause.__context__
    return None


def is_confidential(url: str) -> bool:
    """Return whether the server of `url` alone reads what is sent: by https, or http on this machine."""
    try:
        parts = urlsplit(url)
        at_home = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        usable = parts.scheme == "https" or (parts.scheme == "http" and at_home)
        return usable and bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:  # a port that is no number, an address with half a bracket
        return False
