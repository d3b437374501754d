"""CDS Hooks: a card for those whom the ledger permits, and one answer for all that is hidden."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.auth.assertions import LONGEST_LIFE, sign_assertion, sign_hook_token
from exchange.auth.principal import Member
from exchange.client.system import read_key
from exchange.demo.consortium import client_id
from exchange.demo.nhanes import Participant
from exchange.demo.scoring import Training, evaluating
from exchange.node.gateway import Gateway
from exchange.services.access.request_rates import Rate
from tests.support.scenarios.risk_site import Between, ScoringSite
from tests.support.scenarios.scenario_site import (
    CITY,
    LAKE,
    MISSING,
    TX,
    Site,
    consent,
    copied,
    is_outcome,
    observation,
    opened,
)


@pytest.fixture(scope="module")
def served(
    built: Path, people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ScoringSite, Gateway]]:
    evaluated = Training(tmp_path_factory.mktemp("model"), "--trees", "5", "--depth", "2").finished()
    demo = copied(built, tmp_path_factory.mktemp("hooks") / "node")
    between = Between(evaluated.url, evaluated.token)
    with evaluating(evaluated), between.listening():
        replace(evaluated, port=between.port).used_by(demo.folder)
        with opened(demo) as (http, node, _):
            yield ScoringSite(Site(demo, http, people), between, evaluated, b"", {}), node.gateway


@pytest.fixture(scope="module")
def scoring(served: tuple[ScoringSite, Gateway]) -> ScoringSite:
    return served[0]


@pytest.fixture
def patient(scoring: ScoringSite) -> str:
    site = scoring.site
    known = site.new_patient(birthDate="1961-04-02", gender="male")
    for code, value, unit in (("39156-5", 33, "kg/m2"), ("8867-4", 81, "/min"), ("56114-2", 112, "cm")):
        quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": unit}
        assert site.city.post("Observation", observation(known, code=code, valueQuantity=quantity)).is_success
    return known


def service_url(site: Site) -> str:
    return f"{site.base.removesuffix('/fhir')}/cds-services/consentry-risk"


def token(site: Site, member: Member, **changes: Any) -> str:
    given: dict[str, Any] = {"client_id": client_id(member), "url": service_url(site)} | changes
    return sign_hook_token(given.pop("key", None) or read_key(site.demo.key_file(member)), **given)


def hook(patient: str, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "context": {"userId": "Practitioner/lake-3", "patientId": patient},
    }
    return body | changes


def call(site: Site, body: Any, jwt: str | None) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {jwt}"} if jwt else {})
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return site.http.post(service_url(site), content=content, headers=headers)


def lake(site: Site, body: Any, **changes: Any) -> httpx.Response:
    return call(site, body, token(site, LAKE, **changes))


def permit(site: Site, patient: str, **provision: Any) -> None:
    assert site.city.post("Consent", consent(patient, LAKE, **provision)).status_code == 201


def test_discovery_needs_no_token_and_tells_of_the_service(scoring: ScoringSite):
    site = scoring.site
    answer = site.http.get(service_url(site).removesuffix("/consentry-risk"))
    assert answer.status_code == 200
    [service] = answer.json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", "consentry-risk")
    assert service["description"]
    assert "prefetch" not in service


def test_an_opened_chart_gets_a_card_with_risk_source_and_link(scoring: ScoringSite, patient: str):
    site = scoring.site
    permit(site, patient)
    answer = lake(site, hook(patient))
    assert answer.status_code == 200, answer.text
    [card] = answer.json()["cards"]
    assert len(card["summary"]) < 140
    assert card["indicator"] in {"info", "warning"}
    assert card["source"]["label"]
    assert "no diagnosis" in card["detail"]
    [link] = card["links"]
    assert link["type"] == "absolute"
    stored = site.lake.get(link["url"]).json()
    assert f"{stored['prediction'][0]['probabilityDecimal'] / 100:.0%}" in card["summary"]
    uuid.UUID(card["uuid"])
    [event] = [
        one
        for one in site.patient(patient).found("AuditEvent?_count=200")
        if one["entity"][0]["what"]["identifier"]["value"] == answer.headers[TX]
    ]
    assert event["agent"][0]["who"]["identifier"]["value"] == "Practitioner/lake-3"
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"


def test_without_consent_there_is_no_card_just_as_for_nobody(scoring: ScoringSite, patient: str):
    site = scoring.site
    hidden, nobody = lake(site, hook(patient)), lake(site, hook(MISSING))
    assert hidden.status_code == nobody.status_code == 200
    assert hidden.content == nobody.content == b'{"cards":[]}'
    names = set(hidden.headers) | {"x-request-id"}
    assert names == set(nobody.headers) | {"x-request-id"}
    assert scoring.stored(patient) == []


def test_too_little_data_is_a_card_that_says_so(scoring: ScoringSite):
    site = scoring.site
    bare = site.new_patient(birthDate="1980-01-01")
    permit(site, bare)
    [card] = lake(site, hook(bare)).json()["cards"]
    assert card["indicator"] == "info"
    assert "Waist circumference" in card["detail"]
    assert "links" not in card


def test_an_evaluator_without_answer_is_an_error_and_no_card(scoring: ScoringSite, patient: str):
    permit(scoring.site, patient)
    with scoring.between.meddling(lambda _: (500, b"")):
        is_outcome(lake(scoring.site, hook(patient)), 503)


def test_a_token_is_good_for_one_request_to_this_service(scoring: ScoringSite, patient: str):
    site = scoring.site
    permit(site, patient)
    once = token(site, LAKE)
    assert call(site, hook(patient), once).status_code == 200
    is_outcome(call(site, hook(patient), once), 401)
    for wrong in (
        None,
        "",
        "x.y.z",
        site.lake.token(),
        token(site, LAKE, url=f"{service_url(site)}/"),
        token(site, LAKE, url=site.demo.settings.token_url),
        token(site, LAKE, client_id="nobody"),
        token(site, LAKE, client_id=client_id(CITY)),
        token(site, LAKE, key=ec.generate_private_key(ec.SECP384R1())),
        token(site, LAKE, now=1_000_000_000),
        token(site, LAKE, now=4_000_000_000),
        sign_assertion(
            read_key(site.demo.key_file(LAKE)),
            client_id=client_id(LAKE),
            token_url=site.demo.settings.token_url,
            organization_id=LAKE.msp_id,
            purpose="TREAT",
        ),
    ):
        answer = call(site, hook(patient), wrong)
        is_outcome(answer, 401)
        assert "www-authenticate" in answer.headers
        assert TX not in answer.headers
    assert LONGEST_LIFE <= 300


def test_an_assertion_for_a_token_and_a_hook_token_do_not_stand_in_for_one_another(
    scoring: ScoringSite, patient: str
):
    site = scoring.site
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": token(site, LAKE),
    }
    answer = site.http.post(site.demo.settings.token_url, data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"hook": "order-sign"}, 400),
        ({"hookInstance": "1"}, 400),
        ({"context": {}}, 400),
        ({"context": {"userId": "Practitioner/1", "patientId": "../1"}}, 400),
        ({"context": {"userId": "Patient/1", "patientId": MISSING}}, 403),
        ({"context": {"userId": "nobody", "patientId": MISSING}}, 403),
        ({"fhirServer": "https://elsewhere.example/fhir"}, 400),
    ],
)
def test_a_request_that_is_not_for_this_service_is_refused(
    scoring: ScoringSite, changes: dict[str, Any], status: int
):
    is_outcome(lake(scoring.site, hook(MISSING, **changes)), status)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"hook":1}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_none_is_refused(scoring: ScoringSite, body: bytes):
    is_outcome(lake(scoring.site, body), 400)


GUESSES: tuple[Any, ...] = (
    {},
    {"birthDate": "1961-04-02"},
    {"birthDate": "1961-04-03"},
    {"gender": "male"},
    {"gender": "female", "birthDate": "1950-01-01"},
    {"id": "another"},
    {"resourceType": "Group"},
    {"name": [{"family": "x" * 5000}]},
)


@pytest.mark.parametrize("permitted", [True, False])
def test_what_comes_along_in_prefetch_changes_nothing(
    scoring: ScoringSite, patient: str, permitted: bool
) -> None:
    site = scoring.site
    if permitted:  # a score, and no reading
        use = {"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "use"}
        permit(site, patient, action=[{"coding": [use]}])
        is_outcome(site.lake.get(f"Patient/{patient}"), 404)
    sent: list[Any] = [{"resourceType": "Patient", "id": patient} | guess for guess in GUESSES]
    prefetched = [None, 7, "Patient/1", {}, {"patient": None}, *({"patient": one} for one in sent)]
    answers = [lake(site, hook(patient, prefetch=one)) for one in prefetched]
    assert {answer.status_code for answer in answers} == {200}
    shown = [
        [{name: part for name, part in card.items() if name != "uuid"} for card in answer.json()["cards"]]
        for answer in answers
    ]
    assert all(one == shown[0] for one in shown)
    assert len(shown[0]) == permitted


def test_calls_count_against_the_clients_rate_and_before_their_body(
    served: tuple[ScoringSite, Gateway], patient: str, monkeypatch: pytest.MonkeyPatch
):
    scoring, gateway = served
    site = scoring.site
    monkeypatch.setattr(gateway.rates, "_clients", Rate(3, clock=lambda: 0.0))
    usual = [lake(site, hook(patient)), lake(site, b"{"), lake(site, hook(patient))]
    assert [answer.status_code for answer in usual] == [200, 400, 200]
    for body in (hook(patient), b"{"):
        refused = lake(site, body)
        assert is_outcome(refused, 429)["issue"][0]["code"] == "throttled"
        assert int(refused.headers["Retry-After"]) > 0
    assert call(site, hook(patient), token(site, CITY)).status_code == 200
    is_outcome(call(site, hook(patient), "junk"), 401)
