"""A generated year: the same for the same seed, and reviewed as the bench says."""

from __future__ import annotations

from collections import Counter

import pytest

from exchange.bench.audit import detection
from exchange.demo.year.generated import GeneratedYear, generate
from exchange.demo.year.people import BEGIN, DAY, YEAR, HospitalSize
from exchange.demo.year.snoops import KINDS
from exchange.review.model import Assessment
from exchange.review.triage import is_explained, review

SIZE = HospitalSize(
    "test", copies=1, nurses=6, doctors=3, people=6_000, visits_a_day=8, snoops_of_each_kind=3
)
UNRECORDED = {"slip", "corridor", "telephone"}


@pytest.fixture(scope="module")
def year() -> GeneratedYear:
    return generate(SIZE, seed=3)


@pytest.fixture(scope="module")
def assessed(year: GeneratedYear) -> dict[str, Assessment]:
    return {one.access.id: one for one in review(year.accesses, year.facts)}


def test_equal_seeds_give_equal_years() -> None:
    size = HospitalSize(
        "tiny", copies=1, nurses=4, doctors=2, people=1_500, visits_a_day=1, snoops_of_each_kind=1
    )
    first, again, other = generate(size, 5), generate(size, 5), generate(size, 6)
    assert (first.accesses, first.labels, first.cases) == (again.accesses, again.labels, again.cases)
    assert first.facts.patients == again.facts.patients
    assert other.accesses != first.accesses


def test_the_year_has_every_kind_of_work_and_of_snoop(year: GeneratedYear) -> None:
    assert all(BEGIN - DAY < one.time < BEGIN + YEAR * DAY for one in year.accesses)
    work = Counter(label for label in year.labels if not label.startswith("snoop"))
    ordinary = {"ward", "on call", "order", "referral", "care team", "clinic", "emergency", "registration"}
    assert ordinary | UNRECORDED | {"billing", "results", "neighbour"} == set(work)
    assert Counter(case.kind for case in year.cases) == dict.fromkeys(KINDS, SIZE.snoops_of_each_kind)
    for case in year.cases:
        assert {year.labels[int(name)] for name in case.accesses} == {f"snoop: {case.kind}"}
        assert {year.accesses[int(name)].user for name in case.accesses} == {case.user}


def test_every_ordinary_kind_with_a_record_is_explained_and_cleared(
    year: GeneratedYear, assessed: dict[str, Assessment]
) -> None:
    for name, one in assessed.items():
        if (label := year.labels[int(name)]) in UNRECORDED or label.startswith("snoop"):
            continue
        assert is_explained(one), (label, one)
        assert not one.flagged, (label, one)


def test_nearly_all_snoops_of_each_kind_are_found(
    year: GeneratedYear, assessed: dict[str, Assessment]
) -> None:
    found = Counter(case.kind for case in year.cases if any(assessed[one].flagged for one in case.accesses))
    for kind in KINDS:
        assert found[kind] >= SIZE.snoops_of_each_kind - 1, kind


def test_the_bench_counts_what_the_labels_say() -> None:
    rows = {row.name: row for row in detection.measure([SIZE], first_seed=3)}
    assert rows["audit.explained"].value > 0.98
    assert rows["audit.recall"].value > 0.9
    assert rows["audit.recall_worst"].value <= rows["audit.recall"].value
    assert rows["audit.entries_s"].value > 0
    assert {row.target for row in rows.values()} == {"", ">= 0.97", ">= 0.98", ">= 0.95", "<= 1"}
