"""Texts and numbers that a database can't hold: refused in the same words, whichever database there is.

PostgreSQL takes no NUL in a text and neither database a number of more than 64 bits, so none may come that
far: it would look as if the database were away. Each is asked for in every place where a caller's word
reaches a statement, and what is asked for is answered, or refused as the caller's own mistake.
"""

from __future__ import annotations

from itertools import product

import pytest

from exchange.auth.assertions import ASSERTION_TYPE, sign_assertion
from exchange.client.system import SCOPE, read_key
from exchange.demo.consortium import client_id
from tests.support.scenarios.scenario_site import EVERY_STORE, LAKE, Site, is_outcome, observation

LEDGERS = EVERY_STORE
ODD = ("%00", "a%00b", "%ED%A0%80", "%F4%8F%BF%BF", "%25_", "%27", str(2**63), str(2**64), str(-(2**63) - 1))
OF_THE_LOG = ("agent", "purpose", "action", "outcome", "patient", "_id", "date", "_lastUpdated", "_count")
OF_RECORDS = ("_id", "code", "subject", "patient", "identifier", "date", "value-quantity", "_lastUpdated")


@pytest.fixture(scope="module")
def record(site: Site) -> dict[str, str]:
    patient = site.new_patient()
    return {"patient": patient, "id": site.observation(patient)["id"]}


@pytest.mark.parametrize("odd", ODD)
def test_no_search_or_address_makes_a_database_fail(site: Site, record: dict[str, str], odd: str) -> None:
    officer, events = site.officer(), f"AuditEvent/{'0' * 32}-{odd}"
    asked = [(officer, f"AuditEvent?{name}={odd}") for name in OF_THE_LOG]
    asked += [(officer, events), (officer, f"AuditEvent?_id={'0' * 32}-{odd}")]
    asked += [(site.city, f"Observation?{name}={odd}") for name in OF_RECORDS]
    for path in ("Observation/{}", f"Observation/{record['id']}/_history/{{}}", "Consent?patient={}"):
        asked.append((site.city, path.format(odd)))
    for path, name in product((f"Observation/{record['id']}/_history", "Observation"), ("_since", "_count")):
        asked.append((site.city, f"{path}?{name}={odd}"))
    for caller, path in asked:
        answer = caller.get(path)
        assert answer.status_code < 500, path
        if answer.status_code >= 400:
            is_outcome(answer, answer.status_code)


@pytest.mark.parametrize("name", ["agent", "purpose"])
def test_a_search_of_the_log_for_no_text_is_the_callers_mistake(site: Site, name: str) -> None:
    for odd in ("%00", "a,b%00", "x|%01"):
        said = is_outcome(site.officer().get(f"AuditEvent?{name}={odd}"), 400)
        assert name in said["issue"][0]["diagnostics"]


@pytest.mark.parametrize("version", ["0", "9" * 18, str(2**63 - 1), str(2**63), "9" * 40, "-1", "\u0663"])
def test_a_version_that_no_number_can_be_changes_nothing(
    site: Site, record: dict[str, str], version: str
) -> None:
    path, body = f"Observation/{record['id']}", observation(record["patient"], id=record["id"])
    for method in ("PUT", "DELETE"):
        sent = body if method == "PUT" else None
        answer = site.city(method, path, sent, If_Match=f'W/"{version}"'.encode())
        is_outcome(answer, 400, 412)
    assert site.city.get(path).headers["etag"] == 'W/"1"'


@pytest.mark.parametrize("claim", ["client_id", "jti", "organization_id", "purpose", "subject_id"])
@pytest.mark.parametrize("odd", ["\0", "a\0b", "\ud800", "\U0010ffff", "x" * 5000])
def test_an_assertion_with_such_a_claim_gets_no_token(site: Site, claim: str, odd: str) -> None:
    url = site.demo.settings.token_url
    claims = {"client_id": client_id(LAKE), "organization_id": LAKE.msp_id, "purpose": "TREAT"} | {claim: odd}
    try:
        signed = sign_assertion(read_key(site.demo.key_file(LAKE)), token_url=url, **claims)
    except UnicodeEncodeError:
        return  # half a surrogate pair is in no JSON
    form = {
        "grant_type": "client_credentials",
        "scope": SCOPE,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }
    answer = site.http.post(url, data=form)
    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in {"invalid_client", "invalid_grant", "invalid_request"}


def test_a_form_with_such_fields_gets_no_token(site: Site) -> None:
    for name, odd in product(("client_id", "scope", "grant_type", "client_assertion"), ("\0", "a\0b")):
        answer = site.http.post(site.demo.settings.token_url, data={name: odd})
        assert answer.status_code in {400, 401}
        assert "error" in answer.json()
