"""The verdict that each transaction of a block deserves, by the rules of Fabric's own validation.

Peers do it in two steps: first the signatures of every transaction, on the state before the block; then,
one after the other, whether the versions that each read are still current.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from fabric_protos.common.common_pb2 import ENDORSER_TRANSACTION
from fabric_protos.ledger.rwset.kvrwset.kv_rwset_pb2 import HashedRWSet

from exchange.ledger.embedded.block import BLOCK_LIMIT
from exchange.ledger.embedded.storage import LATEST
from exchange.ledger.fabric.blocks.config import ChannelConfig
from exchange.ledger.fabric.blocks.errors import BlockError, InvalidError, UnreadableError
from exchange.ledger.fabric.blocks.layout import (
    EndorsedCall,
    NamespaceSet,
    ProposedCall,
    endorsed,
    parse,
    proposed,
)
from exchange.ledger.fabric.blocks.policies import signed
from exchange.ledger.fabric.blocks.state import LIFECYCLE, ChannelState, SystemKey

VALID = "VALID"
_IMPLICIT = "_implicit_org_"
_LIFECYCLE_POLICY = "/Channel/Application/LifecycleEndorsement"


class Judged(msgspec.Struct):
    """A transaction and its verdict so far: `code` is a name of `TxValidationCode`, `why` its reason.

    `headers` and `call` are None where the transaction can't be read so far.
    """

    code: str
    why: str
    headers: ProposedCall | None = None
    call: EndorsedCall | None = None


def judge(raw: bytes, config: ChannelConfig, state: ChannelState) -> Judged:
    """Return the verdict on a transaction's signatures, with the state and configuration before its block."""
    judged = Judged(VALID, "")
    try:
        judged.headers = proposed(raw)
        _judge(judged, config, state)
    except UnreadableError as why:
        judged.code, judged.why = "BAD_PAYLOAD", str(why)
    except InvalidError as why:
        judged.code, judged.why = why.code, why.why
    return judged


def _judge(judged: Judged, config: ChannelConfig, state: ChannelState) -> None:
    headers = judged.headers
    if headers is None or headers.kind != ENDORSER_TRANSACTION:
        raise InvalidError("UNKNOWN_TX_TYPE", "it is not a call of a chaincode")
    if headers.channel != config.channel:
        raise InvalidError("TARGET_CHAIN_NOT_FOUND", "it is of another channel")
    creator = config.applicants.find(headers.creator)
    if creator is None or not creator.signed(headers.payload, headers.signature):
        raise InvalidError("BAD_CREATOR_SIGNATURE", "it was not signed by the member in whose name it is")
    if sha256(headers.nonce + headers.creator).hexdigest() != headers.tx_id:
        raise InvalidError("BAD_PROPOSAL_TXID", "its id is not the one that its nonce gives")
    judged.call = endorsed(headers)
    if state.holds(headers.tx_id):
        raise InvalidError("DUPLICATE_TXID", "an earlier block holds a transaction of its id")
    if judged.call.chaincode in {state.chaincode, LIFECYCLE}:
        _endorsements(judged.call, config, state)


def _endorsements(call: EndorsedCall, config: ChannelConfig, state: ChannelState) -> None:
    signatures = ((one, call.response + one, signature) for one, signature in call.endorsements)
    signers = config.signers(signatures, config.applicants)
    if call.chaincode == LIFECYCLE:
        holds = all(config.satisfied(path, signers) for path in _lifecycle_policies(call, config))
    else:
        policy = state.endorsement_policy()
        if policy is None:
            raise InvalidError("INVALID_CHAINCODE", "its chaincode is not defined")
        if policy.WhichOneof("Type") == "signature_policy":
            holds = signed(policy.signature_policy, signers)
        else:
            holds = config.satisfied(policy.channel_config_policy_reference, signers)
    if not holds:
        names = ", ".join(sorted({member.msp_id for member in signers})) or "nobody"
        why = f"the endorsements that hold are of {names}: they do not satisfy its policy"
        raise InvalidError("ENDORSEMENT_POLICY_FAILURE", why)


def _lifecycle_policies(call: EndorsedCall, config: ChannelConfig) -> set[str]:
    """Return the policies of a lifecycle call: the organisation's own, or the channel's."""
    needed, written = set[str](), False
    for one in call.sets:
        written = written or bool(one.public.writes or one.public.metadata_writes)
        for collection in one.collections:
            hashed = parse(HashedRWSet, collection.hashed_rwset)
            if hashed.hashed_writes or hashed.metadata_writes:
                own = config.endorsement_of(collection.collection_name.removeprefix(_IMPLICIT))
                needed.add(own or _LIFECYCLE_POLICY)
    return needed if needed and not written else needed | {_LIFECYCLE_POLICY}


def judge_reads(judged: Judged, state: ChannelState) -> None:
    """Mark a transaction if the state has changed since its reads.

    Raises:
        BlockError: the transaction does what can't be followed here.
    """
    if judged.call is None or judged.code != VALID:
        return
    for one in judged.call.sets:
        if one.namespace == state.chaincode:
            code = _stale(one.public, state)
        else:
            code = "" if _is_current(one, state) else "MVCC_READ_CONFLICT"
        if code:
            judged.code, judged.why = code, "what it read had changed"
            return


def _stale(public: Any, state: ChannelState) -> str:
    for read in public.reads:
        stored = state.storage.value(read.key.encode())
        if _place(read) != (None if stored is None else stored[1]):
            return "MVCC_READ_CONFLICT"
    for query in public.range_queries_info:
        if query.WhichOneof("reads_info") == "reads_merkle_hashes":
            if public.writes:
                raise BlockError("writes after a range query that only a peer can check")
            continue
        reads = [(read.key.encode(), _place(read)) for read in query.raw_reads.kv_reads]
        end = query.end_key.encode()
        if not query.itr_exhausted and reads:
            end = reads[-1][0] + b"\0"
        held_now = state.storage.range(query.start_key.encode(), end, LATEST)
        if reads != [(key, at) for key, _, at in held_now]:
            return "PHANTOM_READ_CONFLICT"
    return ""


def _is_current(one: NamespaceSet, state: ChannelState) -> bool:
    reads: list[tuple[SystemKey, int | None]] = [
        ((one.namespace, "", read.key), _place(read)) for read in one.public.reads
    ]
    for collection in one.collections:
        hashed = parse(HashedRWSet, collection.hashed_rwset)
        reads += [
            ((one.namespace, collection.collection_name, read.key_hash), _place(read))
            for read in hashed.hashed_reads
        ]
    return all(_version(state, key) == place for key, place in reads)


def _version(state: ChannelState, key: SystemKey) -> int | None:
    stored = state.system(key)
    return None if stored is None else stored[1]


def _place(read: Any) -> int | None:
    if not read.HasField("version"):
        return None
    return int(read.version.block_num) * BLOCK_LIMIT + int(read.version.tx_num)


def apply_lifecycle(call: EndorsedCall, place: int, state: ChannelState) -> None:
    """Apply the writes of a valid transaction of Fabric's own lifecycle chaincode.

    Raises:
        BlockError: it writes elsewhere.
    """
    for one in call.sets:
        hashed = [(c.collection_name, parse(HashedRWSet, c.hashed_rwset)) for c in one.collections]
        if one.namespace != LIFECYCLE:
            if one.public.writes or any(changes.hashed_writes for _, changes in hashed):
                raise BlockError(f"defines a chaincode and writes to {one.namespace}")
            continue
        for write in one.public.writes:
            key = one.namespace, "", write.key
            state.write_system(key, None if write.is_delete else write.value, place)
        for name, changes in hashed:
            for write in changes.hashed_writes:
                key_hash = one.namespace, name, write.key_hash
                state.write_system(key_hash, None if write.is_delete else write.value_hash, place)
