"""The state of a network between two commands: one JSON file, written completely or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from exchange.devnet.errors import FolderError
from exchange.devnet.processes import Started
from exchange.devnet.topology import NetworkFolder, Topology

_FORMAT = 1


class NetworkState(msgspec.Struct):
    """A network's nodes and processes. `complete` is false until the channel has its chaincode."""

    topology: Topology
    package_ids: dict[str, str] = {}
    started: dict[str, Started] = {}
    complete: bool = False
    format: int = _FORMAT


def load(folder: NetworkFolder) -> NetworkState | None:
    """Return the state of the network in `folder`; None if there is no folder, or nothing in it.

    Raises:
        FolderError: the folder holds something else, or a network of another release.
    """
    try:
        state = msgspec.json.decode(folder.state.read_bytes(), type=NetworkState)
    except FileNotFoundError:
        if folder.root.exists() and set(folder.root.iterdir()) - {folder.lock}:
            raise FolderError(
                f"{folder.root} is not empty and holds no network: choose another folder"
            ) from None
        return None
    except NotADirectoryError:
        raise FolderError(f"{folder.root} is a file: choose a folder") from None
    except msgspec.MsgspecError:
        raise FolderError(f"{folder.state} can't be read: end its processes and remove the folder") from None
    if state.format != _FORMAT:
        raise FolderError(f"{folder.root} was made by another release: reset it with that one")
    return state


def save(folder: NetworkFolder, state: NetworkState) -> None:
    """Replace the state file."""
    fresh = folder.state.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
    os.replace(fresh, folder.state)  # noqa: PTH105  # the same call, named for what it promises


@contextmanager
def lock(folder: NetworkFolder) -> Iterator[None]:
    """Lock the folder against other commands.

    Raises:
        FolderError: another command is at work, or the folder can't be made.
    """
    try:
        folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder.lock.open("w")
    except OSError as why:
        raise FolderError(f"{folder.root} can't be used: {why.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderError(f"another command works on {folder.root}: wait for it to end") from None
        yield
