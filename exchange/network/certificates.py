"""Seeing that no certificate of a network has expired, before a process fails on it with less to say."""

from __future__ import annotations

import datetime

from cryptography import x509

from exchange.network.errors import CertificateError
from exchange.network.topology import Folder


def require_valid(folder: Folder) -> None:
    """Read every certificate of the network.

    Raises:
        CertificateError: one has expired or can't be read; the message names its file.
    """
    now = datetime.datetime.now(datetime.UTC)
    for path in sorted((*folder.crypto.rglob("*.pem"), *folder.crypto.rglob("*.crt"))):
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (ValueError, x509.InvalidVersion):
            raise CertificateError(f"{path} is no certificate: restore it, or reset the network") from None
        if certificate.not_valid_after_utc < now:
            day = certificate.not_valid_after_utc.date()
            raise CertificateError(f"{path} expired on {day}: renew it, or reset the network")
