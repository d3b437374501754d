"""Chaincode packages for chaincode as a service, and the builder with which a peer installs them.

A package holds the chaincode's address and the peer's credentials for it. Its id is a digest of its
bytes, which are the same each time, so the chaincode can start before the package is installed.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import msgspec

_BUILDER = {
    # SOURCE METADATA: succeed if this package is for this builder
    "detect": """#!/bin/sh
grep -q '"type": *"ccaas"' "$2/metadata.json"
""",
    # SOURCE METADATA OUTPUT: there is nothing to compile
    "build": """#!/bin/sh
set -e
cp "$1/connection.json" "$3/"
if [ -d "$1/META-INF" ]; then cp -R "$1/META-INF" "$3/"; fi
""",
    # OUTPUT RELEASE: hand the peer the address, and index definitions if there are any
    "release": """#!/bin/sh
set -e
mkdir -p "$2/chaincode/server"
cp "$1/connection.json" "$2/chaincode/server/"
if [ -d "$1/META-INF/statedb" ]; then cp -R "$1/META-INF/statedb" "$2/"; fi
""",
}


class Package(msgspec.Struct, frozen=True):
    """A chaincode package; `id` is how the peer and the chaincode service name it."""

    id: str
    content: bytes


def package(label: str, address: str, tls: Path, *, client_tls: Path) -> Package:
    """Package a service at `address` behind mutual TLS.

    `tls` holds the service's `ca.crt`; `client_tls` the `server.key` and `server.crt` that the peer shows.
    """
    connection = {
        "address": address,
        "dial_timeout": "10s",
        "tls_required": True,
        "client_auth_required": True,
        "root_cert": (tls / "ca.crt").read_text(),
        "client_key": (client_tls / "server.key").read_text(),
        "client_cert": (client_tls / "server.crt").read_text(),
    }
    code = _archive({"connection.json": json.dumps(connection, sort_keys=True).encode()})
    metadata = json.dumps({"type": "ccaas", "label": label}).encode()
    content = _archive({"code.tar.gz": code, "metadata.json": metadata})
    return Package(f"{label}:{sha256(content).hexdigest()}", content)


def write_builder(folder: Path) -> None:
    """Write the three scripts that a peer runs as an external builder."""
    programs = folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, text in _BUILDER.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)


def _archive(files: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)
