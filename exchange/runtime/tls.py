"""Failures of TLS, told apart from a server that does not answer."""

from __future__ import annotations

import ssl


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
