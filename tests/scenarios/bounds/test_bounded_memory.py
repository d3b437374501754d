"""Many large requests at once are served or refused within one bound, and small ones go on meanwhile."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.api.app import create_app
from exchange.auth.principal import Member
from exchange.node.build import NodeLimits
from exchange.node.open import Node
from exchange.runtime.quota import MemoryQuota, Reservation
from exchange.services.records.limits import RecordLimits
from exchange.store.records import documents
from tests.support.scenarios.scenario_site import CITY, LAKE, Loop, Site, copied, is_outcome, opened

MIB = 1 << 20
SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
LIMIT, HEADROOM, SIZE, RECORDS, CLIENTS = 24 * MIB, 16 * MIB, MIB, 6, int(12 * SCALE)
LARGE = f"DocumentReference?_count={RECORDS}"


def document(size: int = SIZE, **others: Any) -> dict[str, Any]:
    data = base64.b64encode(os.urandom(size * 3 // 4)).decode()
    attachment = {"contentType": "application/octet-stream", "data": data}
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": attachment}],
    } | others


class Watched(MemoryQuota):
    """A quota that keeps the most that was held."""

    def __init__(self, limit: int, *, headroom: int) -> None:
        super().__init__(limit, headroom=headroom)
        self.most = 0

    def charge(self, reservation: Reservation, held: int) -> None:
        super().charge(reservation, held)
        self.most = max(self.most, self.used)


class Asking:
    """Requests to one application, many at a time, in the loop that the node lives on."""

    def __init__(self, site: Site, node: Node, loop: Loop, *, limit: int) -> None:
        self.site, self.quota = site, Watched(limit, headroom=min(limit, HEADROOM))
        self._node, self._loop = node, loop
        self._app = create_app(replace(node.gateway, quota=self.quota), body_limit=node.settings.body_limit)

    def under(self, limit: int) -> Asking:
        """Return a gateway of the same node under another limit."""
        return Asking(self.site, self._node, self._loop, limit=limit)

    def all(self, *asked: tuple[str, str, bytes], member: Member = CITY) -> list[httpx.Response]:
        return self._loop.run(self._all(asked, self.site.demo.client(member).token(self.site.http)))

    async def _all(self, asked: tuple[tuple[str, str, bytes], ...], token: str) -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), headers=headers) as http:
            return await asyncio.gather(
                *(
                    http.request(method, f"{self.site.base}/{path}", content=body)
                    for method, path, body in asked
                )
            )


@pytest.fixture(scope="module")
def asking(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    demo = copied(built, tmp_path_factory.mktemp("memory") / "node")
    limits = NodeLimits(records=RecordLimits(page_bytes=4 * MIB))
    with opened(demo, limits) as (http, node, loop), pytest.MonkeyPatch.context() as patch:
        site = Site(demo, http, ())
        for _ in range(RECORDS):
            assert site.city.post("DocumentReference", document()).status_code == 201
        patch.setattr(documents, "FETCH_LIMIT", 2 * MIB)
        yield Asking(site, node, loop, limit=LIMIT)


def test_large_searches_are_served_or_refused_and_small_reads_go_on(asking: Asking):
    large = [("GET", LARGE, b"")] * CLIENTS
    small = [("GET", "Organization?_count=5", b"")] * CLIENTS
    answers = asking.all(*(one for pair in zip(large, small, strict=True) for one in pair))
    searched, others = answers[::2], answers[1::2]
    assert [answer.status_code for answer in others] == [200] * CLIENTS
    statuses = Counter(answer.status_code for answer in searched)
    assert statuses.keys() == {200, 503}
    for answer in searched:
        if answer.status_code == 503:
            assert is_outcome(answer, 503)["issue"][0]["code"] == "throttled"
            assert int(answer.headers["Retry-After"]) > 0
        else:
            assert len(answer.content) > 3 * MIB
    assert LIMIT // 3 < asking.quota.most <= LIMIT  # on a busy machine fewer are at work at once
    assert asking.quota.used == 0
    [after] = asking.all(large[0])
    assert after.status_code == 200
    assert asking.quota.used == 0


def test_large_bodies_are_stored_or_refused_before_they_are_read(asking: Asking):
    before = asking.all(("GET", "DocumentReference?_summary=count", b""))[0].json()["total"]
    body = json.dumps(document(3 * MIB)).encode()
    answers = asking.all(*[("POST", "DocumentReference", body)] * 8)
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() == {201, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert is_outcome(answer, 503)["issue"][0]["code"] == "throttled"
            assert answer.headers["Retry-After"]
    after = asking.all(("GET", "DocumentReference?_summary=count", b""))[0].json()["total"]
    assert after == before + statuses[201]
    assert asking.quota.used == 0


def test_large_records_are_read_whole_within_the_bound(asking: Asking):
    stored = asking.site.city.post("DocumentReference", document(3 * MIB)).json()
    place = f"DocumentReference/{stored['id']}"
    answers = asking.all(*[("GET", place, b"")] * 8, ("GET", f"{place}/_history/1", b""))
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all(answer.json() == stored for answer in answers if answer.status_code == 200)
    [history] = asking.all(("GET", f"{place}/_history", b""))
    assert history.json()["entry"][0]["resource"] == stored
    assert asking.quota.used == 0


def test_who_may_not_see_a_large_record_is_not_told_that_there_was_no_room_for_it(asking: Asking):
    subject = {"reference": f"Patient/{asking.site.new_patient()}"}
    stored = asking.site.city.post("DocumentReference", document(3 * MIB, subject=subject)).json()
    crowded = asking.under(1)
    for interaction in ("", "/_history/1", "/_history"):
        here, nowhere = (f"DocumentReference/{name}{interaction}" for name in (stored["id"], "none"))
        [seen] = crowded.all(("GET", here, b""))
        assert seen.status_code == 422
        hidden, missing = (crowded.all(("GET", path, b""), member=LAKE)[0] for path in (here, nowhere))
        assert (hidden.status_code, hidden.content) == (missing.status_code, missing.content)
        assert missing.status_code == 404
