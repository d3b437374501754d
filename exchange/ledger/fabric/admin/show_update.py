"""Shows a channel update, or the definition of an organisation, in words, before it is signed.

    python -m exchange.ledger.fabric.admin.show_update UPDATE.pb CURRENT.block
    python -m exchange.ledger.fabric.admin.show_update DEFINITION.block

CURRENT.block is the channel's newest configuration block, as the reader has fetched it. Every group, value
and policy that the update adds, changes or removes is named; of each organisation its root certificates,
with their digests: SHA-256 over the certificate in DER, as `openssl x509 -fingerprint -sha256` gives it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from fabric_protos.common.common_pb2 import CONFIG_UPDATE, ChannelHeader, Envelope, Payload
from fabric_protos.common.configtx_pb2 import ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope
from fabric_protos.msp.msp_config_pb2 import FabricMSPConfig, MSPConfig
from fabric_protos.peer.configuration_pb2 import AnchorPeers
from google.protobuf.message import DecodeError

from exchange.ledger.fabric.admin.channel_update import configuration
from exchange.ledger.fabric.admin.errors import ChannelUpdateError


def show(content: bytes, current: bytes | None = None) -> list[str]:
    """Return the lines that say what an update changes in `current`, or which organisations a block defines.

    Raises:
        ChannelUpdateError: it is neither, or an update without the configuration that it is for.
    """
    asked = _update(content)
    if asked is None:
        return list(_group("channel", configuration(content), ConfigGroup()))
    if current is None:
        raise ChannelUpdateError("that is an update: name the channel's CURRENT.block as well")
    lines = [f"update of channel {asked.channel_id}"]
    return lines + list(_group("channel", asked.write_set, configuration(current)))


def _update(content: bytes) -> Any:
    try:
        payload = Payload.FromString(Envelope.FromString(content).payload)
        header = ChannelHeader.FromString(payload.header.channel_header)
        if header.type != CONFIG_UPDATE:
            return None
        return ConfigUpdate.FromString(ConfigUpdateEnvelope.FromString(payload.data).config_update)
    except DecodeError:
        return None


def _group(path: str, written: Any, read: Any) -> Iterator[str]:
    """Yield a line for everything under `path` that `written` makes other than it is in `read`."""
    moved = written.version != read.version  # then everything that stays is named
    for kind, what in (("values", "value"), ("policies", "policy")):
        had = getattr(read, kind)
        if moved:
            yield from (
                f"{path}: removes {what} {name}" for name in sorted(set(had) - set(getattr(written, kind)))
            )
        for name, one in sorted(getattr(written, kind).items()):
            if name in had and had[name].version == one.version:
                continue
            yield f"{path}: {'changes' if name in had else 'sets'} {what} {name}"
            if kind == "values":
                yield from (f"  {line}" for line in _value(name, one.value))
    for name, group in sorted(written.groups.items()):
        known = name in read.groups
        inner = f"{path}/{name}"
        if not known:
            yield f"{inner}: added"
        yield from _group(inner, group, read.groups[name] if known else ConfigGroup())
    if moved:
        yield from (f"{path}/{name}: removed" for name in sorted(set(read.groups) - set(written.groups)))


def _value(name: str, value: bytes) -> Iterator[str]:
    try:
        if name == "MSP":
            msp = FabricMSPConfig.FromString(MSPConfig.FromString(value).config)
            yield f"MSP id {msp.name}"
            for kind, certificates in (
                ("root", msp.root_certs),
                ("intermediate", msp.intermediate_certs),
                ("TLS root", msp.tls_root_certs),
                ("administrator", msp.admins),
            ):
                yield from (f"{kind} certificate {_certificate(pem)}" for pem in certificates)
        elif name == "AnchorPeers":
            for peer in AnchorPeers.FromString(value).anchor_peers:
                yield f"anchor peer {peer.host}:{peer.port}"
    except DecodeError:
        yield "can't be read"


def _certificate(pem: bytes) -> str:
    try:
        found = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return "that can't be read"
    return f"sha256 {found.fingerprint(hashes.SHA256()).hex()} {found.subject.rfc4514_string()!r}"


def main(arguments: list[str]) -> int:
    """Print the lines; the exit status."""
    if len(arguments) not in {1, 2}:
        sys.stderr.write("error: call with UPDATE.pb CURRENT.block, or with DEFINITION.block\n")
        return 2
    try:
        lines = show(*(Path(name).read_bytes() for name in arguments))
    except (OSError, ChannelUpdateError) as why:
        sys.stderr.write(f"error: {why}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
