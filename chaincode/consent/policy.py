"""The consortium's policy as a contract: who the members are, and what needs no patient's consent.

1. `policy:found` sets version 1, once; the caller must be one of its members.
2. A later version is proposed by a voter and adopted when more than half of the voters of the version in
   force approve exactly those bytes. Proposing approves. Voters are all members, unless the version in
   force names some of them.
3. Its version is the one in force plus one. When it is adopted, all other proposals are void, because
   theirs no longer is.
4. Until then an approval can be taken back. A proposal without any is as if nobody had made it.
"""

from __future__ import annotations

from hashlib import sha256

from chaincode.consent.calls import (
    ApprovePolicy,
    HeldPolicy,
    PolicyStanding,
    Proposal,
    ReadPolicy,
    SetPolicy,
    WithdrawPolicy,
)
from chaincode.consent.limits import encode_policy
from chaincode.consent.model import SCHEMA, Policy
from chaincode.consent.rules import understands_policy
from chaincode.consent.state import POLICY_KEY, proposal_key, read_policy, read_proposal
from chaincode.encoding import decode, encode, prefix_range, split_composite_key
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from chaincode.ledger import Ledger
from chaincode.shapes import DIGEST, require

_PROPOSALS_SHOWN = 100


async def found(ledger: Ledger, args: SetPolicy) -> PolicyStanding:
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
    return _adopt(ledger, args.policy, value, (caller,))


async def propose(ledger: Ledger, args: SetPolicy) -> PolicyStanding:
    """Propose the next version and approve it.

    Raises:
        NotFoundError: no policy was founded.
        ForbiddenError: the caller has no vote.
        BadArgumentError: its version is not the next, or it is out of bounds.
    """
    current = await _current(ledger)
    _check(args.policy, current.version + 1)
    value = encode_policy(args.policy)
    held = await read_proposal(ledger, sha256(value).hexdigest())
    return _approve(ledger, current, value, held or Proposal(policy=args.policy, approvals=()))


async def approve(ledger: Ledger, args: ApprovePolicy) -> PolicyStanding:
    """Approve the proposal of exactly this digest.

    Raises:
        NotFoundError: no policy was founded, or nobody makes that proposal.
        ForbiddenError: the caller has no vote.
        ConflictError: another version was adopted since it was proposed.
    """
    current = await _current(ledger)
    proposal = await _proposal(ledger, current, args.digest)
    return _approve(ledger, current, encode_policy(proposal.policy), proposal)


async def withdraw(ledger: Ledger, args: WithdrawPolicy) -> PolicyStanding:
    """Take the caller's approval of a proposal back, while it waits.

    Raises:
        NotFoundError: no policy was founded, or nobody makes that proposal.
        ForbiddenError: the caller has no vote.
        ConflictError: another version was adopted since, or the caller does not approve it.
    """
    current = await _current(ledger)
    proposal = await _proposal(ledger, current, args.digest)
    caller = ledger.caller.msp_id
    if caller not in proposal.approvals:
        raise ConflictError("the caller does not approve that proposal")
    approvals = tuple(name for name in proposal.approvals if name != caller)
    ledger.put(proposal_key(args.digest), encode(Proposal(policy=proposal.policy, approvals=approvals)))
    return _announce(ledger, PolicyStanding(args.digest, proposal.policy.version, approvals, adopted=False))


async def read(ledger: Ledger, _: ReadPolicy) -> HeldPolicy:
    """The policy in force and the proposals that can still be adopted."""
    current = await read_policy(ledger)
    if current is None:
        return HeldPolicy(policy=None, proposals={})
    start, end = prefix_range("proposal")
    waiting: dict[str, Proposal] = {}
    bookmark = ""
    while len(waiting) < _PROPOSALS_SHOWN:
        page = await ledger.range(start, end, limit=_PROPOSALS_SHOWN, bookmark=bookmark)
        for entry in page.entries:
            proposal = decode(entry.value, Proposal)
            if proposal.policy.version == current.version + 1 and proposal.approvals:
                waiting[split_composite_key(entry.key)[1][0]] = proposal
        bookmark = page.bookmark
        if not bookmark:
            break
    return HeldPolicy(policy=current, proposals=waiting)


async def _current(ledger: Ledger) -> Policy:
    current = await read_policy(ledger)
    if current is None:
        raise NotFoundError("the consortium is not founded")
    if ledger.caller.msp_id not in current.deciding:
        raise ForbiddenError("only those who have a vote decide on the policy")
    return current


async def _proposal(ledger: Ledger, current: Policy, digest: str) -> Proposal:
    require(DIGEST, digest, "digest")
    proposal = await read_proposal(ledger, digest)
    if proposal is None or not proposal.approvals:
        raise NotFoundError("no such proposal")
    if proposal.policy.version != current.version + 1:
        raise ConflictError("another version was adopted since")
    return proposal


def _check(policy: Policy, version: int) -> None:
    if not understands_policy(policy):  # it would refuse every request of everybody
        raise BadArgumentError("policy.rules holds a purpose, action or class that is not understood")
    if policy.version != version:
        raise BadArgumentError(f"policy.version must be {version}")
    if policy.schema != SCHEMA:
        raise BadArgumentError(f"policy.schema must be {SCHEMA}")


def _approve(ledger: Ledger, current: Policy, value: bytes, proposal: Proposal) -> PolicyStanding:
    approvals = tuple(sorted({*proposal.approvals, ledger.caller.msp_id}))
    digest = sha256(value).hexdigest()
    ledger.put(proposal_key(digest), encode(Proposal(policy=proposal.policy, approvals=approvals)))
    if 2 * len(approvals) > len(current.deciding):
        return _adopt(ledger, proposal.policy, value, approvals)
    return _announce(ledger, PolicyStanding(digest, proposal.policy.version, approvals, adopted=False))


def _adopt(ledger: Ledger, policy: Policy, value: bytes, approvals: tuple[str, ...]) -> PolicyStanding:
    ledger.put(POLICY_KEY, value)
    digest = sha256(value).hexdigest()
    return _announce(ledger, PolicyStanding(digest, policy.version, approvals, adopted=True))


def _announce(ledger: Ledger, standing: PolicyStanding) -> PolicyStanding:
    ledger.emit("policy", encode(standing))
    return standing
