"""Starting, listening and ending: settings, mutual TLS, and `python -m chaincode` as a process."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chaincode.shim.errors import SettingsError
from chaincode.shim.server import ServiceSettings, Tls
from tests.support.ledger import serve_echo


async def echo(stub, function, argument):
    return argument


HOST = ipaddress.ip_address("127.0.0.1")


@dataclass
class Authority:
    """A CA that issues for this machine."""

    name: str

    def __post_init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self.name, self.key, ca=True)

    def _sign(self, name, key, *, ca=False):
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Return a key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        return (
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            self._sign(name, key).public_bytes(serialization.Encoding.PEM),
        )


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("hospital")


@pytest.fixture
def files(authority, tmp_path) -> dict[str, str]:
    key, certificate = authority.issue("chaincode")
    for name, text in (("key", key), ("cert", certificate), ("ca", authority.pem)):
        (tmp_path / name).write_bytes(text)
    return {
        "CHAINCODE_TLS_KEY": str(tmp_path / "key"),
        "CHAINCODE_TLS_CERT": str(tmp_path / "cert"),
        "CHAINCODE_CLIENT_CA_CERT": str(tmp_path / "ca"),
    }


BASE = {"CHAINCODE_ID": "records_1:abc", "CHAINCODE_SERVER_ADDRESS": "127.0.0.1:0"}


def test_settings_come_from_the_environment(files, authority):
    settings = ServiceSettings.from_environment(BASE | files)
    assert (settings.package_id, settings.address) == ("records_1:abc", "127.0.0.1:0")
    assert settings.tls
    assert settings.tls.client_ca == authority.pem


@pytest.mark.parametrize("address", ["127.0.0.1:7052", "[::1]:7052", "localhost:7052"])
def test_loopback_may_do_without_tls(address):
    assert ServiceSettings.from_environment(BASE | {"CHAINCODE_SERVER_ADDRESS": address}).tls is None


@pytest.mark.parametrize("address", ["0.0.0.0:7052", "[::]:7052", "chaincode.hospital:7052", "10.0.0.1:7052"])
def test_anything_that_can_be_reached_needs_tls(address, files):
    with pytest.raises(SettingsError, match="CHAINCODE_TLS_KEY"):
        ServiceSettings.from_environment(BASE | {"CHAINCODE_SERVER_ADDRESS": address})
    assert ServiceSettings.from_environment(BASE | files | {"CHAINCODE_SERVER_ADDRESS": address}).tls


@pytest.mark.parametrize("name", BASE)
def test_missing_variable_is_named(name):
    with pytest.raises(SettingsError, match=f"set {name}$"):
        ServiceSettings.from_environment({key: value for key, value in BASE.items() if key != name})


@pytest.mark.parametrize("name", ["CHAINCODE_TLS_KEY", "CHAINCODE_TLS_CERT", "CHAINCODE_CLIENT_CA_CERT"])
def test_half_of_tls_is_refused(files, name):
    with pytest.raises(SettingsError, match=f"set {name} too"):
        ServiceSettings.from_environment(BASE | {key: value for key, value in files.items() if key != name})
    with pytest.raises(SettingsError, match=f"{name}: can't read"):
        ServiceSettings.from_environment(BASE | files | {name: "/does/not/exist"})


async def test_taken_address_is_named(bench):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SettingsError, match=address):
            await bench.serve(echo, address=address)


async def test_peer_with_a_certificate_of_the_ca_is_served(bench, authority):
    key, certificate = authority.issue("chaincode")
    server = await bench.serve(echo, tls=Tls(key, certificate, authority.pem))
    peer_key, peer_certificate = authority.issue("peer")
    credentials = grpc.ssl_channel_credentials(authority.pem, peer_key, peer_certificate)
    peer = await bench.dial(server.port, credentials)
    assert (await peer.invoke("f", b"1")).response.payload == b"1"


@pytest.mark.parametrize("shown", ["nothing", "another CA's"])
async def test_anybody_else_is_turned_away(bench, authority, shown):
    key, certificate = authority.issue("chaincode")
    server = await bench.serve(echo, tls=Tls(key, certificate, authority.pem))
    pair = Authority("elsewhere").issue("peer") if shown != "nothing" else (None, None)
    with pytest.raises((grpc.aio.AioRpcError, AttributeError)):
        async with asyncio.timeout(5):
            await bench.dial(server.port, grpc.ssl_channel_credentials(authority.pem, *pair))


# -- the process ---------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_process_serves_and_ends_cleanly_on_sigterm(bench, authority, files):
    port = free_port()
    environment = BASE | files | {"CHAINCODE_SERVER_ADDRESS": f"127.0.0.1:{port}", "PATH": os.environ["PATH"]}
    program = Path(serve_echo.__file__)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    while b"serving" not in await process.stderr.readline():
        pass
    peer_key, peer_certificate = authority.issue("peer")
    credentials = grpc.ssl_channel_credentials(authority.pem, peer_key, peer_certificate)
    peer = await bench.dial(port, credentials)
    assert (await peer.invoke("f", b"1")).response.payload == b"1"
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(5):
        _, last = await process.communicate()
    assert process.returncode == 0
    assert last.strip().endswith(b"stopped")


def test_project_contracts_start_as_a_module(files):
    environment = BASE | files | {"PATH": os.environ["PATH"]}
    process = subprocess.Popen([sys.executable, "-m", "chaincode"], env=environment, stderr=subprocess.PIPE)
    assert process.stderr
    assert b"serving records_1:abc" in process.stderr.readline()
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_wrong_settings_end_the_process_with_one_line():
    environment = {"PATH": os.environ["PATH"], "CHAINCODE_ID": "records_1:abc"}
    done = subprocess.run(
        [sys.executable, "-m", "chaincode"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("set CHAINCODE_SERVER_ADDRESS")
    assert len(done.stderr.strip().splitlines()) == 1
