"""The page for those who connect: its programs run, its consents work, its answers are given."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.auth.assertions import public_jwk
from exchange.client.system import read_key
from exchange.demo.consortium import client_id
from tests.support.scenarios.scenario_site import LAKE, TX, Site

PAGE = (Path(__file__).parents[3] / "docs" / "connecting.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(python|javascript|json [a-z-]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS: dict[str, str] = dict(_BLOCK.findall(PAGE))
PSY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}


def recipe(name: str, patient: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(BLOCKS[f"json {name}"].replace("PATIENT", patient))
    return found


def base(patient: str, name: str = "") -> dict[str, Any]:
    """Return the first consent of the page, with what another recipe adds to its provision."""
    body = recipe("one-organisation", patient)
    if name:
        body["provision"] |= recipe(name, patient)
    return body


def test_the_page_has_all_of_its_programs_and_recipes() -> None:
    assert set(BLOCKS) == {
        "python",
        "javascript",
        "json one-organisation",
        "json without-mental-health",
        "json until-a-date",
        "json withdraw",
        "json on-paper",
    }
    for language in ("python", "javascript"):
        assert len([line for line in BLOCKS[language].splitlines() if line.strip()]) <= 45


@pytest.mark.parametrize(("language", "program"), [("python", sys.executable), ("javascript", "node")])
def test_the_programs_sign_in_and_read(served: Site, tmp_path: Path, language: str, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    patient = served.new_patient()
    assert served.patient(patient).post("Consent", base(patient)).status_code == 201
    file = tmp_path / ("read.py" if language == "python" else "read.cjs")
    file.write_text(BLOCKS[language], encoding="utf-8")
    key = served.demo.key_file(LAKE)
    keys = tmp_path / "lake.jwks"
    keys.write_text(json.dumps({"keys": [public_jwk(read_key(key))]}))
    settings = served.demo.settings
    command = [
        program,
        file,
        settings.base_url,
        client_id(LAKE),
        LAKE.msp_id,
        key,
        keys,
        f"Patient/{patient}",
    ]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == patient


def test_a_consent_for_one_organisation_permits_that_one(site: Site) -> None:
    patient = site.new_patient()
    assert site.lake.get(f"Patient/{patient}").status_code == 404
    assert site.patient(patient).post("Consent", base(patient)).status_code == 201
    assert site.lake.get(f"Patient/{patient}").status_code == 200
    assert site.ridge.get(f"Patient/{patient}").status_code == 404
    assert site.system(LAKE, "HRESCH").get(f"Patient/{patient}").status_code == 404


def test_without_mental_health_withholds_what_is_labelled_so(site: Site) -> None:
    patient = site.new_patient()
    plain = site.observation(patient)["id"]
    labelled = site.observation(patient, meta={"security": [PSY]})["id"]
    body = base(patient, "without-mental-health")
    assert site.patient(patient).post("Consent", body).status_code == 201
    assert site.lake.get(f"Observation/{plain}").status_code == 200
    assert site.lake.get(f"Observation/{labelled}").status_code == 404
    shown = [one["id"] for one in site.lake.found(f"Observation?patient={patient}")]
    assert shown == [plain]


@pytest.mark.parametrize(("end", "seen"), [("2099-12-31", 200), ("2026-01-02", 404)])
def test_until_a_date_ends_with_it(site: Site, end: str, seen: int) -> None:
    patient = site.new_patient()
    body = base(patient, "until-a-date")
    assert body["provision"]["period"]["end"] == "2099-12-31"
    body["provision"]["period"]["end"] = end
    assert site.patient(patient).post("Consent", body).status_code == 201
    assert site.lake.get(f"Patient/{patient}").status_code == seen


def test_withdrawn_it_permits_nothing_from_the_next_request_on(site: Site) -> None:
    patient = site.new_patient()
    stored = site.patient(patient).post("Consent", base(patient)).json()
    assert site.lake.get(f"Patient/{patient}").status_code == 200
    ended = stored | recipe("withdraw", patient)
    assert site.patient(patient).put(f"Consent/{stored['id']}", ended).status_code == 200
    assert site.lake.get(f"Patient/{patient}").status_code == 404


def test_on_paper_the_hospital_files_it_and_the_patient_sees_so(site: Site) -> None:
    patient = site.new_patient()
    body = base(patient) | recipe("on-paper", patient)
    answer = site.city.post("Consent", body)
    assert answer.status_code == 201, answer.text
    assert site.lake.get(f"Patient/{patient}").status_code == 200
    [seen] = site.patient(patient).found(f"Consent?patient={patient}")
    assert {"url": "urn:consentry:filed-by", "valueCode": "organization"} in seen["extension"]


def test_hidden_missing_and_deleted_are_one_404(site: Site) -> None:
    patient = site.new_patient()
    hidden, deleted = (site.observation(patient)["id"] for _ in range(2))
    assert site.city.delete(f"Observation/{deleted}").status_code == 204
    answers = [site.lake.get(f"Observation/{one}") for one in (hidden, deleted, "none-of-that-id")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert all(TX in answer.headers for answer in answers)


def _refused_token(site: Site) -> httpx.Response:
    return site.http.post(site.demo.settings.token_url, data={"grant_type": "client_credentials"})


ANSWERS: dict[str, tuple[Any, int]] = {
    "a token request without an assertion": (_refused_token, 400),
    "a parameter that is none": (lambda site: site.city.get("Patient?nonsense=1"), 400),
    "no token": (lambda site: site.http.get(f"{site.base}/Patient/x"), 401),
    "a write by another member": (lambda site: site.lake.post("Patient", {"resourceType": "Patient"}), 403),
    "nothing to see": (lambda site: site.lake.get("Patient/none"), 404),
    "an address that is not supported": (lambda site: site.city.get("Patient/x/$nothing"), 404),
    "a method": (lambda site: site.city("PATCH", "Patient/x"), 405),
    "a format": (lambda site: site.city.get("Patient?_format=xml"), 406),
    "a type of body": (lambda site: site.city("POST", "Patient", "x", Content_Type="text/plain"), 415),
    "a condition": (
        lambda site: site.city.put(
            f"Patient/{(one := site.new_patient())}", {"resourceType": "Patient", "id": one}, If_Match='W/"9"'
        ),
        412,
    ),
    "no valid R4": (lambda site: site.city.post("Patient", {"resourceType": "Patient", "gender": "x"}), 422),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_answers_of_the_table_are_given(site: Site, case: str) -> None:
    ask, status = ANSWERS[case]
    answer: httpx.Response = ask(site)
    assert answer.status_code == status, answer.text
    assert f"{status}" in PAGE.partition("## The answers")[2]
