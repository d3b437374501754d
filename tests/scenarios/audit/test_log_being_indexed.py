"""A search of the log whose index is behind says so on every page, and the index catches up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete

from exchange.fhir import r4
from exchange.node.parts import open_parts
from exchange.services.audit import log_index
from exchange.store.log import log_tables
from tests.support.scenarios.scenario_site import CITY, Caller, Site

STEP = 20
MOST_ROUNDS = 200
DOCTOR = "Practitioner/dr-behind"


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    """A patient whom a doctor has read and looked for."""
    patient = site.new_patient()
    doctor = site.system(CITY, user=DOCTOR)
    for _ in range(4):
        assert doctor.get(f"Patient/{patient}").status_code == 200
        assert doctor.get(f"Observation?patient={patient}").status_code == 200
    return patient


@pytest.fixture
def take_index_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Takes the index away, so that each search brings `STEP` entries into it, and nothing else does."""

    def take_away() -> None:
        for name, value in (("_AT_ONCE", STEP), ("_LONGEST_WAIT", 0.0), ("_PAUSE", 3600.0)):
            monkeypatch.setattr(log_index, name, value)
        with open_parts(site.demo.folder) as parts, parts.open_log().transaction() as log:
            log.execute(delete(log_tables.terms))
            log.execute(delete(log_tables.checkpoints).where(log_tables.checkpoints.c.name == "terms"))

    return take_away


def pages(caller: Caller, query: str) -> tuple[list[str], set[bool], set[int | None]]:
    """Return the ids of all matches; whether pages say that they are partial; and the totals of pages."""
    ids, partial, totals = [], set(), set()
    further = [f"AuditEvent?{query}"]
    while further:
        answer = caller.get(further[0])
        assert answer.status_code == 200, answer.text
        bundle: dict[str, Any] = answer.json()
        for entry in bundle.get("entry", ()):
            assert r4.check(
                msgspec.json.encode(entry["resource"]), expected=entry["resource"]["resourceType"]
            )
        notices = [one["resource"] for one in bundle.get("entry", ()) if one["search"]["mode"] == "outcome"]
        assert all(one["issue"][0]["code"] == "incomplete" for one in notices)
        ids += [one["resource"]["id"] for one in bundle.get("entry", ()) if one["search"]["mode"] == "match"]
        partial.add(bool(notices))
        totals.add(bundle.get("total"))
        further = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
    return ids, partial, totals


@pytest.mark.parametrize(
    "query",
    [f"agent={DOCTOR}", f"agent={DOCTOR}&outcome=0", f"agent={DOCTOR}&_sort=date", "entity=Patient/{p}"],
)
@pytest.mark.parametrize("who", ["officer", "patient"])
def test_a_search_is_whole_or_says_that_it_is_not_until_the_index_has_caught_up(
    site: Site, patient: str, take_index_away: Callable[[], None], who: str, query: str
) -> None:
    caller = site.officer() if who == "officer" else site.patient(patient)
    query = f"{query.format(p=patient)}&patient={patient}&_count=3&_total=accurate"
    read = {event["id"] for event in caller.found(f"AuditEvent?agent={DOCTOR}&patient={patient}")}
    assert len(read) >= 8
    take_index_away()
    seen: list[bool] = []
    for _ in range(MOST_ROUNDS):
        ids, partial, totals = pages(caller, query)
        assert len(partial) == 1  # every page of a search says it, or none
        seen += partial
        if not any(partial):
            break
        assert totals == {None}
    assert seen[0], "the log is not long enough to be behind"
    assert not seen[-1]
    assert read <= set(ids)
    assert len(totals) == 1
    assert totals == {len(ids)}


def test_a_count_of_what_is_not_looked_through_is_none(
    site: Site, patient: str, take_index_away: Callable[[], None]
) -> None:
    take_index_away()
    query = f"agent={DOCTOR}&_summary=count"
    assert pages(site.officer(), query) == ([], {True}, {None})
    assert pages(site.officer(), f"patient={patient}&_summary=count")[1] == {False}  # it needs no index
    for _ in range(MOST_ROUNDS):
        _, partial, totals = pages(site.officer(), query)
        if partial == {False}:
            break
    assert totals == {8}
