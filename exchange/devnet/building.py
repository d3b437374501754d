"""The first `up`: from an empty folder to a channel with its chaincode.

Steps that do not need each other run side by side; a machine with two cores needs about two seconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from exchange.devnet.administration import Administrator
from exchange.devnet.network import Network
from exchange.devnet.state_file import save
from exchange.devnet.topology import NetworkOrganisation
from exchange.ledger.fabric.admin.packaging import package, write_builder


def build(network: Network) -> None:
    """Make everything in the network's folder, and return when transactions can be endorsed.

    Raises:
        NetworkError: a step failed; the folder is then half-built.
    """
    _prepare(network)
    administrator = Administrator(network.programs, network.folder, network.topology)
    administrator.make_certificates(network.folder.crypto)
    write_packages(network)
    network.launch(network.names())
    administrator.make_channel()
    orderers, organisations = network.topology.orderers, network.topology.organisations
    with ThreadPoolExecutor(len(orderers) + len(organisations)) as threads:
        network.await_listening([orderer.name for orderer in orderers])
        joining = [threads.submit(administrator.join_orderer, orderer) for orderer in orderers]
        joining += [
            threads.submit(_join, network, administrator, organisation) for organisation in organisations
        ]
        _finish(joining)
        packages = network.state.package_ids
        _finish(
            threads.submit(administrator.approve, organisation, packages[organisation.name])
            for organisation in organisations
        )
    administrator.commit()
    network.await_listening(network.names())
    network.wait_ready()
    network.state.complete = True
    save(network.folder, network.state)


def _prepare(network: Network) -> None:
    folder = network.folder
    for made in (folder.configuration, folder.packages, folder.profiles, folder.data, folder.logs):
        made.mkdir()
    save(folder, network.state)
    write_configuration(network)


def write_configuration(network: Network) -> None:
    """Write the configuration and scripts that Fabric's programs share."""
    folder = network.folder
    for sample in ("core.yaml", "orderer.yaml"):
        shutil.copy(network.programs.samples / sample, folder.configuration / sample)
    write_builder(folder.builder)


def write_packages(network: Network) -> None:
    """Write each organisation's chaincode package, record its id, and write its clients' profile."""
    folder, label = network.folder, f"{network.topology.options.chaincode}_1"
    for organisation in network.topology.organisations:
        packed = package(
            label,
            organisation.chaincode_address,
            folder.chaincode_tls(organisation),
            client_tls=folder.peer(organisation) / "tls",
        )
        package_file(network, organisation).write_bytes(packed.content)
        network.state.package_ids[organisation.name] = packed.id
        profile = folder.profiles / f"{organisation.name.lower()}.json"
        network.profile(organisation.name).write(profile)


def package_file(network: Network, organisation: NetworkOrganisation) -> Path:
    """Return the path of an organisation's chaincode package."""
    return network.folder.packages / f"{organisation.name.lower()}.tar.gz"


def _join(network: Network, administrator: Administrator, organisation: NetworkOrganisation) -> None:
    network.await_listening([organisation.peer])
    administrator.join_peer(organisation)
    administrator.install(organisation, package_file(network, organisation))


def _finish(steps: Iterable[Future[None]]) -> None:
    """Wait for all; raise the first failure in order."""
    for step in list(steps):
        step.result()
