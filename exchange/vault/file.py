"""A root key and epoch keys in files that only their owner can read: for development and small deployments.

A thief of the files and the databases reads the records; `docs/threat-model.md` says when to use a hardware
or network vault instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from exchange.runtime.private_files import forbid_core_dumps, sync_folder, write_private
from exchange.vault.errors import VaultError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_EPOCH_BYTES = 4
_FINGERPRINT_BYTES = 10
_EPOCH_FILE = re.compile(r"epoch-([1-9][0-9]{0,8})\.key")


def create_vault(root_key: Path) -> None:
    """Write a new root key to `root_key`, and the first epoch key beside it, both random.

    They are readable by their owner alone, and never written over existing files.
    """
    write_private(root_key, os.urandom(_KEY_BYTES))
    create_epoch_key(root_key.parent, 1)


def create_epoch_key(folder: Path, epoch: int) -> None:
    """Write a new random epoch key to its file in `folder`, whole or not at all; never over an existing one.

    Raises:
        FileExistsError: there is one.
    """
    path = folder / f"epoch-{epoch}.key"
    if path.exists():
        raise FileExistsError(path)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    write_private(unfinished, os.urandom(_KEY_BYTES))
    unfinished.rename(path)
    sync_folder(folder)


def _read_key(path: Path, name: str) -> bytes:
    try:
        key = path.read_bytes()
        mode = path.stat().st_mode & 0o777
    except OSError as why:
        raise VaultError(
            f"the {name} {path} can't be read ({why.strerror}); restore it from its backup"
        ) from None
    if len(key) != _KEY_BYTES:
        raise VaultError(f"the {name} {path} holds {len(key)} bytes, not {_KEY_BYTES}; restore its backup")
    if mode & 0o077:
        raise VaultError(f"the {name} {path} can be read by others; call chmod 600 on it")
    return key


class FileVault:
    """A `Vault` with a root key of 32 bytes in a file, and its epoch keys in files beside it.

    Its process leaves no core dump.
    """

    def __init__(self, root_key: Path) -> None:
        self._folder = root_key.parent
        self._root = _read_key(root_key, "root key")
        forbid_core_dumps()
        self._epochs: dict[int, AESGCM] = {}
        self._fingerprints: dict[int, bytes] = {}
        self._read_epochs()

    def wrap(self, secret: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt with AES-256-GCM under root and newest epoch key: number, nonce, ciphertext."""
        if not self._epochs:
            self._read_epochs()
        if not self._epochs:
            raise VaultError(f"there is no epoch key in {self._folder}; restore it from its backup")
        epoch = max(self._epochs)
        nonce = os.urandom(_NONCE_BYTES)
        head = epoch.to_bytes(_EPOCH_BYTES, "big")
        return head + nonce + self._epochs[epoch].encrypt(nonce, secret, head + bound_to)

    def unwrap(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """Open a result of `wrap`."""
        head, nonce, sealed = wrapped[:4], wrapped[4:16], wrapped[16:]
        cipher = self._epochs.get(int.from_bytes(head, "big"))
        if cipher is None:
            self._read_epochs()  # another process of the node may have begun an epoch
            cipher = self._epochs.get(int.from_bytes(head, "big"))
        if cipher is None:
            raise VaultError("a wrapped key does not open: its epoch key is not in this vault")
        return _decrypted(cipher, nonce, sealed, head + bound_to)

    def unwrap_rooted(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """Open a key of a node up to format 11."""
        cipher = AESGCM(self.derive("wrap"))
        return _decrypted(cipher, wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], bound_to)

    def epochs(self) -> Mapping[int, bytes]:
        """Return the check values of the epoch keys that are in the folder now."""
        self._read_epochs()
        return dict(self._fingerprints)

    def derive(self, purpose: str) -> bytes:
        """Derive with HKDF-Expand (RFC 5869) from the root, labelled with `purpose`."""
        info = b"consentry/vault/" + purpose.encode()
        return HKDFExpand(algorithm=hashes.SHA256(), length=_KEY_BYTES, info=info).derive(self._root)

    def _read_epochs(self) -> None:
        there = {
            int(found[1]): path
            for path in self._folder.iterdir()
            if (found := _EPOCH_FILE.fullmatch(path.name)) is not None
        }
        epochs, fingerprints = {}, {}
        for epoch, path in there.items():
            key = _read_key(path, "epoch key")
            # With the root as salt: without either of the two the result can't be told from random bytes.
            info = b"consentry/vault/wrap/epoch"
            hkdf = HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=self._root, info=info)
            epochs[epoch] = AESGCM(hkdf.derive(key))
            label = b"consentry/vault/epoch-fingerprint"
            expand = HKDFExpand(algorithm=hashes.SHA256(), length=_FINGERPRINT_BYTES, info=label)
            fingerprints[epoch] = expand.derive(key)
        self._epochs, self._fingerprints = epochs, fingerprints


def _decrypted(cipher: AESGCM, nonce: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, bound_to)
    except (InvalidTag, ValueError):
        raise VaultError("a wrapped key does not open with this root key; is it this node's?") from None
