"""Every decision is logged by the transaction that makes it, and a revocation stops the next one."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from chaincode.access.calls import PAGE_LIMIT, Authorize, Decisions, NotedReleases, NoteReleases, Record
from chaincode.access.log_keys import (
    LogPosition,
    index_key,
    read_entry,
    read_log_page,
    releases_key,
    releases_range,
)
from chaincode.access.model import Denied, LogEntry, Permitted, RecordedAction, RecordedEvent
from chaincode.consent.model import Condition, Period, Provision
from chaincode.encoding import decode, encode
from chaincode.errors import BadArgumentError, ForbiddenError, NotFoundError
from chaincode.policy.model import Policy
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import ClockWrongError, RefusedError
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from exchange.ledger.port import LedgerEvent


async def refusal(call: Any) -> Exception:
    with pytest.raises(RefusedError) as caught:
        await call
    return caught.value.reason


async def opened(ledger: LedgerClient, make: Any, *terms: Any) -> str:
    pair: str = make.pair()
    await ledger.open_pairs([make.opening(pair, *terms)])
    return pair


async def announced(ledger: LedgerClient, tx_id: str) -> LedgerEvent:
    """Return the event of one transaction."""
    async for event in ledger.events(None):
        if event.tx_id == tx_id:
            return event
    raise AssertionError("the events ended")


def log_pages(event: LedgerEvent) -> list[tuple[bytes, bytes]]:
    """Return the log pages that a transaction wrote, in the order of their keys."""
    return sorted((key, value) for key, value in event.written if key.startswith(b"\0access\0"))


def on_ledger(event: LedgerEvent) -> list[LogEntry]:
    """Return the entries that a transaction wrote, in their order."""
    found = [place for key, value in log_pages(event) for place in read_log_page(key.decode(), value)]
    return [read_entry(place, said) for place, said in found]


async def test_a_permit_carries_its_basis_and_its_entry(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    pair = await opened(ledger, make, make.grant())
    ask = make.ask(pair, role="http://snomed.info/sct|224535009", person="ab" * 16)
    answer = await ledger.authorize([ask])
    decision = answer.entries[0].decision
    assert (decision.outcome, decision.reason, decision.basis) == ("permit", "consent", "1" * 32)
    assert (decision.basis_version, decision.epoch) == (1, 1)
    (record,) = (await ledger.pair_log(pair)).entries
    request = ask.request
    assert record == LogEntry(
        pair=pair,
        custodian=make.A,
        recipient=make.B,
        purpose="TREAT",
        action="read",
        user=request.user,
        digest=request.digest,
        evidence=request.evidence,
        outcome="permit",
        reason="consent",
        time=channel.clock.now,
        tx=answer.tx_id,
        n=answer.entries[0].n,
        role="http://snomed.info/sct|224535009",
        classes=("Observation",),
        basis="1" * 32,
        basis_version=1,
        epoch=1,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"purpose": "HRESCH"}, "refused-by-patient"),
        ({"purpose": "CURIOSITY"}, "unknown-code"),
        ({"action": "borrow"}, "unknown-code"),
        ({"recipient": "HospitalCMSP"}, "not-a-member"),
        ({"recipient": "HospitalAMSP"}, "wrong-party"),
    ],
)
async def test_a_denial_is_logged_like_a_permit(
    ledger: LedgerClient, make: Any, changes: dict[str, str], reason: str
) -> None:
    pair = await opened(ledger, make, make.grant())
    answer = await ledger.authorize([make.ask(pair, **changes)])
    assert answer.permit is None
    assert isinstance(answer.entries[0].decision, Denied)
    (record,) = (await ledger.pair_log(pair)).entries
    assert (record.outcome, record.reason, record.tx) == ("deny", reason, answer.tx_id)


async def test_a_pair_that_is_not_open_denies_and_leaves_a_trace(ledger: LedgerClient, make: Any) -> None:
    pair = make.pair()
    answer = await ledger.authorize([make.ask(pair)])
    assert answer.entries[0].decision.reason == "pair-not-open"
    assert [record.reason for record in (await ledger.pair_log(pair)).entries] == ["pair-not-open"]


async def test_only_the_custodian_decides_on_its_pairs(consortium: Any, make: Any) -> None:
    owner, other = (LedgerClient(consortium.member(name)) for name in (make.A, make.B))
    await owner.found_policy(Policy(1, (make.A, make.B), ()))
    pair = await opened(owner, make, make.grant())
    answer = await other.authorize([make.ask(pair)])
    assert answer.entries[0].decision.reason == "pair-not-open"
    assert (await owner.pair_log(pair)).entries == ()
    (record,) = (await other.pair_log(pair)).entries
    assert (record.custodian, record.outcome) == (make.B, "deny")
    assert (await owner.pair_log(pair, custodian=make.B)).entries == (record,)


async def test_revocation_denies_the_next_request(ledger: LedgerClient, make: Any) -> None:
    pair = await opened(ledger, make, make.grant())
    assert (await ledger.authorize([make.ask(pair)])).permit is not None
    await ledger.publish_terms([(pair, make.grant(version=2, status="inactive"))])
    assert (await ledger.authorize([make.ask(pair)])).permit is None


async def test_one_batch_decides_each_request_for_itself(ledger: LedgerClient, make: Any) -> None:
    granted, bare, closed = await opened(ledger, make, make.grant()), await opened(ledger, make), make.pair()
    answer = await ledger.authorize([make.ask(name) for name in (granted, bare, closed)])
    reasons = [entry.decision.reason for entry in answer.entries]
    assert reasons == ["consent", "no-consent", "pair-not-open"]
    for n, name in enumerate((granted, bare, closed)):
        (record,) = (await ledger.pair_log(name)).entries
        assert (record.n, record.tx, record.reason) == (answer.entries[0].n + n, answer.tx_id, reasons[n])


async def test_the_event_comes_with_every_record(ledger: LedgerClient, make: Any) -> None:
    names = [await opened(ledger, make, make.grant()) for _ in range(3)]
    answer = await ledger.authorize([make.ask(name) for name in names])
    event = await announced(ledger, answer.tx_id)
    assert event.payload == b"", "the block would hold every record twice"
    records = on_ledger(event)
    assert [record.pair for record in records] == names
    for name, record in zip(names, records, strict=True):
        assert (await ledger.pair_log(name)).entries == (record,)


async def test_an_entry_does_not_repeat_its_pages_key_and_writes_an_index_key(
    ledger: LedgerClient, make: Any
) -> None:
    pair = await opened(ledger, make, make.grant())
    answer = await ledger.authorize([make.ask(pair)])
    event = await announced(ledger, answer.tx_id)
    (page, value), (index, _) = sorted(event.written)
    ((place, said),) = read_log_page(page.decode(), value)
    assert place == LogPosition(answer.time, answer.tx_id, 0)
    assert index.decode() == index_key(pair, make.A, place)
    assert not {"time", "tx", "n"} & msgspec.json.decode(said).keys()
    assert (await ledger.pair_log(pair)).entries == (read_entry(place, said),)


@pytest.mark.parametrize("count", [15, 16, 17, 33])
async def test_entries_are_stored_in_pages_of_sixteen_in_their_order(
    ledger: LedgerClient, channel: Any, make: Any, count: int
) -> None:
    one, other = await opened(ledger, make, make.grant()), await opened(ledger, make)
    names = [one if n % 3 else other for n in range(count)]
    requests = tuple(make.request(name) for name in names)
    committed = await channel.member(make.A).submit("access:authorize", encode(Authorize(requests)))
    event = await announced(ledger, committed.tx_id)
    sizes = [len(read_log_page(key.decode(), value)) for key, value in log_pages(event)]
    assert sizes == [16] * (count // 16) + [count % 16] * (count % 16 > 0)
    records = on_ledger(event)
    assert [record.n for record in records] == list(range(count))
    assert [record.pair for record in records] == names
    for name in (one, other):
        of = tuple(record for record in records if record.pair == name)
        assert (await ledger.pair_log(name)).entries == of
        first = await ledger.pair_log(name, limit=4)
        assert first.entries == of[:4]
        assert (await ledger.pair_log(name, bookmark=first.bookmark)).entries == of[4:]


async def test_one_pair_twice_in_a_batch_is_two_entries(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    pair = await opened(ledger, make, make.grant())
    requests = (make.request(pair), make.request(pair, purpose="HRESCH"))
    committed = await channel.member(make.A).submit("access:authorize", encode(Authorize(requests)))
    decisions = msgspec.json.decode(committed.result, type=Decisions).decisions
    assert [one.outcome for one in decisions] == ["permit", "deny"]
    entries = (await ledger.pair_log(pair)).entries
    assert [(one.n, one.outcome) for one in entries] == [(0, "permit"), (1, "deny")]


async def test_a_full_batch_is_decided_and_a_fuller_one_is_refused(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    pair = await opened(ledger, make, make.grant())
    requests = tuple(make.request(pair) for _ in range(500))
    submit = channel.member(make.A).submit
    await submit("access:authorize", encode(Authorize(requests)))
    assert len((await ledger.pair_log(pair)).entries) == 500
    for wrong in ((), (*requests, make.request(pair))):
        why = await refusal(submit("access:authorize", encode(Authorize(wrong))))
        assert isinstance(why, BadArgumentError)


@pytest.mark.parametrize(
    "changes",
    [
        {"pair": "Patient/ada"},
        {"pair": "A" * 32},
        {"pair": "1" * 32 + "\n"},
        {"recipient": ""},
        {"purpose": "because I am curious"},
        {"action": "read\nread"},
        {"user": "ada.lovelace@example.org"},
        {"digest": "d" * 63},
        {"evidence": ""},
        {"role": "a nurse"},
        {"person": "Ada"},
        {"classes": ("Observation", "")},
        {"classes": ("Observation,Patient",)},
        {"classes": ("Obs ervation",)},
        {"classes": ("X",) * 201},
    ],
)
async def test_a_field_of_another_shape_refuses_the_call(
    ledger: LedgerClient, make: Any, changes: dict[str, Any]
) -> None:
    ask = make.ask(make.pair())
    ask = msgspec.structs.replace(ask, request=msgspec.structs.replace(ask.request, **changes))
    why = await refusal(ledger.authorize([ask]))
    assert isinstance(why, BadArgumentError)
    (field,) = changes
    assert field in str(why)
    assert str(changes[field]) not in str(why) or not changes[field]


@pytest.mark.parametrize(
    "args",
    [b"", b"[]", b"{}", b'{"requests":[{}]}', b'{"requests":1,"more":2}', b"\xff", b'{"requests":"\xff"}'],
)
async def test_arguments_that_are_no_batch_are_refused(
    ledger: LedgerClient, channel: Any, make: Any, args: bytes
) -> None:
    why = await refusal(channel.member(make.A).submit("access:authorize", args))
    assert isinstance(why, BadArgumentError)


async def test_an_unknown_function_is_refused(ledger: LedgerClient, channel: Any, make: Any) -> None:
    why = await refusal(channel.member(make.A).submit("access:forget", b"{}"))
    assert isinstance(why, NotFoundError)


async def test_a_pair_log_pages_in_the_order_of_time(ledger: LedgerClient, channel: Any, make: Any) -> None:
    pair = await opened(ledger, make, make.grant())
    times = []
    for _ in range(7):
        channel.clock.now += 1000
        times.append(channel.clock.now)
        await ledger.authorize([make.ask(pair)])
    seen, bookmark = [], ""
    for expected in (3, 3, 1):
        page = await ledger.pair_log(pair, limit=3, bookmark=bookmark)
        assert len(page.entries) == expected
        seen += [record.time for record in page.entries]
        bookmark = page.bookmark
    assert bookmark == ""
    assert seen == times
    between = await ledger.pair_log(pair, since=times[2], until=times[5])
    assert [record.time for record in between.entries] == times[2:5]
    assert (await ledger.pair_log(pair, limit=7)).bookmark == ""


async def test_a_pair_log_shows_one_pair_alone(ledger: LedgerClient, make: Any) -> None:
    one, other = await opened(ledger, make), await opened(ledger, make)
    await ledger.authorize([make.ask(one)])
    await ledger.authorize([make.ask(other)])
    await ledger.authorize([make.ask(other)])
    page = await ledger.pair_log(other, limit=1)
    assert [record.pair for record in page.entries] == [other]
    why = await refusal(ledger.pair_log(one, bookmark=page.bookmark))
    assert isinstance(why, BadArgumentError)


@pytest.mark.parametrize(
    "changes",
    [{"limit": 0}, {"limit": PAGE_LIMIT + 1}, {"since": -1}, {"until": 10**13}, {"bookmark": "\0pair\0"}],
)
async def test_a_pair_log_out_of_bounds_is_refused(
    ledger: LedgerClient, make: Any, changes: dict[str, Any]
) -> None:
    assert isinstance(await refusal(ledger.pair_log(make.pair(), **changes)), BadArgumentError)


async def test_an_expired_grant_denies_by_the_transactions_time(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    until = channel.clock.now + 1000
    short = make.grant(root=Provision("permit", when=Condition(period=Period(end=until))))
    pair = await opened(ledger, make, short)
    channel.clock.now = until - 1
    assert (await ledger.authorize([make.ask(pair)])).permit is not None
    channel.clock.now = until
    assert (await ledger.authorize([make.ask(pair)])).permit is None


async def test_a_permit_says_when_the_first_period_of_its_terms_turns(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    now = channel.clock.now
    later = Provision("deny", when=Condition(purposes=("TREAT",), period=Period(start=now + 7000)))
    within = Provision("permit", when=Condition(period=Period(now - 5000, now + 9000)), exceptions=(later,))
    pair = await opened(ledger, make, make.grant(root=within))

    async def until(at: int) -> int | None:
        channel.clock.now = at
        (entry,) = (await ledger.authorize([make.ask(pair)])).entries
        return entry.decision.until if isinstance(entry.decision, Permitted) else None

    assert await until(now) == now + 7000
    assert await until(now + 6999) == now + 7000
    assert await until(now + 7000) is None, "a refusal holds for no time"
    await ledger.publish_terms([(pair, make.grant(version=2, root=Provision("permit")))])
    assert await until(now + 7001) is None, "no period, no end"


async def test_a_time_far_from_the_endorsers_clock_is_refused(
    ledger: LedgerClient, channel: Any, make: Any, simulation: Any
) -> None:
    """A peer refuses. The embedded ledger has its own clock alone, and goes on after it was set back."""
    transactions = channel.member(make.A)
    before = channel.clock.now
    asked = encode(Authorize((make.request(make.pair()),)))
    if isinstance(transactions, FabricTransactions):  # endorsers have clocks of their own
        channel.clock.now = before - 600_000
    elif isinstance(transactions, simulation.Member):
        channel.clock.now = before + 600_000
        await ledger.authorize([make.ask(make.pair())])
        behind = simulation.Member(transactions._channel, make.A)
        behind._router._clock = lambda: before
        transactions = behind
    else:
        channel.clock.now = before + 600_000
        await ledger.authorize([make.ask(make.pair())])
        channel.clock.now = before
        assert (await transactions.submit("access:authorize", asked)).tx_id
        return
    with pytest.raises(ClockWrongError):
        await transactions.submit("access:authorize", asked)


async def test_no_permit_is_ordered_after_a_revocation(ledger: LedgerClient, make: Any) -> None:
    """Readers and a revocation race many times; the ledger's order is the judge."""
    for _ in range(10):
        pair = await opened(ledger, make, make.grant())
        readers = [ledger.authorize([make.ask(pair)]) for _ in range(20)]
        revoke = ledger.publish_terms([(pair, make.grant(version=2, status="inactive"))])
        answers: list[Any] = await asyncio.gather(*readers[:10], revoke, *readers[10:])
        revoked = answers.pop(10)
        for answer in answers:
            if answer.permit is not None:
                assert answer.block <= revoked.block
                assert answer.entries[0].decision.epoch == 1
            else:
                assert answer.block >= revoked.block
        assert (await ledger.authorize([make.ask(pair)])).permit is None
        assert len((await ledger.pair_log(pair)).entries) == 21


# -- entries without a decision ----------------------------------------------------


def event(pair: str, **changes: Any) -> RecordedEvent:
    """Return an event under `pair`, with `changes`."""
    fields: dict[str, Any] = {
        "purpose": "TREAT",
        "action": "update",
        "user": "0a" * 16,
        "digest": "0b" * 32,
        "evidence": "0c" * 32,
    }
    return RecordedEvent(pair, **(fields | changes))


async def own(ledger: LedgerClient, make: Any) -> str:
    pair: str = make.pair()
    await ledger.open_pairs([make.opening(pair, recipient=make.A)])
    return pair


@pytest.mark.parametrize(
    "role",
    ["http://acme.example|Jane-Doe,1980-02-29,HIV+", "http://snomed.info/sct|19800229", "nurse", "|", "ab"],
)
async def test_no_entry_has_a_role_that_may_be_any_text(ledger: LedgerClient, make: Any, role: str) -> None:
    pair = await own(ledger, make)
    for call in (
        ledger.authorize([make.ask(pair, recipient=make.A, role=role)]),
        ledger.record([event(pair, role=role)]),
    ):
        assert isinstance(await refusal(call), BadArgumentError)
    assert (await ledger.pair_log(pair)).entries == ()


@pytest.mark.parametrize("action", list(RecordedAction))
async def test_what_a_gateway_did_is_an_entry_of_its_own_pair(
    ledger: LedgerClient, channel: Any, make: Any, action: str
) -> None:
    pair = await own(ledger, make)
    did = event(
        pair,
        action=action,
        role="http://snomed.info/sct|224535009",
        classes=("Consent",),
        root="2a" * 32,
        count=3,
        refused=True,
    )
    written = await ledger.record([did])
    (record,) = (await ledger.pair_log(pair)).entries
    assert record == LogEntry(
        pair=pair,
        custodian=make.A,
        recipient=make.A,
        purpose="TREAT",
        action=action,
        user=did.user,
        digest=did.digest,
        evidence=did.evidence,
        outcome="deny",
        reason="recorded",
        role="http://snomed.info/sct|224535009",
        classes=("Consent",),
        epoch=1,
        root="2a" * 32,
        count=3,
        time=channel.clock.now,
        tx=written.tx_id,
        n=written.first,
    )


async def test_entries_of_many_events_share_a_transaction(ledger: LedgerClient, make: Any) -> None:
    pairs = [await own(ledger, make) for _ in range(3)]
    written = await asyncio.gather(*(ledger.record([event(pair), event(pair)]) for pair in pairs))
    assert len({one.tx_id for one in written}) < 3
    for pair, one in zip(pairs, written, strict=True):
        found = (await ledger.pair_log(pair)).entries
        assert [(entry.tx, entry.n) for entry in found] == [
            (one.tx_id, one.first),
            (one.tx_id, one.first + 1),
        ]


@pytest.mark.parametrize(
    ("recipient", "custodian", "kind"),
    [("A", None, NotFoundError), ("B", "A", ForbiddenError), ("A", "B", NotFoundError)],
)
async def test_events_stand_under_the_callers_own_open_pairs_alone(
    consortium: Any, make: Any, recipient: str, custodian: str | None, kind: type[Exception]
) -> None:
    pair, caller = make.pair(), LedgerClient(consortium.member(make.A))
    await caller.found_policy(Policy(version=1, members=(make.A, make.B), rules=()))
    if custodian is not None:
        opener = LedgerClient(consortium.member(getattr(make, custodian)))
        await opener.open_pairs([make.opening(pair, recipient=getattr(make, recipient))])
    good = await own(caller, make)
    results = await asyncio.gather(
        caller.record([event(good), event(pair)]), caller.record([event(good)]), return_exceptions=True
    )
    assert isinstance(results[0], RefusedError)
    assert isinstance(results[0].reason, kind)
    assert len((await caller.pair_log(good)).entries) == 1  # the other caller's, and nothing of the refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pair", "x"),
        ("purpose", "no code"),
        ("action", "read"),
        ("action", "anything"),
        ("user", "Dr B"),
        ("digest", "0b"),
        ("evidence", ""),
        ("role", "a role"),
        ("classes", ("",)),
        ("classes", ("Observation",) * 201),
        ("root", "2a"),
        ("count", -1),
        ("count", 10**9),
    ],
)
async def test_an_event_with_a_field_of_another_shape_is_refused(
    ledger: LedgerClient, make: Any, name: str, value: object
) -> None:
    pair = await own(ledger, make)
    wrong = msgspec.structs.replace(event(pair), **{name: value})
    assert isinstance(await refusal(ledger.record([wrong])), BadArgumentError)
    assert (await ledger.pair_log(pair)).entries == ()


@pytest.mark.parametrize("count", [0, 501])
async def test_a_batch_of_events_is_bounded(channel: Any, make: Any, count: int) -> None:
    args = encode(Record(tuple(event(make.pair()) for _ in range(count))))
    assert isinstance(await refusal(channel.member(make.A).submit("access:record", args)), BadArgumentError)


async def test_roots_of_releases_stand_under_their_custodian_and_transaction(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    roots = ("0a" * 32, "0b" * 32)
    done = await channel.member(make.A).submit("access:release", encode(NoteReleases(roots)))
    assert decode(done.result, NotedReleases).roots == 2
    key = releases_key(make.A, done.time, done.tx_id)
    assert releases_range(make.A)[0] <= key < releases_range(make.A)[1]
    assert not releases_range(make.B)[0] <= key < releases_range(make.B)[1]
    await ledger.note_releases(roots)


@pytest.mark.parametrize("roots", [(), ("0a" * 32,) * 501, ("0a" * 31,), ("0A" * 32,), ("x",)])
async def test_a_root_of_another_shape_is_refused_and_a_batch_bounded(
    ledger: LedgerClient, roots: tuple[str, ...]
) -> None:
    assert isinstance(await refusal(ledger.note_releases(roots)), BadArgumentError)


async def test_an_organisation_that_is_no_member_notes_no_release(channel: Any, make: Any) -> None:
    args = encode(NoteReleases(("0a" * 32,)))
    submit = channel.member(make.A).submit  # no consortium is founded here
    assert isinstance(await refusal(submit("access:release", args)), ForbiddenError)
