"""Operations on Fabric as docs/operations/fabric describes them: join, upgrade, renew a certificate.

After each the whole channel is verified, so that the blocks these leave behind are known to be understood.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chaincode.policy.model import Policy
from exchange import devnet
from exchange.devnet import configuration, processes
from exchange.devnet.discovery import can_endorse
from exchange.devnet.state_file import save
from exchange.devnet.topology import HOST, NetworkOrganisation, Topology
from exchange.ledger.client import LedgerClient
from exchange.ledger.fabric.admin.add_organisation import main as add_organisation
from exchange.ledger.fabric.admin.packaging import package
from exchange.ledger.fabric.admin.show_update import show
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from tests.support.network.fabric_operator import (
    MEMBERS,
    Operator,
    founded,
    opened,
    ordering,
    reissued,
    until,
    verifies,
)

pytestmark = pytest.mark.fabric


@pytest.fixture(scope="module")
def running(programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[devnet.Network]:
    root = tmp_path_factory.mktemp("operated") / "network"
    with devnet.up(root, devnet.Options(organisations=2), programs=programs) as found:
        asyncio.run(founded(found))
        yield found


@pytest.fixture
def operator(running: devnet.Network, tmp_path: Path) -> Operator:
    return Operator(running, tmp_path)


def free_organisation(running: devnet.Network, name: str) -> NetworkOrganisation:
    """Return another organisation with free ports."""
    planned = Topology.plan(devnet.Options(organisations=1)).organisations[0]
    return msgspec.structs.replace(planned, name=name)


def shown_by(organisation: NetworkOrganisation) -> str:
    """Return the certificate that its chaincode service shows to a client."""
    return ssl.get_server_certificate((HOST, organisation.chaincode_port))


def admits(organisation: NetworkOrganisation, tls: Path) -> bool:
    """Check whether its chaincode service talks to the holder of that certificate."""
    context = ssl.create_default_context(cadata=shown_by(organisation))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    with (
        socket.create_connection((HOST, organisation.chaincode_port)) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secured,
    ):
        try:
            secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")  # how HTTP/2 begins
            return bool(secured.recv(1))
        except OSError:  # a refused certificate is told of only here
            return False


def test_chaincode_service_is_restarted_with_a_new_certificate_of_the_same_ca(running, operator):
    first = running.topology.organisations[0]
    tls, authority = running.folder.chaincode_tls(first), running.folder.organisation(first) / "tlsca"
    certificate, key = reissued(tls / "server.crt", authority)
    with ordering(running.profile("Hospital1"), running.profile("Hospital2")) as goes_further:
        running.stop(first.chaincode)  # of two organisations both endorse: the clients wait
        (tls / "server.crt").write_bytes(certificate)
        (tls / "server.key").write_bytes(key)
        running.start(first.chaincode)
        goes_further()
    assert shown_by(first) == certificate.decode()


def test_new_root_between_a_chaincode_and_its_peer_takes_that_organisations_approval_alone(running, operator):
    folder, scratch = running.folder, operator.scratch
    first, second = running.topology.organisations
    moved = msgspec.structs.replace(
        first, chaincode_port=free_organisation(running, first.name).chaincode_port
    )
    authority = folder.organisation(second) / "tlsca"  # any CA but the one it had
    service, client = scratch / "service", scratch / "client"
    held, peers = folder.chaincode_tls(first), folder.peer(first) / "tls"
    for made, old in ((service, held), (client, peers)):
        made.mkdir()
        certificate, key = reissued(old / "server.crt", authority)
        (made / "server.crt").write_bytes(certificate)
        (made / "server.key").write_bytes(key)
    (root,) = authority.glob("*-cert.pem")
    shutil.copy(root, service / "ca.crt")
    packed = package("consentry_1", moved.chaincode_address, service, client_tls=client)
    (scratch / "renewed.tar.gz").write_bytes(packed.content)
    approve = ["lifecycle", "chaincode", "approveformyorg", *operator.definition(1), "--package-id"]
    with ordering(running.profile("Hospital1"), running.profile("Hospital2")) as goes_further:
        started = operator.start(moved, packed.id, tls=service)
        operator.peer(first, "lifecycle", "chaincode", "install", scratch / "renewed.tar.gz")
        operator.peer(first, *approve, packed.id)  # the second organisation and the definition stay
        goes_further()
        running.kill(first.chaincode)
        goes_further()
        assert admits(moved, client)
        assert not admits(moved, peers)
        running.start(first.chaincode)  # and back again: the former package is there still
        operator.peer(first, *approve, running.state.package_ids[first.name])
        running.kill(started)
        goes_further()
        assert admits(first, peers)
    shown = operator.peer(
        second, "lifecycle", "chaincode", "querycommitted", "-C", "consentry", "-n", "consentry"
    )
    assert "Version: 1, Sequence: 1" in shown
    for name in ("Hospital1", "Hospital2"):
        verifies(running.profile(name))


def test_chaincode_is_upgraded_while_the_old_one_serves(running, operator):
    first, second = running.topology.organisations
    upgraded, ids = [], {}
    for one in (first, second):
        port = free_organisation(running, one.name).chaincode_port
        moved = msgspec.structs.replace(one, chaincode_port=port)
        folder = running.folder
        packed = package(
            "consentry_2",
            moved.chaincode_address,
            folder.chaincode_tls(one),
            client_tls=folder.peer(one) / "tls",
        )
        file = operator.scratch / f"{one.name}.tar.gz"
        file.write_bytes(packed.content)
        ids[one.name] = packed.id
        assert operator.peer(one, "lifecycle", "chaincode", "calculatepackageid", file).strip() == packed.id
        operator.start(moved, packed.id)
        operator.peer(one, "lifecycle", "chaincode", "install", file)
        upgraded.append(moved)
    approve = ["lifecycle", "chaincode", "approveformyorg"]
    for one in (first, second):
        operator.peer(one, *approve, "--package-id", ids[one.name], *operator.definition(2))
        assert asyncio.run(opened(running.profile(one.name))) == ("opened",)  # by the old one still
    ready = operator.peer(
        first,
        *("lifecycle", "chaincode", "checkcommitreadiness", "--channelID", "consentry"),
        *("--name", "consentry", "--version", "2", "--sequence", "2", "--output", "json"),
    )
    assert json.loads(ready)["approvals"] == {"Hospital1MSP": True, "Hospital2MSP": True}
    commit = ["lifecycle", "chaincode", "commit"]
    operator.peer(first, *commit, *operator.endorsers(first, second), *operator.definition(2))
    shown = operator.peer(
        first, "lifecycle", "chaincode", "querycommitted", "--channelID", "consentry", "--name", "consentry"
    )
    assert "Version: 2, Sequence: 2" in shown
    running.kill(first.chaincode, second.chaincode)  # the old ones are not needed any more
    assert asyncio.run(opened(running.profile("Hospital1"))) == ("opened",)
    verifies(running.profile("Hospital2"))


def test_organisation_joins_with_the_signatures_of_a_majority(running, operator):
    folder, programs, scratch = running.folder, running.programs, operator.scratch
    first, second = running.topology.organisations
    third = free_organisation(running, "Hospital3")
    joined = msgspec.structs.replace(running.topology, organisations=(third,))
    # The newcomer's certificates come from its own CA, and its definition from configtxgen.
    crypto = json.loads(configuration.crypto_config(joined))
    (scratch / "crypto.yaml").write_text(json.dumps({"PeerOrgs": crypto["PeerOrgs"]}))
    operator.run(programs.cryptogen, "generate", "--config", "crypto.yaml", "--output", folder.crypto)
    (scratch / "configtx.yaml").write_text(configuration.channel_config(joined, folder))
    operator.run(
        programs.configtxgen,
        *("-profile", "Consortium", "-channelID", "joining", "-outputBlock", "definition.block"),
        FABRIC_CFG_PATH=str(scratch),
    )
    # A member makes the update, a majority signs it, and anybody of them hands it in.
    fetched = scratch / "current.block"
    operator.peer(first, "channel", "fetch", "config", fetched, "-c", "consentry", *operator.orderer)
    update = scratch / "update.pb"
    assert add_organisation(["consentry", str(fetched), str(scratch / "definition.block"), str(update)]) == 0
    shown = show(update.read_bytes(), fetched.read_bytes())
    assert "channel/Application/Hospital3: added" in shown
    assert all("Hospital3" in line or not line.startswith("channel/") for line in shown)
    roots = [line.split("sha256 ")[1] for line in shown if "root certificate" in line]
    assert roots
    defined = show((scratch / "definition.block").read_bytes())
    assert all(any(one in line for line in defined) for one in roots)
    operator.peer(first, "channel", "signconfigtx", "-f", update)
    operator.peer(second, "channel", "update", "-f", update, "-c", "consentry", *operator.orderer)
    verifies(running.profile("Hospital1"))
    # The newcomer starts its peer, joins it, installs and approves the chaincode that is committed.
    environment = configuration.peer_environment(running.topology, folder, third)
    command = (str(programs.peer), "node", "start")
    running.state.started[third.peer] = processes.spawn(command, environment, folder.log(third.peer))
    running.state.topology = msgspec.structs.replace(running.topology, organisations=(first, second, third))
    save(folder, running.state)
    running.await_listening([third.peer])
    operator.peer(third, "channel", "join", "-b", folder.block("consentry"))
    packed = package(
        "consentry_2",
        third.chaincode_address,
        folder.chaincode_tls(third),
        client_tls=folder.peer(third) / "tls",
    )
    (scratch / "third.tar.gz").write_bytes(packed.content)
    operator.start(third, packed.id)
    operator.peer(third, "lifecycle", "chaincode", "install", scratch / "third.tar.gz")
    asked = ("lifecycle", "chaincode", "querycommitted", "-C", "consentry", "-n", "consentry")
    shown = operator.peer(first, *asked)

    def caught_up() -> bool:
        try:
            return "Version: 2" in operator.peer(third, *asked)
        except AssertionError as why:
            if not any(text in str(why) for text in ("creator org unknown", "is not defined")):
                raise
            return False

    until(caught_up)
    sequence = int(shown.partition("Sequence: ")[2].partition(",")[0])
    approve = ["lifecycle", "chaincode", "approveformyorg", "--package-id", packed.id]
    operator.peer(third, *approve, *operator.definition(sequence))
    assert can_endorse(running.profile("Hospital3"), seconds=20)
    # The consortium's policy decides whose pairs there are: its members let the newcomer in as well.
    asyncio.run(admitted(running))
    assert asyncio.run(opened(running.profile("Hospital3"), "Hospital1MSP")) == ("opened",)
    for name in ("Hospital1", "Hospital3"):
        verifies(running.profile(name))


async def admitted(running: devnet.Network) -> None:
    one = LedgerClient(FabricTransactions.open(running.profile("Hospital1")))
    two = LedgerClient(FabricTransactions.open(running.profile("Hospital2")))
    proposed = await one.propose_policy(Policy(version=2, members=(*MEMBERS, "Hospital3MSP"), rules=()))
    assert not proposed.state.adopted
    assert (await two.approve_policy(proposed.state.digest)).state.adopted
    await one.close()
    await two.close()


def test_joining_says_what_is_wrong(running, operator, capsys):
    block = str(running.folder.block("consentry"))
    assert add_organisation(["consentry", block, block, str(operator.scratch / "u.pb")]) == 1
    assert "no organisation that is not on the channel already" in capsys.readouterr().err
    assert add_organisation(["consentry", block, __file__, str(operator.scratch / "u.pb")]) == 1
    assert "no block with a configuration" in capsys.readouterr().err
    assert add_organisation(["consentry", block]) == 2
    assert not (operator.scratch / "u.pb").exists()


def test_renewed_certificate_of_a_client_is_used_without_a_change_of_the_channel(running, tmp_path):
    profile = running.profile("Hospital1")
    organisation = running.folder.organisation(running.topology.organisations[0])
    certificate, key = reissued(profile.certificate, organisation / "ca")
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    renewed = msgspec.structs.replace(profile, certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    assert asyncio.run(opened(renewed)) == ("opened",)
    assert asyncio.run(opened(profile)) == ("opened",)
    verifies(renewed)


def test_module_runs_as_a_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "exchange.ledger.fabric.admin.add_organisation"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: call with CHANNEL")
