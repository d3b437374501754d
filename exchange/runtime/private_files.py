"""Files that their owner alone reads, and memory that no core dump shows."""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o077
"""The mask of files and folders that their owner alone reads."""

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def close_new_files() -> None:
    """Have this process, and those that it starts, make files and folders for their owner alone."""
    os.umask(PRIVATE)


def forbid_core_dumps() -> None:
    """Have this process leave no core dump, which would show the keys and records in its memory."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    # That limit does not bind a program that collects the system's dumps. Other systems have no such call.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to a new file that only its owner can read, durably.

    Raises:
        FileExistsError: there is one; a secret is never written over.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Make durable that files in the folder at `path` were made, renamed or removed."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
