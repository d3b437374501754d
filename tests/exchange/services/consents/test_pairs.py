"""Pairs open when needed and hold the expected terms; excess is refused before it is stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from chaincode.consent.calls import OpenPairs, PublishTerms
from chaincode.consent.limits import ACTIVE_CONSENTS, ALL_CONSENTS, PROVISIONS, TERMS
from chaincode.consent.model import Period
from chaincode.encoding import decode
from chaincode.policy.calls import CurrentPolicy
from chaincode.policy.model import Policy, PolicyRule
from exchange.consent.expected_terms import may_permit
from exchange.consent.provisions import NamedCondition, NamedProvision
from exchange.errors import TooCostlyError, UnavailableError
from exchange.ledger.projection import Projection
from exchange.services.consents import pairs, publish
from exchange.services.consents.expected import seal_consent
from exchange.services.consents.followed_policy import POLICY_SECONDS
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.migrations.create import create_log
from exchange.store.records import outbox, watched
from exchange.store.records import subjects as store
from tests.support.pairs_site import MEMBERS, A, B, C, Site, draft, opened_site, towards

NOW = time.time_ns() // 1_000_000


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened_site() as opened:
        yield opened


def calls(site: Site) -> list[str]:
    """Return the functions that the ledger was asked for since the last time."""
    found = [function for function, _ in site.ledger.submitted]
    site.ledger.submitted.clear()
    return found


async def states(site: Site, recipient: str) -> list[tuple[str, int]]:
    """Return status and version of each consent that the patient's pair towards `recipient` holds."""
    held = await site.held(recipient)
    assert held is not None
    return [(terms.status, terms.version) for terms in held.consents]


# -- which pairs open ------------------------------------------------------------


async def test_a_pair_opens_at_the_first_request_that_its_terms_might_permit(site: Site) -> None:
    assert not await site.ensure(B)
    await site.put(draft("c", [towards(B)]))
    assert await site.held(B) is None
    assert await site.ensure(B)
    assert await states(site, B) == [("active", 1)]
    assert not await site.ensure(C)


@pytest.mark.parametrize(
    "drafts",
    [
        [draft("c", [towards(B, effect="deny")])],
        [draft("c", [towards(B)], status="inactive")],
        [draft("c", [towards(B)], status="unfiled")],
        [draft("c", [towards(B, period=Period(end=NOW - 1))])],
        [draft("c", [towards(B)]), draft("d", [towards(B, effect="deny")])],
        [draft("c", [towards(B)]), draft("d", [NamedProvision("deny")])],
        [draft("c", [NamedProvision("permit", exceptions=(towards(B, effect="deny"),))])],
    ],
    ids=["denied", "ended", "proposed", "expired", "denied beside", "denied to all", "denied within"],
)
async def test_no_pair_opens_for_a_recipient_to_whom_nothing_is_permitted(site: Site, drafts: Any) -> None:
    await site.put(*drafts)
    assert not await site.ensure(B)
    assert await site.held(B) is None


@pytest.mark.parametrize(
    "rule",
    [
        towards(B, period=Period(start=NOW + 10**9)),
        NamedProvision("permit", exceptions=(towards(B, effect="deny", purposes=("HRESCH",)),)),
        NamedProvision("permit", exceptions=(towards(C, effect="deny"),)),
        NamedProvision("deny", exceptions=(towards(B),)),
    ],
    ids=["later", "denied in part", "denied to another", "permitted within"],
)
async def test_a_pair_opens_where_something_may_be_permitted(site: Site, rule: NamedProvision) -> None:
    await site.put(draft("c", [rule]))
    assert await site.ensure(B)


async def test_an_open_pair_stays_open_and_gets_every_change(site: Site) -> None:
    await site.put(draft("c", [towards(B)]))
    assert await site.ensure(B)
    await site.put(draft("c", [towards(B)], status="inactive"))
    await site.put(draft("d", [towards(B, effect="deny")]))
    assert await site.ensure(B)
    assert sorted(await states(site, B)) == [("active", 1), ("inactive", 2)]
    site.restart()
    assert await site.ensure(B)


async def test_a_pair_opens_for_what_the_policy_permits_to_members() -> None:
    health = PolicyRule("health", "member", "patient", ("PUBHLTH",))
    async with opened_site(health) as site:
        assert await site.ensure(B)
        await site.put(draft("c", [towards(C, effect="deny")]))
        assert await site.ensure(C)


async def test_the_policy_is_read_again_after_a_while(site: Site, monkeypatch: Any) -> None:
    assert not await site.ensure(B)
    policy = (await site.client.read_policy()).policy
    assert policy is not None
    health = PolicyRule("health", "member", "patient", ("PUBHLTH",))
    changed = msgspec.structs.replace(policy, version=2, rules=(health,))
    monkeypatch.setattr(site.client, "read_policy", _answer(CurrentPolicy(changed, {})))
    assert not await site.ensure(B)
    site.later += POLICY_SECONDS
    assert await site.ensure(B)


async def test_a_pair_opens_for_a_newcomer_once_the_policy_admits_it_and_not_before(
    site: Site, monkeypatch: Any
) -> None:
    """A pair closed for want of membership must not stay closed when a running gateway reads the policy."""
    await site.put(draft("c", [towards(B)]))
    held = await site.client.read_policy()
    without = Policy(version=2, members=(A, C), rules=())
    monkeypatch.setattr(site.client, "read_policy", _answer(CurrentPolicy(without, {})))
    site.later += POLICY_SECONDS
    calls(site)
    assert not await site.ensure(B)
    assert calls(site) == []  # nothing is asked that the contract would refuse
    assert await site.ensure(A)
    monkeypatch.setattr(site.client, "read_policy", _answer(held))
    site.later += POLICY_SECONDS
    assert await site.ensure(B)
    assert await states(site, B) == [("active", 1)]


async def test_a_gateway_that_follows_the_ledger_knows_a_new_policy_at_once(tmp_path: Path) -> None:
    async with opened_site(voters=(A,)) as site, AsyncExitStack() as stack:
        entries = Database(tmp_path / "log.db", log_tables.metadata, durable=False, begin=create_log)
        stack.callback(entries.close)
        heard = asyncio.Event()

        def changed() -> None:
            site.pairs.policy_changed()
            heard.set()

        projection = Projection(site.ledger, entries, policy_changed=changed)
        await site.client.propose_policy(Policy(version=2, members=(A, C), voters=(A,), rules=()))
        await projection.start()
        stack.push_async_callback(projection.close)
        async with asyncio.timeout(10):
            await heard.wait()
        await site.put(msgspec.structs.replace(draft("c", [towards(B)]), filed=2**52))
        assert not await site.ensure(B)
        heard.clear()
        await site.client.propose_policy(Policy(version=3, members=(A, B, C), voters=(A,), rules=()))
        async with asyncio.timeout(10):
            await heard.wait()
        assert await site.ensure(B)


async def test_a_policy_that_changes_while_it_is_read_is_read_again(site: Site, monkeypatch: Any) -> None:
    await site.put(draft("c", [towards(B)]))
    held = await site.client.read_policy()
    without = Policy(version=2, members=(A, C), rules=())

    async def overtaken() -> Any:
        site.pairs.policy_changed()
        monkeypatch.setattr(site.client, "read_policy", _answer(held))
        return CurrentPolicy(without, {})

    monkeypatch.setattr(site.client, "read_policy", overtaken)
    assert not await site.ensure(B)
    assert await site.ensure(B)


@pytest.mark.parametrize("fate", ["never", "answer-lost"])
async def test_a_pair_begun_towards_who_has_left_holds_no_change_of_consent_up(fate: Any) -> None:
    async with opened_site(voters=(A,)) as site:
        await site.put(draft("c", [towards(B, C)]))
        site.ledger.fates.append(fate)
        with pytest.raises(UnavailableError):
            await site.ensure(B)  # begun, with an unknown outcome
        assert await site.ensure(C)
        await site.client.propose_policy(Policy(version=2, members=(A, C), voters=(A,), rules=()))
        await site.put(draft("c", [towards(B, C)], status="inactive"))  # does not wait for a former member
        assert await states(site, C) == [("inactive", 2)]
        if fate == "answer-lost":
            assert await states(site, B) == [("inactive", 2)]
        await site.client.propose_policy(Policy(version=3, members=(A, B, C), voters=(A,), rules=()))
        site.later += POLICY_SECONDS
        assert await site.ensure(B)
        assert await states(site, B) == [("inactive", 2)]  # as it should be by now


def _answer(value: Any) -> Any:
    async def answer() -> Any:
        return value

    return answer


async def test_patients_with_an_open_pair_are_listed_in_one_order(site: Site) -> None:
    patients = [await site.patient(f"p{n}") for n in range(7)]
    assert await site.pairs.ensure(patients, A) == {keys.token for keys in patients}
    listed = await site.pairs.open_towards(A, limit=7)
    assert listed == sorted(keys.token for keys in patients)
    assert await site.pairs.open_towards(A, limit=3) == listed[:3]
    assert await site.pairs.open_towards(B, limit=7) == []


async def test_naming_a_patient_twice_is_naming_her_once(site: Site) -> None:
    keys = await site.patient()
    assert await site.pairs.ensure([keys, keys], A) == {keys.token}
    assert calls(site) == ["consent:open"]


# -- what is asked again ---------------------------------------------------------


@pytest.mark.parametrize("consented", [False, True])
async def test_asking_again_costs_nothing_more(site: Site, consented: bool, monkeypatch: Any) -> None:
    if consented:
        await site.put(draft("c", [towards(B)]), draft("d", [towards(B, effect="deny")]))
    opened = await site.ensure(C), await site.ensure(B)
    looks: list[Any] = []
    read = site.records.read
    monkeypatch.setattr(site.records, "read", lambda work: looks.append(work) or read(work))
    calls(site)
    for _ in range(3):
        assert (await site.ensure(C), await site.ensure(B)) == opened
    assert (looks, calls(site)) == ([], [])


async def test_what_was_closed_is_looked_at_anew_after_a_change(site: Site) -> None:
    assert not await site.ensure(B)
    await site.put(draft("c", [towards(B)]))
    assert await site.ensure(B)


async def test_many_patients_without_consents_take_one_look(site: Site, monkeypatch: Any) -> None:
    patients = [await site.patient(f"p{n}") for n in range(50)]
    looks: list[Any] = []
    read = site.records.read
    monkeypatch.setattr(site.records, "read", lambda work: looks.append(work) or read(work))
    assert await site.pairs.ensure(patients, B) == frozenset()
    assert len(looks) == 2


# -- ends that reach every pair --------------------------------------------------


async def test_an_end_is_filed_where_the_consent_was_ever_asked_for(site: Site) -> None:
    await site.put(draft("c", [towards(B)]))
    site.ledger.fates.append("late")
    with pytest.raises(UnavailableError):
        await site.ensure(B)
    await site.put(draft("c", [], status="inactive"))
    assert await states(site, B) == [("inactive", 2)]
    await site.ledger.deliver(0)
    assert await states(site, B) == [("inactive", 2)]


async def test_a_late_grant_does_not_overtake_the_end_of_a_consent(site: Site) -> None:
    await site.put(draft("other", [towards(B)]))
    assert await site.ensure(B)
    site.ledger.fates.append("late")
    with pytest.raises(UnavailableError):
        await site.put(draft("c", [towards(B)]))
    await site.put(draft("c", [], status="inactive"))
    await site.ledger.deliver(0)
    assert sorted(await states(site, B)) == [("active", 1), ("inactive", 2)]


async def test_an_end_leaves_pairs_alone_that_the_consent_never_concerned(site: Site) -> None:
    await site.put(draft("b", [towards(B)]), draft("c", [towards(C)]))
    assert await site.ensure(B)
    assert await site.ensure(C)
    calls(site)
    await site.put(draft("c", [towards(C)], status="inactive"))
    (function, args) = site.ledger.submitted[0]
    assert [function] == calls(site)
    assert len(decode(args, PublishTerms).updates) == 1
    assert await states(site, B) == [("active", 1)]


async def test_no_transaction_holds_two_pairs_of_one_patient(site: Site) -> None:
    await site.put(draft("c", [towards(A, B, C)]))
    for recipient in (B, C):
        await site.ensure(recipient)
    await site.put(draft("c", [towards(A, B, C)]), draft("d", [towards(A, B, C)]))
    for function, args in site.ledger.submitted:
        if function == "consent:open":
            assert len(decode(args, OpenPairs).openings) == 1
        else:
            assert len({one.pair for one in decode(args, PublishTerms).updates}) == 1


# -- rows that somebody removed or changed ---------------------------------------

ROWS = [
    (store.pairs,),
    (store.requested_consents,),
    (store.pairs, store.requested_consents),
    (store.pairs, store.requested_consents, store.grants),
]


async def lose(site: Site, tables: Any, *recipients: str) -> None:
    """Delete the rows of `tables` towards `recipients`."""
    statements = [table.delete().where(table.c.recipient.in_(recipients)) for table in tables]
    await site.records.write(lambda c: [c.execute(statement) for statement in statements])


async def open_rows(site: Site) -> set[str]:
    keys = await site.patient()
    return {row.recipient for row in await site.records.read(lambda c: store.pairs_of(c, keys.token))}


@pytest.mark.parametrize("tables", ROWS, ids=lambda tables: "+".join(one.name for one in tables))
@pytest.mark.parametrize(
    "narrower",
    [
        draft("c", [], status="inactive"),
        draft("c", [], status="unfiled"),
        draft("c", [towards(C)]),
        draft("c", [towards(B, effect="deny")]),
        draft("d", [towards(B, effect="deny")]),
        draft("d", [NamedProvision("deny")]),
    ],
    ids=["ended", "proposed", "for another", "denied", "denied beside", "denied to all"],
)
async def test_what_narrows_reaches_every_pair_whatever_rows_are_left(
    site: Site, narrower: Any, tables: Any
) -> None:
    await site.put(draft("c", [towards(A, B)]))
    assert await site.ensure(A)
    assert await site.ensure(B)
    await lose(site, tables, A, B)
    await site.put(narrower)
    held = await site.held(B)
    assert held is not None
    assert not may_permit(held.consents, B, NOW)
    assert await open_rows(site) == {A, B}


async def test_a_change_of_many_consents_ends_each_where_it_is_held(site: Site) -> None:
    await site.put(draft("b", [towards(B)]), draft("c", [towards(C)]), draft("d", [towards(B, C)]))
    assert await site.ensure(B)
    assert await site.ensure(C)
    await lose(site, ROWS[-1], B, C)
    await site.put(*(draft(name, [], status="inactive") for name in "bcd"))
    assert await states(site, B) == await states(site, C) == [("inactive", 2)] * 2


async def test_an_end_waits_until_the_ledger_says_where_it_belongs(site: Site, monkeypatch: Any) -> None:
    await site.put(draft("c", [towards(B)]))
    assert await site.ensure(B)
    await lose(site, ROWS[-1], B)

    async def unreachable(pair: str) -> Any:
        raise UnavailableError("the ledger does not answer")

    with monkeypatch.context() as away:
        away.setattr(site.client, "read_pair", unreachable)
        with pytest.raises(UnavailableError):
            await site.put(draft("c", [], status="inactive"))
        with pytest.raises(UnavailableError):
            await site.ensure(B)
    assert await site.ensure(B)
    assert await states(site, B) == [("inactive", 2)]


async def test_rows_of_another_pair_that_are_missing_or_false_do_no_harm(site: Site) -> None:
    keys = await site.patient()
    await site.put(draft("b", [towards(B)]), draft("c", [towards(C)]))
    assert await site.ensure(B)
    assert await site.ensure(C)
    await lose(site, ROWS[-1], C)
    calls(site)
    await site.put(draft("b", [], status="inactive"))
    assert calls(site) == ["consent:file"]  # no transaction names the other pair
    assert await states(site, B) == [("inactive", 2)]
    assert await states(site, C) == [("active", 1)]
    site.restart()
    assert await site.ensure(C)
    assert await open_rows(site) == {A, B, C}

    renamed = store.pairs.update().values(pair="f" * 32)
    await site.records.write(lambda c: c.execute(renamed))
    await site.put(draft("c", [], status="inactive"))
    assert await states(site, C) == [("inactive", 2)]
    assert keys.token in await site.pairs.ensure([keys], B)


async def test_a_row_that_says_falsely_that_a_pair_is_open_holds_no_end_up(site: Site) -> None:
    keys = await site.patient()
    await site.put(draft("c", [towards(B)]))
    assert await site.ensure(B)
    row = {"subject": keys.token, "recipient": C, "pair": "f" * 32, "opened": True}
    await site.records.write(lambda c: c.execute(store.pairs.insert().values(row)))
    await site.put(draft("c", [], status="inactive"))
    assert await states(site, B) == [("inactive", 2)]
    assert await site.held(C) is None


async def test_a_grant_that_is_new_asks_the_ledger_for_no_pair(site: Site, monkeypatch: Any) -> None:
    asked: list[str] = []
    read = site.client.read_pair
    monkeypatch.setattr(site.client, "read_pair", lambda pair: asked.append(pair) or read(pair))
    await site.put(*(draft(f"c{n}", [towards(B, C)]) for n in range(20)))
    assert asked == []
    await site.put(draft("c0", [], status="inactive"))
    assert len(asked) == len(set(asked)) == len(MEMBERS)


# -- what is refused before it is stored -----------------------------------------


def classes(size: int) -> tuple[str, ...]:
    return tuple(f"Class{n:05d}" for n in range(size // 13))


def large(size: int) -> NamedProvision:
    """Return a rule for B that takes about `size` bytes."""
    return towards(B, classes=classes(size))


def wide(provisions: int) -> NamedProvision:
    """Return a rule for B with so many provisions in it."""
    denied = tuple(
        NamedProvision("deny", NamedCondition(classes=(f"Class{n}",))) for n in range(provisions - 1)
    )
    return NamedProvision("permit", towards(B).when, denied)


async def refused(site: Site, *drafts: Any) -> str:
    before = dict(site.stored)
    with pytest.raises(TooCostlyError) as caught:
        await site.put(*drafts)
    assert site.stored == before
    (problem,) = caught.value.problems
    assert problem.path == "Consent"
    return problem.message


async def test_a_consent_larger_than_a_pair_is_refused_by_name(site: Site) -> None:
    assert str(TERMS) in await refused(site, draft("c", [large(TERMS)]))
    assert str(PROVISIONS) in await refused(site, draft("c", [wide(PROVISIONS)]))
    await site.put(draft("c", [large(TERMS - 1_000)]))
    assert await site.ensure(B)


async def test_consents_are_measured_together(site: Site) -> None:
    await site.put(draft("c", [large(TERMS // 2)]))
    assert str(TERMS) in await refused(site, draft("d", [large(TERMS // 2)]))
    await site.put(draft("d", [large(TERMS // 4)]))
    assert str(TERMS) in await refused(site, draft("d", [large(TERMS // 2)]))
    await site.put(draft("c", [], status="inactive"))
    await site.put(draft("d", [large(TERMS // 2)]))
    assert await site.ensure(B)


async def test_consents_of_one_write_are_measured_together(site: Site) -> None:
    half = wide(PROVISIONS // 2)
    assert str(PROVISIONS) in await refused(site, draft("c", [half]), draft("d", [half]))


async def test_what_does_not_concern_a_recipient_is_not_measured_for_it(site: Site) -> None:
    await site.put(draft("c", [large(TERMS // 2)]))
    elsewhere = towards(C, classes=classes(TERMS // 2))
    await site.put(draft("d", [elsewhere]))
    assert await site.ensure(B)
    assert await site.ensure(C)


async def test_consents_trade_places_in_one_write(site: Site) -> None:
    await site.put(draft("c", [large(TERMS * 3 // 4)]), draft("d", [large(100)]))
    assert await site.ensure(B)
    await site.put(draft("d", [large(TERMS * 3 // 4)]), draft("c", [large(100)]))
    assert await states(site, B) == [("active", 2), ("active", 2)]


async def test_a_full_patient_takes_no_more_consents_but_every_change_and_end(site: Site) -> None:
    active = [draft(f"c{n}", [NamedProvision("permit")]) for n in range(ACTIVE_CONSENTS)]
    await site.put(*active)
    assert await site.ensure(B)
    assert str(ACTIVE_CONSENTS) in await refused(site, draft("more", [NamedProvision("permit")]))
    over = [draft(f"d{n}", [], status="inactive") for n in range(ALL_CONSENTS - ACTIVE_CONSENTS)]
    await site.put(*over)
    for status in ("inactive", "unfiled", "active"):
        assert str(ALL_CONSENTS) in await refused(site, draft("more", [towards(C)], status=status))
    await site.put(*(draft(f"c{n}", [towards(B)]) for n in range(ACTIVE_CONSENTS)))
    await site.put(*(draft(f"c{n}", [], status="inactive") for n in range(ACTIVE_CONSENTS)))
    assert set(await states(site, B)) == {("inactive", 3)}


# -- what the contract refuses all the same --------------------------------------


async def stored_unmeasured(site: Site, monkeypatch: Any, *drafts: Any) -> None:
    """Store terms as an earlier release, with wider bounds, might have."""
    with monkeypatch.context() as earlier:
        earlier.setattr(pairs, "check_bounds", lambda *_, **__: None)
        await site.put(*drafts)


async def test_an_opening_that_the_contract_refuses_counts_as_closed(site: Site, monkeypatch: Any) -> None:
    await stored_unmeasured(site, monkeypatch, draft("c", [large(TERMS)]))
    calls(site)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert not await site.ensure(B)
    assert calls(site) == ["consent:open"]
    assert [(line["event"], line["log_level"]) for line in logs] == [("pair.not_opened", "warning")]
    assert await site.ensure(A)
    await site.put(draft("c", [large(100)]))
    assert await site.ensure(B)


async def test_one_opening_of_many_that_is_refused_leaves_the_others(site: Site, monkeypatch: Any) -> None:
    patients = [await site.patient(name) for name in ("q", "r", "p")]
    seen = publish.DesiredConsents.opening

    def broken(self: Any, recipient: str) -> Any:
        opening = seen(self, recipient)
        return opening if self.keys is not patients[2] else type(opening)("no name", recipient, "patient")

    monkeypatch.setattr(publish.DesiredConsents, "opening", broken)
    assert await site.pairs.ensure(patients, A) == {keys.token for keys in patients[:2]}


async def test_a_refused_filing_stops_requests_of_that_recipient_alone(site: Site, monkeypatch: Any) -> None:
    await site.put(draft("c", [towards(B, C)]))
    for recipient in (B, C):
        assert await site.ensure(recipient)
    with pytest.raises(UnavailableError):
        await stored_unmeasured(site, monkeypatch, draft("c", [large(TERMS)]))
    with pytest.raises(UnavailableError):
        await site.ensure(B)
    assert await site.ensure(A)
    assert await site.ensure(C)
    assert await states(site, C) == [("inactive", 2)]
    assert await site.pairs.publish_all() == 0
    await site.put(draft("c", [large(100)]))
    assert await site.ensure(B)


# -- while a change waits --------------------------------------------------------


async def revoked_without_answer(site: Site, fate: Any = "never") -> None:
    await site.put(draft("c", [towards(B)]))
    assert await site.ensure(B)
    site.ledger.fates.append(fate)
    with pytest.raises(UnavailableError):
        await site.put(draft("c", [], status="inactive"))


async def test_a_change_that_could_not_be_filed_is_in_force_for_the_next_request(site: Site) -> None:
    await revoked_without_answer(site)
    assert await states(site, B) == [("active", 1)]
    await site.ensure(B)
    assert await states(site, B) == [("inactive", 2)]


@pytest.mark.parametrize("recipient", [A, B, C])
async def test_while_the_ledger_takes_no_change_nothing_is_asked(site: Site, recipient: str) -> None:
    await revoked_without_answer(site)
    site.ledger.fates.extend(["never"])
    with pytest.raises(UnavailableError):
        await site.ensure(recipient)
    await site.ensure(recipient)
    assert await states(site, B) == [("inactive", 2)]


async def test_a_change_that_waits_is_known_after_a_restart(site: Site) -> None:
    await revoked_without_answer(site)
    site.restart()
    site.ledger.fates.append("never")
    assert await site.pairs.publish_all() == 0
    await site.ensure(B)
    assert await states(site, B) == [("inactive", 2)]


async def test_one_patient_whose_change_waits_keeps_no_other_waiting(site: Site) -> None:
    await revoked_without_answer(site)
    other = await site.patient("q")
    site.ledger.fates.append("commits")
    assert await site.pairs.ensure([other], A) == {other.token}


async def test_a_write_goes_on_while_a_change_waits(site: Site) -> None:
    await revoked_without_answer(site)
    calls(site)
    await site.pairs.open_own([await site.patient()])
    assert calls(site) == []


async def test_a_change_goes_on_when_its_caller_is_gone(site: Site) -> None:
    await site.put(draft("c", [towards(B)]))
    assert await site.ensure(B)
    began, go_on = asyncio.Event(), asyncio.Event()
    write = site.records.write

    async def slow(work: Any) -> Any:
        began.set()
        await go_on.wait()
        return await write(work)

    site.records.write = slow  # type: ignore[method-assign]
    caller = asyncio.create_task(site.put(draft("c", [], status="inactive")))
    await began.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    reader = asyncio.create_task(site.ensure(B))
    await asyncio.sleep(0.05)
    assert not reader.done()
    go_on.set()
    assert await reader
    assert await states(site, B) == [("inactive", 2)]


async def test_nothing_is_left_in_the_outbox(site: Site) -> None:
    await revoked_without_answer(site)
    keeping = asyncio.create_task(site.pairs.keep_publishing())
    assert await site.pairs.publish_all() == 1
    keeping.cancel()
    assert await site.records.read(lambda c: outbox.count(c, watched.CONSENTS)) == 0
    assert await site.pairs.publish_all() == 0


def test_every_member_of_the_tests_is_one() -> None:
    assert set(MEMBERS.values()) == {A, B, C}


async def test_a_member_that_is_admitted_again_wakes_no_grant_of_before() -> None:
    async with opened_site(voters=(A,)) as site:
        await site.put(
            draft("old", [towards(B)]), draft("kept", [towards(B, effect="deny", purposes=("HRESCH",))])
        )
        assert await site.ensure(B)
        for version, members in ((2, (A, C)), (3, (A, B, C))):
            await site.client.propose_policy(Policy(version, members, voters=(A,), rules=()))
        site.pairs.policy_changed()
        patient = await site.patient()
        assert await site.ensure(B)  # as far as this process knows; the contract knows better
        await site.pairs.noticed(B, [patient.token])
        assert await site.ensure(B)
        held = await site.held(B)
        assert held is not None
        assert [one.only_denies for one in held.consents] == [True, True]
        await site.put(msgspec.structs.replace(draft("new", [towards(B)]), filed=2**52))
        site.restart()
        assert await site.ensure(B)
        held = await site.held(B)
        assert held is not None
        assert sorted(one.only_denies for one in held.consents) == [False, True, True]


async def test_a_grant_reaches_a_member_that_was_admitted_again_at_once() -> None:
    async with opened_site(voters=(A,)) as site:
        await site.put(draft("old", [towards(B)]))
        assert await site.ensure(B)
        for version, members in ((2, (A, C)), (3, (A, B, C))):
            await site.client.propose_policy(Policy(version, members, voters=(A,), rules=()))
        site.pairs.policy_changed()
        await site.pairs.members_now()
        await site.put(msgspec.structs.replace(draft("new", [towards(B)]), filed=2**52))
        held = await site.held(B)
        assert held is not None
        assert (held.epoch, sorted(one.only_denies for one in held.consents)) == (3, [False, True])


async def test_a_pair_stays_closed_where_another_record_of_the_patient_denies_all(site: Site) -> None:
    other = await site.patient("q")
    patient = await site.patient()
    await site.put(draft("c", [towards(B)]))
    denial = seal_consent(other, site.reference("d"), 1, draft("d", [towards(B, effect="deny")]))
    await site.records.write(lambda c: store.put_consent(c, other.token, denial, due=2**60))
    linked = [(b"r" * 16, (patient.token, other.token))]
    site.pairs.relinked(site.links.learn(linked))
    assert not await site.ensure(B)
    site.pairs.relinked(site.links.learn([(b"r" * 16, (patient.token,))]))
    assert await site.ensure(B)
