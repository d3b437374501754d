"""Tokens for persons, clients and refused log-ins are entries of the log."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.auth.assertions import ASSERTION_TYPE, public_jwk, sign_assertion
from exchange.auth.clients import new_client
from exchange.auth.principal import Kind, Member, Principal
from exchange.fhir import r4
from exchange.node.identity.accepted_changes import add_member
from exchange.node.parts import open_parts
from exchange.services.auth.tokens import Tokens
from tests.support.scenarios.patient_browser import Browser, code_for
from tests.support.scenarios.scenario_site import CITY, EVERY_NODE, LAKE, Site, in_thread

LEDGERS = EVERY_NODE

LOGIN, LOGOUT, CHANGED = "110122", "110123", "110137"


def identity_events(site: Site, code: str) -> list[dict[str, Any]]:
    """Return the entries of that DICOM code in the officer's log, which are valid R4."""
    found = [
        event
        for event in site.officer().found("AuditEvent?_count=200")
        if event["subtype"][0]["code"] == code
    ]
    for event in found:
        assert r4.check(msgspec.json.encode(event), expected="AuditEvent")
        assert event["action"] == "E"
    return found


def told(event: dict[str, Any]) -> str:
    return next((entity["description"] for entity in event["entity"] if "description" in entity), "")


def who(event: dict[str, Any]) -> str:
    return str(event["agent"][0]["who"]["identifier"]["value"])


async def issue(tokens: Tokens, principal: Principal) -> str:
    return await tokens.issue_local(principal, 60, by="root the operator")


def beside(site: Site, work: Any) -> Any:
    """Run `work` with the token service of a command beside the gateway."""

    async def run() -> Any:
        with open_parts(site.demo.folder) as parts:
            return await work(parts.tokens)

    return in_thread(run())


def test_a_token_for_a_person_is_seen_by_the_person_and_the_officer(site: Site) -> None:
    patient, other = site.new_patient(), site.new_patient()
    for principal in (
        Principal.for_patient(CITY.msp_id, patient),
        Principal.for_officer(CITY.msp_id, "dr.honest"),
    ):
        beside(site, lambda tokens, principal=principal: issue(tokens, principal))
        [event] = [one for one in identity_events(site, LOGIN) if who(one) == principal.user]
        assert f"token {principal.client_id} for 60 s, issued by root the operator" == told(event)
        assert event["outcome"] == "0"
    mine = [event for event in site.patient(patient).found("AuditEvent") if told(event).startswith("token")]
    assert [f"Patient/{patient}"] == list({who(event) for event in mine})
    assert len(mine) == 2  # the other is the one that this was read with
    assert all(
        patient not in msgspec.json.encode(e).decode() for e in site.patient(other).found("AuditEvent")
    )


def test_a_patients_sign_in_is_seen_from_the_code_to_the_end(site: Site) -> None:
    patient, browser, late = site.new_patient(), Browser(site), Browser(site)
    code = code_for(site, patient)
    pages = [(one, one.post("/code", {"code": code, "label": "phone"})) for one in (browser, late)]
    made = [one.send(page, "/enrol", response=one.device.create(one.options(page))) for one, page in pages]
    assert [answer.status_code for answer in made] == [303, 401]
    browser.send(browser.get("/account"), "/sign-out")
    code_for(site, patient, replace=True)
    events = site.patient(patient).found("AuditEvent?_count=50&purpose=PATRQT")
    kinds = [(event["subtype"][0]["code"], told(event)) for event in reversed(events)]
    starts = [(code, said.partition(" ")[0]) for code, said in kinds if code in {LOGIN, LOGOUT}]
    assert starts[:4] == [(LOGIN, "code"), (LOGIN, "token"), (LOGOUT, "sign-in"), (LOGIN, "code")]
    ended = [told(event) for event in identity_events(site, LOGOUT)]
    assert f"1 passkeys and 0 sign-ins of Patient/{patient} ended" in ended


def test_the_end_of_tokens_and_what_happens_to_clients_are_seen_by_the_officer(site: Site) -> None:
    client = new_client(
        client_id="seen",
        name="seen",
        organization=LAKE.msp_id,
        jwks=msgspec.json.encode({"keys": [public_jwk(ec.generate_private_key(ec.SECP384R1()))]}),
        allowed=["system/*.rs"],
        created=1,
    )
    beside(site, lambda tokens: issue(tokens, Principal.for_officer(CITY.msp_id, "o.leaver")))
    beside(site, lambda tokens: tokens.end("o.leaver", by="ops"))
    beside(site, lambda tokens: tokens.clients.register(client, by="ops"))
    beside(site, lambda tokens: tokens.clients.disable("seen", by="ops"))
    ended = [event for event in identity_events(site, LOGOUT) if "o.leaver" in told(event)]
    assert [(who(event), told(event)) for event in ended] == [("ops", "1 tokens of o.leaver ended")]
    changes = [event for event in identity_events(site, CHANGED) if "client seen of" in told(event)]
    assert [who(event) for event in changes] == ["ops", "ops"]
    assert client.keys[0]["kid"] in told(changes[0])


def test_a_member_listed_beside_the_gateway_is_seen_by_the_officer(site: Site) -> None:
    add_member(site.demo.folder, Member("PineMSP", "Pine", "pine"), by="ops")
    changed = [event for event in identity_events(site, CHANGED) if "PineMSP" in told(event)]
    text = "settings changed: member PineMSP listed as Pine, Organization/pine"
    assert [(who(event), told(event)) for event in changed] == [("ops", text)]


@pytest.mark.parametrize("kind", [Kind.PATIENT, Kind.OFFICER, Kind.SYSTEM])
def test_a_token_that_its_holder_ends_is_one_entry_where_it_was_a_persons(site: Site, kind: Kind) -> None:
    principal = {
        Kind.PATIENT: Principal.for_patient(CITY.msp_id, site.new_patient()),
        Kind.OFFICER: Principal.for_officer(CITY.msp_id, "o.holder"),
        Kind.SYSTEM: None,
    }[kind]
    if principal is None:
        token = site.system(CITY, user="Practitioner/leaver").token()
    else:
        token = beside(site, lambda tokens: issue(tokens, principal))
    before = len(identity_events(site, LOGOUT))
    address = f"{site.base.removesuffix('/fhir')}/auth/revoke"
    for sent in (token, token, token[:-1] + "x", "no token"):  # the second and later ones end nothing
        assert site.http.post(address, data={"token": sent}).status_code == 200
    if principal is None:
        assert len(identity_events(site, LOGOUT)) == before
        return
    events = [event for event in identity_events(site, LOGOUT) if principal.client_id in told(event)]
    assert [(who(e), told(e)) for e in events] == [
        (principal.user, f"token {principal.client_id} ended by its holder")
    ]
    assert len(identity_events(site, LOGOUT)) == before + 1
    if principal.patient:
        mine = [e for e in site.patient(principal.patient).found("AuditEvent") if "ended by" in told(e)]
        assert [e["id"] for e in mine] == [events[0]["id"]]


def test_refused_log_ins_are_counted_for_known_clients_and_never_fill_the_ledger(site: Site) -> None:
    stranger = ec.generate_private_key(ec.SECP384R1())
    before = len(identity_events(site, LOGIN))
    for n in range(20):
        for client in ("lake-clinic-ehr", f"stranger-{n}"):
            form = {
                "grant_type": "client_credentials",
                "scope": "system/*.rs",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": sign_assertion(
                    stranger,
                    client_id=client,
                    token_url=f"{site.base.removesuffix('/fhir')}/auth/token",
                    organization_id=LAKE.msp_id,
                    purpose="TREAT",
                ),
            }
            assert (
                site.http.post(f"{site.base.removesuffix('/fhir')}/auth/token", data=form).status_code == 401
            )
    deadline = time.monotonic() + 10
    while True:
        logged = identity_events(site, LOGIN)
        refused = [event for event in logged if event["outcome"] == "4"]
        if refused or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    texts = " ".join(map(told, refused))
    assert "lake-clinic-ehr of LakeClinicMSP: the client or its key is unknown" in texts
    assert "stranger" not in texts
    assert 1 <= len(refused) <= 4
    assert len(logged) < before + 12  # each reading of the log is a token of its own
