"""Make channel updates that add, remove and renew orderers, or that change the root of an organisation's CA.

    python -m exchange.ledger.fabric.admin.renew CHANNEL CURRENT.block UPDATE.pb CHANGE

where CHANGE is one of

    remove-orderer HOST:PORT
    add-orderer HOST:PORT TLS.pem
    renew-orderer HOST:PORT TLS.pem
    add-root MSP ROOT.pem TLS-ROOT.pem
    remove-root MSP ROOT.pem TLS-ROOT.pem

CURRENT.block is the channel's newest configuration block, TLS.pem the orderer's certificate. An orderer is
replaced by two updates. With one update Fabric would assume that the old orderer has another certificate:
Raft keeps the old one's name, and the new orderer, which lacks everything acknowledged under that name,
panics. An orderer that keeps its disk is renewed by one update. A root is added beside those that are
there, and removed when nothing depends on it any more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common.configuration_pb2 import OrdererAddresses
from fabric_protos.msp.msp_config_pb2 import FabricMSPConfig, MSPConfig
from fabric_protos.orderer.configuration_pb2 import ConsensusType
from fabric_protos.orderer.etcdraft.configuration_pb2 import ConfigMetadata

from exchange.ledger.fabric.admin.certificates import orderers_certificate
from exchange.ledger.fabric.admin.channel_update import configuration, update
from exchange.ledger.fabric.admin.errors import CertificateError, ChannelUpdateError

_USAGE = (
    "call with CHANNEL CURRENT.block UPDATE.pb and one of: remove-orderer HOST:PORT | "
    "add-orderer HOST:PORT TLS.pem | renew-orderer HOST:PORT TLS.pem | "
    "add-root MSP ROOT.pem TLS-ROOT.pem | remove-root MSP ROOT.pem TLS-ROOT.pem"
)


def remove_orderer(channel: Any, address: str) -> None:
    """Remove the consenter at `address` (`host:port`) from the channel.

    Raises:
        ChannelUpdateError: there is no such consenter, or no other.
    """
    consensus, metadata = _consenters(channel)
    left = [one for one in metadata.consenters if f"{one.host}:{one.port}" != address]
    if not left or len(left) == len(metadata.consenters):
        known = ", ".join(sorted(f"{one.host}:{one.port}" for one in metadata.consenters))
        raise ChannelUpdateError(f"{address} is no consenter that can be removed: they are {known}")
    del metadata.consenters[:]
    metadata.consenters.extend(left)
    _set_consenters(channel, consensus, metadata)
    for organisation, endpoints in _endpoints(channel):
        _set_endpoints(organisation, [one for one in endpoints if one != address])


def add_orderer(channel: Any, address: str, certificate: bytes) -> None:
    """Put a consenter at `address` (`host:port`) on the channel, with its TLS certificate (PEM).

    Its address joins those of the ordering organisation, if there is one; otherwise only its peers know it.

    Raises:
        ChannelUpdateError: the address is none, or a consenter's already.
        CertificateError: an orderer at that address can't use the certificate, or another one has its key.
    """
    consensus, metadata = _consenters(channel)
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ChannelUpdateError(f"{address} is no address: give host:port")
    if any((one.host, one.port) == (host, int(port)) for one in metadata.consenters):
        raise ChannelUpdateError(f"{address} is a consenter already: remove it first")
    pem = _usable(channel, host, certificate, metadata.consenters)
    metadata.consenters.add(host=host, port=int(port), client_tls_cert=pem, server_tls_cert=pem)
    _set_consenters(channel, consensus, metadata)
    organisations = list(_endpoints(channel))
    if len(organisations) == 1:
        organisation, endpoints = organisations[0]
        _set_endpoints(organisation, [*endpoints, address])


def renew_orderer(channel: Any, address: str, certificate: bytes) -> None:
    """Put a new TLS certificate (PEM) in the place of the one of the consenter at `address` (`host:port`).

    Raises:
        ChannelUpdateError: there is no such consenter, or no other.
        CertificateError: an orderer at that address can't use the certificate, or another one has its key.
    """
    consensus, metadata = _consenters(channel)
    consenters = {f"{one.host}:{one.port}": one for one in metadata.consenters}
    renewed = consenters.pop(address, None)
    if renewed is None:
        raise ChannelUpdateError(f"{address} is no consenter: they are {', '.join(sorted(consenters))}")
    if not consenters:
        # Fabric has the leader hand over before it is renewed, and drops the update where no orderer is left
        # to take over.
        raise ChannelUpdateError(
            f"{address} is the only consenter, so no other can lead meanwhile: "
            "renew it with its own key, which needs no update, or add another first"
        )
    pem = _usable(channel, renewed.host, certificate, consenters.values())
    renewed.client_tls_cert = renewed.server_tls_cert = pem
    _set_consenters(channel, consensus, metadata)


def _usable(channel: Any, host: str, given: bytes, others: Iterable[Any]) -> bytes:
    """Return the certificate alone: the rest of its file, such as a key, is not for the channel."""
    authorities: list[bytes] = []
    for organisation in channel.groups["Orderer"].groups.values():
        msp = FabricMSPConfig.FromString(MSPConfig.FromString(organisation.values["MSP"].value).config)
        authorities += [*msp.tls_root_certs, *msp.tls_intermediate_certs]
    certificate = orderers_certificate(given, host, authorities)
    for one in others:
        for pem in (one.client_tls_cert, one.server_tls_cert):
            # Fabric distinguishes consenters by their keys alone.
            if x509.load_pem_x509_certificate(pem).public_key() == certificate.public_key():
                raise CertificateError(f"{one.host}:{one.port} has that certificate's key: use another")
    return certificate.public_bytes(Encoding.PEM)


def _consenters(channel: Any) -> tuple[Any, Any]:
    consensus = ConsensusType.FromString(channel.groups["Orderer"].values["ConsensusType"].value)
    return consensus, ConfigMetadata.FromString(consensus.metadata)


def _set_consenters(channel: Any, consensus: Any, metadata: Any) -> None:
    consensus.metadata = metadata.SerializeToString()
    channel.groups["Orderer"].values["ConsensusType"].value = consensus.SerializeToString()


def _endpoints(channel: Any) -> Iterator[tuple[Any, list[str]]]:
    for organisation in channel.groups["Orderer"].groups.values():
        if "Endpoints" in organisation.values:
            yield (
                organisation,
                list(OrdererAddresses.FromString(organisation.values["Endpoints"].value).addresses),
            )


def _set_endpoints(organisation: Any, addresses: list[str]) -> None:
    organisation.values["Endpoints"].value = OrdererAddresses(addresses=addresses).SerializeToString()


def change_roots(channel: Any, msp_id: str, root: bytes, tls_root: bytes, *, add: bool) -> None:
    """Add an organisation's new roots (PEM), or remove its old ones.

    Which organisational unit means peer, client, admin or orderer is no longer bound to one root: it holds
    for certificates of every root that the organisation has.

    Raises:
        ChannelUpdateError: no organisation of the channel is `msp_id`'s, the roots are not there,
            or none is left.
    """
    changed = 0
    for part in ("Application", "Orderer"):
        for organisation in channel.groups[part].groups.values():
            place = organisation.values["MSP"]
            wrapped = MSPConfig.FromString(place.value)
            msp = FabricMSPConfig.FromString(wrapped.config)
            if msp.name != msp_id:
                continue
            changed += 1
            for roots, one in ((msp.root_certs, root), (msp.tls_root_certs, tls_root)):
                if add:
                    roots.append(one)
                elif one not in roots or len(roots) == 1:
                    raise ChannelUpdateError(f"{msp_id} has no such root, or no other one to go on with")
                else:
                    roots.remove(one)
            units = msp.fabric_node_ous
            for unit in ("client", "peer", "admin", "orderer"):
                if units.HasField(f"{unit}_ou_identifier"):
                    getattr(units, f"{unit}_ou_identifier").ClearField("certificate")
            wrapped.config = msp.SerializeToString()
            place.value = wrapped.SerializeToString()
    if not changed:
        raise ChannelUpdateError(f"{msp_id} is not on the channel")


def main(arguments: list[str]) -> int:
    """Write the update; the exit status."""
    try:
        channel, current, made, what, subject, *files = arguments
        existing, wanted = (configuration(Path(current).read_bytes()) for _ in range(2))
        given = [Path(path).read_bytes() for path in files]
        match what, given:
            case "remove-orderer", []:
                remove_orderer(wanted, subject)
            case "add-orderer", [certificate]:
                add_orderer(wanted, subject, certificate)
            case "renew-orderer", [certificate]:
                renew_orderer(wanted, subject, certificate)
            case (("add-root" | "remove-root"), [root, tls_root]):
                change_roots(wanted, subject, root, tls_root, add=what == "add-root")
            case _:
                raise ValueError(what)  # noqa: TRY301 - a misspelt call, like one with too few words
        Path(made).write_bytes(update(channel, existing, wanted))
    except ValueError:
        sys.stderr.write(f"error: {_USAGE}\n")
        return 2
    except (OSError, ChannelUpdateError) as why:
        sys.stderr.write(f"error: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
