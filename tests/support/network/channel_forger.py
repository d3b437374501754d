"""A forger that rewrites a channel's blocks with its nodes' keys, with hashes and signatures that fit.

The keys are the real ones of a network that a test brought up; nothing here imitates Fabric's own work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from fabric_protos.common.common_pb2 import (
    SIGNATURES,
    TRANSACTIONS_FILTER,
    Block,
    ChannelHeader,
    Envelope,
    Metadata,
    MetadataSignature,
    OrdererBlockMetadata,
    Payload,
    SignatureHeader,
)
from fabric_protos.ledger.rwset.kvrwset.kv_rwset_pb2 import KVRWSet
from fabric_protos.ledger.rwset.rwset_pb2 import TxReadWriteSet
from fabric_protos.peer.chaincode_event_pb2 import ChaincodeEvent
from fabric_protos.peer.proposal_pb2 import ChaincodeAction
from fabric_protos.peer.proposal_response_pb2 import Endorsement, ProposalResponsePayload
from fabric_protos.peer.transaction_pb2 import ChaincodeActionPayload, Transaction

from exchange.devnet import Network
from exchange.ledger.embedded.verify import LedgerReport, PinnedBlock
from exchange.ledger.fabric.blocks import layout
from exchange.ledger.fabric.blocks.verify import ChannelVerifier
from exchange.ledger.fabric.gateway.identity import SigningIdentity

CHANNEL = CHAINCODE = "consentry"


def verified(
    blocks: Sequence[Block], *, pinned: tuple[PinnedBlock, ...] = (), height: int | None = None
) -> LedgerReport:
    """Return the verifier's report on these blocks."""
    with ChannelVerifier(CHANNEL, CHAINCODE, pinned=pinned) as verifier:
        for block in blocks:
            if not verifier.check(block):
                break
        return verifier.finish(len(blocks) if height is None else height)


def problem(blocks: Sequence[Block], **options: Any) -> str:
    """Return the first thing that is wrong with these blocks."""
    finding = verified(blocks, **options).finding
    assert finding is not None, "nothing was found"
    return str(finding)


class Recorded:
    """A peer that serves recorded blocks."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.held = list(blocks)

    async def height(self) -> int:
        return len(self.held)

    async def blocks(self, start: int, height: int) -> AsyncIterator[Block]:
        for block in self.held[start:height]:
            yield block


def identity(msp_id: str, msp: Path) -> SigningIdentity:
    (certificate,) = (msp / "signcerts").iterdir()
    (key,) = (msp / "keystore").iterdir()
    return SigningIdentity.from_files(msp_id, certificate, key)


class Forger:
    """The holder of the keys of `network`'s orderers, peers and users."""

    def __init__(self, network: Network, blocks: Sequence[bytes]) -> None:
        folder, topology = network.folder, network.topology
        self.raw = list(blocks)
        self.orderer = identity("OrdererMSP", folder.orderer(topology.orderers[0]) / "msp")
        self.peers = [identity(one.msp_id, folder.peer(one) / "msp") for one in topology.organisations]
        self.users = [identity(one.msp_id, folder.user(one, "User1")) for one in topology.organisations]
        self.admins = [identity(one.msp_id, folder.user(one, "Admin")) for one in topology.organisations]

    @property
    def blocks(self) -> list[Block]:
        """The blocks as they came, to be changed."""
        return [Block.FromString(raw) for raw in self.raw]

    def find(self, wanted: Callable[[Call], bool]) -> tuple[int, int]:
        """Block and index of the first call of the contracts that fits."""
        for block in self.blocks[1:]:
            for index, raw in enumerate(block.data.data):
                headers = layout.proposed(raw)
                if headers.kind == 3 and wanted(
                    Call(raw, block.metadata.metadata[TRANSACTIONS_FILTER][index])
                ):
                    return block.header.number, index
        raise AssertionError("the recording has no such transaction")

    # -- what a dishonest orderer does --------------------------------------------------

    def seal(self, blocks: list[Block], start: int, *, signer: SigningIdentity | None = None) -> list[Block]:
        """Give every block from `start` on the hashes that fit, and an orderer's signature."""
        for number in range(start, len(blocks)):
            block = blocks[number]
            block.header.number = number
            block.header.data_hash = layout.data_hash(block.data.data)
            if number:
                block.header.previous_hash = layout.block_hash(blocks[number - 1].header)
                self.sign(block, signer or self.orderer)
        return blocks

    def sign(self, block: Block, signer: SigningIdentity, *, last_config: int | None = None) -> None:
        """Sign a block anew."""
        old = Metadata.FromString(block.metadata.metadata[SIGNATURES])
        if last_config is not None:
            said = OrdererBlockMetadata.FromString(old.value)
            said.last_config.index = last_config
            old.value = said.SerializeToString()
        header = SignatureHeader(creator=signer.creator, nonce=bytes(24)).SerializeToString()
        message = old.value + header + layout.header_bytes(block.header)
        signature = MetadataSignature(signature_header=header, signature=signed(signer, message))
        block.metadata.metadata[SIGNATURES] = Metadata(
            value=old.value, signatures=[signature]
        ).SerializeToString()

    def mark(self, block: Block, index: int, code: int) -> None:
        """Change the peer's verdict on a transaction."""
        codes = bytearray(block.metadata.metadata[TRANSACTIONS_FILTER])
        codes[index] = code
        block.metadata.metadata[TRANSACTIONS_FILTER] = bytes(codes)

    def rewrite(self, number: int, index: int, change: Callable[[Call], None]) -> list[Block]:
        """Change one call, and all that has to be signed again for it."""
        blocks = self.blocks
        call = Call(blocks[number].data.data[index], 0)
        change(call)
        blocks[number].data.data[index] = call.raw()
        return self.seal(blocks, number)


class Call:
    """One call of the contracts, taken apart; `raw` puts it together again."""

    def __init__(self, raw: bytes, code: int) -> None:
        self.code = code
        self.envelope = Envelope.FromString(raw)
        self.payload = Payload.FromString(self.envelope.payload)
        self.channel = ChannelHeader.FromString(self.payload.header.channel_header)
        self.transaction = Transaction.FromString(self.payload.data)
        self.body = ChaincodeActionPayload.FromString(self.transaction.actions[0].payload)
        self.response = ProposalResponsePayload.FromString(self.body.action.proposal_response_payload)
        self.action = ChaincodeAction.FromString(self.response.extension)
        self.sets = TxReadWriteSet.FromString(self.action.results)
        self.creator: SigningIdentity | None = None
        self.endorsers: list[SigningIdentity] | None = None

    @property
    def chaincode(self) -> str:
        return str(self.action.chaincode_id.name)

    @property
    def writes(self) -> list[bytes]:
        return [write.key.encode() for write in self.state().writes]

    def state(self) -> Any:
        for one in self.sets.ns_rwset:
            if one.namespace == CHAINCODE:
                return KVRWSet.FromString(one.rwset)
        return KVRWSet()

    def change_state(self, change: Callable[[Any], None]) -> None:
        for one in self.sets.ns_rwset:
            if one.namespace == CHAINCODE:
                state = KVRWSet.FromString(one.rwset)
                change(state)
                one.rwset = state.SerializeToString()

    def raw(self) -> bytes:
        """Put together again: endorsers and creator sign anew where they are named."""
        self.action.results = self.sets.SerializeToString()
        header = self.payload.header
        if self.creator is not None:
            signer = SignatureHeader.FromString(header.signature_header)
            signer.creator = self.creator.creator
            header.signature_header = signer.SerializeToString()
            self.transaction.actions[0].header = header.signature_header
            self.channel.tx_id = sha256(signer.nonce + signer.creator).hexdigest()
            if self.action.events:
                event = ChaincodeEvent.FromString(self.action.events)
                event.tx_id = self.channel.tx_id
                self.action.events = event.SerializeToString()
        header.channel_header = self.channel.SerializeToString()
        asked = header.channel_header + header.signature_header + self.body.chaincode_proposal_payload
        self.response.proposal_hash = sha256(asked).digest()
        self.response.extension = self.action.SerializeToString()
        if self.endorsers is not None:
            given = self.response.SerializeToString()
            self.body.action.proposal_response_payload = given
            del self.body.action.endorsements[:]
            for one in self.endorsers:
                self.body.action.endorsements.append(
                    Endorsement(endorser=one.creator, signature=signed(one, given + one.creator))
                )
        self.transaction.actions[0].payload = self.body.SerializeToString()
        self.payload.data = self.transaction.SerializeToString()
        self.envelope.payload = self.payload.SerializeToString()
        if self.creator is not None:
            self.envelope.signature = signed(self.creator, self.envelope.payload)
        return bytes(self.envelope.SerializeToString())


def signed(signer: SigningIdentity, message: bytes) -> bytes:
    return asyncio.run(signer.sign(message))
