"""What docs/operations.md tells about replacing an orderer and the root of a CA, done on a real network."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from fabric_operator import MEMBERS, Operator, founded, opened, verifies

from exchange import network
from exchange.core.errors import UnavailableError
from exchange.ledger.gateway.connection import Profile
from exchange.network import configuration
from exchange.network.discovery import can_endorse
from exchange.network.errors import NetworkError
from exchange.network.replacing import main as replacing
from exchange.network.state import save
from exchange.network.topology import ORDERER_MSP, Orderer, Topology
from exchange.network.updates import configuration as configuration_in
from exchange.network.updates import update

pytestmark = pytest.mark.fabric
PATIENCE = 30.0


@pytest.fixture(scope="module")
def running(
    programs: network.Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[network.Network]:
    root = tmp_path_factory.mktemp("replaced") / "network"
    with network.up(root, network.Options(organisations=2, orderers=3), programs=programs) as found:
        asyncio.run(founded(found))
        yield found


@pytest.fixture
def operator(running: network.Network, tmp_path: Path) -> Operator:
    return Operator(running, tmp_path)


def until(true: Callable[[], bool]) -> None:
    """Return when `true` says so."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


def goes_on(profile: Profile) -> None:
    """A transaction commits, be it after an election."""

    def committed() -> bool:
        try:
            return asyncio.run(opened(profile)) == ("opened",)
        except UnavailableError:
            return False

    until(committed)


def orderer_flags(operator: Operator, through: Orderer) -> list[str | Path]:
    ca = operator.network.folder.orderer(through) / "tls" / "ca.crt"
    return ["-o", through.address, "--tls", "--cafile", ca]


def newest_configuration(operator: Operator, through: Orderer) -> Path:
    fetched = operator.scratch / "current.block"
    first = operator.network.topology.organisations[0]
    flags = orderer_flags(operator, through)
    operator.peer(first, "channel", "fetch", "config", fetched, "-c", "consentry", *flags)
    return fetched


def joins(operator: Operator, orderer: Orderer, block: Path) -> None:
    """The orderer is handed the newest configuration, and takes part when it has caught up."""
    tls = operator.network.folder.orderer(orderer) / "tls"
    known = ("-o", f"{orderer.reached}:{orderer.admin_port}", "--ca-file", tls / "ca.crt")
    known += ("--client-cert", tls / "server.crt", "--client-key", tls / "server.key")
    asked = ("channel", "join", "--channelID", "consentry", "--config-block", block)
    operator.run(operator.network.programs.osnadmin, *asked, *known)

    def active() -> bool:
        asked = ("channel", "list", "--channelID", "consentry")
        told = operator.run(operator.network.programs.osnadmin, *asked, *known)
        return '"active"' in told and '"consenter"' in told

    until(active)


def changes(operator: Operator, what: str, *words: str | Path) -> None:
    """An update of the consenters, in the name of the ordering organisation's administrator.

    The next one is made from what this one leaves: an orderer acknowledges it before it is in a block.
    """
    running = operator.network
    through, folder = running.topology.orderers[0], running.folder
    made = operator.scratch / f"{what}.pb"
    current = newest_configuration(operator, through)
    before = current.read_bytes()
    given = ["consentry", current, made, what, *words]
    assert replacing([str(word) for word in given]) == 0
    environment = configuration.administrator_environment(folder, running.topology.organisations[0])
    environment |= {
        "CORE_PEER_LOCALMSPID": ORDERER_MSP,
        "CORE_PEER_MSPCONFIGPATH": str(folder.orderer_organisation / "users/Admin@orderer.example/msp"),
    }
    handed = ("channel", "update", "-f", made, "-c", "consentry", *orderer_flags(operator, through))

    def taken() -> bool:
        """Whether the leader hears the others again: it refuses what might cost the majority."""
        try:
            operator.run(running.programs.peer, *handed, **environment)
        except AssertionError as why:
            if "will result in quorum loss" in str(why):
                return False
            raise
        return True

    until(taken)
    until(lambda: newest_configuration(operator, through).read_bytes() != before)


def is_needed(operator: Operator, second: Orderer) -> None:
    """Without `second`, the channel goes on by the first orderer and the one that came."""
    profile = operator.network.profile("Hospital1")
    operator.network.kill(second.name)
    goes_on(profile)
    operator.network.start(second.name)
    goes_on(profile)
    verifies(profile)


def test_orderer_whose_disk_is_lost_leaves_and_comes_back_empty(running, operator):
    first, second, third = running.topology.orderers
    running.kill(third.name)
    goes_on(running.profile("Hospital1"))
    shutil.rmtree(running.folder.data / third.name)
    changes(operator, "remove-orderer", third.address)
    goes_on(running.profile("Hospital1"))
    changes(operator, "add-orderer", third.address, running.folder.orderer(third) / "tls" / "server.crt")
    running.start(third.name)
    joins(operator, third, newest_configuration(operator, first))
    is_needed(operator, second)


def test_orderer_is_replaced_by_another_while_the_others_order(running, operator):
    folder, programs = running.folder, running.programs
    first, second, lost = running.topology.orderers
    running.kill(lost.name)
    planned = Topology.plan(network.Options(organisations=1)).orderers[0]
    fresh = msgspec.structs.replace(planned, name="orderer4")
    wider = msgspec.structs.replace(running.topology, orderers=(first, second, lost, fresh))
    (operator.scratch / "crypto.yaml").write_text(configuration.crypto_config(wider))
    operator.run(programs.cryptogen, "extend", "--config", "crypto.yaml", "--input", folder.crypto)
    changes(operator, "remove-orderer", lost.address)
    changes(operator, "add-orderer", fresh.address, folder.orderer(fresh) / "tls" / "server.crt")
    running.state.topology = msgspec.structs.replace(running.topology, orderers=(first, second, fresh))
    save(folder, running.state)
    running.start(fresh.name)
    joins(operator, fresh, newest_configuration(operator, first))
    is_needed(operator, second)


def test_root_of_a_ca_is_replaced_and_the_old_one_is_worth_nothing_then(running, operator):
    folder, programs, scratch = running.folder, running.programs, operator.scratch
    organisation, first = running.topology.organisations[0], running.topology.orderers[0]
    old = running.profile("Hospital1")
    kept = {name: (scratch / f"old-{name}") for name in ("certificate", "key")}
    for name, path in kept.items():
        shutil.copy(getattr(old, name), path)
    # The organisation's CA gets another root, and issues everything anew.
    alone = msgspec.structs.replace(running.topology, organisations=(organisation,))
    crypto = json.loads(configuration.crypto_config(alone))
    (scratch / "crypto.yaml").write_text(json.dumps({"PeerOrgs": crypto["PeerOrgs"]}))
    operator.run(programs.cryptogen, "generate", "--config", "crypto.yaml", "--output", "fresh")
    fresh = scratch / "fresh" / "peerOrganizations" / organisation.domain
    roots, old_roots = (
        [next((place / kind).glob("*-cert.pem")) for kind in ("ca", "tlsca")]
        for place in (fresh, folder.organisation(organisation))
    )
    old_roots = [shutil.copy(path, scratch / f"old-{path.name}") for path in old_roots]

    def change(what: str, files: list[Path]) -> None:
        made = scratch / f"{what}.pb"
        given = ["consentry", newest_configuration(operator, first), made, what, organisation.msp_id, *files]
        assert replacing([str(word) for word in given]) == 0
        operator.peer(
            organisation, "channel", "update", "-f", made, "-c", "consentry", *orderer_flags(operator, first)
        )

    change("add-root", roots)  # its own administrator alone signs: it is its own matter
    goes_on(old)
    running.stop(organisation.peer)
    peer, users = (
        folder.peer(organisation),
        [folder.user(organisation, one).parent for one in ("Admin", "User1")],
    )
    for place in (peer / "msp", peer / "tls", *users):
        shutil.rmtree(place)
        shutil.copytree(fresh / place.relative_to(folder.organisation(organisation)), place)
    running.start(organisation.peer)
    new = running.profile("Hospital1")
    former = msgspec.structs.replace(new, certificate=kept["certificate"], key=kept["key"])
    assert can_endorse(new, seconds=PATIENCE)
    for profile in (new, former, running.profile("Hospital2")):
        goes_on(profile)
    change("remove-root", old_roots)
    goes_on(new)

    def worthless() -> bool:
        try:
            asyncio.run(opened(former))
        except UnavailableError:
            return True
        return False

    until(worthless)
    goes_on(running.profile("Hospital2"))
    for name in ("Hospital1", "Hospital2"):
        verifies(running.profile(name))


def test_what_can_not_be_replaced_is_one_line(running, operator, capsys):
    block, made = newest_configuration(operator, running.topology.orderers[0]), operator.scratch / "u.pb"
    given = ["consentry", str(block), str(made)]
    for words, said in (
        (["remove-orderer", "nowhere:1"], "nowhere:1 is no consenter that can be removed: they are"),
        (["add-orderer", "here", __file__], "here is no address"),
        (["add-orderer", running.topology.orderers[0].address, __file__], "is a consenter already"),
        (["add-root", "StrangerMSP", __file__, __file__], "StrangerMSP is not on the channel"),
        (["remove-root", MEMBERS[0], __file__, __file__], "has no such root, or no other one"),
        (["add-root", MEMBERS[0], __file__, "/none"], "No such file"),
    ):
        assert replacing([*given, *words]) == 1
        assert said in capsys.readouterr().err
    assert replacing(given) == 2
    assert replacing([*given, "nonsense", "a", __file__]) == 2
    assert not made.exists()
    held = configuration_in(block.read_bytes())
    with pytest.raises(NetworkError, match="changes nothing"):
        update("consentry", held, held)
