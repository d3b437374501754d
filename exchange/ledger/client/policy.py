"""The consortium's policy: found, propose, approve, withdraw and read it; and the contracts' version."""

from __future__ import annotations

import msgspec

from chaincode.adoption import VERSION, AdoptContracts, AdoptedContracts, ReadContracts
from chaincode.policy.calls import (
    ApprovePolicy,
    CurrentPolicy,
    ProposalState,
    ReadPolicy,
    SetPolicy,
    WithdrawPolicy,
)
from chaincode.policy.model import Policy
from exchange.ledger.client.contract_calls import ContractCalls, LedgerChange, decode_result


class PolicyChange(LedgerChange, frozen=True):
    """The transaction that changed a proposed policy's ballot, with the state of that ballot."""

    state: ProposalState


class PolicyCalls(ContractCalls):
    """Calls of the policy contract."""

    async def found_policy(self, policy: Policy) -> PolicyChange:
        """Found the consortium on its first policy."""
        return await self._set_policy("policy:found", SetPolicy(policy))

    async def propose_policy(self, policy: Policy) -> PolicyChange:
        """Propose the next version, and approve it."""
        return await self._set_policy("policy:propose", SetPolicy(policy))

    async def approve_policy(self, digest: str) -> PolicyChange:
        """Approve the proposal of exactly this digest; a majority adopts it."""
        return await self._set_policy("policy:approve", ApprovePolicy(digest))

    async def withdraw_policy(self, digest: str) -> PolicyChange:
        """Withdraw this organisation's approval of a proposal that waits."""
        return await self._set_policy("policy:withdraw", WithdrawPolicy(digest))

    async def read_policy(self) -> CurrentPolicy:
        """Return the policy in force and the proposals that wait."""
        return await self._evaluate("policy:read", ReadPolicy(), CurrentPolicy)

    async def adopt_contracts(self) -> None:
        """Adopt this release's contracts where earlier ones wrote the ledger; idempotent."""
        adopted = await self._evaluate("contracts:read", ReadContracts(), AdoptedContracts)
        if adopted.version < VERSION:
            await self._submit("contracts:adopt", AdoptContracts(VERSION))

    async def _set_policy(self, function: str, args: msgspec.Struct) -> PolicyChange:
        committed = await self._submit(function, args)
        state = decode_result(committed.result, ProposalState)
        return PolicyChange(committed.tx_id, committed.block, committed.time, state)
