"""A member without permission writes little to another's ledger and log, whatever it asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.services.access.allowances import EntryAllowances
from tests.support.scenarios.ledger_reader import witnessed
from tests.support.scenarios.scenario_site import LAKE, RIDGE, TX, Site, copied, fresh_id, is_outcome, opened

ENTRIES = 1_000
NAMES = [f"{n:x}" for n in range(2_000)]
PARTS = "&".join("patient=" + ",".join(NAMES[start : start + 250]) for start in range(0, 2_000, 250))


def batch(*urls: str) -> dict[str, Any]:
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def statuses(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [entry["response"]["status"][:3] for entry in answer.json()["entry"]]


def attempts(site: Site) -> int:
    return sum(map(len, witnessed(site.demo.folder).entries.values()))


@pytest.fixture
def small(built: Path, tmp_path: Path) -> Iterator[Site]:
    """A node with a small budget of entries for each client."""
    demo = copied(built, tmp_path / "node")
    with opened(demo) as (http, node, _):
        enforcement = node.gateway.reading._enforcement
        enforcement._allowances = EntryAllowances(ENTRIES, clock=lambda: 0.0)  # nothing refills
        yield Site(demo, http, ())


def test_a_search_leaves_one_attempt_for_all_patients_without_an_open_pair(site: Site):
    known, unknown = site.new_patient(), fresh_id()
    answers = [
        site.ridge.get(f"Observation?{query}")
        for query in (f"patient={known},{unknown}", f"patient={unknown},{fresh_id()}", PARTS)
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert "entry" not in answer.json()
    witness = witnessed(site.demo.folder)
    for answer in answers:
        [asked] = witness.entries[answer.headers[TX]]
        assert (asked.outcome, asked.reason) == ("deny", "pair-not-open")
    seen = site.officer().found(f"AuditEvent?agent={RIDGE.msp_id}&_count=20")
    told = [entity.get("description", "") for event in seen for entity in event["entity"]]
    assert any(known in one and unknown in one for one in told)  # the officer reads who was named


def test_all_searches_of_one_request_name_no_more_patients_than_one_may(site: Site):
    found = statuses(site.ridge.post("", batch(*[f"Observation?{PARTS}"] * 25)))
    assert found == ["200"] + ["422"] * 24


def test_a_client_that_is_refused_all_the_time_comes_to_an_end_that_is_one_entry(small: Site):
    small.city.get("Organization?_count=1")
    before = attempts(small)
    found = [small.lake.get(f"Patient/{fresh_id()}") for _ in range(ENTRIES // 20 + 10)]
    ended = [answer for answer in found if answer.status_code == 429]
    assert len(ended) == 10
    assert attempts(small) - before == len(found) - len(ended) + 1
    body = is_outcome(ended[-1], 429)
    assert body["issue"][0]["code"] == "throttled"
    assert int(ended[-1].headers["Retry-After"]) > 0
    in_batch = statuses(small.lake.post("", batch(*[f"Patient/{fresh_id()}"] * 3)))
    assert set(in_batch) == {"429"}
    assert small.city.get("Organization?_count=1").status_code == 200
    last = small.officer().found(f"AuditEvent?agent={LAKE.msp_id}&_count=5")
    assert any("budget" in str(event) for event in last)
