"""The identity of the ledger's one node: its signing key, and the lock against a second writer."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from exchange.ledger.errors import InUseError, NodeKeyError
from exchange.runtime.private_files import write_private


def create_node_key(path: Path) -> Ed25519PrivateKey:
    """Create an Ed25519 key and write it to `path` as PKCS #8 in PEM, readable by its owner only.

    Raises:
        NodeKeyError: there is a file already; a key is never written over.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        write_private(path, pem)
    except FileExistsError:
        raise NodeKeyError("there is a node key already") from None
    return key


def load_node_key(path: Path) -> Ed25519PrivateKey:
    """Load the node's key from `path`.

    Raises:
        NodeKeyError: there is no file, or it holds no Ed25519 key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError:
        raise NodeKeyError("the node key's file is missing or can't be read") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NodeKeyError("the node key's file holds no key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise NodeKeyError("the node key is not an Ed25519 key")
    return key


class WriterLock:
    """An exclusive lock beside the ledger's file; the operating system frees it when the process dies."""

    def __init__(self, ledger: Path) -> None:
        """Acquire the lock.

        Raises:
            InUseError: another process (or another object in this one) holds it.
        """
        path = ledger.with_name(ledger.name + ".lock")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise InUseError("another process has this ledger open") from None

    def release(self) -> None:
        """Let the next writer in. The file stays: removing it would race with a process that waits for it."""
        os.close(self._descriptor)
