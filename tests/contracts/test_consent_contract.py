"""Opening pairs and filing terms: who may, what is refused, and what history says afterwards."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chaincode.consent.limits import CONSENTS, DEPTH, NODES, VALUE
from chaincode.consent.model import Policy, Provision
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
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
    assert len(await ledger.pair_history(old)) == 1


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


async def test_nobody_touches_another_custodians_pair(consortium: Any, make: Any) -> None:
    owner, other = (LedgerClient(consortium.member(name)) for name in (make.A, make.B))
    await owner.found_policy(Policy(1, (make.A, make.B), ()))
    pair = make.pair()
    await owner.open_pairs([make.opening(pair)])
    assert isinstance(await refusal(other.open_pairs([make.opening(pair)])), ForbiddenError)
    assert isinstance(await refusal(other.file_terms([(pair, make.grant())])), ForbiddenError)
    held = await owner.read_pair(pair)
    assert held is not None
    assert (held.epoch, held.consents) == (1, ())


async def test_one_refused_opening_opens_none(ledger: LedgerClient, make: Any) -> None:
    good = make.pair()
    bad = make.opening(make.pair(), recipient=make.C)
    await refusal(ledger.open_pairs([make.opening(good), bad]))
    assert await ledger.read_pair(good) is None


async def test_filing_replaces_the_consent_of_the_same_id(ledger: LedgerClient, make: Any) -> None:
    pair, other = make.pair(), make.grant(id="2" * 32)
    await ledger.open_pairs([make.opening(pair, make.grant(), other)])
    newer = make.grant(version=2, status="inactive")
    assert (await ledger.file_terms([(pair, newer)])).epochs == (2,)
    held = await ledger.read_pair(pair)
    assert held is not None
    assert held.consents == (newer, other)


@pytest.mark.parametrize("version", [1, 2])
async def test_an_older_or_equal_version_is_refused(ledger: LedgerClient, make: Any, version: int) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair, make.grant(version=2, status="inactive"))])
    assert isinstance(await refusal(ledger.file_terms([(pair, make.grant(version=version))])), ConflictError)


async def test_a_revoked_consent_stays_so_that_no_old_version_comes_back(
    ledger: LedgerClient, make: Any
) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair, make.grant())])
    await ledger.file_terms([(pair, make.grant(version=2, status="inactive"))])
    assert isinstance(await refusal(ledger.file_terms([(pair, make.grant())])), ConflictError)


async def test_terms_for_a_pair_that_is_not_open_are_refused(ledger: LedgerClient, make: Any) -> None:
    assert isinstance(await refusal(ledger.file_terms([(make.pair(), make.grant())])), NotFoundError)


async def test_a_batch_files_in_order_and_every_change_bumps_the_epoch(
    ledger: LedgerClient, make: Any
) -> None:
    one, two = make.pair(), make.pair()
    await ledger.open_pairs([make.opening(one), make.opening(two)])
    filed = await ledger.file_terms(
        [(one, make.grant()), (two, make.grant()), (one, make.grant(version=2, status="inactive"))]
    )
    assert filed.epochs == (2, 2, 3)
    held = await ledger.read_pair(one)
    assert held is not None
    assert (held.epoch, held.consents[0].version) == (3, 2)


async def test_order_of_consents_does_not_show_when_they_came(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair, make.grant(id="9" * 32))])
    await ledger.file_terms([(pair, make.grant(id="5" * 32))])
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
        transactions.append((await ledger.file_terms([(pair, make.grant(version=version))])).tx_id)
    past = await ledger.pair_history(pair)
    assert [one.pair.epoch for one in past] == [4, 3, 2, 1]
    assert [one.tx for one in past[:3]] == transactions[::-1]
    assert past[0].time == channel.clock.now
    assert past[3].time == channel.clock.now - 3000


async def test_a_history_of_nothing_is_empty(ledger: LedgerClient, make: Any) -> None:
    assert await ledger.pair_history(make.pair()) == ()


async def test_each_change_is_announced_with_its_pairs(ledger: LedgerClient, channel: Any, make: Any) -> None:
    pair = make.pair()
    await ledger.open_pairs([make.opening(pair)])
    await ledger.open_pairs([make.opening(pair)])
    await ledger.file_terms([(pair, make.grant())])
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
        ({"root": Provision("deny", exceptions=(Provision("permit"),) * NODES)}, str(NODES)),
        ({"version": 0}, "version"),
        ({"id": "not hex"}, "terms.id"),
    ],
)
async def test_terms_out_of_bounds_are_refused_by_name(
    ledger: LedgerClient, make: Any, changes: dict[str, Any], name: str
) -> None:
    pair, wrong = make.pair(), make.grant(**changes)
    await ledger.open_pairs([make.opening(pair)])
    for call in (ledger.file_terms([(pair, wrong)]), ledger.open_pairs([make.opening(make.pair(), wrong)])):
        why = await refusal(call)
        assert isinstance(why, BadArgumentError)
        assert name in str(why)


async def test_terms_at_the_bounds_are_taken(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    deep = make.grant(root=nested(DEPTH))
    wide = make.grant(id="2" * 32, root=Provision("deny", exceptions=(Provision("permit"),) * (NODES - 1)))
    assert await ledger.open_pairs([make.opening(pair, deep, wide)]) == ("opened",)


async def test_a_pair_holds_so_many_consents_and_no_more(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    full = [make.grant(id=f"{n:032x}", root=Provision("deny")) for n in range(CONSENTS)]
    await ledger.open_pairs([make.opening(pair, *full)])
    why = await refusal(ledger.file_terms([(pair, make.grant(id="f" * 32))]))
    assert isinstance(why, BadArgumentError)
    assert str(CONSENTS) in str(why)


async def test_a_pair_is_not_larger_than_its_value_may_be(ledger: LedgerClient, make: Any) -> None:
    long = msgspec.structs.replace(
        make.grant().root.exceptions[0].when, codes=("http://loinc.org|" + "1" * VALUE,)
    )
    why = await refusal(
        ledger.open_pairs([make.opening(make.pair(), make.grant(root=Provision("permit", when=long)))])
    )
    assert isinstance(why, BadArgumentError)
    assert str(VALUE) in str(why)


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
    assert isinstance(await refusal(ledger.file_terms([])), BadArgumentError)
    assert await ledger.read_pair(pair) is None


async def test_a_full_batch_is_taken(ledger: LedgerClient, make: Any) -> None:
    names = [make.pair() for _ in range(500)]
    assert set(await ledger.open_pairs([make.opening(name) for name in names])) == {"opened"}
    assert (await ledger.file_terms([(name, make.grant()) for name in names])).epochs == (2,) * 500
