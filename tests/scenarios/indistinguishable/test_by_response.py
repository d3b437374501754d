"""A hidden record can't be told from one that does not exist.

Twins are two copies of one node with the same keys. Both get the same visible records in the same order;
one gets hidden records before, between and after them. Every request is made to both, and the answers must
be the same but for what names the request itself: transaction, request id, times, and sealed page links,
whose length must be the same too.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.node.folder import NodeFolder
from tests.support.scenarios.scenario_site import (
    CITY,
    LAKE,
    MISSING,
    SCALE,
    TX,
    Caller,
    Site,
    consent,
    observation,
    opened,
)

HEART, PRESSURE = "8867-4", "8480-6"
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


ALL = ("lake", "ridge", "research", "patient")


def name(text: str) -> str:
    """Return an id that is the same in both twins."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


PERMITTING, STRANGER, KEEPING, OTHER = (name(text) for text in ("permitting", "stranger", "keeping", "other"))
HIDDEN = name("hidden heart rate")
HIDDEN_DELETED = name("hidden and deleted")
STRANGERS = name("stranger's record")
RESTRICTED = name("hidden from the custodian")
VISIBLE = [name(f"visible {n}") for n in range(5)]


def _put(site: Site, body: dict[str, Any]) -> None:
    answer = site.city.put(f"{body['resourceType']}/{body['id']}", body)
    assert answer.status_code in {200, 201}, answer.text


def _marked(patient: str, logical_id: str, *, code: str = HEART, **elements: Any) -> dict[str, Any]:
    identifier = [{"system": "urn:mark", "value": logical_id}, {"value": "shared"}]
    return observation(patient, id=logical_id, code=code, identifier=identifier, **elements)


def _fill(site: Site, *, hidden: bool) -> None:
    def hide(*bodies: dict[str, Any]) -> None:
        for body in bodies if hidden else ():
            _put(site, body)

    hide({"resourceType": "Patient", "id": STRANGER, "identifier": [{"value": "shared"}]})
    if hidden:  # so many that sequences of what follows have more digits
        early = [_marked(STRANGER, name(f"early {n}")) for n in range(60)]
        put = [
            {"request": {"method": "PUT", "url": f"Observation/{one['id']}"}, "resource": one}
            for one in early
        ]
        answer = site.city.post("", {"resourceType": "Bundle", "type": "transaction", "entry": put})
        assert answer.status_code == 200, answer.text
    for patient in (PERMITTING, KEEPING, OTHER):
        _put(site, {"resourceType": "Patient", "id": patient})
    hide(_marked(STRANGER, STRANGERS), _marked(STRANGER, STRANGERS, status="amended"))
    deny = {"type": "deny", "code": [{"coding": [{"system": "http://loinc.org", "code": HEART}]}]}
    _put(site, consent(PERMITTING, LAKE, logical_id=name("grant"), provision=[deny]))
    _put(site, consent(KEEPING, CITY, logical_id=name("kept"), type="deny", securityLabel=[LABEL]))
    hide(_marked(KEEPING, RESTRICTED, meta={"security": [LABEL]}))
    hide(_marked(PERMITTING, HIDDEN), _marked(PERMITTING, HIDDEN, status="amended"))
    hide(_marked(PERMITTING, HIDDEN_DELETED))
    if hidden:
        assert site.city.delete(f"Observation/{HIDDEN_DELETED}").status_code == 204
    _put(site, _marked(OTHER, name("other's own")))
    for n, logical_id in enumerate(VISIBLE):
        _put(site, _marked(PERMITTING, logical_id, code=PRESSURE))
        hide(*(_marked(PERMITTING, name(f"between {n} {m}")) for m in range(n + 1)))
        hide(_marked(STRANGER, name(f"stranger {n}"), code=PRESSURE))
        hide(_marked(KEEPING, name(f"kept {n}"), meta={"security": [LABEL]}))


@pytest.fixture(scope="module")
def twins(
    built: Path, people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Site]]:
    with ExitStack() as stack:
        sites = []
        for hidden in (True, False):
            to = tmp_path_factory.mktemp("twin") / "node"
            shutil.copytree(built, to)
            folder = NodeFolder(to)
            demo = Demo(folder, folder.load())
            http, _, _ = stack.enter_context(opened(demo))
            sites.append(Site(demo, http, people))
            _fill(sites[-1], hidden=hidden)
        yield sites[0], sites[1]


def _callers(site: Site) -> dict[str, Caller]:
    return {
        "lake": site.lake,
        "ridge": site.ridge,
        "research": site.system(LAKE, "HRESCH"),
        "patient": site.patient(OTHER),
    }


_VARYING = {TX, "x-request-id", "date", "last-modified"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
_TRANSACTION = re.compile(r'(?<="urn:consentry:ledger-transaction","valueString":")[0-9a-f]{64}')
_PAGE = re.compile(r"_page=[A-Za-z0-9_\-]+")


def _seen(answer: httpx.Response, *, ids: bool = True) -> tuple[int, list[tuple[str, str]], str]:
    """Return the content of `answer`, without the parts that name the request itself."""
    assert (TX in answer.headers) is (answer.headers.get(TX, "") != "")
    headers = sorted((key, value) for key, value in answer.headers.items() if key not in _VARYING)
    headers += [(key, "given") for key in sorted(_VARYING & set(answer.headers))]
    body = _TIME.sub("TIME", answer.text)
    body = _PAGE.sub(lambda found: f"_page={len(found[0])}", body)
    body = _TRANSACTION.sub("TRANSACTION", body)
    text = (answer.status_code, headers, body)
    if ids:
        return text
    known = {MISSING, PERMITTING, STRANGER, KEEPING, *VISIBLE}
    uuids = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

    def mask(value: str) -> str:
        return uuids.sub(lambda found: found[0] if found[0] in known else "ID", value)

    return (
        text[0],
        [(key, mask(value)) for key, value in headers if key != "content-length"],
        mask(body),
    )


def _pages(caller: Caller, path: str, *, most: int = 12) -> Iterator[httpx.Response]:
    answer = caller.get(path)
    yield answer
    for _ in range(most):
        if answer.status_code != 200:
            return
        links = answer.json().get("link", ())
        following = [link["url"] for link in links if link["relation"] == "next"]
        if not following:
            return
        answer = caller.get(following[0])
        yield answer


SINGLE = [
    f"{place}{part}"
    for place in (
        f"Observation/{HIDDEN}",
        f"Observation/{HIDDEN_DELETED}",
        f"Observation/{STRANGERS}",
        f"Patient/{STRANGER}",
        f"Observation/{RESTRICTED}",
    )
    for part in ("", "/_history", "/_history/1", "/_history/2", "/_history/3", "?_elements=status")
]
SEARCHES = [
    f"Observation?_id={HIDDEN}",
    f"Observation?_id={HIDDEN},{VISIBLE[0]},{STRANGERS}",
    f"Observation?identifier=urn:mark|{HIDDEN}",
    f"Observation?identifier=urn:mark|{STRANGERS}",
    "Observation?identifier=shared",
    f"Observation?code={HEART}&patient={PERMITTING}",
    f"Observation?code={HEART},{PRESSURE}",
    f"Observation?code={PRESSURE}",
    f"Observation?patient={PERMITTING}",
    f"Observation?patient={STRANGER}",
    f"Observation?patient={PERMITTING},{STRANGER}",
    f"Observation?subject=Patient/{STRANGER}",
    "Observation?date=ge2026-11-01",
    "Observation?_lastUpdated=ge2026-01-01",
    "Observation",
    "Patient",
    "Patient?identifier=shared",
    f"Patient?_id={STRANGER}",
    "Condition?code=none",
    f"Patient/{PERMITTING}/$everything",
    f"Patient/{STRANGER}/$everything",
]
SHAPES = ["", "_count=2"]
ORDERS = ["_sort=-_lastUpdated&_count=2", "_sort=-_id&_count=2"]
COUNTS = ["_count=0", "_summary=count", "_total=accurate&_count=1", "_count=1", "_count=3"]


def _compare(
    twins: tuple[Site, Site],
    ask: Callable[[Caller], list[httpx.Response]],
    callers: tuple[str, ...] = ALL,
) -> None:
    for who in callers:
        with_it, without = ([_seen(one) for one in ask(_callers(site)[who])] for site in twins)
        assert with_it == without, who


@pytest.mark.parametrize("path", SINGLE)
def test_a_hidden_record_is_answered_as_none(twins: tuple[Site, Site], path: str):
    _compare(twins, lambda caller: [caller.get(path), caller.get(path, If_None_Match='W/"1"')])


@pytest.mark.parametrize("path", SEARCHES)
def test_a_search_is_answered_as_if_there_were_nothing_hidden(twins: tuple[Site, Site], path: str):
    join = "&" if "?" in path else "?"
    shapes = SHAPES if "$" in path else [*SHAPES, *ORDERS, *(COUNTS if SCALE > 1 else COUNTS[:2])]
    for shape in shapes:
        asked = path + (join + shape if shape else "")
        who = ALL if shape == "" or SCALE > 1 else ("lake", "patient")
        _compare(twins, lambda caller, asked=asked: list(_pages(caller, asked)), who)


def test_the_visible_ones_are_really_seen_and_the_hidden_ones_really_there(twins: tuple[Site, Site]):
    for site in twins:
        found = {one["id"] for one in site.lake.found(f"Observation?patient={PERMITTING}")}
        assert found == set(VISIBLE)
    assert twins[0].city.get(f"Observation/{HIDDEN}").status_code == 200
    assert twins[1].city.get(f"Observation/{HIDDEN}").status_code == 404


def test_a_search_by_post_tells_nothing(twins: tuple[Site, Site]):
    for form in ({"identifier": f"urn:mark|{HIDDEN}"}, {"code": HEART}, {"patient": STRANGER}):
        _compare(twins, lambda caller, form=form: [caller("POST", "Observation/_search", data=form)])


def test_reads_in_bundles_tell_nothing(twins: tuple[Site, Site]):
    urls = [
        path for path in [*SINGLE, *SEARCHES] if "_elements" not in path and not path.endswith("_history")
    ]
    urls = [url for url in urls if "$" not in url]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    for kind in ("batch", "transaction"):
        body = {"resourceType": "Bundle", "type": kind, "entry": entries}
        _compare(twins, lambda caller, body=body: [caller.post("", body)], ("lake", "patient"))


def test_writes_of_others_are_refused_alike(twins: tuple[Site, Site]):
    body = _marked(PERMITTING, HIDDEN)

    def ask(caller: Caller) -> list[httpx.Response]:
        return [
            caller.put(f"Observation/{HIDDEN}", body),
            caller.put(f"Observation/{HIDDEN}", body, If_Match='W/"1"'),
            caller.delete(f"Observation/{HIDDEN}"),
            caller.post("Observation", body, If_None_Exist=f"identifier=urn:mark|{HIDDEN}"),
        ]

    _compare(twins, ask)


def test_the_custodians_own_reads_tell_nothing_of_what_its_patient_keeps_from_it(twins: tuple[Site, Site]):
    for path in (
        *(f"Observation/{RESTRICTED}{part}" for part in ("", "/_history", "/_history/1")),
        f"Observation?_id={RESTRICTED}",
        f"Observation?identifier=urn:mark|{RESTRICTED}",
        f"Observation?patient={KEEPING}",
        f"Observation?patient={KEEPING}&_summary=count",
        f"Observation?patient={KEEPING}&_count=1",
        f"Patient/{KEEPING}/$everything?_count=1",
    ):
        one, other = ([_seen(answer) for answer in _pages(site.city, path)] for site in twins)
        assert one == other, path


def test_a_conditional_reference_to_what_is_kept_from_the_custodian_matches_nothing(twins: tuple[Site, Site]):
    body = observation(KEEPING, derivedFrom=[{"reference": f"Observation?identifier=urn:mark|{RESTRICTED}"}])
    entry = {"request": {"method": "POST", "url": "Observation"}, "resource": body}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    one, other = (_seen(site.city.post("", bundle)) for site in twins)
    assert one == other
    assert one[0] == 412


def test_a_conditional_create_goes_by_what_the_custodian_may_see(twins: tuple[Site, Site]):
    body = _marked(KEEPING, RESTRICTED)
    condition = f"identifier=urn:mark|{RESTRICTED}"
    first = [site.city.post("Observation", body, If_None_Exist=condition) for site in twins]
    second = [site.city.post("Observation", body, If_None_Exist=condition) for site in twins]
    assert [answer.status_code for answer in first] == [201, 201]
    assert [answer.status_code for answer in second] == [200, 200]
    for answers in (first, second):
        assert _seen(answers[0], ids=False) == _seen(answers[1], ids=False)


def test_on_one_node_a_hidden_record_and_a_missing_one_are_answered_alike(twins: tuple[Site, Site]):
    site = twins[0]
    for who in ALL:
        caller = _callers(site)[who]
        hidden, missing = f"Observation/{HIDDEN}", f"Observation/{MISSING}"
        for part in ("", "/_history", "/_history/1", "/_history/9"):
            assert _seen(caller.get(hidden + part)) == _seen(caller.get(missing + part)), who
        one, other = (
            json.loads(_seen(caller.get(f"Observation?_id={place.split('/')[1]}"))[2])
            for place in (hidden, missing)
        )
        one.pop("link"), other.pop("link")
        assert one == other
