"""A hidden record costs the gateway the same work as one that does not exist, and the ledger the same entry.

Time is noise on a shared machine, so what takes the time is counted: statements of every database, keyed
hashes, keys that are unwrapped, and what the ledger is asked. `CONSENTRY_TEST_SCALE` above 1 also compares
the times.
"""

from __future__ import annotations

import hmac
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, event

from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.services.access import releases
from exchange.services.audit import log_index
from exchange.services.auth import tokens
from exchange.vault.file import FileVault
from tests.support.scenarios.scenario_site import LAKE, RIDGE, SCALE, Caller, Site, consent, fresh_id

_BACKGROUND = re.compile(r"\b(entries|checkpoints|outbox|jobs)\b|\bexpires <= ")
"""Statements beside requests: the log's projection, the outbox, jobs, and the search for expired rows."""


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count each kind of work, and every pair name and size in questions to the ledger."""
    work: Counter[str] = Counter()
    patch = pytest.MonkeyPatch()
    digest, unwrap, authorize = hmac.digest, FileVault.unwrap, LedgerClient.authorize

    def statement(_connection: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        verb = text.split(maxsplit=1)[0]
        background = not parameters or _BACKGROUND.search(text)
        if verb in {"SELECT", "INSERT", "UPDATE"} and not background:
            work[f"{verb} {len(parameters)}"] += 1

    def counting_digest(*args: Any) -> bytes:
        work["hash"] += 1
        return digest(*args)

    def counting_unwrap(self: FileVault, wrapped: bytes, *, bound_to: bytes) -> bytes:
        work["unwrap"] += 1
        return unwrap(self, wrapped, bound_to=bound_to)

    async def counting_authorize(self: LedgerClient, asks: list[SubjectRequest]) -> Any:
        work["transaction"] += 1
        work["entry"] += len(asks)
        work["bytes"] += sum(len(msgspec.json.encode(ask.request)) for ask in asks)
        return await authorize(self, asks)

    event.listen(Engine, "before_cursor_execute", statement)
    patch.setattr(hmac, "digest", counting_digest)
    patch.setattr(FileVault, "unwrap", counting_unwrap)
    patch.setattr(LedgerClient, "authorize", counting_authorize)
    try:
        yield work
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        patch.undo()


def work_of(caller: Caller, path: str) -> Counter[str]:
    with counted() as work:
        answer = caller.get(path)
    assert answer.status_code in {200, 404}, answer.text
    return work


@pytest.fixture(scope="module", autouse=True)
def _alone() -> Iterator[None]:
    """Before the node starts: its log is neither indexed nor noted while requests are counted."""
    patch = pytest.MonkeyPatch()
    for module, name in ((log_index, "_PAUSE"), (log_index, "_REST"), (releases, "NOTED_EVERY")):
        patch.setattr(module, name, 3600)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def stranger(site: Site) -> str:
    """A patient who has granted nothing to anybody."""
    return site.new_patient()


@pytest.fixture(scope="module", autouse=True)
def _settled(_alone: None, site: Site, stranger: str) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(tokens, "RECHECK", 3600)  # what a token costs comes every few seconds, to anybody
    site.lake.get(f"Patient/{fresh_id()}")  # a token, the directory's keys, all that comes once
    site.ridge.get(f"Patient/{fresh_id()}")
    yield
    patch.undo()


PLACES = ["{}", "{}/_history", "{}/_history/1", "{}/_history/9"]


@pytest.mark.parametrize("place", PLACES)
def test_reading_what_is_hidden_is_the_same_work_as_what_is_missing(site: Site, stranger: str, place: str):
    hidden = [str(site.observation(stranger)["id"]) for _ in range(3)]
    for one in hidden:
        for again in range(3):
            seen = work_of(site.lake, place.format(f"Observation/{one}"))
            missing = work_of(site.lake, place.format(f"Observation/{fresh_id()}"))
            assert seen == missing, (one, again)
            assert seen["transaction"] == seen["entry"] == 1


def test_it_makes_no_difference_whether_others_have_just_read_it(site: Site, stranger: str):
    other = site.new_patient()
    hidden = [f"Observation/{site.observation(patient)['id']}" for patient in (stranger, other)]
    cold = [work_of(site.ridge, place) for place in hidden]
    for place in hidden:
        assert site.city.get(place).status_code == 200
    warm = [work_of(site.ridge, place) for place in hidden]
    missing = work_of(site.ridge, f"Observation/{fresh_id()}")
    assert [*cold, *warm] == [missing] * 4


def test_a_patient_with_consents_to_others_is_no_more_work(site: Site):
    patient = site.new_patient()
    place = f"Observation/{site.observation(patient)['id']}"
    assert site.city.post("Consent", consent(patient, RIDGE)).status_code == 201
    assert site.ridge.get(place).status_code == 200
    for _ in range(2):  # the first time says that the consents are not for this one
        seen = work_of(site.lake, place)
    again = f"Observation/{fresh_id()}"
    work_of(site.lake, again)
    missing = work_of(site.lake, again)
    for name in ("transaction", "entry", "bytes", "unwrap"):
        assert seen[name] == missing[name], name


def test_a_deleted_record_and_one_of_many_versions_are_no_more_work(site: Site, stranger: str):
    record = site.observation(stranger)
    for n in range(8):
        changed = record | {"status": "amended" if n % 2 else "final"}
        assert site.city.put(f"Observation/{record['id']}", changed).status_code == 200
    for path in ("", "/_history", "/_history?_count=2"):
        seen = work_of(site.lake, f"Observation/{record['id']}{path}")
        assert seen == work_of(site.lake, f"Observation/{fresh_id()}{path}"), path
    assert site.city.delete(f"Observation/{record['id']}").status_code == 204
    for path in ("", "/_history", "/_history/10"):
        seen = work_of(site.lake, f"Observation/{record['id']}{path}")
        assert seen == work_of(site.lake, f"Observation/{fresh_id()}{path}"), path


@pytest.mark.parametrize(
    "query", ["Observation?patient={}", "Patient?_id={}", "Patient/{}/$everything", "Patient/{}"]
)
def test_searching_for_a_hidden_patient_is_the_same_work_as_for_none(site: Site, query: str):
    for _ in range(2):
        patient = site.new_patient()
        site.observation(patient)
        for again in range(2):
            seen = work_of(site.lake, query.format(patient))
            assert seen == work_of(site.lake, query.format(fresh_id())), again


def test_a_search_that_names_nobody_is_the_same_work_whatever_is_hidden(site: Site):
    granting = site.new_patient()
    assert site.city.post("Consent", consent(granting, LAKE)).status_code == 201
    mark = fresh_id()
    for query in (f"Observation?identifier={mark}", "Observation?status=final", "Observation?_count=2"):
        site.lake.get(query)
        before = work_of(site.lake, query)
        for _ in range(7):
            hidden = site.new_patient()
            site.observation(hidden, identifier=[{"value": mark}])
        assert work_of(site.lake, query) == before, query


@pytest.mark.skipif(SCALE <= 1, reason="times are compared with CONSENTRY_TEST_SCALE above 1 alone")
def test_the_median_times_of_hidden_and_missing_are_alike(site: Site, stranger: str):
    hidden = f"Observation/{site.observation(stranger)['id']}"
    taken: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(int(400 * SCALE)):
        for is_hidden in (True, False):
            path = hidden if is_hidden else f"Observation/{fresh_id()}"
            started = time.perf_counter()
            assert site.lake.get(path).status_code == 404
            taken[is_hidden].append(time.perf_counter() - started)
    one, other = (statistics.median(times) for times in taken.values())
    assert abs(one - other) < 0.05 * min(one, other), f"{one * 1e3:.3f} ms and {other * 1e3:.3f} ms"
