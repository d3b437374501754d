"""A Fabric network of plain processes, in one folder: brought up, looked at, disturbed, ended.

The processes live on when the command that started them has ended, and are found again through the
folder's state file. As a context manager a `Network` ends its processes on the way out.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import msgspec

from exchange.devnet import processes
from exchange.devnet.configuration import (
    Environment,
    chaincode_environment,
    orderer_environment,
    peer_environment,
)
from exchange.devnet.discovery import can_endorse
from exchange.devnet.errors import NetworkError, ProcessStartError
from exchange.devnet.programs import Programs
from exchange.devnet.state_file import NetworkState, save
from exchange.devnet.topology import HOST, NetworkFolder, Topology, require_free
from exchange.ledger.fabric.gateway.connection import Profile

_START_SECONDS = 30.0
_PAUSE_SECONDS = 5.0
_OWN_CHAINCODE = processes.python_module("chaincode")


class ProcessStatus(msgspec.Struct, frozen=True):
    """One process: `state` is `running`, `paused` or `stopped`; `memory` is its resident size in bytes."""

    name: str
    address: str
    state: str
    pid: int | None
    memory: int
    log: Path


class Network:
    """The network in one folder. Processes are named as `exchange.devnet.topology` says.

    Fabric's programs are looked for when one has to be started, unless they are given.
    """

    def __init__(self, folder: NetworkFolder, state: NetworkState, programs: Programs | None = None) -> None:
        self.folder, self.state, self._programs = folder, state, programs

    @property
    def topology(self) -> Topology:
        """Return the nodes and their ports."""
        return self.state.topology

    def profile(self, organisation: str, user: str = "User1") -> Profile:
        """Return the profile of a client of `organisation`; also in `profiles/` in the folder.

        Raises:
            NetworkError: there is no such organisation.
        """
        found, options = self.topology.organisation(organisation), self.topology.options
        msp = self.folder.user(found, user)
        # A gateway in a container has no folder of an orderer.
        orderers = [one for one in self.topology.orderers if not one.contained]
        return Profile(
            msp_id=found.msp_id,
            peer=found.address,
            tls_ca=msp.parent / "tls" / "ca.crt",
            certificate=msp / "signcerts" / f"{msp.parent.name}-cert.pem",
            key=msp / "keystore" / "priv_sk",
            channel=options.channel,
            chaincode=options.chaincode,
            orderers=tuple(one.address for one in orderers),
            orderer_tls_ca=self.folder.orderer(orderers[0]) / "tls" / "ca.crt" if orderers else None,
        )

    @property
    def programs(self) -> Programs:
        """Fabric's programs.

        Raises:
            ProgramsError: they are not found.
        """
        if self._programs is None:
            self._programs = Programs.find()
        return self._programs

    # -- processes ---------------------------------------------------------------

    def names(self) -> list[str]:
        """Return every process, in the order in which they start."""
        return [
            *(orderer.name for orderer in self.topology.orderers),
            *(organisation.peer for organisation in self.topology.organisations),
            *(organisation.chaincode for organisation in self.topology.organisations),
        ]

    def stopped(self) -> list[str]:
        """Return the processes that do not run."""
        return [name for name in self.names() if processes.running(self.state.started.get(name)) is None]

    def start(self, *names: str) -> None:
        """Start stopped processes, and return when they listen.

        Raises:
            PortError: another program has a port.
            ProcessStartError: one ended again; the message holds its last words.
        """
        self.launch(names)
        self.await_listening(names)

    def stop(self, *names: str) -> None:
        """Ask processes to end, and see that they do."""
        processes.end(self._our(names))

    def kill(self, *names: str) -> None:
        """End processes at once, as a crash would."""
        for name in names:
            self._signal(name, signal.SIGKILL)
        processes.end(self._our(names))  # returns when they are gone

    def pause(self, name: str) -> None:
        """Stop a process in its tracks: it answers no request, and its connections stay."""
        self._signal(name, signal.SIGSTOP)
        end = time.monotonic() + _PAUSE_SECONDS
        while (process := processes.running(self.state.started[name])) and not processes.is_paused(process):
            if time.monotonic() > end:
                raise NetworkError(f"{name} could not be paused: end it instead")
            time.sleep(0.01)

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        self._signal(name, signal.SIGCONT)

    def down(self) -> None:
        """End every process."""
        processes.end(self.state.started.values())

    def status(self) -> list[ProcessStatus]:
        """Return every process, in the order in which they start."""
        ports: dict[str, int] = {}
        for port, name in self.topology.listeners():
            ports.setdefault(name, port)
        return [self._status(name, ports[name]) for name in self.names()]

    def wait_ready(self, seconds: float = _START_SECONDS) -> None:
        """Return when every organisation's peer can name endorsers for the chaincode.

        Raises:
            ProcessStartError: one can't within `seconds`.
        """
        profiles = [self.profile(organisation.name) for organisation in self.topology.organisations]
        with ThreadPoolExecutor(len(profiles)) as threads:
            ready = list(threads.map(lambda profile: can_endorse(profile, seconds=seconds), profiles))
        for organisation, can in zip(self.topology.organisations, ready, strict=True):
            if not can:
                log = self.folder.log(organisation.peer)
                raise ProcessStartError(
                    f"{organisation.peer} finds no endorsers after {seconds:.0f} s: see {log}"
                )

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def launch(self, names: Iterable[str]) -> None:
        """Start processes without waiting until they listen; otherwise as `start`."""
        wanted = [name for name in names if name in self.stopped()]
        require_free([place for place in self.topology.listeners() if place[1] in wanted])
        for name in wanted:
            command, environment = self._command(name)
            try:
                self.state.started[name] = processes.spawn(command, environment, self.folder.log(name))
            except OSError as why:
                raise ProcessStartError(f"{name}: {command[0]} can't be run: {why.strerror}") from None
            save(self.folder, self.state)

    def _command(self, name: str) -> tuple[tuple[str, ...], Environment]:
        folder, topology = self.folder, self.topology
        # All organisations' nodes work at the same time on the same transaction.
        cores = max(1, (os.cpu_count() or 1) // len(topology.organisations))
        for orderer in topology.orderers:
            if name == orderer.name:
                program = str(self.programs.orderer)
                return (program,), orderer_environment(topology, folder, orderer, cores=cores)
        for organisation in topology.organisations:
            if name == organisation.peer:
                environment = peer_environment(topology, folder, organisation, cores=cores)
                return (str(self.programs.peer), "node", "start"), environment
            if name == organisation.chaincode:
                command = topology.options.chaincode_command or _OWN_CHAINCODE
                package_id = self.state.package_ids[organisation.name]
                return command, chaincode_environment(folder, organisation, package_id)
        raise NetworkError(f"no process {name}: this network has {', '.join(self.names())}")

    def await_listening(self, names: Iterable[str]) -> None:
        """Wait until processes that were launched listen.

        Raises:
            ProcessStartError: one ended again, or does not listen.
        """
        wanted = set(names)
        end = time.monotonic() + _START_SECONDS
        for port, name in self.topology.listeners():
            if name in wanted:
                self._await_port(port, name, end)

    def _await_port(self, port: int, name: str, end: float) -> None:
        while not _listens(port):
            if processes.running(self.state.started.get(name)) is None:
                raise ProcessStartError(f"{name} ended while it was starting: {self._last_words(name)}")
            if time.monotonic() > end:
                raise ProcessStartError(f"{name} does not listen on port {port}: see {self.folder.log(name)}")
            time.sleep(0.02)

    def _last_words(self, name: str) -> str:
        log = self.folder.log(name)
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        told = [line for line in lines if not line.startswith(("\t", " ", "goroutine"))]
        return f"{told[-1][:300] if told else 'it said nothing'} (see {log})"

    def _our(self, names: Iterable[str]) -> list[processes.Started]:
        return [self.state.started[name] for name in names if name in self.state.started]

    def _signal(self, name: str, number: signal.Signals) -> None:
        if not processes.send(self.state.started.get(name), number):
            raise NetworkError(f"{name} does not run: start it first")

    def _status(self, name: str, port: int) -> ProcessStatus:
        process = processes.running(self.state.started.get(name))
        address, log = f"{HOST}:{port}", self.folder.log(name)
        if process is None:
            return ProcessStatus(name, address, "stopped", None, 0, log)
        state = "paused" if processes.is_paused(process) else "running"
        return ProcessStatus(name, address, state, process.pid, process.memory_info().rss, log)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
