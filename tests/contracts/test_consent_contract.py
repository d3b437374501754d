"""Opening pairs and publishing terms: the callers that may, the refusals, and the history afterwards."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chaincode.consent.calls import HISTORY_LIMIT, PairHistory
from chaincode.consent.limits import (
    ACTIVE_CONSENTS,
    ALL_CONSENTS,
    CREDENTIALS,
    PROVISIONS,
    TERMS,
    VALUE,
    VERSION,
)
from chaincode.consent.model import DEPTH, Condition, Pair, Provision, Terms, ended
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from chaincode.policy.model import Policy
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError


async def refusal(call: Any) -> Exception:
    with pytest.raises(RefusedError) as caught:
        await call
    return caught.value.reason


def nested(depth: int) -> Provision:
    node = Provision(effect="permit")
    for _ in range(depth - 1):
        node = Provision(effect="deny", exceptions=(node,))
    return node


async def test_an_opened_pair_holds_what_was_given(ledger: LedgerClient, channel: Any, make: Any) -> None:
    pair = make.pair()
    assert await ledger.read_pair(pair) is None
    assert await ledger.open_pairs([make.opening(pair, make.grant(), credentials=("c" * 64,))]) == ("opened",)
    held = await ledger.read_pair(pair)
    assert held is not None
    assert (held.custodian, held.recipient, held.subject) == (make.A, make.B, "patient")
    assert (held.epoch, held.consents, held.credentials) == (1, (make.grant(),), ("c" * 64,))
    assert held.opened == channel.clock.now


async def test_opening_again_reports_and_changes_nothing(ledger: LedgerClient, make: Any) -> None:
    old, new = make.pair(), make.pair()
    await ledger.open_pairs([make.opening(old, make.grant())])
    before = await ledger.read_pair(old)
    outcomes = await ledger.open_pairs([make.opening(old), make.opening(new)])
    assert outcomes == ("already-open", "opened")
    assert await ledger.read_pair(old) == before
    assert len((await ledger.pair_history(old)).versions) == 1


async def test_a_pair_is_not_opened_twice_towards_another(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair)])
    for changes in ({"recipient": make.A}, {"subject": "directory"}):
        wrong = make.opening(pair, **changes)
        assert isinstance(await refusal(ledger.open_pairs([wrong])), ConflictError)


async def test_a_recipient_is_a_member(ledger: LedgerClient, make: Any) -> None:
    wrong = make.opening(make.pair(), recipient=make.C)
    assert isinstance(await refusal(ledger.open_pairs([wrong])), BadArgumentError)


async def test_a_stranger_opens_nothing(consortium: Any, make: Any) -> None:
    await LedgerClient(consortium.member(make.A)).found_policy(Policy(1, (make.A, make.B), ()))
    stranger = LedgerClient(consortium.member(make.C))
    assert isinstance(await refusal(stranger.open_pairs([make.opening(make.pair())])), ForbiddenError)


@pytest.mark.parametrize("first", ["owner", "other"])
async def test_nobody_takes_or_touches_another_custodians_pair(
    consortium: Any, make: Any, first: str
) -> None:
    owner, other = (LedgerClient(consortium.member(name)) for name in (make.A, make.B))
    await owner.found_policy(Policy(1, (make.A, make.B), ()))
    pair = make.pair()
    if first == "owner":
        await owner.open_pairs([make.opening(pair, make.grant())])
    assert isinstance(await refusal(other.publish_terms([(pair, make.grant(version=2))])), NotFoundError)
    await other.open_pairs([make.opening(pair, recipient=make.A)])
    await other.publish_terms([(pair, make.grant(version=5, status="inactive"))])
    await other.authorize([make.ask(pair, recipient=make.A)])
    if first == "other":
        assert await owner.open_pairs([make.opening(pair, make.grant())]) == ("opened",)
    held = await owner.read_pair(pair)
    assert held is not None
    assert (held.custodian, held.epoch, held.consents) == (make.A, 1, (make.grant(),))
    assert (await owner.authorize([make.ask(pair)])).permit is not None
    assert len((await owner.pair_history(pair)).versions) == 1
    assert [entry.custodian for entry in (await owner.pair_log(pair)).entries] == [make.A]
    await owner.publish_terms([(pair, make.grant(version=2))])
    theirs = await other.read_pair(pair)
    assert theirs is not None
    assert (theirs.custodian, theirs.recipient, theirs.epoch) == (make.B, make.A, 2)


async def test_one_refused_opening_opens_none(ledger: LedgerClient, make: Any) -> None:
    good = make.pair()
    bad = make.opening(make.pair(), recipient=make.C)
    await refusal(ledger.open_pairs([make.opening(good), bad]))
    assert await ledger.read_pair(good) is None


async def test_filing_replaces_the_consent_of_the_same_id(ledger: LedgerClient, make: Any) -> None:
    pair, other = make.pair(), make.grant(id="2" * 32)
    await ledger.open_pairs([make.opening(pair, make.grant(), other)])
    newer = make.grant(version=2, status="inactive")
    assert (await ledger.publish_terms([(pair, newer)])).epochs == (2,)
    held = await ledger.read_pair(pair)
    assert held is not None
    assert held.consents == (ended(newer), other)


@pytest.mark.parametrize("version", [1, 2])
async def test_an_older_or_equal_version_is_refused(ledger: LedgerClient, make: Any, version: int) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair, make.grant(version=2, status="inactive"))])
    assert isinstance(
        await refusal(ledger.publish_terms([(pair, make.grant(version=version))])), ConflictError
    )


@pytest.mark.parametrize("change", ["filed", "read", "other consent", "twice in one call"])
async def test_terms_that_follow_an_epoch_are_void_at_any_other(
    ledger: LedgerClient, make: Any, change: str
) -> None:
    pair, other = make.pair(), make.grant(id="2" * 32)
    await ledger.open_pairs([make.opening(pair, make.grant(), other)])
    if change == "filed":
        await ledger.publish_terms([(pair, make.grant(version=2))], after={pair: 1})
    elif change == "other consent":
        await ledger.publish_terms([(pair, make.grant(id="2" * 32, version=2))])
    elif change == "twice in one call":  # both follow the state before the call
        both = [(pair, make.grant(version=2)), (pair, make.grant(id="2" * 32, version=2))]
        assert (await ledger.publish_terms(both, after={pair: 1})).epochs == (2, 3)
    held = await ledger.read_pair(pair)
    assert held is not None
    late = make.grant(version=9, status="inactive")
    for epoch in {1, 2, 3, 4} - {held.epoch}:
        assert isinstance(
            await refusal(ledger.publish_terms([(pair, late)], after={pair: epoch})), ConflictError
        )
    assert await ledger.read_pair(pair) == held
    await ledger.publish_terms([(pair, late)], after={pair: held.epoch})


async def test_a_revoked_consent_stays_so_that_no_old_version_comes_back(
    ledger: LedgerClient, make: Any
) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair, make.grant())])
    await ledger.publish_terms([(pair, make.grant(version=2, status="inactive"))])
    assert isinstance(await refusal(ledger.publish_terms([(pair, make.grant())])), ConflictError)


REPLACING: dict[str, dict[str, Any]] = {
    "changed": {"root": Provision("permit")},
    "weakened": {"root": Provision("none")},
    "ended": {"status": "inactive"},
    "re-sent": {},
}


@pytest.mark.parametrize("status", ["active", "inactive"])
@pytest.mark.parametrize("name", REPLACING)
async def test_only_the_patient_replaces_what_the_patient_attested(
    ledger: LedgerClient, make: Any, name: str, status: str
) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair, make.grant(status=status))])
    before = await ledger.read_pair(pair)
    theirs = make.grant(version=2, attested="organization", **REPLACING[name])
    own = make.grant(id="2" * 32, attested="organization")
    assert isinstance(await refusal(ledger.publish_terms([(pair, theirs)])), ForbiddenError)
    assert isinstance(await refusal(ledger.publish_terms([(pair, own), (pair, theirs)])), ForbiddenError)
    assert await ledger.read_pair(pair) == before
    await ledger.publish_terms([(pair, own)])
    assert await ledger.open_pairs([make.opening(pair, theirs)]) == ("already-open",)
    await ledger.publish_terms([(pair, make.grant(version=2, **REPLACING[name]))])
    mine = make.grant(id="2" * 32, version=2)  # a patient takes over the organisation's
    await ledger.publish_terms([(pair, mine)])
    back = make.grant(id="2" * 32, version=3, attested="organization")
    assert isinstance(await refusal(ledger.publish_terms([(pair, back)])), ForbiddenError)


async def test_terms_for_a_pair_that_is_not_open_are_refused(ledger: LedgerClient, make: Any) -> None:
    assert isinstance(await refusal(ledger.publish_terms([(make.pair(), make.grant())])), NotFoundError)


async def test_a_batch_files_in_order_and_every_change_bumps_the_epoch(
    ledger: LedgerClient, make: Any
) -> None:
    one, two = make.pair(), make.pair()
    await ledger.open_pairs([make.opening(one), make.opening(two)])
    filed = await ledger.publish_terms(
        [(one, make.grant()), (two, make.grant()), (one, make.grant(version=2, status="inactive"))]
    )
    assert filed.epochs == (2, 2, 3)
    held = await ledger.read_pair(one)
    assert held is not None
    assert (held.epoch, held.consents[0].version) == (3, 2)


async def test_order_of_consents_does_not_show_when_they_came(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair, make.grant(id="9" * 32))])
    await ledger.publish_terms([(pair, make.grant(id="5" * 32))])
    held = await ledger.read_pair(pair)
    assert held is not None
    assert [terms.id for terms in held.consents] == ["5" * 32, "9" * 32]


async def test_history_has_every_state_the_newest_first(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair)])
    transactions = []
    for version in (1, 2, 3):
        channel.clock.now += 1000
        transactions.append((await ledger.publish_terms([(pair, make.grant(version=version))])).tx_id)
    past = (await ledger.pair_history(pair)).versions
    assert [one.pair.epoch for one in past] == [4, 3, 2, 1]
    assert [one.tx for one in past[:3]] == transactions[::-1]
    assert past[0].time == channel.clock.now
    assert past[3].time == channel.clock.now - 3000


async def test_a_history_of_nothing_is_empty(ledger: LedgerClient, make: Any) -> None:
    assert await ledger.pair_history(make.pair()) == PairHistory(versions=(), bookmark="")


async def test_a_history_comes_in_pages(ledger: LedgerClient, make: Any) -> None:
    pair, other = make.pair(), make.pair()
    await ledger.open_pairs([make.opening(pair), make.opening(other)])
    for version in range(1, 12):
        await ledger.publish_terms([(name, make.grant(version=version)) for name in (pair, other)])
    seen, bookmark = [], ""
    for expected in (5, 5, 2):
        page = await ledger.pair_history(pair, limit=5, bookmark=bookmark)
        assert len(page.versions) == expected
        seen += [one.pair for one in page.versions]
        bookmark = page.bookmark
    assert bookmark == ""
    assert [one.epoch for one in seen] == list(range(12, 0, -1))
    assert seen[0] == await ledger.read_pair(pair)
    elsewhere = (await ledger.pair_history(other, limit=5)).bookmark
    for wrong in ({"limit": 0}, {"limit": HISTORY_LIMIT + 1}, {"bookmark": elsewhere}):
        assert isinstance(await refusal(ledger.pair_history(pair, **wrong)), BadArgumentError)


async def test_each_change_is_announced_with_its_pairs(ledger: LedgerClient, channel: Any, make: Any) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair)])
    await ledger.open_pairs([make.opening(pair)])
    await ledger.publish_terms([(pair, make.grant())])
    seen = []
    async for event in ledger.events(None):
        if event.name == "consent":
            seen.append(msgspec.json.decode(event.payload))
        if len(seen) == 2:
            break
    assert seen == [[{"epoch": 1, "pair": pair}], [{"epoch": 2, "pair": pair}]]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"root": nested(DEPTH + 1)}, str(DEPTH)),
        ({"root": Provision("deny", exceptions=(Provision("permit"),) * PROVISIONS)}, str(PROVISIONS)),
        ({"version": VERSION + 1}, "version"),
        ({"version": 0}, "version"),
        ({"id": "not hex"}, "terms.id"),
    ],
)
async def test_terms_out_of_bounds_are_refused_by_name(
    ledger: LedgerClient, make: Any, changes: dict[str, Any], name: str
) -> None:
    pair, wrong = make.pair(), make.grant(**changes)
    await ledger.open_pairs([make.opening(pair)])
    for call in (
        ledger.publish_terms([(pair, wrong)]),
        ledger.open_pairs([make.opening(make.pair(), wrong)]),
    ):
        why = await refusal(call)
        assert isinstance(why, BadArgumentError)
        assert name in str(why)


async def test_terms_at_the_bounds_are_taken(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    deep = make.grant(root=nested(DEPTH), version=VERSION)
    wide = make.grant(id="2" * 32, root=flat(PROVISIONS - DEPTH))
    assert await ledger.open_pairs([make.opening(pair, deep, wide)]) == ("opened",)


def flat(provisions: int) -> Provision:
    return Provision("deny", exceptions=(Provision("permit"),) * (provisions - 1))


def of_size(size: int) -> Provision:
    """Return a root that makes terms of about `size` bytes."""
    return Provision("permit", Condition(classes=tuple(f"Class{n:05d}" for n in range((size - 200) // 13))))


async def too_much(call: Any, bound: int) -> None:
    why = await refusal(call)
    assert isinstance(why, BadArgumentError)
    assert str(bound) in str(why)


FULL = {
    ACTIVE_CONSENTS: [Provision("deny")] * ACTIVE_CONSENTS,
    PROVISIONS: [flat(PROVISIONS // 5)] * 5,
    TERMS: [of_size(TERMS // 4)] * 4,
}
"""Roots of consents that fill a pair, by the bound that they reach."""


@pytest.mark.parametrize("bound", FULL)
async def test_a_full_pair_takes_no_more_but_lets_each_consent_end(
    ledger: LedgerClient, make: Any, bound: int
) -> None:
    pair = make.pair()
    full = [
        make.grant(id=f"{n:032x}", root=root, attested="organization") for n, root in enumerate(FULL[bound])
    ]
    await ledger.open_pairs([make.opening(pair, *full)])
    one_more = make.grant(id="f" * 32, root=FULL[bound][0])
    await too_much(ledger.publish_terms([(pair, one_more)]), bound)
    await too_much(ledger.open_pairs([make.opening(make.pair(), *full, one_more)]), bound)
    for terms in full:
        # As they came, with all provisions and the longest words: only a small part of them is kept.
        over = msgspec.structs.replace(terms, version=VERSION, status="inactive")
        await ledger.publish_terms([(pair, over)])
    held = await ledger.read_pair(pair)
    assert held is not None
    assert {terms.root for terms in held.consents} == {Provision("none")}
    await ledger.publish_terms([(pair, one_more)])


async def test_what_a_pair_holds_is_counted_for_ever(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair)])
    over = [make.grant(id=f"{n:032x}", status="inactive") for n in range(ALL_CONSENTS)]
    await ledger.publish_terms([(pair, terms) for terms in over])
    # Neither an end nor a grant of one more finds a place, whatever else ends: so no old version does.
    for status in ("inactive", "active"):
        await too_much(ledger.publish_terms([(pair, make.grant(id="f" * 32, status=status))]), ALL_CONSENTS)
    await too_much(
        ledger.open_pairs([make.opening(make.pair(), *over, make.grant(id="f" * 32))]), ALL_CONSENTS
    )
    again = msgspec.structs.replace(over[0], version=2)
    await ledger.publish_terms([(pair, again)])
    held = await ledger.read_pair(pair)
    assert held is not None
    assert held.consents == (ended(again), *map(ended, over[1:]))


async def test_an_opening_keeps_of_ended_terms_what_filing_keeps(ledger: LedgerClient, make: Any) -> None:
    opened, filed = make.pair(), make.pair()
    over = make.grant(status="inactive")
    await ledger.open_pairs([make.opening(opened, over), make.opening(filed)])
    await ledger.publish_terms([(filed, over)])
    for name in (opened, filed):
        held = await ledger.read_pair(name)
        assert held is not None
        assert held.consents == (ended(over),)
    assert isinstance(await refusal(ledger.publish_terms([(opened, make.grant())])), ConflictError)


async def test_terms_that_end_may_have_any_shape(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair, make.grant())])
    for version, root in ((2, nested(DEPTH + 1)), (3, flat(PROVISIONS + 1)), (4, of_size(2 * VALUE))):
        await ledger.publish_terms([(pair, make.grant(version=version, status="inactive", root=root))])


async def test_a_batch_is_measured_by_what_it_comes_to(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    big, small = flat(PROVISIONS - 1), Provision("deny")
    await ledger.open_pairs([make.opening(pair, make.grant(root=big))])
    growing = make.grant(id="2" * 32, root=big)
    await too_much(ledger.publish_terms([(pair, growing)]), PROVISIONS)
    await ledger.publish_terms([(pair, growing), (pair, make.grant(version=2, root=small))])


def test_a_pair_at_every_bound_is_not_larger_than_its_value_may_be() -> None:
    longest = Terms(
        id="f" * 64, version=VERSION, status="inactive", attested="organization", root=Provision("none")
    )
    pair = Pair(
        custodian="M" * 64,
        recipient="M" * 64,
        subject="directory",
        epoch=2**63 - 1,
        opened=2**63 - 1,
        consents=(longest,) * ALL_CONSENTS,
        credentials=("c" * 64,) * CREDENTIALS,
    )
    assert len(encode(pair)) + TERMS <= VALUE


async def test_odd_batches_are_refused(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    wrong = [
        [],
        [make.opening(make.pair()) for _ in range(501)],
        [make.opening(pair), make.opening(pair)],
        [make.opening("short")],
        [make.opening(pair, make.grant(), make.grant())],
        [make.opening(pair, credentials=("c" * 64,) * 21)],
        [make.opening(pair, credentials=("key of Ada",))],
    ]
    for openings in wrong:
        assert isinstance(await refusal(ledger.open_pairs(openings)), BadArgumentError)
    assert isinstance(await refusal(ledger.publish_terms([])), BadArgumentError)
    assert await ledger.read_pair(pair) is None


async def test_a_full_batch_is_taken(ledger: LedgerClient, make: Any) -> None:
    names = [make.pair() for _ in range(500)]
    assert set(await ledger.open_pairs([make.opening(name) for name in names])) == {"opened"}
    assert (await ledger.publish_terms([(name, make.grant()) for name in names])).epochs == (2,) * 500


class Left:
    """A consortium of A and B that B leaves and is admitted to again."""

    def __init__(self, consortium: Any, make: Any) -> None:
        self.client = LedgerClient(consortium.member(make.A))
        self._make = make

    async def found(self) -> None:
        make = self._make
        await self.client.found_policy(Policy(1, (make.A, make.B), (), voters=(make.A,)))

    async def again(self) -> None:
        make = self._make
        await self.client.propose_policy(Policy(2, (make.A,), (), voters=(make.A,)))
        await self.client.propose_policy(Policy(3, (make.A, make.B), (), voters=(make.A,)))


@pytest.fixture
async def left(channel: Any, make: Any) -> Left:
    consortium = Left(channel, make)
    await consortium.found()
    return consortium


async def test_a_pair_of_before_its_member_came_back_is_not_open(left: Left, channel: Any, make: Any) -> None:
    pair, ledger = make.pair(), left.client
    await ledger.open_pairs([make.opening(pair, make.grant())])
    assert (await ledger.authorize([make.ask(pair)])).permit is not None
    channel.clock.now += 1_000
    await left.again()
    answer = await ledger.authorize([make.ask(pair)])
    assert answer.entries[0].decision.reason == "pair-not-open"
    await ledger.publish_terms([(pair, make.grant(version=2))])
    answer = await ledger.authorize([make.ask(pair)])
    assert answer.entries[0].decision.reason == "pair-not-open"
    assert (await ledger.read_policy()).again == {make.B: channel.clock.now}


async def test_it_opens_again_as_a_whole_and_keeps_what_the_patient_attested(
    left: Left, channel: Any, make: Any
) -> None:
    pair, ledger = make.pair(), left.client
    patients = make.grant(id="1" * 32, version=3, attested="patient")
    theirs = make.grant(id="2" * 32, version=2, attested="organization")
    over = ended(make.grant(id="3" * 32, version=4, attested="patient"))
    await ledger.open_pairs([make.opening(pair, patients, theirs, over)])
    channel.clock.now += 1_000
    await left.again()
    without = make.opening(pair, theirs)
    assert isinstance(await refusal(ledger.open_pairs([without])), ForbiddenError)
    claimed = msgspec.structs.replace(patients, attested="organization", version=4)
    assert isinstance(await refusal(ledger.open_pairs([make.opening(pair, claimed)])), ForbiddenError)
    older = msgspec.structs.replace(patients, version=2)
    assert isinstance(await refusal(ledger.open_pairs([make.opening(pair, older)])), ConflictError)
    revived = msgspec.structs.replace(make.grant(), id=over.id, version=4, attested="patient")
    asleep = msgspec.structs.replace(patients, only_denies=True)
    assert isinstance(await refusal(ledger.open_pairs([make.opening(pair, asleep, revived)])), ConflictError)
    assert await ledger.open_pairs([make.opening(pair, asleep)]) == ("opened",)
    held = await ledger.read_pair(pair)
    assert held is not None
    assert held.epoch == 2
    assert held.consents == (asleep, ended(theirs), over)
    assert (await ledger.authorize([make.ask(pair)])).permit is None
    new = make.grant(id="4" * 32, attested="patient")
    await ledger.publish_terms([(pair, new)])
    assert (await ledger.authorize([make.ask(pair)])).permit is not None
    assert await ledger.open_pairs([make.opening(pair)]) == ("already-open",)


async def test_a_member_that_never_left_keeps_its_pairs(left: Left, channel: Any, make: Any) -> None:
    pair, ledger = make.pair(), left.client
    await ledger.open_pairs([make.opening(pair, make.grant())])
    channel.clock.now += 1_000
    await ledger.propose_policy(Policy(2, (make.A, make.B, make.C), (), voters=(make.A,)))
    assert (await ledger.authorize([make.ask(pair)])).permit is not None
    assert (await ledger.read_policy()).again == {}
