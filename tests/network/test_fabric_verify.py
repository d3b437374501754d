"""`consentry verify` over Fabric: a channel recorded live from a real network, and everything done to it.

By default every few bytes of each block are tried, from a start that differs each time;
CONSENTRY_TEST_SCALE=10 tries every byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common.common_pb2 import (
    CONFIG,
    CONFIG_UPDATE,
    TRANSACTIONS_FILTER,
    Block,
    ChannelHeader,
    Envelope,
    Header,
    Payload,
    SignatureHeader,
)
from fabric_protos.common.configtx_pb2 import (
    ConfigEnvelope,
    ConfigSignature,
    ConfigUpdate,
    ConfigUpdateEnvelope,
)
from fabric_protos.ledger.rwset.kvrwset.kv_rwset_pb2 import KVRWSet
from fabric_protos.peer.transaction_pb2 import (
    DUPLICATE_TXID,
    ENDORSEMENT_POLICY_FAILURE,
    MVCC_READ_CONFLICT,
    VALID,
)
from google.protobuf.message import DecodeError

from chaincode.access.model import AccessRequest
from chaincode.consent.calls import Opening
from chaincode.consent.model import Condition, Provision, Terms
from chaincode.policy.model import Policy
from exchange import devnet
from exchange.errors import DamagedError
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.embedded.verify import PinnedBlock
from exchange.ledger.fabric.blocks import layout
from exchange.ledger.fabric.blocks.verify import ChannelVerifier
from exchange.ledger.fabric.gateway.client import GatewayClient
from exchange.ledger.fabric.gateway.connection import connect
from exchange.ledger.fabric.gateway.errors import CommitError
from exchange.ledger.fabric.gateway.events import Follower
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from exchange.ledger.port import Checkpoint
from exchange.ledger.projection import Projection
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.log.renewal import renewing
from exchange.store.migrations.create import create_log
from exchange.verify.fabric_channel import Channel, open_channel
from exchange.verify.node import check_log
from exchange.verify.rebuild import rebuild
from tests.support.network.channel_forger import Call, Forger, Recorded, identity, problem, signed, verified

pytestmark = pytest.mark.fabric

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
STRIDE = max(1, round(400 / SCALE))
MEMBERS = ("Hospital1MSP", "Hospital2MSP", "Hospital3MSP")
GRANT = Terms("1" * 32, 1, "active", "patient", Provision("permit", when=Condition(purposes=("TREAT",))))


def ask(pair: str) -> SubjectRequest:
    request = AccessRequest(
        pair=pair,
        recipient=MEMBERS[1],
        purpose="TREAT",
        action="read",
        user="0a" * 16,
        digest=secrets.token_hex(32),
        evidence="0c" * 32,
    )
    return SubjectRequest(bytes.fromhex(pair), request)


async def live(running: devnet.Network) -> list[bytes]:
    """Put a little of everything into a channel's blocks, and return them."""
    profile = running.profile("Hospital1")
    transactions = FabricTransactions.open(profile)
    client = LedgerClient(transactions, in_flight=4)
    await client.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    names = [secrets.token_hex(16) for _ in range(3)]
    await client.open_pairs([Opening(name, MEMBERS[1], "patient", (GRANT,)) for name in names])
    await client.authorize([ask(name) for name in names])
    await client.authorize([ask(secrets.token_hex(16))])  # denied: no such pair
    ended = [Terms("1" * 32, version, "inactive", "patient", GRANT.root) for version in (2, 3)]
    filing = [transactions.submit("consent:file", filed(names[0], terms)) for terms in ended]
    filing.append(transactions.submit("consent:file", filed(names[0], ended[1])))
    await asyncio.gather(*filing, return_exceptions=True)  # they read the same epoch: one at a time is valid
    await client.authorize([ask(name) for name in names])
    channel = connect(profile)
    who = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
    gateway = GatewayClient(channel, who, profile.channel, profile.chaincode)
    endorsed = await gateway.endorse("consent:file", filed(names[1], ended[0]))
    await gateway.settle(endorsed)
    await gateway.send(endorsed)
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await gateway.submit("consent:file", filed(names[2], ended[0]), organisations=[MEMBERS[0]])
    await gateway.submit("access:trail", b'{"pair":"%s"}' % names[0].encode())  # a question, as a transaction
    await client.authorize([ask(names[2])])
    follower = Follower(channel, who, profile.channel)
    served = follower.blocks(0, await follower.newest())
    blocks = [block.SerializeToString() async for block in served]
    await client.close()
    await channel.close()
    return blocks


def filed(pair: str, terms: Terms) -> bytes:
    from chaincode.consent.calls import PublishTerms, TermsUpdate  # noqa: PLC0415  # beside its one use
    from chaincode.encoding import encode  # noqa: PLC0415  # same

    return encode(PublishTerms((TermsUpdate(pair, terms),)))


@pytest.fixture(scope="module")
def running(programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[devnet.Network]:
    root = tmp_path_factory.mktemp("verified") / "network"
    options = devnet.Options(max_message_count=10, batch_timeout="100ms")
    with devnet.up(root, options, programs=programs) as found:
        yield found


@pytest.fixture(scope="module")
def forger(running: devnet.Network) -> Forger:
    return Forger(running, asyncio.run(live(running)))


def codes(blocks: list[Block]) -> set[int]:
    return {code for block in blocks for code in block.metadata.metadata[TRANSACTIONS_FILTER]}


# -- sound ---------------------------------------------------------------------------


def test_sound_channel_has_every_kind_of_verdict_and_verifies(forger):
    assert codes(forger.blocks) >= {VALID, DUPLICATE_TXID, ENDORSEMENT_POLICY_FAILURE, MVCC_READ_CONFLICT}
    report = verified(forger.blocks)
    assert report.finding is None
    assert report.blocks == len(forger.raw)
    assert report.replayed >= 8  # all but the founding, which begins the version that is replayed
    assert report.values >= 12


@pytest.mark.parametrize("organisation", ["Hospital1", "Hospital2", "Hospital3"])
def test_each_organisations_peer_serves_the_same_sound_channel(running, forger, organisation):
    shown: list[tuple[str, int, int]] = []
    with open_channel(running.profile(organisation), lambda *step: shown.append(step)) as channel:
        checked, report = channel.check()
        assert checked.finding is None
        assert report.tip == verified(forger.blocks).tip
        assert report.first == PinnedBlock(0, layout.block_hash(forger.blocks[0].header).hex())
        channel.reader.catch_up()
        assert len(list(channel.reader.pairs())) == 3


def test_reader_counts_events_as_clients_do(forger):
    with ChannelVerifier("consentry", "consentry") as verifier:
        for block in forger.blocks:
            assert verifier.check(block)
        with asyncio.Runner() as runner:
            channel = Channel(runner, Recorded(forger.blocks), verifier, lambda *_: None)
            number, _ = forger.find(lambda call: any(b"access" in key for key in call.writes))
            assert channel.reader.has_place(number, 0)
            behind = Checkpoint(number, 0)
            later = list(channel.reader.entries(behind))
            every = list(channel.reader.entries(None))
            assert later == [found for found in every if found.checkpoint > behind] != []
            assert channel.reader.entry(every[0].position) == (every[0].value, every[0].checkpoint.block)
            assert not channel.reader.has_place(number, 999)
            assert not channel.reader.has_place(10**9, 0)


def test_blocks_that_come_later_are_checked_before_they_are_seen(forger):
    half = len(forger.raw) // 2
    source = Recorded(forger.blocks[:half])
    with ChannelVerifier("consentry", "consentry") as verifier, asyncio.Runner() as runner:
        channel = Channel(runner, source, verifier, lambda *_: None)
        assert channel.check()[1].blocks == half
        source.held = forger.blocks
        source.held[-1].header.data_hash = bytes(32)
        with pytest.raises(DamagedError, match="its transactions do not give its data hash"):
            channel.reader.catch_up()


async def projected(running: devnet.Network, path: Path, count: int) -> None:
    """Return a gateway's log of the channel, as far as it goes."""
    transactions = FabricTransactions.open(running.profile("Hospital2"))
    entries = Database(path, log_tables.metadata, durable=False, begin=create_log)
    projection = Projection(transactions, entries)
    await projection.start()
    async with asyncio.timeout(20):
        while await entries.read(log_tables.count) < count:  # noqa: ASYNC110  # another task makes it so
            await asyncio.sleep(0.05)
    await projection.close()
    await transactions.close()
    entries.close()


def rows(path: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT * FROM entries ORDER BY sequence").fetchall()


def test_projection_is_compared_with_the_channel_and_rebuilt_from_it(running, forger, tmp_path):
    path = tmp_path / "log.db"
    with open_channel(running.profile("Hospital1"), lambda *_: None) as channel:
        assert channel.check()[0].finding is None
        total = sum(1 for _ in channel.reader.entries(None))
        asyncio.run(projected(running, path, total))
        before = rows(path)
        assert len(before) == total
        for damage in (
            "SELECT 1",
            "DELETE FROM entries WHERE sequence = 2",
            "DELETE FROM entries WHERE sequence = (SELECT max(sequence) FROM entries)",
            "UPDATE entries SET outcome = 'permit' WHERE outcome = 'deny'",
            "UPDATE entries SET block = block + 1 WHERE sequence = 1",
            "UPDATE checkpoints SET position = 7",
            "DELETE FROM entries; DELETE FROM checkpoints",
        ):
            with contextlib.closing(sqlite3.connect(path)) as db, db:
                db.executescript(damage)
            entries = Database(path, log_tables.metadata, durable=False)
            found = check_log(channel.reader, entries, lambda *_: None).finding
            entries.close()
            # An empty log without a checkpoint is one that has not begun: the next start fills it.
            assert (found is None) == (damage.startswith("SELECT") or "FROM checkpoints" in damage), damage
            with renewing(path) as renewal:
                assert (
                    rebuild(renewal, channel.reader, lambda *_: None, fingerprint=bytes(10)).entries == total
                )
            assert rows(path) == before


# -- bytes and blocks ------------------------------------------------------------------


def meaning(block: Block) -> Any:
    """Return all of a block that is about transactions."""
    return (
        block.header.SerializeToString(),
        list(block.data.data),
        block.metadata.metadata[TRANSACTIONS_FILTER],
    )


def test_each_byte_of_each_block_is_found_or_means_nothing(forger):
    found = tried = 0
    start = random.randrange(STRIDE)
    for number, raw in enumerate(forger.raw):
        if number == 0:
            continue  # taken as given: see the test of pinned blocks
        before = meaning(Block.FromString(raw))
        for at in range(start, len(raw), STRIDE):
            damaged = bytearray(raw)
            damaged[at] ^= random.randrange(1, 256)
            tried += 1
            try:
                block = Block.FromString(bytes(damaged))
            except DecodeError:
                found += 1
                continue
            blocks = forger.blocks
            blocks[number] = block
            finding = verified(blocks[: number + 1]).finding
            if finding is None:
                assert meaning(block) == before, (number, at)
            else:
                assert f"block {number}" in finding.row
                found += 1
        start = random.randrange(STRIDE)
    assert found > tried // 2


def test_first_block_is_the_one_that_was_noted(forger):
    genesis = PinnedBlock(0, layout.block_hash(forger.blocks[0].header).hex())
    assert verified(forger.blocks, pinned=(genesis,)).finding is None
    assert "block 0: is not the block that was pinned" in problem(
        forger.blocks, pinned=(PinnedBlock(0, "0" * 64),)
    )


@pytest.mark.parametrize("number", [1, 4, -2])
def test_missing_block_is_named(forger, number):
    blocks, height = forger.blocks, len(forger.raw)
    del blocks[number]
    assert f"block {number % height}: is missing" in problem(blocks)


def test_blocks_cut_from_the_end_are_found_by_the_height_or_a_note(forger):
    whole, cut = verified(forger.blocks), forger.blocks[:-1]
    assert f"block {len(cut)}: is missing" in problem(cut, height=len(cut) + 1)
    assert f"block {len(cut)}: was pinned and is missing" in problem(cut, pinned=(whole.tip,))


def test_swapped_blocks_and_transactions_are_named(forger):
    blocks = forger.blocks
    blocks[5], blocks[6] = blocks[6], blocks[5]
    assert "block 5: is missing, or has another number" in problem(blocks)
    blocks = forger.blocks
    several = next(block for block in blocks if len(block.data.data) > 1)
    first, second, *rest = several.data.data
    several.data.data[:] = [second, first, *rest]
    assert f"block {several.header.number}: its transactions do not give its data hash" in problem(blocks)


def test_no_block_and_no_transactions_are_no_channel(forger):
    assert "block 0: is missing" in problem([], height=1)
    blocks = forger.blocks
    del blocks[3].data.data[:]
    assert "block 3: its transactions do not give" in problem(forger.seal(blocks, 3))


# -- the holder of an orderer's key -------------------------------------------------------


def test_sealing_alone_changes_nothing(forger):
    """The forger's own work is sound: what the tests below find is what they changed."""
    assert verified(forger.seal(forger.blocks, 1)).finding is None


def test_block_signed_by_no_orderer_is_named(forger):
    for signer in (forger.peers[0], forger.admins[1]):
        blocks = forger.blocks
        forger.sign(blocks[4], signer)
        assert "block 4: the orderers' signatures do not hold" in problem(blocks)


def test_block_that_follows_another_is_named_though_it_is_signed(forger):
    blocks = forger.blocks
    blocks[4].header.previous_hash = bytes(32)
    forger.sign(blocks[4], forger.orderer)
    assert "block 4: does not follow the block before it" in problem(blocks)


def test_orderer_that_names_another_configuration_is_named(forger):
    blocks = forger.blocks
    forger.sign(blocks[4], forger.orderer, last_config=2)
    assert "block 4: names block 2 as the newest configuration, which is 0" in problem(blocks)


def test_transaction_that_is_ordered_twice_is_valid_once(forger):
    number, index = forger.find(lambda call: call.code == VALID and call.chaincode == "consentry")
    blocks = forger.blocks
    last = len(blocks) - 1
    blocks[last].data.data.append(blocks[number].data.data[index])
    blocks[last].metadata.metadata[TRANSACTIONS_FILTER] += bytes([VALID])
    assert "marked VALID, but an earlier block holds" in problem(forger.seal(blocks, last))
    blocks = forger.blocks
    blocks[number].data.data.append(blocks[number].data.data[index])
    blocks[number].metadata.metadata[TRANSACTIONS_FILTER] += bytes([VALID])
    assert "marked VALID, but it is twice in its block" in problem(forger.seal(blocks, number))


# -- a peer that lies about verdicts --------------------------------------------------------


def test_verdicts_that_were_changed_are_named(forger):
    tried = 0
    for number, block in enumerate(forger.blocks):
        for index, code in enumerate(block.metadata.metadata[TRANSACTIONS_FILTER]):
            for other in {VALID, MVCC_READ_CONFLICT, ENDORSEMENT_POLICY_FAILURE, DUPLICATE_TXID, 255, 254} - {
                code
            }:
                blocks = forger.blocks
                forger.mark(blocks[number], index, other)
                assert f"block {number}, transaction {index}: " in problem(blocks), (
                    number,
                    index,
                    code,
                    other,
                )
                tried += 1
    assert tried >= 5 * len(forger.raw)


def test_verdicts_that_are_missing_are_named(forger):
    blocks = forger.blocks
    blocks[5].metadata.metadata[TRANSACTIONS_FILTER] = b""
    assert "block 5: the peer does not say" in problem(blocks)
    blocks = forger.blocks
    del blocks[5].metadata.metadata[:]
    assert "block 5: the peer does not say" in problem(blocks)


# -- the holder of organisations' keys ------------------------------------------------------


def access(call: Call) -> bool:
    return call.code == VALID and len([key for key in call.writes if b"trail" in key]) > 1


def opening(call: Call) -> bool:
    return call.code == VALID and any(b"pair" in key for key in call.writes)


def test_creator_must_have_signed(forger):
    number, index = forger.find(access)

    def change(call: Call) -> None:
        call.envelope.signature = bytes(70)

    assert "marked VALID, but it was not signed by the member" in problem(
        forger.rewrite(number, index, change)
    )


def test_orderer_may_not_ask_for_anything(forger):
    number, index = forger.find(access)

    def change(call: Call) -> None:
        call.creator = forger.orderer

    assert "not signed by the member" in problem(forger.rewrite(number, index, change))


def test_transaction_id_must_be_the_one_of_its_nonce(forger):
    number, index = forger.find(access)

    def change(call: Call) -> None:
        call.creator = forger.users[0]
        raw = call.raw
        call.raw = lambda: renamed(raw())  # type: ignore[method-assign]  # the id is set while it is put together

    def renamed(raw: bytes) -> bytes:
        call = Call(raw, 0)
        call.channel.tx_id = "0" * 64
        call.payload.header.channel_header = call.channel.SerializeToString()
        call.envelope.payload = call.payload.SerializeToString()
        call.envelope.signature = signed(forger.users[0], call.envelope.payload)
        return bytes(call.envelope.SerializeToString())

    assert "its id is not the one that its nonce gives" in problem(forger.rewrite(number, index, change))


@pytest.mark.parametrize(
    ("who", "names"),
    [
        ((), "nobody"),
        ((0,), "Hospital1MSP"),
        ((0, 0, 0), "Hospital1MSP"),
        ("users", "Hospital1MSP, Hospital2MSP, Hospital3MSP"),
        ("admins", "Hospital1MSP, Hospital2MSP, Hospital3MSP"),
    ],
)
def test_minority_and_others_than_peers_can_endorse_nothing(forger, who, names):
    number, index = forger.find(access)
    signers = getattr(forger, who) if isinstance(who, str) else [forger.peers[n] for n in who]

    def change(call: Call) -> None:
        call.creator, call.endorsers = forger.users[0], list(signers)

    said = problem(forger.rewrite(number, index, change))
    assert f"marked VALID, but the endorsements that hold are of {names}: they do not satisfy" in said


def test_endorsement_of_something_else_does_not_count(forger):
    number, index = forger.find(access)

    def change(call: Call) -> None:
        call.creator, call.endorsers = forger.users[0], forger.peers[:2]
        raw = call.raw()
        call.__init__(raw, 0)  # type: ignore[misc]  # what the endorsers signed
        call.body.action.endorsements[1].signature = call.body.action.endorsements[0].signature
        call.creator = forger.users[0]

    assert "the endorsements that hold are of Hospital1MSP" in problem(forger.rewrite(number, index, change))


def test_endorsements_of_another_question_do_not_count(forger):
    number, index = forger.find(access)

    def change(call: Call) -> None:
        asked = call.body.chaincode_proposal_payload
        assert b'"TREAT"' in asked
        call.body.chaincode_proposal_payload = asked.replace(b'"TREAT"', b'"HRESC"')
        call.creator = forger.users[0]

    said = problem(forger.rewrite(number, index, change))
    assert "marked VALID, but what was endorsed is not what was asked" in said


def conspire(forger: Forger, call: Call) -> None:
    """Have two hospitals sign it, whatever it is."""
    call.creator, call.endorsers = forger.users[0], forger.peers[:2]


def test_denial_that_a_majority_turned_into_a_permit_is_named_with_its_entry(forger):
    number, index = forger.find(
        lambda call: call.code == VALID and any(b'"deny"' in write.value for write in call.state().writes)
    )

    def change(call: Call) -> None:
        conspire(forger, call)

        def permit(state: Any) -> None:
            for write in state.writes:
                write.value = write.value.replace(b'"deny"', b'"permit"')

        call.change_state(permit)

    said = problem(forger.rewrite(number, index, change))
    assert f"block {number}, transaction {index}" in said
    assert "access~" in said


def test_everything_about_a_call_that_a_majority_changed_is_named(forger):
    def drop(state: Any) -> None:
        del state.writes[0]

    def add(state: Any) -> None:
        state.writes.add(key=state.writes[0].key[:-2] + "9\0", value=b"{}")

    def erase(state: Any) -> None:
        state.writes[0].is_delete = True

    def older(state: Any) -> None:
        state.reads[0].version.block_num -= 1

    def blind(state: Any) -> None:
        del state.reads[0]

    number, index = forger.find(access)
    for change, expected in (
        (drop, "writes access~"),
        (add, "which the contract does not"),
        (erase, "removes a key"),
        (older, "what it read had changed"),
        (blind, "what it read is not what the contract reads"),
    ):

        def apply(call: Call, change: Any = change) -> None:
            conspire(forger, call)
            call.change_state(change)

        said = problem(forger.rewrite(number, index, apply))
        assert f"block {number}, transaction {index}" in said
        assert expected in said, (change, said)


def test_opening_whose_result_event_or_caller_was_changed_is_named(forger):
    number, index = forger.find(opening)

    def result(call: Call) -> None:
        call.action.response.payload = call.action.response.payload.replace(b"opened", b"closed")

    def silent(call: Call) -> None:
        call.action.events = b""

    def event(call: Call) -> None:
        call.action.events = call.action.events.replace(b'"epoch":1', b'"epoch":2')

    def status(call: Call) -> None:
        call.action.response.status = 500

    def elsewhere(call: Call) -> None:
        call.sets.ns_rwset.add(
            namespace="_lifecycle", rwset=KVRWSet(writes=call.state().writes).SerializeToString()
        )

    for change, expected in (
        (result, "the contract's result is another"),
        (silent, "the contract announces another event"),
        (event, "event"),
        (status, "is no call that the contracts answer"),
        (elsewhere, "writes to _lifecycle"),
    ):

        def apply(call: Call, change: Any = change) -> None:
            conspire(forger, call)
            change(call)

        said = problem(forger.rewrite(number, index, apply))
        assert f"block {number}, transaction {index}" in said
        assert expected in said, (change, said)


def test_custodian_can_not_be_another_than_the_caller(forger):
    """Hospital 2 submits what hospital 1 had asked, and two peers sign that it was hospital 1's to ask."""
    number, index = forger.find(lambda call: call.code == VALID and b'"permit"' in str(call.state()).encode())

    def change(call: Call) -> None:
        call.creator, call.endorsers = forger.users[1], forger.peers[:2]

    said = problem(forger.rewrite(number, index, change))
    assert f"block {number}, transaction {index}" in said


# -- the configuration ----------------------------------------------------------------------


def config_of(block: Block) -> Any:
    return ConfigEnvelope.FromString(layout.proposed(block.data.data[0]).data).config


def config_block(forger: Forger, config: Any, update: Any, signers: list[Any]) -> list[Block]:
    """Return the recorded blocks and one more, in which an orderer sets `config` as `signers` asked."""
    asked = ConfigUpdateEnvelope(config_update=update.SerializeToString())
    for signer in signers:
        header = SignatureHeader(creator=signer.creator, nonce=bytes(24)).SerializeToString()
        asked.signatures.append(
            ConfigSignature(signature_header=header, signature=signed(signer, header + asked.config_update))
        )
    head = Header(
        channel_header=ChannelHeader(type=CONFIG_UPDATE, channel_id="consentry").SerializeToString()
    )
    last = Envelope(payload=Payload(header=head, data=asked.SerializeToString()).SerializeToString())
    given = ConfigEnvelope(config=config, last_update=last)
    header = Header(
        channel_header=ChannelHeader(type=CONFIG, channel_id="consentry").SerializeToString(),
        signature_header=SignatureHeader(creator=forger.orderer.creator).SerializeToString(),
    )
    payload = Payload(header=header, data=given.SerializeToString()).SerializeToString()
    blocks = forger.blocks
    made = Block.FromString(forger.raw[-1])
    made.data.data[:] = [Envelope(payload=payload).SerializeToString()]
    made.metadata.metadata[TRANSACTIONS_FILTER] = bytes([VALID])
    blocks.append(made)
    number = len(blocks) - 1
    forger.seal(blocks, number)
    forger.sign(made, forger.orderer, last_config=number)
    return blocks


def timeout_change(forger: Forger) -> tuple[Any, Any]:
    """Return a configuration with another batch timeout, and the update that asks for it."""
    config = config_of(forger.blocks[0])
    update = ConfigUpdate(channel_id="consentry")
    for made in (update.read_set, update.write_set):
        made.groups["Orderer"].version = 0
    value = config.channel_group.groups["Orderer"].values["BatchTimeout"]
    value.version += 1
    value.value = b"\n\x0342s"
    update.write_set.groups["Orderer"].values["BatchTimeout"].CopyFrom(value)
    config.sequence += 1
    return config, update


@pytest.fixture
def orderer_admin(running):
    admin = running.folder.orderer_organisation / "users" / "Admin@orderer.example" / "msp"
    return identity("OrdererMSP", admin)


def test_configuration_that_its_policies_allow_is_sound(forger, orderer_admin):
    config, update = timeout_change(forger)
    assert verified(config_block(forger, config, update, [orderer_admin])).finding is None


def test_configuration_that_does_more_than_was_allowed_is_named(forger, orderer_admin):
    config, update = timeout_change(forger)
    hospitals = config.channel_group.groups["Application"].groups
    hospitals["Hospital2"].values["MSP"].value = hospitals["Hospital1"].values["MSP"].value
    said = problem(config_block(forger, config, update, [orderer_admin]))
    assert "sets another configuration than its update gives" in said


def test_configuration_that_nobody_allowed_is_named(forger):
    config, update = timeout_change(forger)
    number = len(forger.raw)
    for signers in ([], [forger.orderer], forger.admins, forger.peers):
        said = problem(config_block(forger, config, update, signers))
        assert f"block {number}: changes the value Channel/Orderer/BatchTimeout, and those who signed" in said


def test_majority_of_organisations_may_change_what_is_theirs_and_a_minority_may_not(forger):
    config = config_of(forger.blocks[0])
    update = ConfigUpdate(channel_id="consentry")
    policy = config.channel_group.groups["Application"].policies["Endorsement"]
    policy.version += 1
    policy.policy.value = policy.policy.value[:-2] + b"\x10\x00"  # any organisation would do
    update.write_set.groups["Application"].policies["Endorsement"].CopyFrom(policy)
    update.read_set.groups["Application"].version = 0
    config.sequence += 1
    assert verified(config_block(forger, config, update, forger.admins[:2])).finding is None
    for few in (forger.admins[:1], forger.admins[:1] * 3, forger.users):
        assert "those who signed for it may not" in problem(config_block(forger, config, update, list(few)))


def test_configuration_out_of_order_is_named(forger):
    config, update = timeout_change(forger)
    config.sequence += 1
    assert "does not follow the configuration before it" in problem(config_block(forger, config, update, []))


def test_other_channels_first_block_is_refused(forger):
    with ChannelVerifier("elsewhere", "consentry") as verifier:
        verifier.check(forger.blocks[0])
        assert verifier.finding is not None
        assert "of another channel" in str(verifier.finding)
