"""A change of consent joins no pairs: an attacker with every block links them hardly better than by guessing.

Patients grant several hospitals, which ask at unrelated times, and then change their consents. The attacker
has every transaction that the ledger was asked for, which is more than the blocks hold, and tries each way
to join pairs that the changes open. Chance is a guess among the pairs of the same group.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from chaincode.consent.calls import OpenPairs, PublishTerms
from chaincode.encoding import decode, encode
from exchange.consent.provisions import NamedCondition, NamedProvision
from exchange.crypto.pseudonyms import PatientSecret
from exchange.errors import UnavailableError
from exchange.services.consents.covered_filing import LEAST_GROUP
from exchange.store.records import cover
from exchange.store.records import subjects as store
from exchange.store.records.documents import TOKEN_BYTES
from tests.support.pairs_site import A, B, C, Site, draft, opened_site, towards

PATIENTS = [f"p{n}" for n in range(24)]
CODES = [f"http://hl7.org/fhir/sid/icd-10-cm|F{n}" for n in range(20, 60)]
ATTACKS = 10
"""Times that each attack is tried, because it guesses where it knows nothing."""


class Filed(NamedTuple):
    """One pair in one transaction, with its terms."""

    transaction: int
    pair: str
    terms: tuple[Any, ...]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened_site() as opened:
        yield opened


def consent(patient: str, chance: random.Random) -> Any:
    """Return a consent that permits B and C, and withholds from both the same codes."""
    withheld = NamedProvision("deny", NamedCondition(codes=(chance.choice(CODES),)))
    rules = [NamedProvision("permit", towards(B, C).when, (withheld,)), towards(A)]
    return draft(f"consent-{patient}", rules)


async def crowd(site: Site, chance: random.Random) -> None:
    for patient in PATIENTS:
        await site.put(consent(patient, chance), patient=patient)
    asking = list(itertools.product(PATIENTS, (A, B, C)))
    chance.shuffle(asking)
    for patient, recipient in asking:
        assert await site.ensure(recipient, patient)


def transactions(site: Site, since: int = 0) -> Iterator[list[Filed]]:
    """Yield each transaction that files terms, in order."""
    for n, (function, args) in enumerate(site.ledger.submitted[since:]):
        if function == "consent:file":
            updates = decode(args, PublishTerms).updates
            names = list(dict.fromkeys(one.pair for one in updates))
            yield [Filed(n, name, tuple(one.terms for one in updates if one.pair == name)) for name in names]


def recipients(site: Site) -> dict[str, str]:
    """Return the recipient of each pair, which its opening told."""
    openings = (decode(args, OpenPairs) for name, args in site.ledger.submitted if name == "consent:open")
    return {one.pair: one.recipient for call in openings for one in call.openings}


async def owners(site: Site) -> dict[str, str]:
    """Return the patient of each pair, which the attacker does not know."""
    secrets = {name: PatientSecret((await site.patient(name)).secret) for name in PATIENTS}
    return {one.pair(to): name for name, one in secrets.items() for to in (A, B, C)}


def shape(filed: Filed) -> str:
    """Return what two pairs of one patient have in common: their terms without digests and versions."""
    told = re.sub(r"Hospital\w+", "@", encode(filed.terms).decode())
    return re.sub(r'"version":\d+', "", re.sub(r"[0-9a-f]{32,}", "#", told))


def linked_by_place(filed: Sequence[Filed], to: dict[str, str], *, by_shape: bool) -> list[tuple[str, str]]:
    """Link each pair with the next ones of other recipients, of the same shape or of any."""
    links = []
    for n, one in enumerate(filed):
        for other in filed[n + 1 : n + 25]:
            if to[other.pair] != to[one.pair] and (not by_shape or shape(other) == shape(one)):
                links.append((one.pair, other.pair))
                break
    return links


def linked_by_company(
    filed: Sequence[Filed], to: dict[str, str], chance: random.Random
) -> list[tuple[str, str]]:
    """Link each pair with those that changed together with it most often, and with fewest others."""
    together: Counter[tuple[str, str]] = Counter()
    for _, group in itertools.groupby(filed, key=lambda one: one.transaction):
        together.update(itertools.permutations([one.pair for one in group], 2))
    alone = Counter(one.pair for one in filed)
    links = []
    for pair in alone:
        others = [other for other in alone if to[other] != to[pair]]
        ranks = {
            one: (together[pair, one], -abs(alone[one] - alone[pair]), chance.random()) for one in others
        }
        links.append((pair, max(others, key=lambda one: ranks[one])))
    return links


def linked_by_news(
    before: dict[str, Filed], filed: Sequence[Filed], to: dict[str, str], chance: random.Random
) -> list[tuple[str, str]]:
    """Link the pairs of a transaction that show a change since the one before."""
    links, known = [], dict(before)
    for _, group in itertools.groupby(filed, key=lambda one: one.transaction):
        pairs = list(group)
        changed = [one for one in pairs if one.pair in known and differs(known[one.pair], one)]
        known |= {one.pair: one for one in pairs}
        chance.shuffle(changed)
        for one in changed:
            others = [other for other in changed if to[other.pair] != to[one.pair]]
            links += [(one.pair, chance.choice(others).pair)] if others else []
    return links


def differs(before: Filed, after: Filed) -> bool:
    return encode(before.terms) != encode(after.terms)


async def changed(site: Site, chance: random.Random, *, at_once: int, rounds: int) -> list[Filed]:
    since = len(site.ledger.submitted)
    busy = chance.sample(PATIENTS, 6)  # some change often, and are seen again and again
    for _ in range(rounds):
        some = chance.sample(PATIENTS, at_once) if at_once > 1 else [chance.choice(busy)]
        await asyncio.gather(*(site.put(consent(one, chance), patient=one) for one in some))
    return [one for call in transactions(site, since) for one in call]


async def guess(site: Site) -> float:
    """Return how often a pair is linked rightly with a random one of its group, of another recipient."""
    tokens = [(await site.patient(name)).token for name in PATIENTS]
    groups = await site.records.read(
        lambda c: [cover.group_of(c, one, [B, C], LEAST_GROUP) for one in tokens]
    )
    assert all(token in group for token, group in zip(tokens, groups, strict=True))
    assert min(map(len, groups)) >= LEAST_GROUP
    return sum(1 / len(group) for group in groups) / len(groups)


@pytest.mark.parametrize(("at_once", "rounds"), [(1, 16), (6, 4)])
async def test_a_change_joins_no_pairs(site: Site, at_once: int, rounds: int) -> None:
    chance = random.Random(at_once)
    await crowd(site, chance)
    opened = {one.pair: one for call in transactions(site) for one in call}
    filed = await changed(site, chance, at_once=at_once, rounds=rounds)
    to, owner = recipients(site), await owners(site)
    bound = 2 * await guess(site)
    attacks: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "time alone": lambda: linked_by_place(filed, to, by_shape=False),
        "time and terms": lambda: linked_by_place(filed, to, by_shape=True),
        "company": lambda: linked_by_company(filed, to, chance),
        "news": lambda: linked_by_news(opened, filed, to, chance),
    }
    for name, attack in attacks.items():
        links = [link for _ in range(ATTACKS) for link in attack()]
        right = sum(owner[one] == owner[other] for one, other in links)
        assert links, name
        assert right / len(links) <= bound, f"{name}: {right} of {len(links)} right, where {bound:.2f} may be"


async def test_every_change_of_a_group_files_the_same_pairs(site: Site) -> None:
    chance = random.Random(1)
    await crowd(site, chance)
    filed: dict[frozenset[bytes], set[frozenset[str]]] = {}
    for patient in PATIENTS:
        token = (await site.patient(patient)).token
        group = await site.records.read(lambda c, t=token: cover.group_of(c, t, [B, C], LEAST_GROUP))
        since = len(site.ledger.submitted)
        await site.put(draft(f"consent-{patient}", [], status="inactive"), patient=patient)
        (call,) = transactions(site, since)  # an end is in one transaction, for all its pairs
        filed.setdefault(frozenset(group), set()).add(frozenset(one.pair for one in call))
    assert all(len(names) == 1 for names in filed.values())
    owner = await owners(site)
    for (names,) in filed.values():
        assert all(len({one for one in names if owner[one] == patient}) in {0, 3} for patient in PATIENTS)


async def test_cover_keeps_what_it_covers_with(site: Site) -> None:
    chance = random.Random(2)
    await crowd(site, chance)
    before = {(one, to): await states(site, one, to) for one in PATIENTS for to in (A, B, C)}
    await site.put(draft("consent-p0", [], status="inactive"), patient="p0")
    for place, terms in before.items():
        after = await states(site, *place)
        assert after == (terms if place[0] != "p0" else [("inactive", 2)])


async def states(site: Site, patient: str, recipient: str) -> list[tuple[str, int]]:
    held = await site.held(recipient, patient)
    assert held is not None
    return [(terms.status, terms.version) for terms in held.consents]


@pytest.mark.parametrize("fate", ["late", "answer-lost", "never"])
async def test_late_cover_undoes_no_end(site: Site, fate: Any) -> None:
    await crowd(site, random.Random(3))
    token = (await site.patient("p0")).token
    group = await site.records.read(lambda c: cover.group_of(c, token, [B, C], LEAST_GROUP))
    mates = [one for one in PATIENTS[1:] if (await site.patient(one)).token in group]
    mate = mates[0]
    site.ledger.fates.append(fate)
    with pytest.raises(UnavailableError):
        await site.put(draft("consent-p0", [towards(A, B)]), patient="p0")
    await site.put(draft(f"consent-{mate}", [], status="inactive"), patient=mate)
    while site.ledger.late:
        await site.ledger.deliver(0)
    assert await states(site, mate, B) == [("inactive", 2)]
    assert await site.ensure(B, "p0")
    assert await states(site, "p0", B) == [("active", 2)]


async def test_a_damaged_subject_keeps_no_other_from_its_end(site: Site) -> None:
    await crowd(site, random.Random(4))
    token = (await site.patient("p0")).token
    table = store.compiled_consents
    wrong = table.update().where(table.c.subject != token).values(sealed=b"damaged")
    await site.records.write(lambda c: c.execute(wrong))
    await site.put(draft("consent-p0", [], status="inactive"), patient="p0")
    for recipient in (A, B, C):
        assert await states(site, "p0", recipient) == [("inactive", 2)]


async def test_groups_part_and_never_mix(site: Site) -> None:
    chance, before = random.Random(5), set[frozenset[bytes]]()
    tokens: list[bytes] = []
    for _ in range(60):
        token = chance.randbytes(TOKEN_BYTES)
        row = (token, chance.choice([B, C]), token.hex())
        await site.records.write(lambda c, r=row: store.record_requests(c, [r], []))
        await site.records.write(lambda c, r=row: store.confirm_pairs(c, [r[2]]))
        tokens.append(token)
        found = await site.records.read(
            lambda c: {frozenset(cover.group_of(c, one, [B, C], LEAST_GROUP)) for one in tokens}
        )
        assert sorted(itertools.chain(*found)) == sorted(tokens)
        assert len(found) == 1 or min(map(len, found)) >= LEAST_GROUP
        for group in found:  # each lies within one of before, but for the new subject
            assert not before or any(group - {token} <= old for old in before)
        before = found
    assert len(before) > 2
