"""Chaincode as a service: the peer dials this server, and this server registers with the peer.

Over the network it is mutual TLS only: the peer is the one client, and it is known by its CA.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import msgspec
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage
from fabric_protos.peer.chaincode_shim_pb2_grpc import ChaincodeServicer, add_ChaincodeServicer_to_server

from chaincode.shim.errors import SettingsError
from chaincode.shim.handler import Handler, Invoke

_MESSAGE_LIMIT = 100 << 20  # as the peer's own
_OPTIONS = (
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT),
    # The peer pings an idle stream each minute; gRPC calls that abuse, and hangs up, unless allowed.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),  # two servers on one port would get half of the calls each
)
_TLS = ("CHAINCODE_TLS_KEY", "CHAINCODE_TLS_CERT", "CHAINCODE_CLIENT_CA_CERT")


class Tls(msgspec.Struct, frozen=True):
    """PEM texts: this server's key and certificate, and the CA of the certificates that a peer must show."""

    key: bytes
    certificate: bytes
    client_ca: bytes


class ServiceSettings(msgspec.Struct, frozen=True):
    """Settings of the service.

    `package_id` is `label:digest`, as the peer installed it; `address` is `host:port`.
    """

    package_id: str
    address: str
    tls: Tls | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ServiceSettings:
        """Read the variables that `chaincode.__main__` lists.

        Raises:
            SettingsError: one is missing, a file can't be read, or TLS is missing beyond loopback.
        """
        missing = [name for name in ("CHAINCODE_ID", "CHAINCODE_SERVER_ADDRESS") if not environment.get(name)]
        if missing:
            raise SettingsError(f"set {' and '.join(missing)}")
        paths = [environment.get(name, "") for name in _TLS]
        tls = (
            Tls(*(_read(name, path) for name, path in zip(_TLS, paths, strict=True))) if any(paths) else None
        )
        address = environment["CHAINCODE_SERVER_ADDRESS"]
        if tls is None and not _is_loopback(address):
            raise SettingsError(f"{address} can be reached from elsewhere: set {', '.join(_TLS)}")
        return cls(environment["CHAINCODE_ID"], address, tls)


def _read(name: str, path: str) -> bytes:
    if not path:
        raise SettingsError(f"set {name} too: TLS is mutual, so its three files go together")
    try:
        return Path(path).read_bytes()
    except OSError as why:
        raise SettingsError(f"{name}: can't read {path}: {why.strerror}") from None


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Servicer(ChaincodeServicer):  # type: ignore[misc]  # generated without types
    def __init__(self, package_id: str, invoke: Invoke) -> None:
        self._package_id, self._invoke = package_id, invoke
        self.streams: set[Handler] = set()

    async def Connect(self, incoming: AsyncIterator[ChaincodeMessage], context: Any) -> None:  # noqa: N802  # the service's name
        handler = Handler(self._package_id, self._invoke, context.write)
        self.streams.add(handler)
        try:
            await handler.serve(incoming)
        finally:
            self.streams.discard(handler)


class ChaincodeServer:
    """A running chaincode service; end it with `stop`."""

    def __init__(self, server: grpc.aio.Server, servicer: _Servicer, port: int) -> None:
        self._server, self._servicer = server, servicer
        self.port = port

    @classmethod
    async def start(cls, settings: ServiceSettings, invoke: Invoke) -> ChaincodeServer:
        """Listen for the peer; return when it may dial. `port` is the one that was chosen for port 0.

        Raises:
            SettingsError: the address or the TLS files can't be used.
        """
        server = grpc.aio.server(options=_OPTIONS)
        servicer = _Servicer(settings.package_id, invoke)
        add_ChaincodeServicer_to_server(servicer, server)
        try:
            if settings.tls is None:
                port = server.add_insecure_port(settings.address)
            else:
                credentials = grpc.ssl_server_credentials(
                    [(settings.tls.key, settings.tls.certificate)],
                    settings.tls.client_ca,
                    require_client_auth=True,
                )
                port = server.add_secure_port(settings.address, credentials)
        except RuntimeError:
            raise SettingsError(
                f"can't listen on {settings.address}: in use, not this machine's, or bad TLS files"
            ) from None
        await server.start()
        return cls(server, servicer, port)

    async def stop(self, grace: float = 5.0) -> None:
        """Let running invocations finish for up to `grace` seconds, then end every stream."""
        stopped = asyncio.create_task(self._server.stop(grace))  # accepts no new stream from here on
        for stream in list(self._servicer.streams):
            stream.stop()
        await stopped
