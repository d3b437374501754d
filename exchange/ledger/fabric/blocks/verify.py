"""Walks a channel from its first block and checks all of it.

Blocks are handed in one after the other, so that a ledger of any length streams through. Nothing here
does I/O but for the temporary database that holds the state.

The first block has no signature: it is the one that an organisation received when it joined. An operator that
pinned its hash, or that of a later block, passes it as `pinned`; without that, the report's `first` is to be
compared.
"""

from __future__ import annotations

import time
from typing import Any, Self

from fabric_protos.common.common_pb2 import (
    CONFIG,
    SIGNATURES,
    TRANSACTIONS_FILTER,
    Metadata,
    OrdererBlockMetadata,
    SignatureHeader,
)
from fabric_protos.peer.transaction_pb2 import TxValidationCode
from google.protobuf.message import DecodeError

from exchange.ledger.embedded.block import BLOCK_LIMIT
from exchange.ledger.embedded.block_checks import LedgerFinding, MismatchError
from exchange.ledger.embedded.verify import LedgerReport, PinnedBlock
from exchange.ledger.fabric.blocks import layout
from exchange.ledger.fabric.blocks.config import ChannelConfig
from exchange.ledger.fabric.blocks.contracts import Contracts
from exchange.ledger.fabric.blocks.errors import BlockError, UnreadableError
from exchange.ledger.fabric.blocks.state import LIFECYCLE, ChannelState
from exchange.ledger.fabric.blocks.updates import apply_update
from exchange.ledger.fabric.blocks.validity import VALID, Judged, apply_lifecycle, judge, judge_reads

_VALIDATION = "/Channel/Orderer/BlockValidation"
_HONEST = frozenset(
    {"DUPLICATE_TXID", "ENDORSEMENT_POLICY_FAILURE", "MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"}
)
"""Verdicts that occur while every peer behaves; of these the peer must name the right one."""


class ChannelVerifier:
    """Checks the blocks of one channel, in order; `close` it, or use it as a context manager.

    `pinned` are blocks of earlier runs: another block in the place of one of them is a finding.
    After a finding nothing more is checked.
    """

    def __init__(self, channel: str, chaincode: str, *, pinned: tuple[PinnedBlock, ...] = ()) -> None:
        self.state = ChannelState(chaincode)
        self.blocks = self.transactions = self.values = 0
        self.first: PinnedBlock | None = None
        self.tip: PinnedBlock | None = None
        self.finding: LedgerFinding | None = None
        self._channel, self._pinned = channel, pinned
        self._contracts = Contracts(self.state)
        self._config: ChannelConfig | None = None
        self._previous, self._last_config = b"", 0
        self._started = time.perf_counter()

    def check(self, block: Any) -> bool:
        """Check the next block (Fabric's `common.Block`); False at the first finding."""
        if self.finding is None:
            try:
                self._check(block)
            except MismatchError as wrong:
                self.finding = wrong.finding
            except (BlockError, UnreadableError, DecodeError) as why:
                self.finding = LedgerFinding("blocks", f"block {self.blocks}", str(why))
        return self.finding is None

    def finish(self, blocks: int) -> LedgerReport:
        """Return the summary of a ledger that the peer says holds so many blocks."""
        if self.finding is None and self.blocks < blocks:
            self.finding = LedgerFinding("blocks", f"block {self.blocks}", "is missing")
        for number in sorted(one.block for one in self._pinned):
            if self.finding is None and number >= self.blocks:
                self.finding = LedgerFinding("blocks", f"block {number}", "was pinned and is missing")
        return LedgerReport(
            blocks=self.blocks,
            transactions=self.transactions,
            values=self.values,
            replayed=self._contracts.replayed,
            unreplayable=self._contracts.unreplayable,
            tip=self.tip,
            finding=self.finding,
            seconds=time.perf_counter() - self._started,
            first=self.first,
        )

    def close(self) -> None:
        """Close the state."""
        self.state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one block -------------------------------------------------------------------

    def _check(self, block: Any) -> None:
        number, header, bodies = self.blocks, block.header, block.data.data
        if header.number != number:
            raise BlockError("is missing, or has another number")
        if header.previous_hash != self._previous:
            raise BlockError("does not follow the block before it")
        if not 0 < len(bodies) < BLOCK_LIMIT or layout.data_hash(bodies) != header.data_hash:
            raise BlockError("its transactions do not give its data hash")
        tip = PinnedBlock(number, layout.block_hash(header).hex())
        if any(one.block == number and one != tip for one in self._pinned):
            raise BlockError("is not the block that was pinned")
        self._check_transactions(block)
        self._previous, self.tip = bytes.fromhex(tip.hash), tip
        self.first = self.first or tip
        self.blocks += 1

    def _check_transactions(self, block: Any) -> None:
        bodies = block.data.data
        codes = _codes(block)
        setting = self._config_block(bodies)
        if self._config is None:
            if setting is None:
                raise BlockError("the first block sets no configuration")
            if setting.channel != self._channel:
                raise BlockError("is of another channel")
            self._config = ChannelConfig.first(setting)
        else:
            if setting is not None:
                self._last_config = self.blocks
            self._check_signatures(block, self._config)
            if setting is not None:
                self._config = apply_update(self._config, setting)
        self.state.begin()
        if setting is not None:
            if codes != [VALID]:
                raise MismatchError("transactions", self._place(0), "its configuration is not marked VALID")
            headers = [setting]
        else:
            headers = self._check_calls([judge(raw, self._config, self.state) for raw in bodies], codes)
        self.state.commit(headers)
        self.transactions += len(bodies)

    def _config_block(self, bodies: Any) -> layout.ProposedCall | None:
        if len(bodies) != 1:
            return None
        try:
            headers = layout.proposed(bodies[0])
        except UnreadableError:
            return None
        return headers if headers.kind == CONFIG else None

    def _check_signatures(self, block: Any, config: ChannelConfig) -> None:
        if not block.metadata.metadata:
            raise BlockError("has no signature")
        signed = layout.parse(Metadata, block.metadata.metadata[SIGNATURES])
        header = layout.header_bytes(block.header)
        orderers = config.signers(
            (
                (
                    layout.parse(SignatureHeader, one.signature_header).creator,
                    signed.value + one.signature_header + header,
                    one.signature,
                )
                for one in signed.signatures
            ),
            config.orderers,
        )
        if not config.satisfied(_VALIDATION, orderers):
            raise BlockError("the orderers' signatures do not hold")
        said = layout.parse(OrdererBlockMetadata, signed.value).last_config.index
        if said != self._last_config:
            raise BlockError(f"names block {said} as the newest configuration, which is {self._last_config}")

    def _check_calls(self, calls: list[Judged], codes: list[str]) -> list[layout.ProposedCall]:
        ids: set[str] = set()
        for judged in calls:  # the state before the block decides about signers, so this loop comes first
            if judged.code == VALID and judged.headers is not None:
                if judged.headers.tx_id in ids:
                    judged.code, judged.why = "DUPLICATE_TXID", "it is twice in its block"
                ids.add(judged.headers.tx_id)
        position = 0
        for index, (judged, code) in enumerate(zip(calls, codes, strict=True)):
            try:
                position += self._check_call(index, judged, code, position)
            except (BlockError, UnreadableError, DecodeError) as why:
                raise MismatchError("transactions", self._place(index), str(why)) from None
        return [judged.headers for judged in calls if judged.headers is not None]

    def _check_call(self, index: int, judged: Judged, code: str, position: int) -> bool:
        """Check one transaction, and apply it; whether it announced an event of our chaincode."""
        call, place = judged.call, self.blocks * BLOCK_LIMIT + index
        ours = call is not None and call.chaincode in {self.state.chaincode, LIFECYCLE}
        if ours:
            judge_reads(judged, self.state)
        _compare(judged, code, ours=ours)
        if code != VALID or call is None or judged.headers is None:
            return False
        if call.chaincode == LIFECYCLE:
            apply_lifecycle(call, place, self.state)
            return False
        if not ours:
            if any(one.namespace in {self.state.chaincode, LIFECYCLE} and _writes(one) for one in call.sets):
                raise BlockError("writes to our chaincode's state through another chaincode")
            return False
        writes = self._contracts.check(place, judged.headers, call)
        self.state.write(place, writes, position if call.event is not None else None)
        self.values += len(writes)
        return call.event is not None

    def _place(self, index: int) -> str:
        return f"block {self.blocks}, transaction {index}"


def _codes(block: Any) -> list[str]:
    """Return the peer's verdicts, by name."""
    metadata, size = block.metadata.metadata, len(block.data.data)
    if len(metadata) <= TRANSACTIONS_FILTER or len(metadata[TRANSACTIONS_FILTER]) != size:
        raise BlockError("the peer does not say of each transaction whether it is valid")
    names = {number: name for name, number in TxValidationCode.items()}
    return [names.get(code, str(code)) for code in metadata[TRANSACTIONS_FILTER]]


def _compare(judged: Judged, code: str, *, ours: bool) -> None:
    if code == VALID and judged.code != VALID:
        raise BlockError(f"is marked VALID, but {judged.why}")
    if code == VALID or not (ours or judged.code != VALID):
        return  # why another chaincode's transaction is void, is its own affair
    if judged.code == VALID:
        raise BlockError(f"is marked {code}, and nothing is wrong with it")
    if code != judged.code and {code, judged.code} & _HONEST:
        raise BlockError(f"is marked {code}, but {judged.why} ({judged.code})")


def _writes(one: layout.NamespaceSet) -> bool:
    return bool(one.public.writes or one.public.metadata_writes or one.collections)
