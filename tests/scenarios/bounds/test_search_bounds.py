"""Totals of searches are exact or absent, and short pages come to an end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exchange.runtime.budget import WorkBudget
from exchange.store.records import documents
from tests.support.scenarios.scenario_site import LAKE, Caller, Site, consent, is_outcome

DENY = {"type": "deny", "code": [{"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}]}
HIDDEN, VISIBLE = 30, 6


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    """Somebody with 36 observations, of which Lake may see six: three first and three last."""
    patient = site.new_patient()
    half = ["8480-6"] * (VISIBLE // 2)
    entries = [
        {
            "request": {"method": "POST", "url": "Observation"},
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "subject": {"reference": f"Patient/{patient}"},
            },
        }
        for code in [*half, *["8867-4"] * HIDDEN, *half]
    ]
    stored = site.city.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert stored.status_code == 200, stored.text
    granted = site.city.post("Consent", consent(patient, LAKE, provision=[DENY]))
    assert granted.status_code == 201, granted.text
    return patient


@pytest.fixture
def narrow(site: Site, patient: str) -> Iterator[None]:
    with site.limited(scanned=10, whole=10, chunk=5):
        yield


def pages(caller: Caller, path: str) -> list[dict[str, Any]]:
    """Return every page from the first to the last; an endless chain fails."""
    found = [caller.get(path)]
    while True:
        assert found[-1].status_code == 200, found[-1].text
        following = [link["url"] for link in found[-1].json()["link"] if link["relation"] == "next"]
        if not following:
            return [answer.json() for answer in found]
        assert len(found) < 40, "an endless chain"
        found.append(caller.get(following[0]))


def matches(page: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in page.get("entry", ()) if entry["search"]["mode"] == "match"]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 50])
@pytest.mark.parametrize("order", ["", "&_sort=-_lastUpdated"])
@pytest.mark.usefixtures("narrow")
def test_a_page_that_looked_long_enough_is_short_and_links_to_the_next(
    site: Site, patient: str, count: int, order: str
):
    found = pages(site.lake, f"Observation?patient={patient}&_count={count}{order}")
    seen = [one for page in found for one in matches(page)]
    assert len(seen) == len(set(seen)) == VISIBLE
    assert all(len(matches(page)) <= count for page in found)
    assert len(found) <= (HIDDEN + VISIBLE) // 10 + 1 + VISIBLE // count
    assert not any("total" in page for page in found)


@pytest.mark.usefixtures("narrow")
def test_everything_goes_on_in_the_same_way(site: Site, patient: str):
    found = pages(site.lake, f"Patient/{patient}/$everything?_count=3")
    everything = [one for page in found for one in matches(page)]
    assert (
        len(everything) == len(set(everything)) == VISIBLE + 1
    )  # the Patient; the Consent names the code that is denied


@pytest.mark.usefixtures("narrow")
def test_what_can_not_be_counted_has_no_total_and_says_so(site: Site, patient: str):
    found = pages(site.lake, f"Observation?patient={patient}&_total=accurate&_count=2")
    assert not any("total" in page for page in found)
    assert sum(len(matches(page)) for page in found) == VISIBLE
    [warned] = [entry for entry in found[0]["entry"] if entry["search"]["mode"] == "outcome"]
    assert warned["resource"]["issue"][0]["severity"] == "warning"
    assert "fullUrl" not in warned
    for shape in ("_summary=count", "_count=0"):
        is_outcome(site.lake.get(f"Observation?patient={patient}&{shape}"), 422)
        assert is_outcome(site.city.get(f"Observation?status=final&{shape}"), 422)["issue"]


@pytest.mark.usefixtures("narrow")
def test_a_condition_is_looked_through_whole_or_refused(site: Site, patient: str):
    body = {"resourceType": "Patient"}
    is_outcome(site.city.post("Patient", body, If_None_Exist="active:missing=false&gender=none"), 400, 422)
    for n in range(12):
        site.new_patient(identifier=[{"value": "many"}, {"value": str(n)}])
    answer = site.city.post("Patient", body, If_None_Exist="identifier=many")
    is_outcome(answer, 412, 422)


@pytest.mark.parametrize("count", [1, 2, 4, 6, 7])
def test_a_total_is_the_same_on_every_page(site: Site, patient: str, count: int):
    for caller, expected in ((site.lake, VISIBLE), (site.city, HIDDEN + VISIBLE)):
        found = pages(caller, f"Observation?patient={patient}&_total=accurate&_count={count * 3}")
        assert [page["total"] for page in found] == [expected] * len(found)
        counted = caller.get(f"Observation?patient={patient}&_summary=count").json()
        assert counted["total"] == expected


def test_without_being_asked_a_total_is_told_where_all_is_on_one_page(site: Site, patient: str):
    for count, total in ((5, None), (6, VISIBLE), (50, VISIBLE)):
        found = pages(site.lake, f"Observation?patient={patient}&_count={count}")
        assert [page.get("total") for page in found] == [total] * len(found)


@pytest.mark.parametrize("bytes_", [1, 900])
@pytest.mark.parametrize("extra", ["", "&_total=accurate", "&_count=2"])
def test_a_page_ends_where_its_records_are_large_and_links_to_the_next(
    site: Site, patient: str, bytes_: int, extra: str
):
    path = f"Observation?patient={patient}{extra}"
    whole = [one for page in pages(site.lake, path) for one in matches(page)]
    with site.limited(page_bytes=bytes_):
        found = pages(site.lake, path)
    assert [one for page in found for one in matches(page)] == whole
    assert len(whole) == VISIBLE
    assert len(found) == VISIBLE if bytes_ == 1 else 1 < len(found) < VISIBLE
    totals = {page.get("total") for page in found}
    assert totals == ({VISIBLE} if "_total" in extra else {None})


@pytest.mark.parametrize(
    "path",
    [
        "Observation?patient={}",
        "Observation?patient={}&_total=accurate&_count=2",
        "Observation?patient={}&_sort=-date&_count=3",
        "Observation?patient={}&_sort=-_lastUpdated&_count=4",
        "Patient/{}/$everything?_count=3",
    ],
)
def test_reading_one_record_at_a_time_finds_the_same(
    site: Site, patient: str, monkeypatch: pytest.MonkeyPatch, path: str
):
    """As where each is too large for two of them to be in memory at once."""
    asked = path.format(patient)
    whole = [pages(caller, asked) for caller in (site.lake, site.city)]
    monkeypatch.setattr(documents, "FETCH_LIMIT", 1)
    again = [pages(caller, asked) for caller in (site.lake, site.city)]
    assert [[matches(page) for page in found] for found in again] == [
        [matches(page) for page in found] for found in whole
    ]
    assert [[page.get("total") for page in found] for found in again] == [
        [page.get("total") for page in found] for found in whole
    ]


@pytest.mark.parametrize("bytes_", [1, 900, 10_000_000])
@pytest.mark.parametrize("most_read", [1, 16_000_000])
def test_a_history_ends_where_its_versions_are_large_and_links_to_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch, bytes_: int, most_read: int
):
    stored = site.observation(site.new_patient())
    for value in range(7):
        body = {**stored, "valueQuantity": {"value": value}}
        assert site.city.put(f"Observation/{stored['id']}", body).status_code == 200
    monkeypatch.setattr(documents, "FETCH_LIMIT", most_read)
    with site.limited(page_bytes=bytes_):
        found = pages(site.city, f"Observation/{stored['id']}/_history?_count=5")
    versions = [[entry["resource"]["meta"]["versionId"] for entry in page.get("entry", [])] for page in found]
    assert [one for page in versions for one in page] == list("87654321")
    if bytes_ == 1:
        assert [len(page) for page in versions if page] == [1] * 8
    elif bytes_ == 10_000_000:
        assert [len(page) for page in versions] == [5, 3]
    else:
        assert max(len(page) for page in versions) < 5


@pytest.mark.parametrize("count", [1, 5, 50])
def test_a_count_goes_on_where_a_page_would_end(site: Site, patient: str, count: int):
    with site.limited(scanned=10, whole=HIDDEN + VISIBLE + 5, chunk=5):
        found = pages(site.lake, f"Observation?patient={patient}&_total=accurate&_count={count}")
        assert [page["total"] for page in found] == [VISIBLE] * len(found)
        assert sum(len(matches(page)) for page in found) == VISIBLE
        for shape in ("_summary=count", "_count=0"):
            assert site.lake.get(f"Observation?patient={patient}&{shape}").json()["total"] == VISIBLE


def test_the_searches_of_one_bundle_share_the_records_that_they_may_examine(
    site: Site, patient: str, monkeypatch: pytest.MonkeyPatch
):
    entry = {"request": {"method": "GET", "url": f"Observation?patient={patient}&_summary=count"}}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry] * 5}
    spent = WorkBudget.__init__.__kwdefaults__ | {"examined": 2 * (HIDDEN + VISIBLE) + 1}
    monkeypatch.setattr(WorkBudget.__init__, "__kwdefaults__", spent)
    answers = site.lake.post("", batch).json()["entry"]
    assert [one["response"]["status"][:3] for one in answers] == ["200", "200", "422", "422", "422"]
