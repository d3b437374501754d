"""Patients sign in with passkeys, and strangers don't: by each way that a browser or a network can lie."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.node.parts import open_parts
from exchange.pages.patient_pages import PAGES, PatientPages
from exchange.pages.visits import DemoAccount
from exchange.services.sign_in.ceremonies import LIFETIME as CEREMONY
from exchange.services.sign_in.ceremonies import Ceremonies, Step
from exchange.services.sign_in.enrolment_codes import MOST_TRIES, EnrolmentCodes
from exchange.services.sign_in.refusals import SignInRefusal, SignInRefusedError
from exchange.services.sign_in.sessions import IDLE, LIFETIME
from tests.support.scenarios.patient_browser import UP, Browser, code_for, said
from tests.support.scenarios.scenario_site import LAKE, Site, consent, in_thread


@pytest.fixture
def patient(site: Site) -> str:
    return site.new_patient()


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)


@pytest.fixture
def signed_in(site: Site, patient: str, browser: Browser) -> Browser:
    assert browser.enrol(code_for(site, patient)).headers["location"].endswith("/permissions?done=enrolled")
    return browser


def is_in(browser: Browser) -> bool:
    return "My permissions" in said(browser.get("/permissions"))


def cookie(browser: Browser) -> str:
    return str(browser.http.cookies.get("session"))


def test_a_code_makes_a_passkey_and_the_passkey_signs_in(site: Site, patient: str, browser: Browser) -> None:
    assert not is_in(browser)
    done = browser.enrol(code_for(site, patient))
    assert done.status_code == 303
    assert is_in(browser)
    browser.send(browser.get("/permissions"), "/sign-out")
    assert not is_in(browser)
    assert browser.sign_in().status_code == 303
    assert is_in(browser)
    events = site.patient(patient).found("AuditEvent?_count=50")
    told = {e["description"] for event in events for e in event["entity"] if "description" in e}
    assert any(one.startswith("code for a passkey, for 1 h, issued by root") for one in told)
    assert any(one.endswith("issued by a code of the hospital") for one in told)
    assert any(one.endswith("issued by a passkey: Ana, phone") for one in told)
    assert any(one.endswith("ended by the patient") for one in told)


def test_the_code_may_be_typed_as_people_type(site: Site, patient: str, browser: Browser) -> None:
    typed = f"  {code_for(site, patient).lower().replace('-', ' ')} "
    assert browser.enrol(typed).status_code == 303


def test_a_code_works_once_also_for_two_at_the_same_moment(site: Site, patient: str) -> None:
    code, first, second = code_for(site, patient), Browser(site), Browser(site)
    pages = [(one, one.post("/code", {"code": code, "label": ""})) for one in (first, second)]
    answers = [one.send(page, "/enrol", response=one.device.create(one.options(page))) for one, page in pages]
    assert [one.status_code for one in answers] == [303, 401]
    assert "This code was used before" in said(answers[1])
    assert "isn't right" in said(Browser(site).post("/code", {"code": code}))
    assert not is_in(second)


def test_a_new_code_replaces_the_one_before(site: Site, patient: str, browser: Browser) -> None:
    old = code_for(site, patient)
    new = code_for(site, patient)
    assert "isn't right" in said(browser.post("/code", {"code": old}))
    assert browser.enrol(new).status_code == 303


def test_a_code_is_void_after_wrong_tries_and_its_holder_is_told(
    site: Site, patient: str, browser: Browser
) -> None:
    code = code_for(site, patient)
    wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
    for _ in range(MOST_TRIES):
        answer = browser.post("/code", {"code": wrong})
        assert answer.status_code == 401
        assert "isn't right" in said(answer)
    assert "typed wrongly too often" in said(browser.post("/code", {"code": code}))
    assert "isn't right" in said(browser.post("/code", {"code": wrong}))
    assert browser.enrol(code_for(site, patient)).status_code == 303


@pytest.mark.parametrize("later", [0.0, 3_599.0, 3_601.0])
def test_a_code_expires(site: Site, patient: str, later: float) -> None:
    code = code_for(site, patient)

    async def check() -> str:
        with open_parts(site.demo.folder) as parts:
            clock = parts.tokens._now
            codes = EnrolmentCodes(
                msp_id=parts.settings.msp_id,
                records=parts.records,
                seal=parts.keys.operator_seal,
                references=parts.keys.references,
                events=parts.identity_events,
                clock=lambda: clock() + later,
            )
            try:
                return (await codes.check(code)).patient
            except SignInRefusedError as why:
                return why.refusal.value

    assert in_thread(check()) == (patient if later < 3_600 else SignInRefusal.CODE_EXPIRED)


def test_the_database_has_neither_codes_nor_patients_nor_sessions(
    site: Site, signed_in: Browser, patient: str
) -> None:
    code = code_for(site, patient)
    with closing(sqlite3.connect(site.demo.folder.records)) as connection:
        dump = "\n".join(connection.iterdump())
    compact = code.replace("-", "")
    for secret in (
        code,
        compact,
        compact[4:],
        cookie(signed_in),
        cookie(signed_in)[4:],
        patient,
        "Ana, phone",
    ):
        assert secret not in dump
        assert secret.encode().hex() not in dump.lower()
    assert "enrolment_codes" in dump


ROWS = {"passkeys": "credential", "sessions": "digest", "enrolment_codes": "selector"}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("passkeys", column) for column in ("subject", "sealed", "signatures")),
        *(("sessions", column) for column in ("subject", "sealed", "client_id", "seen")),
        *(("enrolment_codes", column) for column in ("subject", "sealed", "expires")),
    ],
)
def test_a_row_that_another_patients_is_copied_into_opens_nothing_of_either(
    site: Site, table: str, column: str
) -> None:
    mine, other = site.new_patient(), site.new_patient()
    browsers = [Browser(site), Browser(site)]
    for browser, one in zip(browsers, (mine, other), strict=True):
        assert browser.enrol(code_for(site, one)).status_code == 303
    assert site.patient(other).post("Consent", consent(other, LAKE)).status_code == 201
    codes = [code_for(site, one) for one in (mine, other)]
    keys = {
        "passkeys": [browser.device.credential for browser in browsers],
        "sessions": [hashlib.sha256(cookie(browser).encode()).digest() for browser in browsers],
        "enrolment_codes": [code[:4] for code in codes],
    }[table]
    with closing(sqlite3.connect(site.demo.folder.records)) as db, db:
        value = f"SELECT {column} FROM {table} WHERE {ROWS[table]} = ?"
        changed = f"UPDATE {table} SET {column} = ({value}) WHERE {ROWS[table]} = ?"
        assert db.execute(changed, (keys[1], keys[0])).rowcount == 1
    if table == "passkeys":
        browsers[0].http.cookies.delete("session")
        assert browsers[0].sign_in().status_code in {303, 401, 503}
    elif table == "enrolment_codes":
        answer = browsers[0].post("/code", {"code": codes[0]})
        assert answer.status_code in {200, 401, 503}
    for path in ("/permissions", "/account"):
        page = browsers[0].get(path)
        assert "Lake Clinic may see" not in said(page)
        assert page.headers["content-type"].startswith("text/html")


def tampered(name: str, answer: str, browser: Browser, page: httpx.Response, get: bool) -> dict[str, str]:
    """Return the fields of a form whose device or network lies in one way."""
    device, options = browser.device, browser.options(page)
    make = device.get if get else device.create
    if name == "origin":
        device.origin = "https://evil.example"
        answer = make(options)
    elif name == "relying party":
        answer = make(options.replace("localhost", "evil.example"))
    elif name == "challenge":
        answer = make(json.dumps({**json.loads(options), "challenge": "AAAA"}))
    elif name == "no verification":
        device.flags = UP
        answer = make(options)
    elif name == "not present":
        device.flags = 0
        answer = make(options)
    elif name == "another step":
        answer = answer.replace("webauthn.", "webauthn_")
        parts = json.loads(answer)
        parts["response"]["clientDataJSON"] = parts["response"]["clientDataJSON"][:-4]
        answer = json.dumps(parts)
    elif name == "another id":
        answer = json.dumps({**json.loads(answer), "id": "AAAA", "rawId": "AAAA"})
    elif name == "signature" and get:
        parts = json.loads(answer)
        parts["response"]["signature"] = parts["response"]["signature"][::-1]
        answer = json.dumps(parts)
    elif name == "nothing":
        answer = ""
    elif name == "nested":
        answer = "[" * 20_000
    return {"response": answer}


LIES = (
    *("origin", "relying party", "challenge", "no verification", "not present", "another step"),
    *("another id", "signature", "nothing", "nested"),
)


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_of_a_device_signs_in(site: Site, signed_in: Browser, lie: str) -> None:
    other = Browser(site)
    other.device = signed_in.device
    page = other.get("/sign-in")
    honest = other.device.get(other.options(page))
    answer = other.send(page, "/sign-in", **tampered(lie, honest, other, page, get=True))
    assert answer.status_code == 401, lie
    assert "session" not in answer.cookies
    assert not is_in(other)


@pytest.mark.parametrize("lie", [one for one in LIES if one not in {"signature", "another id"}])
def test_no_lie_of_a_device_makes_a_passkey_and_the_code_still_works(
    site: Site, patient: str, lie: str
) -> None:
    code, liar = code_for(site, patient), Browser(site)
    page = liar.post("/code", {"code": code})
    honest = liar.device.create(liar.options(page))
    answer = liar.send(page, "/enrol", **tampered(lie, honest, liar, page, get=False))
    assert answer.status_code == 401, lie
    assert not is_in(liar)
    assert Browser(site).enrol(code).status_code == 303


def test_an_answer_counts_once_and_in_its_own_browser_alone(site: Site, signed_in: Browser) -> None:
    page = signed_in.get("/sign-in")  # signed in: leads on
    signed_in.send(signed_in.get("/permissions"), "/sign-out")
    page = signed_in.get("/sign-in")
    answer = signed_in.device.get(signed_in.options(page))
    thief = Browser(site)
    thief.get("/sign-in")
    stolen = thief.send(page, "/sign-in", response=answer)
    assert stolen.status_code == 401
    assert "open for too long" in said(stolen)
    assert signed_in.send(page, "/sign-in", response=answer).status_code == 303
    signed_in.http.cookies.delete("session")
    replayed = signed_in.send(page, "/sign-in", response=answer)
    assert replayed.status_code == 401
    assert not is_in(signed_in)


def test_a_counter_that_does_not_rise_is_refused_and_none_is_accepted(site: Site, patient: str) -> None:
    copy = Browser(site)
    copy.enrol(code_for(site, patient))
    copy.http.cookies.delete("session")
    assert copy.sign_in().status_code == 303
    copy.device.signs -= 1
    copy.http.cookies.delete("session")
    assert copy.sign_in().status_code == 401
    still = Browser(site)
    still.device.counts = False
    still.enrol(code_for(site, patient))
    still.http.cookies.delete("session")
    assert still.sign_in().status_code == 303


def test_a_passkey_of_nowhere_and_one_that_is_in_use_are_refused(
    site: Site, signed_in: Browser, patient: str
) -> None:
    stranger = Browser(site)
    answer = stranger.sign_in()
    assert answer.status_code == 401
    assert "doesn't work here" in said(answer)
    other = Browser(site)
    other.device = signed_in.device
    assert "in use here already" in said(other.enrol(code_for(site, site.new_patient())))


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Origin": "https://evil.example"}, "another site"),
        ({"Origin": "null"}, "a sandbox"),
        ({"Origin": "http://localhost:1"}, "another port"),
        ({"Origin": "http://[bad"}, "no address"),
        ({"Origin": "https://localhost"}, "another scheme"),
    ],
)
def test_no_form_of_another_site_counts(
    site: Site, signed_in: Browser, headers: dict[str, str], why: str
) -> None:
    page = signed_in.get("/permissions")
    for path, row in PAGES.items():
        if row.send is not None:
            answer = signed_in.post(path, signed_in.form(page, "/sign-out"), **headers)
            assert answer.status_code == 403, (path, why)
            assert "nothing was changed" in said(answer)
    assert is_in(signed_in)


def test_no_form_without_the_sessions_key_counts(site: Site, signed_in: Browser) -> None:
    for path, row in PAGES.items():
        if row.send is not None and not row.is_open:
            for key in ({}, {"key": ""}, {"key": "0" * 64}, {"key": "é"}):
                answer = signed_in.post(path, {"owner": "x", **key})
                assert answer.status_code == 303, path
                assert answer.headers["location"].endswith("done=not-done")
    assert is_in(signed_in)


def test_every_page_for_patients_leads_strangers_to_the_sign_in(site: Site, browser: Browser) -> None:
    for path, row in PAGES.items():
        if row.is_open:
            continue
        if row.show is not None:
            answer = browser.http.get(f"/patient{path}")
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (
                303,
                "/patient/sign-in",
            )
        if row.send is not None:
            answer = browser.post(path, {"key": "x", "consent": "y"})
            assert answer.status_code == 401
            assert "nothing was changed" in said(answer)


def test_a_sign_in_leads_to_the_page_that_was_wanted_and_nowhere_else(site: Site, signed_in: Browser) -> None:
    for wanted, place in {
        "/views": "/patient/views",
        "//evil.example": "/patient/permissions",
        "https://evil.example/": "/patient/permissions",
        "/sign-out": "/patient/permissions",
    }.items():
        signed_in.http.cookies.delete("session")
        page = signed_in.get(f"/sign-in?next={wanted}")
        answer = signed_in.send(page, "/sign-in", response=signed_in.device.get(signed_in.options(page)))
        assert answer.headers["location"].partition("?")[0] == place


def test_a_session_opens_pages_alone_and_a_token_fhir_alone(
    site: Site, signed_in: Browser, patient: str
) -> None:
    assert site.bearer(cookie(signed_in)).get("Consent").status_code == 401
    other = Browser(site)
    other.http.cookies.set("session", site.patient(patient).token())
    assert not is_in(other)


def test_a_session_ends_where_it_is_used_and_from_another_device(
    site: Site, signed_in: Browser, patient: str
) -> None:
    second = Browser(site)
    second.device = signed_in.device
    assert second.sign_in().status_code == 303
    page = signed_in.get("/account")
    assert said(page).count("This device") == 1
    sessions = re.findall(r'name="session" value="([^"]+)"', page.text)
    assert len(sessions) == 2
    mine = _own(site, signed_in)
    other = next(one for one in sessions if one != mine)
    answer = signed_in.send(page, "/account/end", session=other)
    assert answer.headers["location"].endswith("done=session-ended")
    assert not is_in(second)
    assert is_in(signed_in)
    assert signed_in.send(page, "/account/end", session=other).headers["location"].endswith("session-gone")
    assert signed_in.send(page, "/account/end", session=mine).headers["location"].endswith("signed-out")
    assert not is_in(signed_in)


def _own(site: Site, browser: Browser) -> str:
    async def name() -> str:
        with open_parts(site.demo.folder) as parts:
            return (await parts.door.sessions.resolve(cookie(browser))).principal.client_id

    return in_thread(name())


def test_no_patient_ends_anothers_session_or_removes_anothers_passkey(site: Site, signed_in: Browser) -> None:
    other = Browser(site)
    other.enrol(code_for(site, site.new_patient()))
    page = other.get("/account")
    name = _own(site, signed_in)
    assert other.send(page, "/account/end", session=name).headers["location"].endswith("session-gone")
    credential = signed_in.device.credential.hex()
    fields = [*other.form(page, "/account/end"), ("passkey", credential)]
    assert other.post("/account/remove", fields).headers["location"].endswith("passkey-gone")
    assert is_in(signed_in)
    signed_in.http.cookies.delete("session")
    assert signed_in.sign_in().status_code == 303


@pytest.mark.parametrize(("later", "holds"), [(IDLE - 5, True), (IDLE + 5, False), (LIFETIME + 5, False)])
def test_a_session_ends_by_itself(site: Site, signed_in: Browser, later: float, holds: bool) -> None:
    async def resolve() -> bool:
        with open_parts(site.demo.folder) as parts:
            clock = parts.tokens._now
            parts.tokens._now = lambda: clock() + later
            parts.door.sessions._now = lambda: clock() + later
            try:
                await parts.door.sessions.resolve(cookie(signed_in))
            except SignInRefusedError:
                return False
            return True

    assert in_thread(resolve()) is holds


@pytest.mark.parametrize("later", [0.0, CEREMONY - 1.0, CEREMONY + 1.0, -2.0])
def test_a_ceremony_holds_for_five_minutes(site: Site, later: float) -> None:
    with open_parts(site.demo.folder) as parts:
        now = parts.tokens._now
        ceremonies = Ceremonies(parts.keys.operator_seal, clock=lambda: now() + shift[0])
        shift = [0.0]
        _, form = ceremonies.begin(Step.SIGN_IN, "a browser")
        shift[0] = later
        if 0 <= later < CEREMONY:
            assert ceremonies.opened(Step.SIGN_IN, "a browser", form)
            for step, browser in ((Step.ADD, "a browser"), (Step.SIGN_IN, "another")):
                with pytest.raises(SignInRefusedError, match=SignInRefusal.FORM_STALE):
                    ceremonies.opened(step, browser, form)
        else:
            with pytest.raises(SignInRefusedError, match=SignInRefusal.FORM_STALE):
                ceremonies.opened(Step.SIGN_IN, "a browser", form)


def test_more_passkeys_are_added_and_removed_but_never_the_last(site: Site, signed_in: Browser) -> None:
    first, second = signed_in.device, Browser(site).device
    page = signed_in.get("/account")
    only = {"passkey": first.credential.hex()}
    fields = signed_in.form(page, "/account/end")
    assert signed_in.post("/account/remove", [*fields, *only.items()]).headers["location"].endswith("last")
    asked = signed_in.get("/account/passkey")
    made = signed_in.send(asked, "/account/passkey", label="<b>Tablet</b>")
    signed_in.device = second
    answer = second.create(signed_in.options(made))
    for _ in range(2):  # the button was pressed twice
        done = signed_in.send(made, "/account/add", response=answer)
        assert done.headers["location"].endswith("passkey-added")
    page = signed_in.get("/account")
    assert "<b>Tablet" not in page.text
    assert "&lt;b&gt;Tablet" in page.text
    assert signed_in.send(page, "/account/remove", **only).headers["location"].endswith("passkey-removed")
    assert signed_in.send(page, "/account/remove", **only).headers["location"].endswith("passkey-gone")
    signed_in.http.cookies.delete("session")
    assert signed_in.sign_in().status_code == 303
    lost = Browser(site)
    lost.device = first
    assert lost.sign_in().status_code == 401


def test_a_form_for_a_passkey_serves_its_own_patient_alone(site: Site, signed_in: Browser) -> None:
    made = signed_in.send(signed_in.get("/account/passkey"), "/account/passkey", label="x")
    other = Browser(site)
    other.enrol(code_for(site, site.new_patient()))
    key = dict(other.form(other.get("/account"), "/account/end"))["key"]
    device = Browser(site).device
    signed_in.http.cookies.delete("session")
    signed_in.http.cookies.set("session", cookie(other))
    answer = signed_in.send(made, "/account/add", key=key, response=device.create(signed_in.options(made)))
    assert answer.status_code == 422
    assert "open for too long" in said(answer)


def test_the_hospital_locks_a_lost_device_out(site: Site, signed_in: Browser, patient: str) -> None:
    code = code_for(site, patient, replace=True)
    lost = signed_in.http.get("/patient/permissions")
    found = Browser(site)
    assert found.enrol(code).status_code == 303
    assert lost.status_code in {200, 303}  # a second may pass until this process looks again
    again = Browser(site)
    again.device = signed_in.device
    assert again.sign_in().status_code == 401


def test_no_sign_in_of_a_patient_who_died(site: Site, signed_in: Browser, patient: str) -> None:
    signed_in.http.cookies.delete("session")
    body = {"resourceType": "Patient", "id": patient, "deceasedBoolean": True}
    assert site.city.put(f"Patient/{patient}", body).status_code == 200
    answer = signed_in.sign_in()
    assert answer.status_code == 401
    assert "ask the hospital" in said(answer)


def test_answers_keep_to_themselves(site: Site, signed_in: Browser) -> None:
    paths = [path for path, row in PAGES.items() if row.show is not None]
    answers = [signed_in.http.get(f"/patient{path}") for path in [*paths, "/nothing", "/static/none"]]
    answers += [Browser(site).get("/sign-in"), signed_in.post("/account/add", {"key": "x"})]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "style=" not in answer.text
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son[a-z]+=", answer.text)


def test_cookies_are_unseen_by_scripts_and_other_sites(site: Site, patient: str) -> None:
    done = Browser(site).enrol(code_for(site, patient))
    [plain] = [one for one in done.headers.get_list("set-cookie") if one.startswith("session=")]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "strict-transport-security" not in done.headers


def test_a_demo_account_is_for_this_machine_alone(site: Site, browser: Browser) -> None:
    assert browser.post("/demo", {}).status_code == 403
    assert "Sign in as" not in said(browser.get("/sign-in"))
    assert not is_in(browser)
    gateway: Any = type("Public", (), {"base_url": "https://fhir.city.example"})()
    with pytest.raises(ValueError, match="this machine alone"):
        PatientPages(gateway, DemoAccount("p1", "Ana"))


_TEXTS = st.text(max_size=60) | st.sampled_from(["all", "some", "dated", "open", "LakeClinicMSP", "TREAT"])
_NAMES = st.sampled_from(
    [
        *("code", "label", "form", "response", "next", "draft", "owner", "organization", "purpose"),
        *("scope", "kind", "topic", "span", "until", "consent", "version", "passkey", "session", "x"),
    ]
)


@settings(max_examples=40, deadline=None)
@given(
    path=st.sampled_from(sorted(PAGES)),
    fields=st.lists(st.tuples(_NAMES, _TEXTS), max_size=12),
    own=st.booleans(),
)
def test_no_form_and_no_address_makes_the_gateway_fail(
    door: tuple[Browser, str], path: str, fields: list[tuple[str, str]], own: bool
) -> None:
    browser, key = door
    if path in {"/sign-out", "/account/end"}:
        own = False
    sent = [*fields, ("key", key)] if own else fields
    encoded = [(name, value.encode(errors="replace").decode()) for name, value in sent]
    assert browser.post(path, encoded).status_code < 500
    assert browser.http.get(f"/patient{path}", params=encoded).status_code < 500


@pytest.fixture(scope="module")
def door(site: Site) -> tuple[Browser, str]:
    browser = Browser(site)
    browser.enrol(code_for(site, site.new_patient()))
    return browser, dict(browser.form(browser.get("/account"), "/account/end"))["key"]


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"a=%FF", b"a=b" + b"&a=b" * 300, b"x" * 70_000, b'{"a": 1}'], ids=range(5)
)
def test_a_body_that_is_no_form_is_refused(site: Site, browser: Browser, body: bytes) -> None:
    kind = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    sent = {"Origin": browser.origin, "Content-Type": kind}
    answer = browser.http.post("/patient/code", content=body, headers=sent)
    assert answer.status_code == 400
    assert "can't be read" in said(answer)
