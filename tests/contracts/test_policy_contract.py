"""The consortium's policy: founded once, changed only by a majority of its voters."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from chaincode.adoption import VERSION, AdoptContracts
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from chaincode.policy.limits import MEMBERS, RULES
from chaincode.policy.model import Policy, PolicyRule
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError

FOUR = ("HospitalAMSP", "HospitalBMSP", "HospitalCMSP", "HospitalDMSP")


def policy(version: int = 1, members: tuple[str, ...] = FOUR, **changes: Any) -> Policy:
    return Policy(version=version, members=members, rules=(), **changes)


@pytest.fixture
async def clients(consortium: Any) -> dict[str, LedgerClient]:
    clients = {name: LedgerClient(consortium.member(name)) for name in (*FOUR, "HospitalEMSP")}
    await clients["HospitalAMSP"].found_policy(policy())
    await seen_by_all(clients, "HospitalAMSP")
    return clients


async def seen_by_all(clients: dict[str, LedgerClient], writer: str) -> None:
    """Return when every member's own peer shows the state of `writer`'s peer: one of them may be slow."""
    written = await clients[writer].read_policy()
    async with asyncio.timeout(20):
        for client in clients.values():
            while await client.read_policy() != written:  # noqa: ASYNC110 - a peer tells nobody that it is there
                await asyncio.sleep(0.02)


async def refusal(call: Any) -> Exception:
    with pytest.raises(RefusedError) as caught:
        await call
    return caught.value.reason


async def test_founding_adopts_the_contracts(channel: Any, make: Any) -> None:
    client = LedgerClient(channel.member(make.A))
    for version, kind in ((VERSION, NotFoundError), (VERSION, ConflictError), (1, BadArgumentError)):
        with pytest.raises(RefusedError) as refused:
            await channel.member(make.A).submit("contracts:adopt", encode(AdoptContracts(version)))
        assert isinstance(refused.value.reason, kind)
        if kind is NotFoundError:
            await client.found_policy(Policy(1, (make.A, make.B), ()))
    await client.adopt_contracts()  # nothing to do


async def test_nobody_decides_before_a_policy_is_founded(channel: Any, make: Any) -> None:
    client = LedgerClient(channel.member(make.A))
    assert (await client.read_policy()).policy is None
    assert isinstance(await refusal(client.propose_policy(policy(2))), NotFoundError)
    assert isinstance(await refusal(client.open_pairs([make.opening(make.pair())])), NotFoundError)
    answer = await client.authorize([make.ask(make.pair())])
    assert answer.permit is None


async def test_founding_makes_the_policy_and_happens_once(channel: Any, make: Any) -> None:
    client = LedgerClient(channel.member(make.A))
    first = policy(members=(make.A, make.B))
    standing = (await client.found_policy(first)).state
    assert standing.adopted
    assert standing.digest == sha256(encode(first)).hexdigest()
    assert (await client.read_policy()).policy == first
    assert isinstance(await refusal(client.found_policy(first)), ConflictError)


async def test_only_a_member_of_it_founds(channel: Any, make: Any) -> None:
    client = LedgerClient(channel.member(make.A))
    assert isinstance(await refusal(client.found_policy(policy(members=(make.B,)))), ForbiddenError)


async def test_a_majority_adopts_and_half_does_not(clients: dict[str, LedgerClient]) -> None:
    second = policy(2, (*FOUR, "HospitalEMSP"))
    proposed = (await clients["HospitalAMSP"].propose_policy(second)).state
    await seen_by_all(clients, "HospitalAMSP")
    assert (proposed.adopted, proposed.approvals) == (False, ("HospitalAMSP",))
    half = (await clients["HospitalCMSP"].approve_policy(proposed.digest)).state
    await seen_by_all(clients, "HospitalCMSP")
    assert (half.adopted, half.approvals) == (False, ("HospitalAMSP", "HospitalCMSP"))
    held = await clients["HospitalBMSP"].read_policy()
    assert held.policy == policy()
    assert held.proposals[proposed.digest].approvals == ("HospitalAMSP", "HospitalCMSP")
    adopted = (await clients["HospitalBMSP"].approve_policy(proposed.digest)).state
    assert adopted.adopted
    held = await clients["HospitalBMSP"].read_policy()
    assert held.policy == second
    assert held.proposals == {}


async def test_approving_twice_counts_once(clients: dict[str, LedgerClient]) -> None:
    digest = (await clients["HospitalAMSP"].propose_policy(policy(2))).state.digest
    for _ in range(3):
        standing = (await clients["HospitalAMSP"].approve_policy(digest)).state
    again = (await clients["HospitalAMSP"].propose_policy(policy(2))).state
    assert (standing.adopted, standing.approvals) == (False, ("HospitalAMSP",))
    assert again == standing


async def test_votes_for_other_bytes_do_not_count(clients: dict[str, LedgerClient]) -> None:
    one = policy(2, (*FOUR, "HospitalEMSP"))
    other = policy(2, ("HospitalEMSP", *FOUR))
    await clients["HospitalAMSP"].propose_policy(one)
    await seen_by_all(clients, "HospitalAMSP")
    await clients["HospitalBMSP"].propose_policy(other)
    await seen_by_all(clients, "HospitalBMSP")
    standing = (await clients["HospitalCMSP"].propose_policy(one)).state
    assert (standing.adopted, standing.approvals) == (False, ("HospitalAMSP", "HospitalCMSP"))


async def test_a_stranger_neither_proposes_nor_approves(clients: dict[str, LedgerClient]) -> None:
    digest = (await clients["HospitalAMSP"].propose_policy(policy(2))).state.digest
    await seen_by_all(clients, "HospitalAMSP")
    assert isinstance(await refusal(clients["HospitalEMSP"].propose_policy(policy(2))), ForbiddenError)
    assert isinstance(await refusal(clients["HospitalEMSP"].approve_policy(digest)), ForbiddenError)


async def test_adoption_voids_every_other_proposal(clients: dict[str, LedgerClient]) -> None:
    loser = (await clients["HospitalDMSP"].propose_policy(policy(2, ("HospitalDMSP",)))).state.digest
    await seen_by_all(clients, "HospitalDMSP")
    winner = (await clients["HospitalAMSP"].propose_policy(policy(2))).state.digest
    before = "HospitalAMSP"
    for name in ("HospitalBMSP", "HospitalCMSP"):
        await seen_by_all(clients, before)
        await clients[name].approve_policy(winner)
        before = name
    await seen_by_all(clients, before)
    assert isinstance(await refusal(clients["HospitalAMSP"].approve_policy(loser)), ConflictError)
    assert isinstance(await refusal(clients["HospitalAMSP"].approve_policy(winner)), ConflictError)


async def test_who_left_has_no_vote(clients: dict[str, LedgerClient]) -> None:
    digest = (
        await clients["HospitalAMSP"].propose_policy(policy(2, ("HospitalAMSP", "HospitalBMSP")))
    ).state.digest
    before = "HospitalAMSP"
    for name in ("HospitalBMSP", "HospitalCMSP"):
        await seen_by_all(clients, before)
        await clients[name].approve_policy(digest)
        before = name
    assert isinstance(await refusal(clients["HospitalCMSP"].propose_policy(policy(3))), ForbiddenError)


async def test_an_unknown_proposal_is_not_approved(clients: dict[str, LedgerClient]) -> None:
    assert isinstance(await refusal(clients["HospitalAMSP"].approve_policy("0" * 64)), NotFoundError)
    assert isinstance(await refusal(clients["HospitalAMSP"].approve_policy("../1")), BadArgumentError)


async def test_only_voters_decide_where_some_are_named(channel: Any, make: Any) -> None:
    """An embedded ledger has one caller: with a vote for it alone, it can still change its policy."""
    client = LedgerClient(channel.member(make.A))
    await client.found_policy(policy(members=(make.A, make.B, make.C), voters=(make.A,)))
    standing = (await client.propose_policy(policy(2, (make.A, make.B), voters=(make.A,)))).state
    assert (standing.adopted, standing.approvals) == (True, (make.A,))
    held = await client.read_policy()
    assert held.policy == policy(2, (make.A, make.B), voters=(make.A,))


async def test_a_member_without_a_vote_neither_proposes_approves_nor_counts(consortium: Any) -> None:
    clients = {name: LedgerClient(consortium.member(name)) for name in FOUR}
    voters = FOUR[:3]
    await clients["HospitalAMSP"].found_policy(policy(voters=voters))
    await seen_by_all(clients, "HospitalAMSP")
    digest = (await clients["HospitalAMSP"].propose_policy(policy(2))).state.digest
    await seen_by_all(clients, "HospitalAMSP")
    for call in (
        clients["HospitalDMSP"].approve_policy(digest),
        clients["HospitalDMSP"].propose_policy(policy(2)),
        clients["HospitalDMSP"].withdraw_policy(digest),
    ):
        assert isinstance(await refusal(call), ForbiddenError)
    assert (await clients["HospitalBMSP"].approve_policy(digest)).state.adopted  # two of three


async def test_an_approval_is_taken_back_while_the_proposal_waits(clients: dict[str, LedgerClient]) -> None:
    a, b, c = (clients[name] for name in FOUR[:3])
    digest = (await a.propose_policy(policy(2))).state.digest
    await seen_by_all(clients, "HospitalAMSP")
    assert isinstance(await refusal(b.withdraw_policy(digest)), ConflictError)
    await b.approve_policy(digest)
    await seen_by_all(clients, "HospitalBMSP")
    assert (await a.withdraw_policy(digest)).state.approvals == ("HospitalBMSP",)
    await seen_by_all(clients, "HospitalAMSP")
    assert not (await c.approve_policy(digest)).state.adopted  # two of four: the withdrawn one is gone
    await seen_by_all(clients, "HospitalCMSP")
    assert (await a.approve_policy(digest)).state.adopted
    assert isinstance(await refusal(a.withdraw_policy(digest)), ConflictError)


async def test_a_proposal_that_everybody_left_is_as_if_nobody_had_made_it(
    clients: dict[str, LedgerClient],
) -> None:
    a, b = clients["HospitalAMSP"], clients["HospitalBMSP"]
    digest = (await a.propose_policy(policy(2))).state.digest
    assert (await a.withdraw_policy(digest)).state.approvals == ()
    await seen_by_all(clients, "HospitalAMSP")
    assert (await b.read_policy()).proposals == {}
    assert isinstance(await refusal(b.approve_policy(digest)), NotFoundError)
    assert isinstance(await refusal(a.withdraw_policy(digest)), NotFoundError)
    assert (await b.propose_policy(policy(2))).state.approvals == ("HospitalBMSP",)


RULE = PolicyRule(id="own", relation="custodian", subject="patient", purposes=("TREAT",))


@pytest.mark.parametrize(
    "wrong",
    [
        policy(3),
        policy(1),
        policy(2, schema=2),
        policy(2, ()),
        policy(2, ("HospitalAMSP", "HospitalAMSP")),
        policy(2, ("A MSP",)),
        policy(2, voters=("HospitalEMSP",)),
        policy(2, voters=("HospitalAMSP", "HospitalAMSP")),
        policy(2, tuple(f"M{n}MSP" for n in range(MEMBERS + 1))),
        msgspec.structs.replace(policy(2), rules=(RULE, RULE)),
        msgspec.structs.replace(
            policy(2), rules=tuple(msgspec.structs.replace(RULE, id=f"r{n}") for n in range(RULES + 1))
        ),
        msgspec.structs.replace(policy(2), rules=(msgspec.structs.replace(RULE, id="r" * 70_000),)),
    ],
)
async def test_a_policy_out_of_bounds_is_refused(clients: dict[str, LedgerClient], wrong: Policy) -> None:
    assert isinstance(await refusal(clients["HospitalAMSP"].propose_policy(wrong)), BadArgumentError)


async def test_two_approvals_at_once_both_count(clients: dict[str, LedgerClient]) -> None:
    """The second of two transactions that read the same approvals is voided, and tried again."""
    digest = (await clients["HospitalAMSP"].propose_policy(policy(2))).state.digest
    await seen_by_all(clients, "HospitalAMSP")
    both = [clients[name] for name in ("HospitalBMSP", "HospitalCMSP")]
    approved = await asyncio.gather(*(client.approve_policy(digest) for client in both))
    # Each member reads from its own peer: the member with the last approval has seen both.
    last = max(zip(approved, both, strict=True), key=lambda pair: pair[0].block)[1]
    assert (await last.read_policy()).policy == policy(2)


async def test_a_policy_that_no_release_understands_is_not_proposed(clients: dict[str, LedgerClient]) -> None:
    rule = PolicyRule(id="odd", relation="custodian", subject="patient", purposes=("CURIOSITY",))
    odd = msgspec.structs.replace(policy(2), rules=(rule,))
    assert isinstance(await refusal(clients["HospitalAMSP"].propose_policy(odd)), BadArgumentError)
