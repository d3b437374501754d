"""A transaction holds whole: a read that fails stores nothing, and its refusal names its entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.services.records.read import RecordReader
from tests.support.scenarios.scenario_site import (
    EVERY_STORE,
    MISSING,
    SCALE,
    Site,
    fresh_id,
    is_outcome,
    observation,
)

LEDGERS = EVERY_STORE


def entry(method: str, url: str, resource: Any = None, **request: str) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    return made if resource is None else made | {"resource": resource}


def bundle(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


@pytest.fixture(scope="module")
def gone(site: Site, patient: str) -> str:
    made = site.observation(patient)["id"]
    assert site.city.delete(f"Observation/{made}").status_code == 204
    return str(made)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("Observation/{missing}", 404),
        ("Observation/{gone}", 410),
        ("Observation/{written}", 410),  # the transaction deletes it
        ("Observation/{kept}/_history/7", 404),
        ("Observation/{missing}/_history", 404),
        ("Observation/{kept}/_history?_count=x", 400),
        ("Observation?nonsense=1", 400),
        ("Observation?date=yesterday", 400),
        ("Observation?_sort=nonsense", 400),
        ("Observation/{kept}?_summary=true", 400),
        ("Patient/{missing}/$everything", 404),
        ("AuditEvent/{missing}", 403),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_read_that_fails_refuses_its_transaction(
    site: Site, patient: str, gone: str, url: str, status: int, first: bool
) -> None:
    kept, written = site.observation(patient), site.observation(patient)
    mark = [{"system": "urn:mark", "value": fresh_id()}]
    address = url.format(missing=MISSING, gone=gone, kept=kept["id"], written=written["id"])
    entries = [
        entry("POST", "Observation", observation(patient, identifier=mark)),
        entry("PUT", f"Observation/{kept['id']}", observation(patient, id=kept["id"], status="amended")),
        entry("DELETE", f"Observation/{written['id']}"),
    ]
    at = 0 if first else len(entries)
    entries.insert(at, entry("GET", address))
    said = is_outcome(site.city.post("", bundle(entries)), status)
    assert all(path.startswith(f"Bundle.entry[{at}]") for path in said["issue"][0]["expression"])
    assert site.city.found(f"Observation?identifier=urn:mark|{mark[0]['value']}") == []
    assert site.city.get(f"Observation/{kept['id']}").json() == kept
    assert site.city.get(f"Observation/{written['id']}").json() == written


def test_a_read_that_fails_after_the_writes_says_that_they_stand(
    site: Site, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = site.observation(patient)
    read, asked = RecordReader.read, []

    async def once(*arguments: Any) -> Any:
        asked.append(arguments)
        return await read(*arguments if len(asked) < 2 else (*arguments[:3], MISSING, *arguments[4:]))

    monkeypatch.setattr(RecordReader, "read", once)
    entries = [
        entry("PUT", f"Observation/{kept['id']}", observation(patient, id=kept["id"], status="amended")),
        entry("GET", f"Observation/{kept['id']}"),
    ]
    said = is_outcome(site.city.post("", bundle(entries)), 409)
    assert "is stored" in said["issue"][0]["diagnostics"]
    assert said["issue"][0]["expression"] == ["Bundle.entry[1].request"]
    monkeypatch.undo()
    assert site.city.get(f"Observation/{kept['id']}").json()["status"] == "amended"


@dataclass
class Records:
    """The records of one run: which of a few ids have a current record, and its status."""

    status: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def after(self, steps: list[tuple[str, str, str]]) -> Records:
        later = Records(dict(self.status), set(self.known))
        for method, name, status in steps:
            if method == "DELETE":
                later.status.pop(name, None)
            elif method == "PUT":
                later.status[name] = status
                later.known.add(name)
        return later


NAMES = ("a", "b", "c")
STEP = st.tuples(
    st.sampled_from(["GET", "PUT", "DELETE", "history", "search"]),
    st.sampled_from(NAMES),
    st.sampled_from(["final", "amended", "preliminary"]),
)


@settings(
    max_examples=int(25 * SCALE),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(bundles=st.lists(st.lists(STEP, min_size=1, max_size=5), min_size=1, max_size=3))
def test_transactions_are_all_or_nothing_and_reads_see_their_writes(
    site: Site, patient: str, bundles: list[list[tuple[str, str, str]]]
) -> None:
    run = fresh_id()[:8]
    mark = [{"system": "urn:run", "value": run}]
    address = {name: f"Observation/{run}-{name}" for name in NAMES}
    records = Records()
    for steps in bundles:
        changed = [name for method, name, _ in steps if method in {"PUT", "DELETE"}]
        later = records.after(steps)
        fails = len(set(changed)) < len(changed) or any(
            (method == "GET" and name not in later.status)
            or (method == "history" and name not in later.known)
            for method, name, _ in steps
        )
        entries = []
        for method, name, status in steps:
            if method == "PUT":
                body = observation(patient, id=f"{run}-{name}", status=status, identifier=mark)
                entries.append(entry("PUT", address[name], body))
            elif method == "search":
                entries.append(entry("GET", f"Observation?identifier=urn:run|{run}&status={status}"))
            elif method == "history":
                entries.append(entry("GET", f"{address[name]}/_history"))
            else:
                entries.append(entry(method, address[name]))
        answer = site.city.post("", bundle(entries))
        assert (answer.status_code == 200) is not fails, answer.text
        if fails:
            assert is_outcome(answer, 400, 404, 409, 410)
        else:
            records = later
            for (method, name, status), one in zip(steps, answer.json()["entry"], strict=True):
                if method == "GET":
                    assert one["resource"]["status"] == records.status[name]
                elif method == "search":
                    wanted = sum(each == status for each in records.status.values())
                    assert len(one["resource"].get("entry", ())) == wanted
        found = site.city.found(f"Observation?identifier=urn:run|{run}")
        assert {one["id"].removeprefix(f"{run}-"): one["status"] for one in found} == records.status
