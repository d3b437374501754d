"""Orderers renewed and replaced, and the root of a CA, as docs/operations/fabric describes it."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fabric_protos.orderer.configuration_pb2 import ConsensusType
from fabric_protos.orderer.etcdraft.configuration_pb2 import ConfigMetadata

from chaincode.consent.calls import Opening
from exchange import devnet
from exchange.devnet import configuration
from exchange.devnet.discovery import can_endorse
from exchange.devnet.state_file import save
from exchange.devnet.topology import ORDERER_MSP, Orderer, Topology
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.fabric.admin.channel_update import configuration as configuration_in
from exchange.ledger.fabric.admin.channel_update import update
from exchange.ledger.fabric.admin.errors import ChannelUpdateError
from exchange.ledger.fabric.admin.renew import main as replacing
from exchange.ledger.fabric.admin.renew import remove_orderer, renew_orderer
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from tests.support.network.fabric_operator import (
    MEMBERS,
    PATIENCE,
    Operator,
    elliptic_key,
    founded,
    opened,
    ordering,
    reissued,
    until,
    verifies,
)

pytestmark = pytest.mark.fabric
ORDERED = 3.0  # seconds within which an update is in a block, if it was not lost


@pytest.fixture(scope="module")
def running(programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[devnet.Network]:
    root = tmp_path_factory.mktemp("replaced") / "network"
    with devnet.up(root, devnet.Options(organisations=2, orderers=3), programs=programs) as found:
        asyncio.run(founded(found))
        yield found


@pytest.fixture
def operator(running: devnet.Network, tmp_path: Path) -> Operator:
    return Operator(running, tmp_path)


def goes_on(profile: Profile) -> None:
    """Check that a transaction commits, be it after an election."""

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


def administered(operator: Operator, orderer: Orderer, *words: str | Path) -> str:
    tls = operator.network.folder.orderer(orderer) / "tls"
    known = ("-o", f"{orderer.reached}:{orderer.admin_port}", "--ca-file", tls / "ca.crt")
    known += ("--client-cert", tls / "server.crt", "--client-key", tls / "server.key")
    asked = ("channel", *words, "--channelID", "consentry")
    return operator.run(operator.network.programs.osnadmin, *asked, *known)


def takes_part(operator: Operator, orderer: Orderer) -> bool:
    told = administered(operator, orderer, "list")
    return '"active"' in told and '"consenter"' in told


def joins(operator: Operator, orderer: Orderer, block: Path) -> None:
    """Hand the newest configuration to the orderer, and wait until it takes part."""
    administered(operator, orderer, "join", "--config-block", block)
    until(lambda: takes_part(operator, orderer))


def certificates(operator: Operator, orderer: Orderer) -> tuple[Path, Path, Path]:
    """Return the places of an orderer's TLS certificate and key, and their CA's folder."""
    folder = operator.network.folder
    tls = folder.orderer(orderer) / "tls"
    return tls / "server.crt", tls / "server.key", folder.orderer_organisation / "tlsca"


def consenters(block: Path) -> set[bytes]:
    """Return the certificates that the configuration has of them."""
    consensus = configuration_in(block.read_bytes()).groups["Orderer"].values["ConsensusType"].value
    listed = ConfigMetadata.FromString(ConsensusType.FromString(consensus).metadata).consenters
    return {pem for one in listed for pem in (one.client_tls_cert, one.server_tls_cert)}


def restarts(operator: Operator, orderer: Orderer, certificate: bytes, key: bytes) -> None:
    """Start the orderer anew on its own disk, with that certificate."""
    place, key_place, _ = certificates(operator, orderer)
    operator.network.stop(orderer.name)
    place.write_bytes(certificate)
    key_place.write_bytes(key)
    operator.network.start(orderer.name)


def serves(operator: Operator, orderer: Orderer) -> bool:
    """Check whether it takes part and has found the leader, or is the leader."""
    if not takes_part(operator, orderer):
        return False
    try:
        newest_configuration(operator, orderer)
    except AssertionError as why:
        if "SERVICE_UNAVAILABLE" in str(why):
            return False
        raise
    return True


def changes(operator: Operator, what: str, *words: str | Path, through: Orderer | None = None) -> Path:
    """Make an update of the consenters, in the name of the ordering organisation's administrator.

    Returns the configuration that has it: an orderer acknowledges an update before it is in a block.
    """
    running = operator.network
    through, folder = through or running.topology.orderers[0], running.folder
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
        """Check whether it is in a block, which takes the leader to hear the others again.

        Until then it is refused, for it might cost the majority, or lost where the leader has to hand over.
        """
        try:
            operator.run(running.programs.peer, *handed, **environment)
        except AssertionError as why:
            if not any(text in str(why) for text in ("will result in quorum loss", "SERVICE_UNAVAILABLE")):
                raise
        end = time.monotonic() + ORDERED
        while newest_configuration(operator, through).read_bytes() == before:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    until(taken)
    return current


def are_needed_without(operator: Operator, ended: Orderer) -> None:
    """Check that the channel goes on by the other two without `ended`, and with it as well."""
    profile = operator.network.profile("Hospital1")
    operator.network.kill(ended.name)
    goes_on(profile)
    operator.network.start(ended.name)
    goes_on(profile)
    verifies(profile)


def renews(operator: Operator, orderer: Orderer, through: Orderer) -> tuple[bytes, bytes]:
    """Give the orderer a new certificate and key, the channel first; return those that it had."""
    place, key_place, authority = certificates(operator, orderer)
    old = place.read_bytes(), key_place.read_bytes()
    certificate, key = reissued(place, authority)
    fresh = operator.scratch / "fresh.crt"
    fresh.write_bytes(certificate)
    changes(operator, "renew-orderer", orderer.address, fresh, through=through)
    restarts(operator, orderer, certificate, key)
    until(lambda: serves(operator, orderer))
    return old


async def test_without_a_leader_one_caller_waits_and_the_next_is_refused_at_once(
    running: devnet.Network,
) -> None:
    """Two of three orderers hang: the third answers, and orders nothing."""
    client = LedgerClient(FabricTransactions.open(running.profile("Hospital1")))
    names = random.sample([one.name for one in running.topology.orderers], 2)
    for name in names:
        running.pause(name)
    try:
        for most in (4.0, 0.1, 0.1):
            before = time.monotonic()
            with pytest.raises(UnavailableError, match="ordering service is away"):
                await client.open_pairs([opening()])
            assert time.monotonic() - before < most
    finally:
        for name in names:
            running.resume(name)
    async with asyncio.timeout(PATIENCE):
        while client.trouble() is not None:  # noqa: ASYNC110 - the probe tells nobody
            await asyncio.sleep(0.05)
    await asyncio.to_thread(goes_on, running.profile("Hospital1"))
    await client.close()


def opening() -> Opening:
    return Opening(secrets.token_hex(16), MEMBERS[1], "patient", ())


def test_orderers_are_renewed_on_their_disks_one_by_one_and_no_transaction_fails(running, operator):
    first, second, third = running.topology.orderers
    old = {}
    with ordering(running.profile("Hospital1"), running.profile("Hospital2")) as goes_further:
        for orderer, through in ((first, second), (second, third), (third, first)):
            old[orderer.name] = renews(operator, orderer, through)
            goes_further()
        place, key_place, _ = certificates(operator, third)
        new = place.read_bytes(), key_place.read_bytes()
        restarts(operator, third, *old[third.name])
        until(lambda: '"follower"' in administered(operator, third, "list"))
        goes_further()  # by the others: this one answers that it does not serve the channel
        restarts(operator, third, *new)
        until(lambda: serves(operator, third))
        goes_further()
    shown = {certificates(operator, orderer)[0].read_bytes() for orderer in (first, second, third)}
    assert consenters(newest_configuration(operator, first)) == shown
    assert not shown & {certificate for certificate, _ in old.values()}
    for orderer in (first, second):  # without either, the other two are the majority
        are_needed_without(operator, orderer)


def test_orderer_with_its_own_key_is_renewed_without_an_update(running, operator):
    first, second, third = running.topology.orderers
    place, key_place, authority = certificates(operator, third)
    renewed = reissued(place, authority, key=elliptic_key(key_place))
    block = newest_configuration(operator, first).read_bytes()
    restarts(operator, third, *renewed)
    until(lambda: serves(operator, third))
    are_needed_without(operator, second)
    assert newest_configuration(operator, first).read_bytes() == block


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
    are_needed_without(operator, second)


def test_orderer_is_replaced_by_another_while_the_others_order(running, operator):
    folder, programs = running.folder, running.programs
    first, second, lost = running.topology.orderers
    running.kill(lost.name)
    planned = Topology.plan(devnet.Options(organisations=1)).orderers[0]
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
    are_needed_without(operator, second)


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
    first, second, third = running.topology.orderers
    block, made = newest_configuration(operator, first), operator.scratch / "u.pb"
    own = str(certificates(operator, first)[0])
    stranger = str(running.folder.peer(running.topology.organisations[1]) / "tls" / "server.crt")
    given = ["consentry", str(block), str(made)]
    for words, said in (
        (["remove-orderer", "nowhere:1"], "nowhere:1 is no consenter that can be removed: they are"),
        (["add-orderer", "here", __file__], "here is no address"),
        (["add-orderer", first.address, __file__], "is a consenter already"),
        (["add-orderer", "127.0.0.1:1", __file__], "that is no certificate"),
        (["renew-orderer", "nowhere:1", own], "nowhere:1 is no consenter: they are"),
        (["renew-orderer", first.address, __file__], "that is no certificate"),
        (["renew-orderer", first.address, own], "changes nothing"),
        (["renew-orderer", second.address, own], f"{first.address} has that certificate's key"),
        (["renew-orderer", first.address, stranger], "of no CA that the channel knows for TLS"),
        (["add-root", "StrangerMSP", __file__, __file__], "StrangerMSP is not on the channel"),
        (["remove-root", MEMBERS[0], __file__, __file__], "has no such root, or no other one"),
        (["add-root", MEMBERS[0], __file__, "/none"], "No such file"),
    ):
        assert replacing([*given, *words]) == 1
        assert said in capsys.readouterr().err
    assert replacing(given) == 2
    assert replacing([*given, "nonsense", "a", __file__]) == 2
    assert not made.exists()
    channel = configuration_in(block.read_bytes())
    with pytest.raises(ChannelUpdateError, match="changes nothing"):
        update("consentry", channel, channel)
    for left in (second, third):
        remove_orderer(channel, left.address)
    with pytest.raises(ChannelUpdateError, match=f"{first.address} is the only consenter"):
        renew_orderer(channel, first.address, Path(own).read_bytes())
