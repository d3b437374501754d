"""One generated year: a hospital's accesses with their labels, its facts, and the snoops seeded into it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from exchange.demo.year.care import AccessBook, OrdinaryYear
from exchange.demo.year.people import Hospital, HospitalFacts, HospitalSize
from exchange.demo.year.snoops import SnoopCase, Snoops
from exchange.review.model import Access


@dataclass(frozen=True, slots=True)
class GeneratedYear:
    """A year of accesses; `labels` say of each, by its id as a number, which work or snoop it is."""

    accesses: list[Access]
    labels: list[str]
    facts: HospitalFacts
    cases: list[SnoopCase]


def generate(size: HospitalSize, seed: int) -> GeneratedYear:
    """Generate the year of a hospital of `size`; equal seeds give equal years."""
    hospital = Hospital(size, random.Random(seed))  # noqa: S311 - chance, and no secret
    book = AccessBook()
    work = OrdinaryYear(hospital, book)
    work.work()
    cases = Snoops(hospital, work, book).seed()
    return GeneratedYear(book.accesses, book.labels, hospital.known_facts(), cases)
