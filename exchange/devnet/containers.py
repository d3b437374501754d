"""The same network in containers: `python -m exchange.devnet.containers prepare` and `found`.

`prepare` writes certificates, configuration, chaincode packages, the channel's first block and the passwords
of the hospitals' databases, before anything runs; `found` joins orderers and peers to the channel and has the
organisations approve and commit the chaincode, once everything runs. Each step is done once: a job that was
interrupted is run again and goes on. Both work below one folder, in which every container finds its own part
at the same path.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from exchange.devnet.administration import Administrator
from exchange.devnet.building import package_file, write_configuration, write_packages
from exchange.devnet.errors import NetworkError
from exchange.devnet.network import Network
from exchange.devnet.programs import Programs
from exchange.devnet.state_file import NetworkState, load, save
from exchange.devnet.topology import NetworkFolder, NetworkOrganisation, Options, Topology

ROOT = Path("/network")
"""The mount point of the network's files in every container."""

OPTIONS = Options(organisations=3, orderers=3, log_level="info")
"""Three hospitals, and three orderers of which one may fail."""


class Job:
    """Steps on one network's folder, each done once."""

    def __init__(self, root: Path, programs: Programs) -> None:
        folder = NetworkFolder(root)
        held = load(folder) if folder.state.exists() else None  # its parts are there before there is a state
        self.network = Network(folder, held or NetworkState(Topology.contained(OPTIONS)), programs)
        self._administrator = Administrator(programs, folder, self.network.topology)
        self._steps = root / "steps"
        self._steps.mkdir(exist_ok=True)

    def prepare(self) -> None:
        """Write everything that the containers read.

        Raises:
            NetworkError: a program failed.
        """
        folder = self.network.folder
        for made in (folder.configuration, folder.packages, folder.profiles, folder.data):
            made.mkdir(exist_ok=True)
        self._once("configuration", lambda: write_configuration(self.network))
        self._once("certificates", self._make_certificates)
        self._once("packages", self._write_packages)
        self._once("passwords", self._write_passwords)
        self._once("block", self._administrator.make_channel)

    def found(self) -> None:
        """Join all nodes to the channel, and put the chaincode on it.

        Raises:
            NetworkError: a program failed.
        """
        administrator, topology = self._administrator, self.network.topology
        for orderer in topology.orderers:
            self._once(f"join.{orderer.name}", partial(administrator.join_orderer, orderer))
        for one in topology.organisations:
            self._once(f"join.{one.peer}", partial(administrator.join_peer, one))
        for one in topology.organisations:
            self._once(f"install.{one.peer}", partial(self._install, one))
        for one in topology.organisations:
            self._once(f"approve.{one.name.lower()}", partial(self._approve, one))
        self._once("commit", administrator.commit)
        self.network.wait_ready()

    def _make_certificates(self) -> None:
        # cryptogen leaves out nodes with a folder, and here each node has one: a volume.
        made, crypto = self.network.folder.root / "made", self.network.folder.crypto
        shutil.rmtree(made, ignore_errors=True)
        self._administrator.make_certificates(made)
        shutil.copytree(made, crypto, dirs_exist_ok=True)
        shutil.rmtree(made)

    def _write_packages(self) -> None:
        network = self.network
        write_packages(network)
        for organisation in network.topology.organisations:
            package_id = network.state.package_ids[organisation.name]
            package_id_file(network.folder, organisation).write_text(package_id)
            network.profile(organisation.name).write(profile_file(network.folder, organisation))
        save(network.folder, network.state)

    def _write_passwords(self) -> None:
        for organisation in self.network.topology.organisations:
            for path in (
                database_password(self.network.folder, organisation),
                superuser_password(self.network.folder, organisation),
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
                path.write_text(secrets.token_urlsafe(32))

    def _install(self, organisation: NetworkOrganisation) -> None:
        self._administrator.install(organisation, package_file(self.network, organisation))

    def _approve(self, organisation: NetworkOrganisation) -> None:
        self._administrator.approve(organisation, self.network.state.package_ids[organisation.name])

    def _once(self, name: str, step: Callable[[], None]) -> None:
        done = self._steps / name
        if not done.exists():
            step()
            done.touch()


def parts(topology: Topology, folder: NetworkFolder) -> dict[str, Path]:
    """Return every volume by its name, with its place in all containers that see it; no two nodes share
    keys.
    """
    found = {
        "foundation": folder.root,
        "configuration": folder.configuration,
        "builder": folder.builder,
        "orderers-authority": folder.orderer_organisation,
    }
    for orderer in topology.orderers:
        found[f"{orderer.name}-identity"] = folder.orderer(orderer)
        found[f"{orderer.name}-ledger"] = folder.data / orderer.name
    for one in topology.organisations:
        name = one.name.lower()
        found[f"{name}-authority"] = folder.organisation(one)
        found[f"{name}-peer-identity"] = folder.peer(one)
        found[f"{name}-peer-ledger"] = folder.data / one.peer
        found[f"{name}-chaincode-identity"] = folder.chaincode_tls(one).parent
        found[f"{name}-client-identity"] = profile_file(folder, one).parent
        found[f"{name}-database-password"] = database_password(folder, one).parent
        found[f"{name}-database-superuser"] = superuser_password(folder, one).parent
        found[f"{name}-database"] = folder.data / f"database.{name}"
    return found


def make_folders(owner: int) -> None:
    """Make every part's folder in an image: a new volume gets its owner from the folder at its place."""
    for path in parts(Topology.contained(OPTIONS), NetworkFolder(ROOT)).values():
        path.mkdir(parents=True, exist_ok=True)
    for path in (ROOT, *(one for one in ROOT.rglob("*") if one.is_dir())):
        os.chown(path, owner, owner)


def profile_file(folder: NetworkFolder, organisation: NetworkOrganisation) -> Path:
    """Return the path of a gateway's connection profile in its container, beside its certificate and key."""
    return folder.user(organisation, "User1").parent / "profile.json"


def package_id_file(folder: NetworkFolder, organisation: NetworkOrganisation) -> Path:
    """Return the path of the package id in a chaincode container."""
    return folder.configuration / f"{organisation.name.lower()}.id"


def database_password(folder: NetworkFolder, organisation: NetworkOrganisation) -> Path:
    """Return the path of the gateway's password in the containers of a gateway and its PostgreSQL."""
    return folder.root / "passwords" / organisation.name.lower() / "gateway" / "password"


def superuser_password(folder: NetworkFolder, organisation: NetworkOrganisation) -> Path:
    """Return the path of the superuser's password in a PostgreSQL container."""
    return folder.root / "passwords" / organisation.name.lower() / "superuser" / "password"


def main(arguments: list[str]) -> int:
    """Run one job; the exit status."""
    if arguments not in (["prepare"], ["found"]):
        sys.stderr.write("error: call with prepare or found\n")
        return 2
    try:
        job = Job(ROOT, Programs.find())
        if arguments == ["prepare"]:
            job.prepare()
        else:
            job.found()
    except NetworkError as why:
        sys.stderr.write(f"error: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
