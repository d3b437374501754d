"""Checks of orderers' certificates, made before a channel accepts one that its orderer can't use."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from exchange.ledger.fabric.admin.errors import CertificateError

_BOTH = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})
_MALFORMED = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


def orderers_certificate(pem: bytes, host: str, authorities: Iterable[bytes]) -> x509.Certificate:
    """Return the TLS certificate in `pem`, which an orderer that is reached at `host` can show from now on.

    `authorities` are the CAs (PEM) that the channel knows for TLS. Fabric refuses what has expired and what
    is of another CA; the rest it lets pass, and the orderer then never meets the others.

    Raises:
        CertificateError: an orderer can't use it.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        usages, names = _usages(certificate), _names(certificate)
    except _MALFORMED:
        raise CertificateError("that is no certificate: give one as PEM") from None
    now = datetime.datetime.now(datetime.UTC)
    if certificate.not_valid_after_utc < now:
        raise CertificateError(f"the certificate expired at {certificate.not_valid_after_utc}: renew it")
    if certificate.not_valid_before_utc > now:
        raise CertificateError(f"the certificate begins at {certificate.not_valid_before_utc}: wait for that")
    if not any(_issued(certificate, x509.load_pem_x509_certificate(one)) for one in authorities):
        raise CertificateError("the certificate is of no CA that the channel knows for TLS: add that first")
    if usages is not None and not usages >= _BOTH:
        raise CertificateError("the certificate is not for server and client: an orderer is both")
    if not _is_named(host, names):
        raise CertificateError(f"the certificate does not name {host}: no peer or client would connect to it")
    return certificate


def _usages(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier] | None:
    """Return the extended key usages; None where there is no such extension, which allows everything."""
    try:
        return frozenset(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    dns = (name.lower() for name in named.get_values_for_type(x509.DNSName))
    return frozenset((*dns, *map(str, named.get_values_for_type(x509.IPAddress))))


def _is_named(host: str, names: frozenset[str]) -> bool:
    try:
        return str(ipaddress.ip_address(host.strip("[]"))) in names
    except ValueError:
        return bool({host.lower(), f"*.{host.lower().partition('.')[2]}"} & names)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
