"""A root key in a file that only its owner can read: for development and small deployments.

A thief of the file and the database reads the records; `docs/threat-model.md` says when to use a hardware
or network vault instead.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from exchange.runtime.private_files import forbid_core_dumps, write_private
from exchange.vault.errors import VaultError

_KEY_BYTES = 32
_NONCE_BYTES = 12


def create_root_key(path: Path) -> None:
    """Write a new random root key to `path`, readable by its owner alone; never over an existing file."""
    write_private(path, os.urandom(_KEY_BYTES))


class FileVault:
    """A `Vault` with its root key of 32 bytes in a file; its process leaves no core dump."""

    def __init__(self, path: Path) -> None:
        try:
            root = path.read_bytes()
            mode = path.stat().st_mode & 0o777
        except OSError as why:
            raise VaultError(
                f"the root key {path} can't be read ({why.strerror}); restore it from its backup"
            ) from None
        if len(root) != _KEY_BYTES:
            raise VaultError(
                f"the root key {path} holds {len(root)} bytes, not {_KEY_BYTES}; restore its backup"
            )
        if mode & 0o077:
            raise VaultError(f"the root key {path} can be read by others; call chmod 600 on it")
        forbid_core_dumps()
        self._root = root
        self._wrapping = AESGCM(self.derive("wrap"))

    def wrap(self, secret: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt with AES-256-GCM under a key derived from the root: nonce, then ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, secret, bound_to)

    def unwrap(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """Open a result of `wrap`."""
        try:
            return self._wrapping.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):
            raise VaultError("a wrapped key does not open with this root key; is it this node's?") from None

    def derive(self, purpose: str) -> bytes:
        """Derive with HKDF-Expand (RFC 5869) from the root, labelled with `purpose`."""
        info = b"consentry/vault/" + purpose.encode()
        return HKDFExpand(algorithm=hashes.SHA256(), length=_KEY_BYTES, info=info).derive(self._root)
