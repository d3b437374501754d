"""Makes the updates with which a channel gets another orderer, or an organisation another root of its CA.

    python -m exchange.network.replacing CHANNEL CURRENT.block UPDATE.pb orderer OLD NEW CERTIFICATE.pem
    python -m exchange.network.replacing CHANNEL CURRENT.block UPDATE.pb add-root MSP ROOT.pem TLS-ROOT.pem
    python -m exchange.network.replacing CHANNEL CURRENT.block UPDATE.pb remove-root MSP ROOT.pem TLS-ROOT.pem

CURRENT.block is the channel's newest configuration block. OLD and NEW are `host:port` of a consenter; with
the same address twice, only its TLS certificate is another. Raft takes one of these at a time. A root is
added beside those that are there, and removed when nothing rests on it any more.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fabric_protos.common.configuration_pb2 import OrdererAddresses
from fabric_protos.msp.msp_config_pb2 import FabricMSPConfig, MSPConfig
from fabric_protos.orderer.configuration_pb2 import ConsensusType
from fabric_protos.orderer.etcdraft.configuration_pb2 import ConfigMetadata

from exchange.network.errors import NetworkError
from exchange.network.updates import configuration, update

_USAGE = (
    "call with CHANNEL CURRENT.block UPDATE.pb and one of: orderer OLD NEW CERTIFICATE.pem | "
    "add-root MSP ROOT.pem TLS-ROOT.pem | remove-root MSP ROOT.pem TLS-ROOT.pem"
)


def replace_orderer(channel: Any, old: str, new: str, certificate: bytes) -> None:
    """Put the consenter `new` (`host:port`), with its TLS certificate (PEM), in the place of `old`.

    Raises:
        NetworkError: there is no such consenter, or an address is none.
    """
    place = channel.groups["Orderer"].values["ConsensusType"]
    consensus = ConsensusType.FromString(place.value)
    metadata = ConfigMetadata.FromString(consensus.metadata)
    known = {f"{one.host}:{one.port}": one for one in metadata.consenters}
    if old not in known:
        raise NetworkError(f"{old} is no consenter: they are {', '.join(sorted(known))}")
    host, _, port = new.rpartition(":")
    if not host or not port.isdecimal():
        raise NetworkError(f"{new} is no address: give host:port")
    consenter = known[old]
    consenter.host, consenter.port = host, int(port)
    consenter.client_tls_cert = consenter.server_tls_cert = certificate
    consensus.metadata = metadata.SerializeToString()
    place.value = consensus.SerializeToString()
    for organisation in channel.groups["Orderer"].groups.values():
        if "Endpoints" in organisation.values:
            endpoints = OrdererAddresses.FromString(organisation.values["Endpoints"].value)
            endpoints.addresses[:] = [new if one == old else one for one in endpoints.addresses]
            organisation.values["Endpoints"].value = endpoints.SerializeToString()


def change_roots(channel: Any, msp_id: str, root: bytes, tls_root: bytes, *, add: bool) -> None:
    """Add an organisation's new roots (PEM), or remove its old ones.

    Which organisational unit means peer, client, admin or orderer is no longer bound to one root: it holds
    for certificates of every root that the organisation has.

    Raises:
        NetworkError: no organisation of the channel is `msp_id`'s, the roots are not there, or none is left.
    """
    changed = 0
    for part in ("Application", "Orderer"):
        for organisation in channel.groups[part].groups.values():
            place = organisation.values["MSP"]
            wrapped = MSPConfig.FromString(place.value)
            held = FabricMSPConfig.FromString(wrapped.config)
            if held.name != msp_id:
                continue
            changed += 1
            for roots, one in ((held.root_certs, root), (held.tls_root_certs, tls_root)):
                if add:
                    roots.append(one)
                elif one not in roots or len(roots) == 1:
                    raise NetworkError(f"{msp_id} has no such root, or no other one to go on with")
                else:
                    roots.remove(one)
            units = held.fabric_node_ous
            for unit in ("client", "peer", "admin", "orderer"):
                if units.HasField(f"{unit}_ou_identifier"):
                    getattr(units, f"{unit}_ou_identifier").ClearField("certificate")
            wrapped.config = held.SerializeToString()
            place.value = wrapped.SerializeToString()
    if not changed:
        raise NetworkError(f"{msp_id} is not on the channel")


def main(arguments: list[str]) -> int:
    """Write the update; the exit status."""
    try:
        channel, current, made, what, subject, second, third = arguments
        held, wanted = (configuration(Path(current).read_bytes()) for _ in range(2))
        if what == "orderer":
            replace_orderer(wanted, subject, second, Path(third).read_bytes())
        elif what in {"add-root", "remove-root"}:
            roots = (Path(path).read_bytes() for path in (second, third))
            change_roots(wanted, subject, *roots, add=what == "add-root")
        else:
            raise ValueError(what)  # noqa: TRY301 - a misspelt call, like one with too few words
        Path(made).write_bytes(update(channel, held, wanted))
    except ValueError:
        sys.stderr.write(f"error: {_USAGE}\n")
        return 2
    except (OSError, NetworkError) as why:
        sys.stderr.write(f"error: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
