"""A risk is computed on ciphertext from what the requester may see, committed to, stored, and then shown."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import xgboost as xgb
from fhir.resources.R4B.riskassessment import RiskAssessment

from analytics.data.binning import Bins
from analytics.data.catalogue import catalogue_for
from analytics.data.extraction import ExtractedFeatures, extract_features
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.headers import QueryHeader, read_header
from analytics.errors import UnknownDigestError
from analytics.model.training import margins
from exchange.auth.principal import Principal
from exchange.crypto.pseudonyms import PatientSecret
from exchange.demo.nhanes import Participant
from exchange.demo.process import free_port
from exchange.demo.scoring import Evaluated, Training, evaluating
from exchange.fhir import r4
from exchange.node.folder import NodeFolder
from exchange.node.parts import open_parts
from exchange.risk.risk_assessment import input_commitment, output_commitment
from exchange.services.access.subject_keys import SubjectKeyStore
from tests.support.analytics.crafted_ciphertexts import seeded_of_no_parts
from tests.support.analytics.other_programs import with_other_constant
from tests.support.scenarios.risk_site import Between, ScoringSite
from tests.support.scenarios.scenario_site import (
    CITY,
    LAKE,
    MISSING,
    TX,
    Site,
    consent,
    copied,
    in_thread,
    is_outcome,
    observation,
    opened,
)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    return Training(tmp_path_factory.mktemp("model"), "--trees", "20").finished()


@pytest.fixture(scope="module")
def scoring(
    evaluated: Evaluated,
    built: Path,
    people: tuple[Participant, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ScoringSite]:
    demo = copied(built, tmp_path_factory.mktemp("scoring") / "node")
    owner = evaluated.hospital.parent / "owner"
    between = Between(evaluated.url, evaluated.token)
    with evaluating(evaluated), between.listening():
        replace(evaluated, port=between.port).used_by(demo.folder)
        with opened(demo) as (http, _, _):
            yield ScoringSite(
                Site(demo, http, people),
                between,
                evaluated,
                (owner / "xgboost.json").read_bytes(),
                json.loads((owner / "bins.json").read_text()),
            )


@pytest.fixture
def patient(scoring: ScoringSite) -> str:
    """A survey participant under another id, with records of the model's features and some others."""
    return admitted(scoring.site)


def admitted(site: Site, **elements: Any) -> str:
    """Store a new patient with a few measurements, all of the catalogue's."""
    born = {"birthDate": "1961-04-02", "gender": "male"} | elements
    patient = site.new_patient(**born)
    for code, value, unit in (
        ("39156-5", 33.1, "kg/m2"),
        ("56114-2", 1.12, "m"),
        ("2085-9", 0.93, "mmol/L"),
        ("8867-4", 81, "/min"),
    ):
        quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": unit}
        site.observation(patient, code=code, valueQuantity=quantity)
    older = {"value": 20.0, "system": "http://unitsofmeasure.org", "code": "kg/m2"}
    site.observation(patient, code="39156-5", valueQuantity=older, effectiveDateTime="2019-01-01")
    site.observation(patient, code="2093-3", valueQuantity={"value": 5, "comparator": ">"})
    return patient


def permit(site: Site, patient: str, **provision: Any) -> str:
    answer = site.city.post("Consent", consent(patient, LAKE, **provision))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def in_clear(scoring: ScoringSite, records: list[dict[str, Any]], without: tuple[str, ...] = ()) -> float:
    """Return XGBoost's own probability for a patient's records."""
    bins = Bins.from_json(scoring.bins)
    found = features(bins, records)
    vector = [math.nan if name in without else value for name, value in found.items()]
    booster = xgb.Booster()
    booster.load_model(bytearray(scoring.xgboost))
    return float(1 / (1 + np.exp(-margins(booster, bins, np.array([vector]))[0])))


def features(bins: Bins, records: list[dict[str, Any]]) -> dict[str, float]:
    [patient] = [one for one in records if one["resourceType"] == "Patient"]
    found: ExtractedFeatures = extract_features(
        catalogue_for(bins.features), patient, records, datetime.now(UTC)
    )
    return dict(zip(bins.features, found.vector(bins.features), strict=True))


def ago(**time: float) -> str:
    """Return a time of so long ago, as the clocks far in the east show it."""
    return (datetime.now(timezone(timedelta(hours=14))) - timedelta(**time)).isoformat(timespec="seconds")


def records_of(site: Site, patient: str) -> list[dict[str, Any]]:
    return site.city.found(f"Patient/{patient}/$everything?_count=500")


def entries(site: Site, patient: str) -> dict[str, dict[str, str]]:
    """Return the details of the AuditEvents of a patient's scores by transaction, with their outcome."""
    found = {}
    for event in site.patient(patient).found("AuditEvent?_count=500"):
        details = {one["type"]: one["valueString"] for one in event["entity"][0]["detail"]}
        if "model" in details:
            tx = event["entity"][0]["what"]["identifier"]["value"]
            found[tx] = details | {"outcome": event["outcome"], "subtype": event["subtype"][0]["code"]}
    return found


def probability(body: dict[str, Any]) -> float:
    """Return the probability, which R4 writes as a percentage."""
    return float(body["prediction"][0]["probabilityDecimal"]) / 100


def salt_of(folder: NodeFolder, patient: str, recipient: str) -> bytes:
    """The pair's salt, as the holder of the patient's secret finds it."""
    with open_parts(folder) as node:
        token = node.keys.references.subject(patient)
        keys = in_thread(SubjectKeyStore(node.keys.ring, node.records).find([token]))
    return PatientSecret(keys[token].secret).salt(recipient)


# -- what is shown -------------------------------------------------------------


def test_a_permitted_score_is_xgboosts_own_and_is_stored_before_it_is_shown(
    scoring: ScoringSite, patient: str
):
    site = scoring.site
    permit(site, patient)
    answer = scoring.assess(site.lake, patient)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert r4.check(answer.content, expected="RiskAssessment").resource == body
    RiskAssessment.model_validate(body)
    assert probability(body) == pytest.approx(in_clear(scoring, records_of(site, patient)), abs=1e-3)
    assert body["subject"] == {"reference": f"Patient/{patient}"}
    model = json.loads((scoring.evaluated.hospital / "card.json").read_text())["model"]
    assert body["method"]["coding"][0]["code"] == model
    stored = site.city.get(f"RiskAssessment/{body['id']}")
    assert stored.content == answer.content
    assert answer.headers["etag"] == 'W/"1"'
    assert len(answer.headers[TX]) == 64


def test_the_basis_is_what_was_used_and_the_notes_say_what_was_missing(scoring: ScoringSite, patient: str):
    site = scoring.site
    body = scoring.assess(site.city, patient).json()
    used = {one["reference"] for one in body["basis"]}
    kinds = {reference.partition("/")[0] for reference in used}
    assert kinds == {"Patient", "Observation"}
    codes = {
        site.city.get(reference).json()["code"]["coding"][0]["code"]
        for reference in used
        if reference.startswith("Observation")
    }
    assert codes == {"39156-5", "56114-2", "2085-9", "8867-4"}
    assert len([one for one in used if one.startswith("Observation")]) == 4, "the older BMI is no basis"
    notes = " ".join(note["text"] for note in body["note"])
    assert "recorded as a bound only: Total cholesterol" in notes
    assert "not recorded: Systolic pressure" in notes


def test_records_whose_code_systems_are_oids_score_as_those_with_urls(scoring: ScoringSite):
    site = scoring.site
    by_url, by_oid = (site.new_patient(birthDate="1961-04-02", gender="male") for _ in range(2))
    loinc, ucum = "urn:oid:2.16.840.1.113883.6.1", "urn:oid:2.16.840.1.113883.6.8"
    for code, value, unit in (
        ("39156-5", 41.0, "kg/m2"),
        ("56114-2", 1.3, "m"),
        ("2085-9", 0.8, "mmol/L"),
        ("8867-4", 95, "/min"),
    ):
        quantity = {"value": value, "code": unit}
        known = {**quantity, "system": "http://unitsofmeasure.org"}
        site.observation(by_url, code=code, valueQuantity=known)
        stored = observation(by_oid, valueQuantity={**quantity, "system": ucum})
        stored["code"] = {"coding": [{"system": loinc, "code": code}]}
        assert site.city.post("Observation", stored).status_code == 201
    answers = [scoring.assess(site.city, patient) for patient in (by_url, by_oid)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[1].text
    one, other = (answer.json() for answer in answers)
    assert len(other["basis"]) == len(one["basis"]) == 5
    assert probability(one) == probability(other)


def test_a_real_participant_scores_as_xgboost_scores_her(scoring: ScoringSite):
    site = scoring.site
    person = next(one for one in site.people if len(one.records) > 5)
    patient = str(person.patient["id"])
    answer = scoring.assess(site.city, patient)
    if answer.status_code == 422:
        pytest.fail(answer.text)
    expected = in_clear(scoring, records_of(site, patient))
    assert probability(answer.json()) == pytest.approx(expected, abs=1e-3)


def test_the_log_holds_the_question_and_the_result_with_commitments_that_can_be_checked(
    scoring: ScoringSite, patient: str
):
    site = scoring.site
    permit(site, patient)
    answer = scoring.assess(site.lake, patient)
    body = answer.json()
    first, second = body["identifier"][0]["value"], answer.headers[TX]
    logged = entries(site, patient)
    assert set(logged) == {first, second}
    assert {one["outcome"] for one in logged.values()} == {"0"}
    assert {one["subtype"] for one in logged.values()} == {"operation"}
    assert logged[second]["permitted-by"] == first
    assert "output-commitment" not in logged[first]
    salt = salt_of(site.demo.folder, patient, LAKE.msp_id)
    assert logged[second]["output-commitment"] == output_commitment(salt, answer.content, transaction=first)
    evaluation = {one["url"]: one["valueString"] for one in body["extension"][0]["extension"]}
    bins = Bins.from_json(scoring.bins)
    assert logged[second]["input-commitment"] == input_commitment(
        salt,
        model=logged[first]["model"],
        transaction=first,
        features=features(bins, records_of(site, patient)),
        query=evaluation["query"],
    )


def test_equal_patients_have_nothing_in_common_on_the_ledger(scoring: ScoringSite):
    site = scoring.site
    one, two = admitted(site), admitted(site)
    answers = [scoring.assess(site.city, patient) for patient in (one, two, one)]
    assert len({probability(answer.json()) for answer in answers}) == 1
    logged = entries(site, one) | entries(site, two)
    results = [entry for entry in logged.values() if "input-commitment" in entry]
    assert len({entry["input-commitment"] for entry in results}) == 3
    assert len({entry["output-commitment"] for entry in results}) == 3


# -- what is refused -----------------------------------------------------------


def test_without_consent_a_score_is_refused_as_for_nobody_and_logged(scoring: ScoringSite, patient: str):
    site, before = scoring.site, len(scoring.between.seen)
    answer = scoring.assess(site.lake, patient)
    nobody = scoring.assess(site.lake, MISSING)
    is_outcome(answer, 404)
    assert answer.content == nobody.content
    assert entries(site, patient)[answer.headers[TX]]["outcome"] == "4"
    assert len(scoring.between.seen) == before, "the evaluator was asked"
    assert scoring.stored(patient) == []


@pytest.mark.parametrize(
    "provision",
    [
        {"action": [{"coding": [{"code": "access"}]}]},
        {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]},
        {"purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}]},
    ],
    ids=["to read only", "without the Patient", "for research"],
)
def test_a_consent_for_something_else_permits_no_score(
    scoring: ScoringSite, patient: str, provision: dict[str, Any]
):
    if "action" in provision:
        system = "http://terminology.hl7.org/CodeSystem/consentaction"
        provision = {"action": [{"coding": [{"system": system, "code": "access"}]}]}
    permit(scoring.site, patient, **provision)
    before = len(scoring.between.seen)
    is_outcome(scoring.assess(scoring.site.lake, patient), 404)
    assert len(scoring.between.seen) == before
    assert scoring.stored(patient) == []


def withheld(code: str) -> dict[str, Any]:
    codes = [{"coding": [{"system": "http://loinc.org", "code": code}]}]
    return {"provision": [{"type": "deny", "code": codes}]}


def test_what_is_withheld_does_not_enter_the_score(scoring: ScoringSite, patient: str):
    site = scoring.site
    permit(site, patient, **withheld("56114-2"))
    body = scoring.assess(site.lake, patient).json()
    everything = records_of(site, patient)
    assert probability(body) == pytest.approx(in_clear(scoring, everything, ("waist",)), abs=1e-3)
    [waist] = [
        one["id"]
        for one in everything
        if one["resourceType"] == "Observation" and one["code"]["coding"][0]["code"] == "56114-2"
    ]
    assert waist not in json.dumps(body)
    assert any("not recorded: Waist" in note["text"] for note in body["note"])


def test_a_score_made_of_withheld_records_is_withheld_too(scoring: ScoringSite, patient: str):
    site = scoring.site
    own = scoring.assess(site.city, patient).json()["id"]
    permit(site, patient, **withheld("56114-2"))
    theirs = scoring.assess(site.lake, patient).json()["id"]
    assert site.lake.get(f"RiskAssessment/{theirs}").status_code == 200
    is_outcome(site.lake.get(f"RiskAssessment/{own}"), 404)
    assert [one["id"] for one in site.lake.found(f"RiskAssessment?patient={patient}")] == [theirs]


def test_a_score_carries_the_labels_of_what_it_is_made_of(scoring: ScoringSite):
    site = scoring.site
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    patient = admitted(site, meta={"security": [label]})
    body = scoring.assess(site.city, patient).json()
    assert label in body["meta"]["security"]


def test_too_little_data_is_no_score_and_names_what_is_missing(scoring: ScoringSite):
    site = scoring.site
    patient = site.new_patient(birthDate="1990-01-01", gender="female")
    answer = scoring.assess(site.city, patient)
    outcome = is_outcome(answer, 422)
    told = " ".join(issue["diagnostics"] for issue in outcome["issue"])
    for name in ("bmi", "waist", "systolic", "smoking"):
        assert f"({name}): not recorded" in told
    assert "(age)" not in told
    assert entries(site, patient)[answer.headers[TX]]["outcome"] == "0"
    assert scoring.stored(patient) == []


def test_a_revocation_while_the_evaluator_computes_stops_the_score(scoring: ScoringSite, patient: str):
    site = scoring.site
    consent_id = permit(site, patient)

    def revoke(query: bytes) -> tuple[int, bytes]:
        body = consent(patient, LAKE, status="inactive", logical_id=consent_id)
        answer = site.city.put(f"Consent/{consent_id}", body)
        assert answer.status_code == 200, answer.text
        return scoring.between.scored(query)

    with scoring.between.meddling(revoke):
        answer = scoring.assess(site.lake, patient)
    is_outcome(answer, 404)
    entry = entries(site, patient)[answer.headers[TX]]
    assert entry["outcome"] == "4"
    assert "output-commitment" in entry
    assert scoring.stored(patient) == []


def test_who_may_not_ask_at_all_is_refused_before_the_ledger(scoring: ScoringSite, patient: str):
    site = scoring.site
    for caller in (site.system(LAKE, "HRESCH"), site.patient(patient), site.officer(), site.bearer("cst_no")):
        answer = scoring.assess(caller, patient)
        is_outcome(answer, 401, 403)
        assert TX not in answer.headers
    narrow = replace_scopes(
        Principal.for_operator(CITY.msp_id, "narrow"), "system/Observation.rs", "system/Patient.rs"
    )
    is_outcome(scoring.assess(site.bearer(site.issue(narrow)), patient), 403)


def replace_scopes(principal: Principal, *scopes: str) -> Principal:
    return msgspec.structs.replace(principal, purpose="TREAT", scopes=scopes)


# -- the operation -------------------------------------------------------------


def test_the_operation_is_declared_and_its_definition_is_there(scoring: ScoringSite):
    site = scoring.site
    statement = site.http.get(f"{site.base}/metadata").json()
    [kind] = [one for one in statement["rest"][0]["resource"] if one["type"] == "Patient"]
    [operation] = [one for one in kind["operation"] if one["name"] == "assess-risk"]
    definition = site.http.get(operation["definition"])
    assert definition.status_code == 200
    r4.check(definition.content, expected="OperationDefinition")
    assert definition.json()["affectsState"] is True
    assert site.city.get(f"Patient/{MISSING}/$assess-risk").status_code in {404, 405}


def test_the_model_may_be_named_and_nothing_else(scoring: ScoringSite, patient: str):
    site = scoring.site
    digest = json.loads((scoring.evaluated.hospital / "card.json").read_text())["model"]

    def parameters(*given: dict[str, Any]) -> dict[str, Any]:
        return {"resourceType": "Parameters", "parameter": list(given)}

    named = {"name": "model", "valueCode": digest}
    assert scoring.assess(site.city, patient, parameters(named)).status_code == 200
    assert scoring.assess(site.city, patient, {"resourceType": "Parameters"}).status_code == 200
    before = len(scoring.between.seen)
    for wrong in (
        {"name": "model", "valueCode": "0" * 64},
        {"name": "model", "valueString": digest},
        {"name": "as-of", "valueDate": "2020-01-01"},
    ):
        is_outcome(scoring.assess(site.city, patient, parameters(wrong)), 400)
    is_outcome(scoring.assess(site.city, patient, b"{"), 400)
    is_outcome(scoring.assess(site.city, patient, {"resourceType": "Patient"}), 400, 422)
    path = f"Patient/{patient}/$assess-risk"
    is_outcome(site.city("POST", path, b"a=1", Content_Type="text/plain"), 415)
    assert len(scoring.between.seen) == before


def test_a_node_without_a_model_has_no_such_operation(site: Site):
    answer = site.city("POST", f"Patient/{MISSING}/$assess-risk")
    assert answer.status_code in {404, 405}
    assert site.http.get(f"{site.base.removesuffix('/fhir')}/cds-services").status_code == 404
    statement = site.http.get(f"{site.base}/metadata").text
    assert "assess-risk" not in statement


# -- an evaluator that is away, wrong or hostile ---------------------------------


def reheaded(answer: bytes, **changes: Any) -> bytes:
    frame = unframe(answer, ArtefactKind.ANSWER, sections=(1,))
    return Frame(ArtefactKind.ANSWER, frame.header | changes, frame.sections).data


def resectioned(query: bytes, section: bytes) -> bytes:
    """Return an answer to this query with another ciphertext in it."""
    asked = unframe(query, ArtefactKind.QUERY, sections=(1,))
    given = {"model": asked.header["model"], "query": asked.digest, "set": asked.header["set"]}
    return Frame(ArtefactKind.ANSWER, given, (section,)).data


def flipped(answer: bytes) -> bytes:
    frame = unframe(answer, ArtefactKind.ANSWER, sections=(1,))
    section = bytearray(frame.sections[0])
    for place in range(5_000, 70_000, 1_001):  # low bytes of a coefficient alone are noise anyway
        section[place] ^= 0x10
    return Frame(ArtefactKind.ANSWER, frame.header, (bytes(section),)).data


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda b, q: b.scored(q)[1][:-100], id="cut short"),
        pytest.param(lambda b, q: flipped(b.scored(q)[1]), id="altered, with a new digest"),
        pytest.param(lambda b, q: b.answers[0], id="an earlier answer"),
        pytest.param(
            lambda b, q: reheaded(b.answers[0], query=unframe(q, ArtefactKind.QUERY, sections=(1,)).digest),
            id="an earlier answer under a new name",
        ),
        pytest.param(lambda b, q: reheaded(b.scored(q)[1], model="0" * 64), id="another model"),
        pytest.param(lambda b, q: reheaded(b.scored(q)[1], set="private"), id="other parameters"),
        pytest.param(lambda b, q: q, id="the query itself"),
        pytest.param(lambda b, q: resectioned(q, seeded_of_no_parts(1)), id="a ciphertext of no parts"),
        pytest.param(lambda b, q: resectioned(q, seeded_of_no_parts(2)), id="one of the query's level"),
        pytest.param(lambda b, q: b"", id="nothing"),
        pytest.param(lambda b, q: b'{"probability": 0.99}', id="a score in clear"),
    ],
)
def test_an_answer_that_is_not_this_score_is_never_shown(scoring: ScoringSite, patient: str, wrong: Any):
    site, between = scoring.site, scoring.between
    if not between.answers:
        assert scoring.assess(site.city, admitted(site)).status_code == 200
    before = scoring.stored(patient)
    with between.meddling(lambda query: (200, wrong(between, query))):
        answer = scoring.assess(site.city, patient)
    is_outcome(answer, 503)
    assert "retry-after" in answer.headers
    assert scoring.stored(patient) == before
    # The hospital's log says that nothing was released, and no other member's (`test_releases`) ...
    logged = entries(site, patient)
    results = [one for one in logged.values() if one.get("permitted-by") == answer.headers[TX]]
    assert [one["outcome"] for one in results] == ["8"]
    # ... and the key that could tell it is gone.
    used = keys_of(between.queries[-1])
    assert scoring.assess(site.city, patient).status_code == 200
    assert keys_of(between.queries[-1]) != used


def keys_of(query: bytes) -> str:
    return read_header(unframe(query, ArtefactKind.QUERY, sections=(1,)), QueryHeader).keys


@pytest.mark.parametrize(
    "away",
    [
        pytest.param((500, b"no"), id="failing"),
        pytest.param((503, b'{"code":"worker-lost","message":"x"}'), id="without workers"),
        pytest.param((429, b'{"code":"busy","message":"x"}'), id="busy"),
        pytest.param((401, b'{"code":"unauthenticated","message":"x"}'), id="not knowing us"),
        pytest.param((404, b'{"code":"unknown","message":"x"}'), id="without the model"),
        pytest.param((422, b'{"code":"garbled-answer","message":"x"}'), id="claiming what only we can know"),
        pytest.param((302, b""), id="pointing elsewhere"),
        pytest.param((200, b"x" * (5 << 20)), id="too large"),
    ],
)
def test_an_evaluator_without_an_answer_is_an_error_to_retry(
    scoring: ScoringSite, patient: str, away: tuple[int, bytes]
):
    site = scoring.site
    with scoring.between.meddling(lambda _: away):
        answer = scoring.assess(site.city, patient)
    is_outcome(answer, 503)
    assert set(entries(site, patient)) == {answer.headers[TX]}
    assert scoring.stored(patient) == []
    assert scoring.assess(site.city, patient).status_code == 200


@contextmanager
def own_site(scoring: ScoringSite, built: Path, folder: Path, url_port: int, **more: Any) -> Iterator[Site]:
    demo = copied(built, folder)
    replace(scoring.evaluated, port=url_port).used_by(demo.folder)
    if more:
        text = demo.folder.settings_file.read_text()
        demo.folder.settings_file.write_text(text.replace("seconds = 10.0", f"seconds = {more['seconds']}"))
    with opened(demo) as (http, _, _):
        yield Site(demo, http, scoring.site.people)


def test_an_evaluator_that_is_not_there_or_too_slow_is_an_error_to_retry(
    scoring: ScoringSite, built: Path, tmp_path: Path
):
    with own_site(scoring, built, tmp_path / "away", free_port()) as site:
        is_outcome(scoring.assess(site.city, admitted(site)), 503)
    with own_site(scoring, built, tmp_path / "slow", scoring.between.port, seconds=0.3) as site:
        patient = admitted(site)
        with scoring.between.meddling(lambda _: (time.sleep(2), (200, b""))[1]):
            started = time.monotonic()
            is_outcome(scoring.assess(site.city, patient), 503)
            assert time.monotonic() - started < 1.9


def test_an_evaluator_with_other_trees_is_found_and_not_asked_again(
    scoring: ScoringSite, built: Path, tmp_path: Path
):
    between = scoring.between
    artefact = (scoring.evaluated.evaluator / "risk.model").read_bytes()
    model = unframe(artefact, ArtefactKind.MODEL, sections=range(2, 5))
    evaluator = BfvEvaluator()
    evaluator.add_model(with_other_constant(model).data)

    def of_other_trees(query: bytes) -> tuple[int, bytes]:
        for keys in [body for method, path, body in between.seen if path == "/keys"]:
            evaluator.add_keys(keys)
        try:
            return 200, evaluator.score(query)
        except UnknownDigestError:
            return 404, b'{"code":"unknown","message":"send the keys"}'

    with own_site(scoring, built, tmp_path / "lied to", between.port) as site:
        patient = admitted(site)
        with between.meddling(of_other_trees):
            answer = scoring.assess(site.city, patient)
        is_outcome(answer, 503)
        assert site.city.found(f"RiskAssessment?patient={patient}") == []
        logged = entries(site, patient)
        results = [one for one in logged.values() if one.get("permitted-by") == answer.headers[TX]]
        assert [one["outcome"] for one in results] == ["8"]
        before = len(between.seen)
        outcome = is_outcome(scoring.assess(site.city, patient), 503)
        assert "other trees" in outcome["issue"][0]["diagnostics"]
        assert len(between.seen) == before, "it was asked again"


def test_an_evaluator_that_has_loaded_another_program_gets_no_query(
    scoring: ScoringSite, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    between, forward = scoring.between, scoring.between.forward

    def other(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if path.endswith("/programs"):
            return 200, b'{"fast":"' + b"0" * 64 + b'"}'
        return forward(method, path, body)

    with own_site(scoring, built, tmp_path / "mixed up", between.port) as site:
        before = len(between.queries)
        with monkeypatch.context() as patched:
            patched.setattr(between, "forward", other)
            is_outcome(scoring.assess(site.city, admitted(site)), 503)
        assert len(between.queries) == before
        is_outcome(scoring.assess(site.city, admitted(site)), 503)


def test_the_evaluator_sees_ciphertext_and_nothing_that_depends_on_the_score(
    scoring: ScoringSite, patient: str
):
    site, between = scoring.site, scoring.between
    young = site.new_patient(birthDate="2001-04-02", gender="female")
    for code, value, unit in (("39156-5", 19.5, "kg/m2"), ("56114-2", 68, "cm"), ("8867-4", 60, "/min")):
        quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": unit}
        site.observation(young, code=code, valueQuantity=quantity)
    shapes, risks = [], []
    for one in (patient, young):
        before = len(between.seen)
        answer = scoring.assess(site.city, one)
        risks.append(probability(answer.json()))
        new = between.seen[before:]
        shapes.append([(method, path, len(body)) for method, path, body in new if path == "/score"])
        for _, _, body in new:
            for text in (one, answer.headers[TX], str(risks[-1]), "33.1", "19.5", "1961", "2001"):
                assert text.encode() not in body
    assert risks[0] > 2 * risks[1]
    assert [len(shape) for shape in shapes] == [1, 1]
    assert abs(shapes[0][0][2] - shapes[1][0][2]) < 200  # compressed randomness differs by a few bytes


def test_many_scores_at_once_are_all_right(scoring: ScoringSite, patient: str):
    site = scoring.site
    expected = in_clear(scoring, records_of(site, patient))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: scoring.assess(site.city, patient), range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert all(probability(a.json()) == pytest.approx(expected, abs=1e-3) for a in answers)
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers[TX] for answer in answers}) == 12


# -- equal inputs ------------------------------------------------------------------


def test_equal_inputs_give_one_assessment_to_all_who_may_see_it(scoring: ScoringSite, patient: str):
    site = scoring.site
    permit(site, patient)
    before = len(scoring.between.queries)
    answers = [scoring.assess(caller, patient) for caller in (site.city, site.lake, site.city)]
    assert len({answer.content for answer in answers}) == 1
    assert len(scoring.between.queries) == before + 1, "the evaluator was asked again"
    assert [one["id"] for one in scoring.stored(patient)] == [answers[0].json()["id"]]
    logged = entries(site, patient)
    results = [logged[answer.headers[TX]] for answer in answers]
    assert {one["outcome"] for one in results} == {"0"}
    salt = salt_of(site.demo.folder, patient, LAKE.msp_id)
    lake = results[1]
    assert lake["output-commitment"] == output_commitment(
        salt, answers[1].content, transaction=lake["permitted-by"]
    )


def test_whatever_changes_the_inputs_makes_another_assessment(scoring: ScoringSite, patient: str):
    site = scoring.site
    found = [scoring.assess(site.city, patient).json()["id"]]
    quantity = {"value": 81, "system": "http://unitsofmeasure.org", "code": "/min"}
    site.observation(patient, code="8867-4", valueQuantity=quantity, effectiveDateTime=ago(hours=2))
    found.append(scoring.assess(site.city, patient).json()["id"])
    odd = {"value": 81, "unit": "furlongs"}
    site.observation(patient, code="8867-4", valueQuantity=odd, effectiveDateTime=ago(hours=1))
    found.append(scoring.assess(site.city, patient).json()["id"])
    assert len(set(found)) == 3
    assert len(scoring.stored(patient)) == 3


def test_an_assessment_that_was_changed_or_deleted_is_not_given_out_again(scoring: ScoringSite, patient: str):
    site = scoring.site
    first = scoring.assess(site.city, patient).json()
    retracted = site.city.put(f"RiskAssessment/{first['id']}", first | {"status": "entered-in-error"})
    if retracted.status_code == 200:
        second = scoring.assess(site.city, patient).json()
        assert (second["status"], second["id"] != first["id"]) == ("final", True)
    other = admitted(site)
    gone = scoring.assess(site.city, other).json()["id"]
    if site.city("DELETE", f"RiskAssessment/{gone}").status_code == 204:
        again = scoring.assess(site.city, other)
        assert again.status_code == 200
        assert again.headers["etag"] == 'W/"3"'
        assert site.city.get(f"RiskAssessment/{again.json()['id']}").status_code == 200


# -- what counts -------------------------------------------------------------------


def test_a_diagnosis_by_a_code_below_counts_and_one_that_is_not_confirmed_is_said(scoring: ScoringSite):
    site = scoring.site

    def diagnosed(status: str | None) -> dict[str, Any]:
        patient = admitted(site)
        body: dict[str, Any] = {
            "resourceType": "Condition",
            "subject": {"reference": f"Patient/{patient}"},
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I21.A1"}]},
        }
        if status:
            system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
            body["verificationStatus"] = {"coding": [{"system": system, "code": status}]}
        assert site.city.post("Condition", body).status_code == 201
        answer = scoring.assess(site.city, patient)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    certain, suspected, refuted = (diagnosed(status) for status in (None, "differential", "refuted"))
    assert any(one["reference"].startswith("Condition/") for one in certain["basis"])
    for other in (suspected, refuted):
        assert not any(one["reference"].startswith("Condition/") for one in other["basis"])
    note = "Set aside for Myocardial infarction, ever: 1 recorded and not confirmed."
    assert [note in str(one["note"]) for one in (certain, suspected, refuted)] == [False, True, False]
    assert probability(suspected) == probability(refuted)


def test_a_newest_value_that_can_not_be_read_is_said(scoring: ScoringSite, patient: str):
    site = scoring.site
    site.observation(
        patient,
        code="8867-4",
        valueQuantity={"value": 130, "unit": "furlongs"},
        effectiveDateTime=ago(hours=1),
    )
    body = scoring.assess(site.city, patient).json()
    texts = {note["text"] for note in body["note"]}
    assert "Set aside for Heart rate: 1 recorded in a unit that is not understood." in texts
