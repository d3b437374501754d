"""A Fabric network of plain processes, in one folder: brought up, looked at, disturbed, ended.

The processes live on when the command that started them has ended, and are found again through the
folder's state file. As a context manager a `Network` ends its processes on the way out.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import msgspec

from exchange.ledger.gateway.connection import Profile
from exchange.network import processes
from exchange.network.administration import Administrator
from exchange.network.certificates import require_valid
from exchange.network.configuration import (
    Environment,
    chaincode_environment,
    orderer_environment,
    peer_environment,
)
from exchange.network.discovery import can_endorse
from exchange.network.errors import FolderError, NetworkError, StartError
from exchange.network.packaging import package, write_builder
from exchange.network.programs import Programs
from exchange.network.state import State, load, locked, save
from exchange.network.topology import HOST, Folder, Options, Organisation, Topology, require_free

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


def up(root: Path, options: Options | None = None, *, programs: Programs | None = None) -> Network:
    """Bring a network up in `root`: build it if the folder is new, start what is stopped otherwise.

    Returns when every organisation can have transactions endorsed. Without `options`, those that the
    folder was built with hold, or the defaults.

    Raises:
        NetworkError: see `exchange.network.errors`; processes that this call started have been ended.
    """
    folder = Folder(root)
    if set(str(folder.root)) & set(",[]"):
        raise FolderError(
            f"{folder.root}: Fabric can't read paths with a comma or brackets; choose another folder"
        )
    programs = programs or Programs.find()
    with locked(folder):
        state = load(folder)
        if state is None:
            network = Network(folder, State(Topology.plan(options or Options())), programs)
            with network.ended_on_failure():
                network.build()
            return network
        if not state.complete:
            raise FolderError(f"{folder.root} holds a half-built network: reset it and bring it up again")
        if options is not None and options != state.topology.options:
            raise FolderError(
                f"{folder.root} was built with other options: reset it first, or leave them out"
            )
        network = Network(folder, state, programs)
        require_valid(folder)
        with network.ended_on_failure():
            network.start(*network.stopped())
            network.wait_ready()
        return network


def down(root: Path) -> None:
    """End every process of the network; its data stay, and `up` goes on with them.

    Raises:
        FolderError: the folder holds no network.
    """
    folder = Folder(root)
    with locked(folder):
        _require(folder).down()


def status(root: Path) -> list[ProcessStatus]:
    """Every process of the network, in the order in which they start.

    Raises:
        FolderError: the folder holds no network.
    """
    return _require(Folder(root)).status()


def reset(root: Path) -> None:
    """End every process of the network and remove its folder; nothing to do if there is none.

    Raises:
        FolderError: the folder holds something else.
    """
    folder = Folder(root)
    if not folder.root.exists():
        return
    with locked(folder):
        state = load(folder)
        if state is not None:
            Network(folder, state, None).down()
        shutil.rmtree(folder.root)


def _require(folder: Folder) -> Network:
    state = load(folder) if folder.root.exists() else None
    if state is None:
        raise FolderError(f"{folder.root} holds no network: bring one up first")
    return Network(folder, state, None)


class Network:
    """The network in one folder. Processes are named as `exchange.network.topology` says."""

    def __init__(self, folder: Folder, state: State, programs: Programs | None) -> None:
        self.folder, self._state, self._programs = folder, state, programs

    @property
    def topology(self) -> Topology:
        """The nodes and their ports."""
        return self._state.topology

    def profile(self, organisation: str, user: str = "User1") -> Profile:
        """How a client of `organisation` reaches the channel; also in `profiles/` in the folder.

        Raises:
            NetworkError: there is no such organisation.
        """
        return self._profile(self.topology.organisation(organisation), user)

    # -- processes ---------------------------------------------------------------

    def names(self) -> list[str]:
        """Every process, in the order in which they start."""
        return [
            *(orderer.name for orderer in self.topology.orderers),
            *(organisation.peer for organisation in self.topology.organisations),
            *(organisation.chaincode for organisation in self.topology.organisations),
        ]

    def stopped(self) -> list[str]:
        """The processes that do not run."""
        return [name for name in self.names() if processes.running(self._state.started.get(name)) is None]

    def start(self, *names: str) -> None:
        """Start stopped processes, and return when they listen.

        Raises:
            PortError: another program has a port.
            StartError: one ended again; the message holds its last words.
        """
        self._spawn(names)
        self._await(names)

    def stop(self, *names: str) -> None:
        """Ask processes to end, and see that they do."""
        processes.end(self._our(names))

    def kill(self, *names: str) -> None:
        """End processes at once, as a crash would."""
        for name in names:
            self._signal(name, signal.SIGKILL)
        processes.end(self._our(names))  # returns when they are gone

    def pause(self, name: str) -> None:
        """Stop a process in its tracks: it answers nobody, and its connections stay."""
        self._signal(name, signal.SIGSTOP)
        end = time.monotonic() + _PAUSE_SECONDS
        while (process := processes.running(self._state.started[name])) and not processes.is_paused(process):
            if time.monotonic() > end:
                raise NetworkError(f"{name} could not be paused: end it instead")
            time.sleep(0.01)

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        self._signal(name, signal.SIGCONT)

    def down(self) -> None:
        """End every process."""
        processes.end(self._state.started.values())

    def status(self) -> list[ProcessStatus]:
        """Every process, in the order in which they start."""
        ports: dict[str, int] = {}
        for port, name in self.topology.listeners():
            ports.setdefault(name, port)
        return [self._status(name, ports[name]) for name in self.names()]

    def wait_ready(self, seconds: float = _START_SECONDS) -> None:
        """Return when every organisation's peer can name endorsers for the chaincode.

        Raises:
            StartError: one can't within `seconds`.
        """
        profiles = [self._profile(organisation) for organisation in self.topology.organisations]

        async def ask() -> list[bool]:
            return await asyncio.gather(*(can_endorse(profile, seconds=seconds) for profile in profiles))

        with ThreadPoolExecutor(1) as thread:  # the caller may be inside an event loop of its own
            ready = thread.submit(asyncio.run, ask()).result()
        for organisation, can in zip(self.topology.organisations, ready, strict=True):
            if not can:
                log = self.folder.log(organisation.peer)
                raise StartError(f"{organisation.peer} finds no endorsers after {seconds:.0f} s: see {log}")

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # -- building ----------------------------------------------------------------

    def build(self) -> None:
        """Make everything in the folder, and bring the channel and its chaincode up; for `up` alone."""
        programs = self._require_programs()
        for made in ("configuration", "packages", "profiles", "data", "logs"):
            (self.folder.root / made).mkdir()
        save(self.folder, self._state)
        for sample in ("core.yaml", "orderer.yaml"):
            shutil.copy(programs.samples / sample, self.folder.configuration / sample)
        write_builder(self.folder.builder)
        administrator = Administrator(programs, self.folder, self.topology)
        administrator.make_certificates()
        self._write_packages()
        self._spawn(self.names())
        administrator.make_channel()
        orderers, organisations = self.topology.orderers, self.topology.organisations
        with ThreadPoolExecutor(len(orderers) + len(organisations)) as threads:
            # Every orderer must serve the channel before the first organisation can approve.
            self._await([orderer.name for orderer in orderers])
            steps: list[Future[None]] = [
                threads.submit(administrator.join_orderer, orderer) for orderer in orderers
            ]
            steps += [
                threads.submit(self._join, administrator, organisation) for organisation in organisations
            ]
            _finish(steps)
            _finish(
                threads.submit(
                    administrator.approve, organisation, self._state.package_ids[organisation.name]
                )
                for organisation in organisations
            )
        administrator.commit()
        self._await(self.names())
        self.wait_ready()
        self._state.complete = True
        save(self.folder, self._state)

    def ended_on_failure(self) -> _Undo:
        """A context that ends, if it is left by an error, the processes that were started in it."""
        return _Undo(self._state)

    def _join(self, administrator: Administrator, organisation: Organisation) -> None:
        self._await([organisation.peer])
        administrator.join_peer(organisation)
        administrator.install(organisation, self._package_file(organisation))

    def _write_packages(self) -> None:
        for organisation in self.topology.organisations:
            packed = package(
                f"{self.topology.options.chaincode}_1",
                organisation.chaincode_address,
                self.folder.chaincode_tls(organisation),
                client_tls=self.folder.peer(organisation) / "tls",
            )
            self._package_file(organisation).write_bytes(packed.content)
            self._state.package_ids[organisation.name] = packed.id
            self._profile(organisation).write(self.folder.profiles / f"{organisation.name.lower()}.json")

    def _package_file(self, organisation: Organisation) -> Path:
        return self.folder.packages / f"{organisation.name.lower()}.tar.gz"

    def _profile(self, organisation: Organisation, user: str = "User1") -> Profile:
        msp, options = self.folder.user(organisation, user), self.topology.options
        return Profile(
            msp_id=organisation.msp_id,
            peer=organisation.address,
            tls_ca=self.folder.peer(organisation) / "tls" / "ca.crt",
            certificate=msp / "signcerts" / f"{msp.parent.name}-cert.pem",
            key=msp / "keystore" / "priv_sk",
            channel=options.channel,
            chaincode=options.chaincode,
        )

    # -- starting ------------------------------------------------------------------

    def _spawn(self, names: Iterable[str]) -> None:
        wanted = [name for name in names if name in self.stopped()]
        require_free([place for place in self.topology.listeners() if place[1] in wanted])
        for name in wanted:
            command, environment = self._command(name)
            try:
                self._state.started[name] = processes.spawn(command, environment, self.folder.log(name))
            except OSError as why:
                raise StartError(f"{name}: {command[0]} can't be run: {why.strerror}") from None
            save(self.folder, self._state)

    def _command(self, name: str) -> tuple[tuple[str, ...], Environment]:
        folder, topology = self.folder, self.topology
        for orderer in topology.orderers:
            if name == orderer.name:
                program = str(self._require_programs().orderer)
                return (program,), orderer_environment(topology, folder, orderer)
        for organisation in topology.organisations:
            if name == organisation.peer:
                program = str(self._require_programs().peer)
                return (program, "node", "start"), peer_environment(topology, folder, organisation)
            if name == organisation.chaincode:
                command = topology.options.chaincode_command or _OWN_CHAINCODE
                package_id = self._state.package_ids[organisation.name]
                return command, chaincode_environment(folder, organisation, package_id)
        raise NetworkError(f"no process {name}: this network has {', '.join(self.names())}")

    def _await(self, names: Iterable[str]) -> None:
        wanted = set(names)
        end = time.monotonic() + _START_SECONDS
        for port, name in self.topology.listeners():
            if name in wanted:
                self._await_port(port, name, end)

    def _await_port(self, port: int, name: str, end: float) -> None:
        while not _listens(port):
            if processes.running(self._state.started.get(name)) is None:
                raise StartError(f"{name} ended while it was starting: {self._last_words(name)}")
            if time.monotonic() > end:
                raise StartError(f"{name} does not listen on port {port}: see {self.folder.log(name)}")
            time.sleep(0.02)

    def _last_words(self, name: str) -> str:
        log = self.folder.log(name)
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        told = [line for line in lines if not line.startswith(("\t", " ", "goroutine"))]
        return f"{told[-1][:300] if told else 'it said nothing'} (see {log})"

    def _require_programs(self) -> Programs:
        if self._programs is None:
            self._programs = Programs.find()
        return self._programs

    def _our(self, names: Iterable[str]) -> list[processes.Started]:
        return [self._state.started[name] for name in names if name in self._state.started]

    def _signal(self, name: str, number: signal.Signals) -> None:
        if not processes.send(self._state.started.get(name), number):
            raise NetworkError(f"{name} does not run: start it first")

    def _status(self, name: str, port: int) -> ProcessStatus:
        process = processes.running(self._state.started.get(name))
        address, log = f"{HOST}:{port}", self.folder.log(name)
        if process is None:
            return ProcessStatus(name, address, "stopped", None, 0, log)
        state = "paused" if processes.is_paused(process) else "running"
        return ProcessStatus(name, address, state, process.pid, process.memory_info().rss, log)


class _Undo:
    def __init__(self, state: State) -> None:
        self._state, self._before = state, dict(state.started)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            processes.end(
                started for name, started in self._state.started.items() if started != self._before.get(name)
            )


def _finish(steps: Iterable[Future[None]]) -> None:
    """Wait for all; raise the first failure in order."""
    for step in list(steps):
        step.result()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
