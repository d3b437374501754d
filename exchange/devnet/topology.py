"""The topology of a network: organisations with a peer and a chaincode each, orderers, and their ports.

Names are the same on every machine: organisation `Hospital1` has MSP id `Hospital1MSP`, its processes are
`peer.hospital1` and `chaincode.hospital1`, and orderers are `orderer1` and so on.
"""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from exchange.devnet.errors import NetworkError, PortError

HOST = "127.0.0.1"
"""Every process of a network of processes listens on this address only."""

_ANYWHERE = "0.0.0.0"  # noqa: S104  # inside a container, whose networks say who gets there

ORDERER_MSP = "OrdererMSP"
_CHANNEL = re.compile(r"[a-z][a-z0-9.-]{0,248}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,59}")
_DURATION = re.compile(r"[1-9][0-9]{0,5}(ms|s)")
_LOG_LEVELS = ("debug", "info", "warning", "error")
_PORTS = range(20_000, 30_000)  # below the ports that outgoing connections are given


class Options(msgspec.Struct, frozen=True):
    """The options of a network. `chaincode_command` starts a chaincode service; empty for this project's own.

    `max_message_count` and `batch_timeout` (as `250ms`) say when the orderer closes a block.
    `key_history` has peers index every write of a key, for a chaincode that asks for it; ours does not.
    `collections` is a private data collection configuration, as Fabric's JSON.
    `first_port` fixes the ports, counted up from it; without it, free ones are used.
    `names` are of the organisations, in place of `Hospital1` and so on; they say how many there are.
    """

    organisations: int = 3
    orderers: int = 1
    channel: str = "consentry"
    chaincode: str = "consentry"
    max_message_count: int = 1
    batch_timeout: str = "250ms"
    chaincode_command: tuple[str, ...] = ()
    key_history: bool = False
    collections: str = ""
    first_port: int | None = None
    log_level: str = "warning"
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.names and self.organisations != len(self.names):
            msgspec.structs.force_setattr(self, "organisations", len(self.names))
        if not 1 <= self.organisations <= 20:
            raise NetworkError("a network has 1 to 20 organisations")
        if self.orderers not in {1, 3}:
            raise NetworkError("a network has 1 or 3 orderers: two would stop when either does")
        if self.max_message_count < 1:
            raise NetworkError("a block holds at least one message")
        if _CHANNEL.fullmatch(self.channel) is None:
            raise NetworkError("a channel's name is lower-case letters, digits, '.' and '-', a letter first")
        if _DURATION.fullmatch(self.batch_timeout) is None:
            raise NetworkError(f"a batch timeout is a time such as 250ms or 2s, not {self.batch_timeout!r}")
        if self.first_port is not None and not 1 <= self.first_port <= 65536 - self.ports:
            raise NetworkError(f"{self.ports} ports are counted up from the first one, up to 65535")
        if self.log_level not in _LOG_LEVELS:
            raise NetworkError(f"Fabric's log levels are {', '.join(_LOG_LEVELS)}")
        for name in self.names:
            if _NAME.fullmatch(name) is None:
                raise NetworkError(f"an organisation's name is letters and digits, not {name!r}")
        if len({name.lower() for name in self.names}) != len(self.names):
            raise NetworkError("two organisations have the same name")

    @property
    def ports(self) -> int:
        """Return how many ports the network listens on."""
        return 3 * self.orderers + 4 * self.organisations

    @property
    def organisation_names(self) -> tuple[str, ...]:
        """Return the organisations, in order."""
        return self.names or tuple(f"Hospital{number}" for number in range(1, self.organisations + 1))


class Orderer(msgspec.Struct, frozen=True):
    """A node of the ordering service. In a container it is reached by its name in certificates."""

    name: str
    port: int
    admin_port: int
    operations_port: int
    contained: bool = False

    @property
    def host(self) -> str:
        """Return its name in certificates."""
        return f"{self.name}.orderer.example"

    @property
    def reached(self) -> str:
        """Return the host that others connect to."""
        return self.host if self.contained else HOST

    @property
    def listens(self) -> str:
        """Return the address that it listens on."""
        return _ANYWHERE if self.contained else HOST

    @property
    def address(self) -> str:
        """The address for clients and other orderers."""
        return f"{self.reached}:{self.port}"


class NetworkOrganisation(msgspec.Struct, frozen=True):
    """A hospital with one peer and one chaincode service; containers are reached by names in certificates."""

    name: str
    peer_port: int
    chaincode_listen_port: int
    operations_port: int
    chaincode_port: int
    contained: bool = False

    @property
    def msp_id(self) -> str:
        """How the channel knows it."""
        return f"{self.name}MSP"

    @property
    def domain(self) -> str:
        """Return its name in certificates."""
        return f"{self.name.lower()}.example"

    @property
    def peer(self) -> str:
        """Return the name of its peer's process."""
        return f"peer.{self.name.lower()}"

    @property
    def chaincode(self) -> str:
        """Return the name of its chaincode's process."""
        return f"chaincode.{self.name.lower()}"

    @property
    def reached(self) -> str:
        """Return the host of its peer that others connect to."""
        return f"peer.{self.domain}" if self.contained else HOST

    @property
    def listens(self) -> str:
        """Return the address that its peer and its chaincode listen on."""
        return _ANYWHERE if self.contained else HOST

    @property
    def address(self) -> str:
        """The address of its peer for clients and other peers."""
        return f"{self.reached}:{self.peer_port}"

    @property
    def chaincode_address(self) -> str:
        """The address of its chaincode for its peer."""
        return f"{f'chaincode.{self.domain}' if self.contained else HOST}:{self.chaincode_port}"


class Topology(msgspec.Struct, frozen=True):
    """All nodes of a network."""

    options: Options
    orderers: tuple[Orderer, ...]
    organisations: tuple[NetworkOrganisation, ...]

    @classmethod
    def plan(cls, options: Options) -> Topology:
        """Name the nodes and give them ports.

        Raises:
            PortError: there are not enough free ports.
        """
        ports = _ports(options)
        orderers = tuple(
            Orderer(f"orderer{number}", next(ports), next(ports), next(ports))
            for number in range(1, options.orderers + 1)
        )
        organisations = tuple(
            NetworkOrganisation(name, next(ports), next(ports), next(ports), next(ports))
            for name in options.organisation_names
        )
        return cls(options, orderers, organisations)

    @classmethod
    def contained(cls, options: Options) -> Topology:
        """Name the nodes of a network of containers, where every node has Fabric's usual ports to itself."""
        return cls(
            options,
            tuple(
                Orderer(f"orderer{number}", 7050, 7053, 9443, contained=True)
                for number in range(1, options.orderers + 1)
            ),
            tuple(
                NetworkOrganisation(name, 7051, 7052, 9443, 9999, contained=True)
                for name in options.organisation_names
            ),
        )

    def listeners(self) -> Iterator[tuple[int, str]]:
        """Yield every port, with the process that listens there."""
        for orderer in self.orderers:
            for port in (orderer.port, orderer.admin_port, orderer.operations_port):
                yield port, orderer.name
        for organisation in self.organisations:
            for port in (
                organisation.peer_port,
                organisation.chaincode_listen_port,
                organisation.operations_port,
            ):
                yield port, organisation.peer
            yield organisation.chaincode_port, organisation.chaincode

    def organisation(self, name: str) -> NetworkOrganisation:
        """Return the organisation of that name.

        Raises:
            NetworkError: there is none.
        """
        for organisation in self.organisations:
            if organisation.name == name:
                return organisation
        known = ", ".join(organisation.name for organisation in self.organisations)
        raise NetworkError(f"no organisation {name}: this network has {known}")


def require_free(listeners: Sequence[tuple[int, str]]) -> None:
    """See that nothing else listens on these ports.

    Raises:
        PortError: something does; the message names the port and its purpose.
    """
    for port, name in listeners:
        if not _is_free(port):
            raise PortError(
                f"port {port} of {name} is in use by another program: "
                "end that program, or reset the network and choose another --first-port"
            )


def _ports(options: Options) -> Iterator[int]:
    needed = options.ports
    if options.first_port is not None:
        yield from range(options.first_port, options.first_port + needed)
        return
    start = random.SystemRandom().randrange(len(_PORTS))  # two networks begun at once seldom meet
    for offset in range(len(_PORTS)):
        port = _PORTS[(start + offset) % len(_PORTS)]
        if _is_free(port):
            yield port
    raise PortError(f"no {needed} free ports between {_PORTS.start} and {_PORTS.stop}: end other programs")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do; only listeners count
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class NetworkFolder:
    """The files of one network, below one path."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.state = self.root / "network.json"
        self.lock = self.root / ".lock"
        self.configuration = self.root / "configuration"
        self.crypto = self.root / "crypto"
        self.builder = self.root / "builder"
        self.packages = self.root / "packages"
        self.profiles = self.root / "profiles"
        self.data = self.root / "data"
        self.logs = self.root / "logs"

    def log(self, process: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{process}.log"

    def block(self, channel: str) -> Path:
        """Return the channel's first block."""
        return self.root / f"{channel}.block"

    def organisation(self, organisation: NetworkOrganisation) -> Path:
        """Return the organisation's certificates and keys."""
        return self.crypto / "peerOrganizations" / organisation.domain

    def peer(self, organisation: NetworkOrganisation) -> Path:
        """Return its peer's `msp` and `tls`."""
        return self.organisation(organisation) / "peers" / f"peer.{organisation.domain}"

    def chaincode_tls(self, organisation: NetworkOrganisation) -> Path:
        """Return its chaincode's TLS files."""
        return self.organisation(organisation) / "peers" / f"chaincode.{organisation.domain}" / "tls"

    def user(self, organisation: NetworkOrganisation, name: str) -> Path:
        """Return the `msp` of one of its users: `Admin` or `User1`."""
        return self.organisation(organisation) / "users" / f"{name}@{organisation.domain}" / "msp"

    @property
    def orderer_organisation(self) -> Path:
        """Return the ordering service's certificates and keys."""
        return self.crypto / "ordererOrganizations" / "orderer.example"

    def orderer(self, orderer: Orderer) -> Path:
        """Return the orderer's `msp` and `tls`."""
        return self.orderer_organisation / "orderers" / orderer.host
