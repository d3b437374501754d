"""The four commands on a network's folder: up, down, status, reset."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509

from exchange.devnet import processes
from exchange.devnet.building import build
from exchange.devnet.errors import FolderError, NetworkCertificateError
from exchange.devnet.network import Network, ProcessStatus
from exchange.devnet.programs import Programs
from exchange.devnet.state_file import NetworkState, load, locked
from exchange.devnet.topology import NetworkFolder, Options, Topology


def up(root: Path, options: Options | None = None, *, programs: Programs | None = None) -> Network:
    """Bring a network up in `root`: build it if the folder is new, otherwise start stopped processes.

    Returns when every organisation can have transactions endorsed. Without `options`, those that the
    folder was built with hold, or the defaults.

    Raises:
        NetworkError: see `exchange.devnet.errors`; processes that this call started have been ended.
    """
    folder = NetworkFolder(root)
    if set(str(folder.root)) & set(",[]"):
        raise FolderError(
            f"{folder.root}: Fabric can't read paths with a comma or brackets; choose another folder"
        )
    programs = programs or Programs.find()
    with locked(folder):
        state = load(folder)
        if state is None:
            network = Network(folder, NetworkState(Topology.plan(options or Options())), programs)
            with _ended_on_failure(network.state):
                build(network)
            return network
        if not state.complete:
            raise FolderError(f"{folder.root} holds a half-built network: reset it and bring it up again")
        if options is not None and options != state.topology.options:
            raise FolderError(
                f"{folder.root} was built with other options: reset it first, or leave them out"
            )
        network = Network(folder, state, programs)
        _require_valid_certificates(folder)
        with _ended_on_failure(network.state):
            network.start(*network.stopped())
            network.wait_ready()
        return network


def down(root: Path) -> None:
    """End every process of the network; its data stay, and `up` goes on with them.

    Raises:
        FolderError: the folder holds no network.
    """
    folder = NetworkFolder(root)
    _require(folder)  # before its lock would make a folder
    with locked(folder):
        _require(folder).down()


def status(root: Path) -> list[ProcessStatus]:
    """Return every process of the network, in the order in which they start.

    Raises:
        FolderError: the folder holds no network.
    """
    return _require(NetworkFolder(root)).status()


def reset(root: Path) -> None:
    """End every process of the network and remove its folder; nothing to do if there is none.

    Raises:
        FolderError: the folder holds something else.
    """
    folder = NetworkFolder(root)
    if not folder.root.exists():
        return
    with locked(folder):
        state = load(folder)
        if state is not None:
            Network(folder, state).down()
        shutil.rmtree(folder.root)


def _require(folder: NetworkFolder) -> Network:
    state = load(folder) if folder.root.exists() else None
    if state is None:
        raise FolderError(f"{folder.root} holds no network: bring one up first")
    return Network(folder, state)


@contextmanager
def _ended_on_failure(state: NetworkState) -> Iterator[None]:
    """End, if this is left by an error, the processes that were started in it."""
    before = dict(state.started)
    try:
        yield
    except BaseException:
        processes.end(started for name, started in state.started.items() if started != before.get(name))
        raise


def _require_valid_certificates(folder: NetworkFolder) -> None:
    """Check every certificate of the network.

    Raises:
        NetworkCertificateError: one has expired or can't be read; the message names its file.
    """
    now = datetime.datetime.now(datetime.UTC)
    for path in sorted((*folder.crypto.rglob("*.pem"), *folder.crypto.rglob("*.crt"))):
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (ValueError, x509.InvalidVersion):
            raise NetworkCertificateError(
                f"{path} is no certificate: restore it, or reset the network"
            ) from None
        if certificate.not_valid_after_utc < now:
            day = certificate.not_valid_after_utc.date()
            raise NetworkCertificateError(f"{path} expired on {day}: renew it, or reset the network")
