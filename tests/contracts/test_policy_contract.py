"""The consortium's policy: founded once, changed only by a majority of those whom it binds."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from chaincode.consent.limits import MEMBERS, RULES
from chaincode.consent.model import Policy, PolicyRule
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError

FOUR = ("AMSP", "BMSP", "CMSP", "DMSP")


def policy(version: int = 1, members: tuple[str, ...] = FOUR, **changes: Any) -> Policy:
    return Policy(version=version, members=members, rules=(), **changes)


@pytest.fixture
async def clients(consortium: Any) -> dict[str, LedgerClient]:
    clients = {name: LedgerClient(consortium.member(name)) for name in (*FOUR, "EMSP")}
    await clients["AMSP"].found_policy(policy())
    return clients


async def refusal(call: Any) -> Exception:
    with pytest.raises(RefusedError) as caught:
        await call
    return caught.value.reason


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
    standing = (await client.found_policy(first)).standing
    assert standing.adopted
    assert standing.digest == sha256(encode(first)).hexdigest()
    assert (await client.read_policy()).policy == first
    assert isinstance(await refusal(client.found_policy(first)), ConflictError)


async def test_only_a_member_of_it_founds(channel: Any, make: Any) -> None:
    client = LedgerClient(channel.member(make.A))
    assert isinstance(await refusal(client.found_policy(policy(members=(make.B,)))), ForbiddenError)


async def test_a_majority_adopts_and_half_does_not(clients: dict[str, LedgerClient]) -> None:
    second = policy(2, (*FOUR, "EMSP"))
    proposed = (await clients["AMSP"].propose_policy(second)).standing
    assert (proposed.adopted, proposed.approvals) == (False, ("AMSP",))
    half = (await clients["CMSP"].approve_policy(proposed.digest)).standing
    assert (half.adopted, half.approvals) == (False, ("AMSP", "CMSP"))
    held = await clients["BMSP"].read_policy()
    assert held.policy == policy()
    assert held.proposals[proposed.digest].approvals == ("AMSP", "CMSP")
    adopted = (await clients["BMSP"].approve_policy(proposed.digest)).standing
    assert adopted.adopted
    held = await clients["BMSP"].read_policy()
    assert held.policy == second
    assert held.proposals == {}


async def test_approving_twice_counts_once(clients: dict[str, LedgerClient]) -> None:
    digest = (await clients["AMSP"].propose_policy(policy(2))).standing.digest
    for _ in range(3):
        standing = (await clients["AMSP"].approve_policy(digest)).standing
    again = (await clients["AMSP"].propose_policy(policy(2))).standing
    assert (standing.adopted, standing.approvals) == (False, ("AMSP",))
    assert again == standing


async def test_votes_for_other_bytes_do_not_count(clients: dict[str, LedgerClient]) -> None:
    one = policy(2, (*FOUR, "EMSP"))
    other = policy(2, ("EMSP", *FOUR))
    await clients["AMSP"].propose_policy(one)
    await clients["BMSP"].propose_policy(other)
    standing = (await clients["CMSP"].propose_policy(one)).standing
    assert (standing.adopted, standing.approvals) == (False, ("AMSP", "CMSP"))


async def test_a_stranger_neither_proposes_nor_approves(clients: dict[str, LedgerClient]) -> None:
    digest = (await clients["AMSP"].propose_policy(policy(2))).standing.digest
    assert isinstance(await refusal(clients["EMSP"].propose_policy(policy(2))), ForbiddenError)
    assert isinstance(await refusal(clients["EMSP"].approve_policy(digest)), ForbiddenError)


async def test_adoption_voids_every_other_proposal(clients: dict[str, LedgerClient]) -> None:
    loser = (await clients["DMSP"].propose_policy(policy(2, ("DMSP",)))).standing.digest
    winner = (await clients["AMSP"].propose_policy(policy(2))).standing.digest
    for name in ("BMSP", "CMSP"):
        await clients[name].approve_policy(winner)
    assert isinstance(await refusal(clients["AMSP"].approve_policy(loser)), ConflictError)
    assert isinstance(await refusal(clients["AMSP"].approve_policy(winner)), ConflictError)


async def test_who_left_has_no_vote(clients: dict[str, LedgerClient]) -> None:
    digest = (await clients["AMSP"].propose_policy(policy(2, ("AMSP", "BMSP")))).standing.digest
    for name in ("BMSP", "CMSP"):
        await clients[name].approve_policy(digest)
    assert isinstance(await refusal(clients["CMSP"].propose_policy(policy(3))), ForbiddenError)


async def test_an_unknown_proposal_is_not_approved(clients: dict[str, LedgerClient]) -> None:
    assert isinstance(await refusal(clients["AMSP"].approve_policy("0" * 64)), NotFoundError)
    assert isinstance(await refusal(clients["AMSP"].approve_policy("../1")), BadArgumentError)


RULE = PolicyRule(id="own", relation="custodian", subject="patient", purposes=("TREAT",))


@pytest.mark.parametrize(
    "wrong",
    [
        policy(3),
        policy(1),
        policy(2, schema=2),
        policy(2, ()),
        policy(2, ("AMSP", "AMSP")),
        policy(2, ("A MSP",)),
        policy(2, tuple(f"M{n}MSP" for n in range(MEMBERS + 1))),
        msgspec.structs.replace(policy(2), rules=(RULE, RULE)),
        msgspec.structs.replace(
            policy(2), rules=tuple(msgspec.structs.replace(RULE, id=f"r{n}") for n in range(RULES + 1))
        ),
        msgspec.structs.replace(policy(2), rules=(msgspec.structs.replace(RULE, id="r" * 70_000),)),
    ],
)
async def test_a_policy_out_of_bounds_is_refused(clients: dict[str, LedgerClient], wrong: Policy) -> None:
    assert isinstance(await refusal(clients["AMSP"].propose_policy(wrong)), BadArgumentError)


async def test_two_approvals_at_once_both_count(clients: dict[str, LedgerClient]) -> None:
    """The second of two transactions that read the same approvals is voided, and tried again."""
    digest = (await clients["AMSP"].propose_policy(policy(2))).standing.digest
    await asyncio.gather(*(clients[name].approve_policy(digest) for name in ("BMSP", "CMSP")))
    assert (await clients["AMSP"].read_policy()).policy == policy(2)


async def test_a_policy_that_no_release_understands_is_not_proposed(clients: dict[str, LedgerClient]) -> None:
    rule = PolicyRule(id="odd", relation="custodian", subject="patient", purposes=("CURIOSITY",))
    odd = msgspec.structs.replace(policy(2), rules=(rule,))
    assert isinstance(await refusal(clients["AMSP"].propose_policy(odd)), BadArgumentError)
