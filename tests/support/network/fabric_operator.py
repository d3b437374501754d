"""An operator of a network: Fabric's own commands, and what shows that a channel goes on."""

from __future__ import annotations

import asyncio
import datetime
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from chaincode.consent.calls import Opening
from chaincode.policy.model import Policy
from exchange import devnet
from exchange.devnet import configuration, processes
from exchange.devnet.topology import NetworkOrganisation
from exchange.ledger.client import LedgerClient
from exchange.ledger.fabric.gateway.client import Deadlines
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from exchange.verify.fabric_channel import open_channel

MEMBERS = ("Hospital1MSP", "Hospital2MSP")
PATIENCE = 30.0
ELECTION = 10.0  # seconds


class Operator:
    """Runs Fabric's own commands in the name of an organisation's administrator."""

    def __init__(self, running: devnet.Network, scratch: Path) -> None:
        self.network, self.scratch = running, scratch

    def run(self, program: Path, *arguments: str | Path, **environment: str) -> str:
        done = subprocess.run(
            [program, *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            cwd=self.scratch,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def peer(self, organisation: NetworkOrganisation, *arguments: str | Path) -> str:
        environment = configuration.administrator_environment(self.network.folder, organisation)
        return self.run(self.network.programs.peer, *arguments, **environment)

    @property
    def orderer(self) -> list[str | Path]:
        first = self.network.topology.orderers[0]
        ca = self.network.folder.orderer(first) / "tls" / "ca.crt"
        return ["-o", first.address, "--tls", "--cafile", ca]

    def definition(self, sequence: int) -> list[str | Path]:
        numbers = ["--version", str(sequence), "--sequence", str(sequence)]
        return [*self.orderer, "--channelID", "consentry", "--name", "consentry", *numbers]

    def endorsers(self, *organisations: NetworkOrganisation) -> list[str | Path]:
        flags: list[str | Path] = []
        for one in organisations:
            ca = self.network.folder.peer(one) / "tls" / "ca.crt"
            flags += ["--peerAddresses", one.address, "--tlsRootCertFiles", ca]
        return flags

    def start(self, organisation: NetworkOrganisation, package_id: str, *, tls: Path | None = None) -> str:
        """Start a chaincode service, which `network down` ends with the others, and return its name."""
        environment = configuration.chaincode_environment(self.network.folder, organisation, package_id)
        if tls is not None:
            environment |= {
                "CHAINCODE_TLS_KEY": str(tls / "server.key"),
                "CHAINCODE_TLS_CERT": str(tls / "server.crt"),
                "CHAINCODE_CLIENT_CA_CERT": str(tls / "ca.crt"),
            }
        name = f"{organisation.chaincode}.{package_id[-8:]}"
        command = processes.python_module("chaincode")
        self.network.state.started[name] = processes.spawn(
            command, environment, self.network.folder.log(name)
        )
        return name


def reissued(
    old: Path,
    authority: Path,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> tuple[bytes, bytes]:
    """Issue a certificate and key (PEM) in place of `old`, by the CA in the folder `authority`."""
    (place,) = authority.glob("*-cert.pem")
    issuer = x509.load_pem_x509_certificate(place.read_bytes())
    signing = elliptic_key(authority / "priv_sk")
    held = x509.load_pem_x509_certificate(old.read_bytes())
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(held.subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A peer looks at the chain as of the second after this one: the authority has to be there by then.
        .not_valid_before(max(now - datetime.timedelta(minutes=5), issuer.not_valid_before_utc))
        .not_valid_after(now + datetime.timedelta(days=90))
    )
    signer = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    named = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer)
    for extension in held.extensions:
        value = named if extension.oid == named.oid else extension.value
        certificate = certificate.add_extension(value, critical=extension.critical)
    signed = certificate.sign(signing, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM), key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def elliptic_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


async def founded(running: devnet.Network) -> None:
    client = LedgerClient(FabricTransactions.open(running.profile("Hospital1")))
    await client.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    await client.close()


async def opened(profile: Profile, recipient: str = MEMBERS[1]) -> tuple[str, ...]:
    """Check whether a client of this profile can open a pair."""
    client = LedgerClient(FabricTransactions.open(profile))
    try:
        return await client.open_pairs([Opening(secrets.token_hex(16), recipient, "patient", ())])
    finally:
        await client.close()


def until(true: Callable[[], bool]) -> None:
    """Return when `true` says so."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


@contextmanager
def ordering(*profiles: Profile) -> Iterator[Callable[[], None]]:
    """Send transactions of every profile meanwhile, none of which fails, and wait for ten more.

    They wait as long as an election may take; a gateway's caller would be told of it before (503).
    """
    ended, committed = threading.Event(), [0]

    async def goes_on(profile: Profile) -> None:
        client = LedgerClient(FabricTransactions.open(profile, deadlines=Deadlines(patience=ELECTION)))
        while not ended.is_set():
            opening = Opening(secrets.token_hex(16), MEMBERS[1], "patient", ())
            assert await client.open_pairs([opening]) == ("opened",)
            committed[0] += 1
        await client.close()

    async def all_go_on() -> None:
        await asyncio.gather(*map(goes_on, profiles))

    def goes_further() -> None:
        wanted = committed[0] + 10
        until(lambda: committed[0] >= wanted or going.done())
        if going.done():
            going.result()

    with ThreadPoolExecutor(1) as threads:
        going = threads.submit(asyncio.run, all_go_on())
        try:
            yield goes_further
        finally:
            ended.set()
        going.result()


def verifies(profile: Profile) -> None:
    with open_channel(profile, lambda *_: None) as channel:
        assert channel.check()[0].finding is None
