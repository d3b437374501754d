"""TLS certificates that an orderer can't use are refused before the channel has them."""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from exchange.ledger.fabric.admin.certificates import orderers_certificate
from exchange.ledger.fabric.admin.errors import CertificateError

HOST = "orderer1.orderer.example"
NOW = datetime.datetime.now(datetime.UTC)
AN_HOUR = datetime.timedelta(hours=1)
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
KEY = ec.generate_private_key(ec.SECP256R1())


def issued(
    *names: x509.GeneralName,
    by: ec.EllipticCurvePrivateKey = KEY,
    begins: datetime.datetime = NOW - AN_HOUR,
    ends: datetime.datetime = NOW + AN_HOUR,
    usages: tuple[x509.ObjectIdentifier, ...] = BOTH,
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tlsca")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages:
        made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return made.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)


NAMED = x509.DNSName(HOST)
CA = issued()
STRANGER = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("host", "pem"),
    [
        (HOST, issued(NAMED)),
        (HOST.upper(), issued(NAMED)),
        (HOST, issued(x509.DNSName("*.orderer.example"))),
        (HOST, issued(NAMED, usages=())),  # says nothing of its use, so it may be used for everything
        ("127.0.0.1", issued(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))),
        ("[::1]", issued(x509.IPAddress(ipaddress.ip_address("::1")))),
        (HOST, b"what is before it is not looked at\n" + issued(NAMED) + issued()),
    ],
)
def test_certificate_that_names_the_orderer_is_taken_and_nothing_else_of_its_file(host, pem):
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    taken = orderers_certificate(pem + key, host, [issued(by=STRANGER), CA])
    assert taken.public_bytes(Encoding.PEM) in pem


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (b"", "that is no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "that is no certificate"),
        (issued(NAMED, ends=NOW), "expired at"),
        (issued(NAMED, begins=NOW + AN_HOUR / 2), "begins at"),
        (issued(NAMED, by=STRANGER), "of no CA that the channel knows"),
        (issued(NAMED, usages=BOTH[:1]), "not for server and client"),
        (issued(NAMED, usages=BOTH[1:]), "not for server and client"),
        (issued(), f"does not name {HOST}"),
        (issued(x509.DNSName("orderer.example")), f"does not name {HOST}"),
        (issued(x509.DNSName("*.example")), f"does not name {HOST}"),
    ],
)
def test_certificate_that_an_orderer_can_not_use_is_refused_in_one_line(pem, said):
    with pytest.raises(CertificateError, match=said) as refused:
        orderers_certificate(pem, HOST, [CA])
    assert "\n" not in str(refused.value)
