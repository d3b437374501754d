"""Gateways of one organisation on one channel: none stands in another's way, and a lost one is retired."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaincode.access.model import RecordedEvent
from chaincode.consent.calls import BATCH_LIMIT, RetirePairs
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from chaincode.policy.model import Policy, PolicyRule
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError

ONE, TWO = "1a" * 10, "2b" * 10
OWN_CARE = PolicyRule(id="own-care", relation="custodian", subject="patient", purposes=("TREAT",))


async def refusal(call: Any) -> Exception:
    with pytest.raises(RefusedError) as caught:
        await call
    return caught.value.reason


def nodes(channel: Any, make: Any) -> tuple[LedgerClient, LedgerClient]:
    """Return the clients of two gateways of Hospital A."""
    return tuple(LedgerClient(channel.member(make.A), node=name) for name in (ONE, TWO))  # type: ignore[return-value]


async def test_two_nodes_of_an_organisation_open_their_patients_side_by_side(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    one, two = nodes(channel, make)
    first, second = make.pair(), make.pair()
    opened = await asyncio.gather(
        one.open_pairs([make.opening(first, make.grant())]),
        two.open_pairs([make.opening(second, make.grant())]),
    )
    assert opened == [("opened",), ("opened",)]
    assert (await one.authorize([make.ask(first)])).permit is not None
    assert (await two.authorize([make.ask(second)])).permit is not None
    found = await one.pair_openers([first, second, make.pair()])
    assert {name: (opener.node, opener.retired) for name, opener in found.items()} == {
        first: (ONE, 0),
        second: (TWO, 0),
    }
    assert isinstance(await refusal(two.open_pairs([make.opening(first)])), ConflictError)
    assert await one.open_pairs([make.opening(first)]) == ("already-open",)
    assert await ledger.open_pairs([make.opening(first)]) == ("already-open",)  # by a release without names


async def test_a_retired_pair_permits_nothing_until_it_is_opened_again_as_a_whole(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    one, two = nodes(channel, make)
    lost, kept = make.pair(), make.pair()
    await one.open_pairs([make.opening(lost, make.grant())])
    await two.open_pairs([make.opening(kept, make.grant())])
    channel.clock.now += 1
    await two.retire_pairs([lost], ONE)
    held = await one.read_pair(lost)
    assert held is not None
    assert (held.epoch, held.node, held.retired, held.consents) == (
        2,
        ONE,
        channel.clock.now,
        (make.grant(),),
    )
    answer = await one.authorize([make.ask(lost), make.ask(kept)])
    assert [entry.decision.reason for entry in answer.entries] == ["pair-not-open", "consent"]
    await two.retire_pairs([lost], ONE)  # changes nothing
    assert await one.read_pair(lost) == held
    # What the patient attested, a new opening carries on.
    assert isinstance(await refusal(two.open_pairs([make.opening(lost)])), ForbiddenError)
    assert await two.open_pairs([make.opening(lost, make.grant(version=2))]) == ("opened",)
    held = await two.read_pair(lost)
    assert held is not None
    assert (held.epoch, held.node, held.retired, held.opened) == (3, TWO, 0, channel.clock.now)
    assert (await two.authorize([make.ask(lost)])).permit is not None
    assert [one.pair.epoch for one in (await two.pair_history(lost)).versions] == [3, 2, 1]


async def test_the_own_pair_is_retired_too_and_takes_entries_of_what_was_done(
    embedded: Any, make: Any
) -> None:
    one, two = nodes(embedded, make)
    await one.found_policy(Policy(version=1, members=(make.A,), rules=(OWN_CARE,)))
    pair = make.pair()
    await one.open_pairs([make.opening(pair, recipient=make.A)])
    await two.retire_pairs([pair], ONE)
    answer = await one.authorize([make.ask(pair, recipient=make.A)])
    assert answer.permit is None
    await one.record([RecordedEvent(pair, "TREAT", "update", "0a" * 16, "0b" * 32, "0c" * 32)])
    reasons = sorted(entry.reason for entry in (await one.pair_log(pair)).entries)
    assert reasons == ["pair-not-open", "recorded"]
    assert await one.open_pairs([make.opening(pair, recipient=make.A)]) == ("opened",)
    assert (await one.authorize([make.ask(pair, recipient=make.A)])).permit is not None


async def test_a_refused_retirement_retires_none(ledger: LedgerClient, channel: Any, make: Any) -> None:
    one, two = nodes(channel, make)
    lost, unnamed = make.pair(), make.pair()
    await one.open_pairs([make.opening(lost)])
    await ledger.open_pairs([make.opening(unnamed)])
    for names, node, kind in (
        ([lost, unnamed], ONE, ConflictError),
        ([lost, unnamed], "", ConflictError),
        ([lost], TWO, ConflictError),
        ([lost, make.pair()], ONE, NotFoundError),
        ([lost, lost], ONE, BadArgumentError),
        ([lost], "no node", BadArgumentError),
        ([lost, "x"], ONE, BadArgumentError),
    ):
        assert isinstance(await refusal(two.retire_pairs(names, node)), kind)
    many = tuple(make.pair() for _ in range(BATCH_LIMIT + 1))
    for pairs in ((), many):
        call = channel.member(make.A).submit("consent:retire", encode(RetirePairs(pairs, ONE)))
        assert isinstance(await refusal(call), BadArgumentError)
    assert isinstance(await refusal(one.pair_openers([lost, lost])), BadArgumentError)
    bad = LedgerClient(channel.member(make.A), node="no node")
    assert isinstance(await refusal(bad.open_pairs([make.opening(make.pair())])), BadArgumentError)
    openers = await one.pair_openers([lost, unnamed])
    assert [(opener.node, opener.retired) for opener in openers.values()] == [(ONE, 0), ("", 0)]


async def test_many_pairs_are_retired_in_some_transactions(simulated: Any, make: Any) -> None:
    one, two = nodes(simulated, make)
    await one.found_policy(Policy(1, (make.A, make.B), ()))
    names = [make.pair() for _ in range(BATCH_LIMIT + 7)]
    for start in range(0, len(names), BATCH_LIMIT):
        await one.open_pairs([make.opening(name) for name in names[start : start + BATCH_LIMIT]])
    await two.retire_pairs(names, ONE)
    openers = await two.pair_openers(names)
    assert len(openers) == len(names)
    assert all(opener.retired for opener in openers.values())


async def test_no_member_retires_anothers_pairs(simulated: Any, make: Any) -> None:
    owner, other = (LedgerClient(simulated.member(name), node=ONE) for name in (make.A, make.B))
    await owner.found_policy(Policy(1, (make.A, make.B), ()))
    pair, shared = make.pair(), make.pair()
    await owner.open_pairs([make.opening(pair, make.grant()), make.opening(shared, make.grant())])
    await other.open_pairs([make.opening(shared, recipient=make.A)])
    assert isinstance(await refusal(other.retire_pairs([pair], ONE)), NotFoundError)
    await other.retire_pairs([shared], ONE)  # its own, of the same name
    for name in (pair, shared):
        assert (await owner.authorize([make.ask(name)])).permit is not None


class Held(NamedTuple):
    """A pair as the model has it."""

    node: str
    retired: bool
    granted: int  # the version of the patient's grant, 0 for none


NAMES = tuple(secrets.token_hex(16) for _ in range(3))
NODES = (("A", ONE), ("A", TWO), ("A", ""), ("B", ONE))
STEPS = st.tuples(
    st.sampled_from(["open", "open", "retire", "file"]),
    st.sampled_from(NODES),
    st.sampled_from(NAMES),
    st.integers(0, 3),
    st.sampled_from([ONE, TWO, ""]),
)


class Modelled:
    """A channel of two organisations, one of which has several nodes, beside a model of its pairs."""

    def __init__(self, simulation: Any, make: Any) -> None:
        state, self.make = simulation.Simulated(simulation.Clock()), make
        self.clients = {
            (org, node): LedgerClient(simulation.Member(state, getattr(make, org)), node=node)
            for org, node in NODES
        }
        self.pairs: dict[tuple[str, str], Held] = {}

    async def take(self, step: tuple[str, tuple[str, str], str, int, str]) -> None:
        kind, who, name, version, node = step
        held, client = self.pairs.get((who[0], name)), self.clients[who]
        recipient = self.make.B if who[0] == "A" else self.make.A
        terms = (self.make.grant(version=version),) if version else ()
        if kind == "open":
            expected, held = opened(held, who[1], version)
            call: Any = client.open_pairs([self.make.opening(name, *terms, recipient=recipient)])
        elif kind == "retire":
            fits = held is not None and held.node == node
            expected = "retired" if fits else "refused"
            held = held._replace(retired=True) if held is not None and fits else held
            call = client.retire_pairs([name], node)
        else:
            newer = held is not None and version > held.granted
            expected = "filed" if newer else "refused"
            held = held._replace(granted=version) if held is not None and newer else held
            call = client.publish_terms([(name, self.make.grant(version=version or 1))]) if version else None
        if call is None:
            return
        try:
            done = await call
        except RefusedError:
            assert expected == "refused"
        else:
            assert expected != "refused"
            assert kind != "open" or done == (expected,)
        if held is not None:
            self.pairs[who[0], name] = held

    async def compare(self) -> None:
        for org, asked in (("A", self.make.B), ("B", self.make.A)):
            [client] = [one for (of, node), one in self.clients.items() if of == org and node == ONE]
            openers = await client.pair_openers(NAMES)
            for name in NAMES:
                held = self.pairs.get((org, name))
                found = openers.get(name)
                assert (held is None) == (found is None)
                if held is not None and found is not None:
                    assert (found.node, bool(found.retired)) == (held.node, held.retired)
                answer = await client.authorize([self.make.ask(name, recipient=asked)])
                permits = org == "A" and held is not None and held.granted > 0 and not held.retired
                assert (answer.permit is not None) == permits


def opened(held: Held | None, node: str, version: int) -> tuple[str, Held | None]:
    """Return the outcome of an opening by `node` with the grant in `version`, and the pair afterwards."""
    new = Held(node, retired=False, granted=version)
    if held is None:
        return "opened", new
    if held.retired:
        return ("opened", new) if version >= held.granted else ("refused", held)
    if node and held.node and held.node != node:
        return "refused", held
    return "already-open", held


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
def test_whatever_nodes_open_and_retire_each_organisation_has_its_own_pairs(
    simulation: Any, make: Any, steps: list[Any]
) -> None:
    async def play() -> None:
        modelled = Modelled(simulation, make)
        founder = modelled.clients["A", ONE]
        await founder.found_policy(Policy(1, (make.A, make.B), ()))
        for step in steps:
            await modelled.take(step)
        await modelled.compare()

    asyncio.run(play())
