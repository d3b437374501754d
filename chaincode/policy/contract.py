"""The consortium's policy as a contract: its members, and the accesses that need no patient's consent.

1. `policy:found` sets version 1, once; the caller must be one of its members. It adopts these contracts
   (`chaincode.adoption`).
2. A later version is proposed by a voter and adopted when more than half of the voters of the version in
   force approve exactly those bytes (`chaincode.voting`). Proposing approves. Voters are all members,
   unless the version in force names some of them.
3. A proposal's version is the one in force plus one. When it is adopted, all other proposals are void,
   because their version is no longer the next.
4. Until then an approval can be withdrawn. A proposal without any approval counts as not made.
5. A member that leaves is remembered, and so is the time at which it is admitted again: consents from before
   permit it nothing.
"""

from __future__ import annotations

from chaincode.adoption import VERSION_KEY, VERSION_VALUE
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from chaincode.identifiers import DIGEST, require
from chaincode.ledger import Ledger
from chaincode.policy.calls import (
    ApprovePolicy,
    CurrentPolicy,
    Proposal,
    ProposalState,
    ReadPolicy,
    SetPolicy,
    WithdrawPolicy,
)
from chaincode.policy.limits import encode_policy
from chaincode.policy.model import SCHEMA, Policy, understands_policy
from chaincode.policy.state import (
    ADMISSIONS_KEY,
    POLICY_KEY,
    decode_admissions,
    proposal_key,
    read_policy,
    read_proposal,
    read_proposals,
)
from chaincode.voting import Ballot, digest


async def found(ledger: Ledger, args: SetPolicy) -> ProposalState:
    """Set the first policy.

    Raises:
        ConflictError: there is one already.
        ForbiddenError: the caller is not among its members.
        BadArgumentError: its version is not 1, or it is out of bounds.
    """
    if await read_policy(ledger) is not None:
        raise ConflictError("the consortium is founded: propose a new version")
    _check(args.policy, 1)
    caller = ledger.caller.msp_id
    if caller not in args.policy.members:
        raise ForbiddenError("only a member of the policy may found the consortium")
    value = encode_policy(args.policy)
    ledger.put(VERSION_KEY, VERSION_VALUE)
    return _put(ledger, args.policy, value, (caller,))


async def propose(ledger: Ledger, args: SetPolicy) -> ProposalState:
    """Propose the next version and approve it.

    Raises:
        NotFoundError: no policy was founded.
        ForbiddenError: the caller has no vote.
        BadArgumentError: its version is not the next, or it is out of bounds.
    """
    current = await _current(ledger)
    _check(args.policy, current.version + 1)
    value = encode_policy(args.policy)
    proposal = await read_proposal(ledger, digest(value))
    return await _approve(ledger, current, value, proposal or Proposal(policy=args.policy, approvals=()))


async def approve(ledger: Ledger, args: ApprovePolicy) -> ProposalState:
    """Approve the proposal of exactly this digest.

    Raises:
        NotFoundError: no policy was founded, or there is no such proposal.
        ForbiddenError: the caller has no vote.
        ConflictError: another version was adopted since it was proposed.
    """
    current = await _current(ledger)
    proposal = await _proposal(ledger, current, args.digest)
    return await _approve(ledger, current, encode_policy(proposal.policy), proposal)


async def withdraw(ledger: Ledger, args: WithdrawPolicy) -> ProposalState:
    """Withdraw the caller's approval of a proposal that waits.

    Raises:
        NotFoundError: no policy was founded, or there is no such proposal.
        ForbiddenError: the caller has no vote.
        ConflictError: another version was adopted since, or the caller does not approve it.
    """
    current = await _current(ledger)
    proposal = await _proposal(ledger, current, args.digest)
    caller = ledger.caller.msp_id
    if caller not in proposal.approvals:
        raise ConflictError("the caller does not approve that proposal")
    ballot = Ballot(current.deciding, proposal.approvals).withdraw(caller)
    return _keep(ledger, args.digest, Proposal(policy=proposal.policy, approvals=ballot.approvals))


async def read(ledger: Ledger, _: ReadPolicy) -> CurrentPolicy:
    """Return the policy in force and the proposals that can still be adopted."""
    current = await read_policy(ledger)
    if current is None:
        return CurrentPolicy(policy=None, proposals={})
    return CurrentPolicy(
        policy=current,
        proposals=await read_proposals(ledger, current.version + 1),
        again=dict(decode_admissions(await ledger.get(ADMISSIONS_KEY)).again),
    )


async def _current(ledger: Ledger) -> Policy:
    current = await read_policy(ledger)
    if current is None:
        raise NotFoundError("the consortium is not founded")
    if ledger.caller.msp_id not in current.deciding:
        raise ForbiddenError("only members with a vote decide on the policy")
    return current


async def _proposal(ledger: Ledger, current: Policy, name: str) -> Proposal:
    require(DIGEST, name, "digest")
    proposal = await read_proposal(ledger, name)
    if proposal is None or not proposal.approvals:
        raise NotFoundError("no such proposal")
    if proposal.policy.version != current.version + 1:
        raise ConflictError("another version was adopted since")
    return proposal


def _check(policy: Policy, version: int) -> None:
    if not understands_policy(policy):  # it would refuse every request of every member
        raise BadArgumentError("policy.rules holds a purpose, action or class that is not understood")
    if policy.version != version:
        raise BadArgumentError(f"policy.version must be {version}")
    if policy.schema != SCHEMA:
        raise BadArgumentError(f"policy.schema must be {SCHEMA}")


async def _approve(ledger: Ledger, current: Policy, value: bytes, proposal: Proposal) -> ProposalState:
    ballot = Ballot(current.deciding, proposal.approvals).approve(ledger.caller.msp_id)
    approved = Proposal(policy=proposal.policy, approvals=ballot.approvals)
    if ballot.has_quorum():
        ledger.put(proposal_key(digest(value)), encode(approved))
        return await _adopt(ledger, current, proposal.policy, value, ballot.approvals)
    return _keep(ledger, digest(value), approved)


def _keep(ledger: Ledger, name: str, proposal: Proposal) -> ProposalState:
    ledger.put(proposal_key(name), encode(proposal))
    return _announce(ledger, ProposalState(name, proposal.policy.version, proposal.approvals, adopted=False))


async def _adopt(
    ledger: Ledger, before: Policy, policy: Policy, value: bytes, approvals: tuple[str, ...]
) -> ProposalState:
    known = decode_admissions(await ledger.get(ADMISSIONS_KEY))
    now = known.followed_by(before, policy, ledger.timestamp)
    if now != known:
        ledger.put(ADMISSIONS_KEY, encode(now))
    return _put(ledger, policy, value, approvals)


def _put(ledger: Ledger, policy: Policy, value: bytes, approvals: tuple[str, ...]) -> ProposalState:
    ledger.put(POLICY_KEY, value)
    return _announce(ledger, ProposalState(digest(value), policy.version, approvals, adopted=True))


def _announce(ledger: Ledger, state: ProposalState) -> ProposalState:
    ledger.emit("policy", encode(state))
    return state
