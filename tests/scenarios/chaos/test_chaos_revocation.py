"""Patients grant, narrow and revoke while others read, all at once; the ledger itself is the judge.

Two independent orders tell right from wrong. The ledger's: a disclosure must be permitted by the terms
that stand on its pair just before its transaction. The clock's: a request that starts after a revocation
was acknowledged, and ends before the next change was sent, must find nothing. CONSENTRY_TEST_SCALE
lengthens the run; CONSENTRY_TEST_SEED repeats one.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import select

from exchange.auth.principal import Member
from exchange.store.log import log_tables
from tests.support.scenarios.chaos_people import HEART_RATE, RECIPIENTS, Person, change, new_person, released
from tests.support.scenarios.ledger_reader import Witness, verify, witnessed
from tests.support.scenarios.scenario_site import (
    CITY,
    EMBEDDED,
    EVERY_LEDGER,
    LAKE,
    RIDGE,
    SCALE,
    TX,
    Caller,
    Site,
)

LEDGERS = EVERY_LEDGER
SECONDS = 12 * SCALE
SEED = int(os.environ.get("CONSENTRY_TEST_SEED", random.randrange(2**32)))


@dataclass(frozen=True)
class Release:
    """One answer: who got which of a person's records, by which transaction, and when."""

    person: Person
    recipient: str
    records: tuple[str, ...]
    tx: str
    start: float
    end: float


class Turmoil:
    """Everybody at once, until the time is up."""

    def __init__(self, site: Site, people: list[Person], seconds: float) -> None:
        self.site, self.people = site, people
        self.until = time.monotonic() + seconds
        self.releases: list[Release] = []
        self.refusals: list[tuple[str, str]] = []

    def run(self, workers: list[Callable[[random.Random, Site], None]]) -> None:
        with ThreadPoolExecutor(len(workers)) as pool:
            running = [
                pool.submit(self._guarded, worker, random.Random(f"{SEED}/{number}"))
                for number, worker in enumerate(workers)
            ]
        for ended in running:
            ended.result()

    def _guarded(self, worker: Callable[[random.Random, Site], None], rng: random.Random) -> None:
        try:
            with httpx.Client(timeout=30) as http:
                worker(rng, Site(self.site.demo, http, self.site.people))
        except BaseException:
            self.until = 0  # one surprise ends everybody's work
            raise

    def patient(self, person: Person) -> Callable[[random.Random, Site], None]:
        """Change the person's consent at random moments."""

        def work(rng: random.Random, site: Site) -> None:
            caller = site.patient(person.logical_id)
            often = 12 if site.demo.settings.ledger == EMBEDDED else 3  # requests have to fit in between
            while time.monotonic() < self.until:
                change(rng, caller, person)
                time.sleep(rng.expovariate(often))

        return work

    def reader(self, member: Member, user: str) -> Callable[[random.Random, Site], None]:
        """Read and search as fast as the gateway answers."""

        def work(rng: random.Random, site: Site) -> None:
            caller = site.system(member, user=user)
            while time.monotonic() < self.until:
                self._ask(rng, caller, member, rng.choice(self.people))

        return work

    def _ask(self, rng: random.Random, caller: Caller, member: Member, person: Person) -> None:
        record = rng.choice(list(person.records))
        path = rng.choice(
            [
                f"Observation/{record}",
                f"Observation/{record}/_history",
                f"Observation?patient={person.logical_id}",
                f"Observation?code={HEART_RATE}&patient={person.logical_id}",
                f"Patient/{person.logical_id}/$everything",
            ]
        )
        start = time.monotonic()
        answer = caller.get(path)
        end = time.monotonic()
        assert answer.status_code in {200, 404}, answer.text
        shown = released(answer) & person.records.keys()
        if shown:
            row = Release(person, member.msp_id, tuple(shown), answer.headers[TX], start, end)
            self.releases.append(row)
        else:
            self.refusals.append((member.msp_id, answer.headers[TX]))


@pytest.fixture(scope="module")
def turmoil(served: Site) -> Turmoil:
    people = [new_person(served) for _ in range(4)]
    turmoil = Turmoil(served, people, SECONDS)
    readers = [(LAKE, "lake-1"), (LAKE, "lake-2"), (RIDGE, "ridge-1"), (RIDGE, "ridge-2")]
    turmoil.run(
        [turmoil.patient(person) for person in people] + [turmoil.reader(*reader) for reader in readers]
    )
    return turmoil


@pytest.fixture(scope="module")
def witness(turmoil: Turmoil) -> Witness:
    return witnessed(turmoil.site.demo.folder)


def test_the_turmoil_was_one(turmoil: Turmoil) -> None:
    assert len(turmoil.releases) > 20 * min(SCALE, 1), f"seed {SEED}"
    assert len(turmoil.refusals) > 20 * min(SCALE, 1), f"seed {SEED}"
    assert all(len(person.changes) > 3 for person in turmoil.people)


def test_no_release_is_ordered_after_what_forbids_it(turmoil: Turmoil, witness: Witness) -> None:
    for release in turmoil.releases:
        pair = witness.pair(release.person.logical_id, release.recipient)
        held = witness.terms_before(pair, release.tx)
        assert len(held) == 1, f"seed {SEED}: released without terms in force, {release}"
        in_force = release.person.changes[held[0].version - 1]
        for record in release.records:
            code = release.person.records[record]
            assert in_force.permits(release.recipient, code), f"seed {SEED}: {in_force} {release}"


def test_what_was_acknowledged_holds_for_every_request_that_starts_later(turmoil: Turmoil) -> None:
    judged = 0
    for release in turmoil.releases:
        in_force = release.person.in_force(release.start, release.end)
        if in_force is not None:
            judged += 1
            codes = [release.person.records[record] for record in release.records]
            assert all(in_force.permits(release.recipient, code) for code in codes), f"seed {SEED}"
    assert judged > 10 * min(SCALE, 1)


def test_every_answer_has_an_entry_of_its_own(turmoil: Turmoil, witness: Witness) -> None:
    # Requests that wait together share a transaction: as many entries as releases must name the pair.
    names = [
        (release.tx, witness.pair(release.person.logical_id, release.recipient))
        for release in turmoil.releases
    ]
    for (tx, pair), count in Counter(names).items():
        entries = [entry for entry in witness.entries[tx] if entry.pair == pair]
        assert sum(entry.outcome == "permit" for entry in entries) >= count
        assert {entry.custodian for entry in entries} == {CITY.msp_id}
    for recipient, tx in turmoil.refusals:
        assert recipient in {entry.recipient for entry in witness.entries[tx]}
    end = time.monotonic() + 10  # the projection follows the ledger in batches
    while True:
        with witness.open_log() as connection:
            projected = set(connection.execute(select(log_tables.entries.c.tx, log_tables.entries.c.pair)))
            detailed = set(connection.execute(select(log_tables.details.c.tx)).scalars())
        if set(names) <= projected or time.monotonic() > end:
            break
        time.sleep(0.1)
    assert set(names) <= projected
    assert {tx for tx, _ in names} <= detailed


def test_the_ledger_holds_each_pair_as_the_last_change_left_it(turmoil: Turmoil, witness: Witness) -> None:
    for person in turmoil.people:
        last = person.changes[-1]
        for member in RECIPIENTS:
            held = witness.terms_now(witness.pair(person.logical_id, member.msp_id))
            if member.msp_id in last.recipients:
                assert held is None or [terms.version for terms in held] == [len(person.changes)]
            else:
                assert not held


def test_the_node_verifies_with_every_transaction_replayed(turmoil: Turmoil, witness: Witness) -> None:
    assert verify(witness.folder, "--replay") == (0, [])
