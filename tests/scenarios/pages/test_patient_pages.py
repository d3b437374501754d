"""The patient's pages over a whole node: permissions given and ended, and the log in plain sentences."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from exchange.errors import UnavailableError
from exchange.pages.grant_pages import FORM_SYSTEM
from exchange.pages.words import KINDS, TOPICS
from exchange.services.access.request_rates import Rate
from exchange.services.interactions import Interactions
from tests.support.scenarios.patient_browser import Browser, code_for, said
from tests.support.scenarios.scenario_site import CITY, LAKE, RIDGE, Site, consent

GRANT = {
    "organization": LAKE.msp_id,
    "purpose": "TREAT",
    "scope": "all",
    "span": "open",
    "until": "",
}
Fields = list[tuple[str, str]]


@pytest.fixture
def patient(site: Site) -> str:
    return site.new_patient()


@pytest.fixture
def browser(site: Site, patient: str) -> Browser:
    found = Browser(site)
    assert found.enrol(code_for(site, patient)).status_code == 303
    return found


def filled(browser: Browser, *more: tuple[str, str], **changed: str) -> Fields:
    """Return the fields of a new form, filled in."""
    fields = browser.form(browser.get("/permissions/new"), "/permissions/check")
    typed = {**GRANT, **changed}
    return [*((k, v) for k, v in fields if k not in typed), *typed.items(), *more]


def granted(browser: Browser, *more: tuple[str, str], **changed: str) -> httpx.Response:
    """Give a permission by both forms, and return the last answer."""
    page = browser.post("/permissions/check", filled(browser, *more, **changed))
    assert page.status_code == 200, said(page)
    return browser.send(page, "/permissions/give")


def consents(site: Site, patient: str) -> list[dict[str, Any]]:
    return site.patient(patient).found(f"Consent?patient={patient}")


def labelled(site: Site, patient: str, *codes: str) -> str:
    """Store an Observation with sensitivity labels of v3 ActCode, and return its id."""
    system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    labels = [{"system": system, "code": code} for code in codes]
    marked = {"meta": {"security": labels}} if labels else {}
    return str(site.observation(patient, **marked)["id"])


def test_a_permission_lets_the_chosen_hospital_read_what_the_page_said_and_ending_it_stops_that(
    site: Site, patient: str, browser: Browser
) -> None:
    plain, secret, chosen = (labelled(site, patient, *codes) for codes in ((), ("HIV",), ("PSY",)))
    before = {one: site.lake.get(f"Observation/{one}").status_code for one in (plain, secret, chosen)}
    assert set(before.values()) == {404}
    page = browser.post(
        "/permissions/check", filled(browser, ("topic", "mind"), ("kind", "results"), scope="some")
    )
    words = said(page)
    assert "Lake Clinic can ask City Hospital for these records" in words
    assert "measurements and test results" in words
    assert "marked as about alcohol and drugs, HIV" in words
    done = browser.send(page, "/permissions/give")
    assert done.headers["location"].endswith("done=given")
    assert site.lake.get(f"Observation/{plain}").status_code == 200
    assert site.lake.get(f"Observation/{chosen}").status_code == 200
    assert site.lake.get(f"Observation/{secret}").status_code == 404
    assert site.lake.get(f"Patient/{patient}").status_code == 404
    assert site.ridge.get(f"Observation/{plain}").status_code == 404
    assert site.system(LAKE, "HRESCH").get(f"Observation/{plain}").status_code == 404
    ended = browser.send(browser.get("/permissions"), "/permissions/end")
    assert ended.headers["location"].endswith("done=ended")
    assert "can't be called back" in said(browser.http.get(ended.headers["location"]))
    assert site.lake.get(f"Observation/{plain}").status_code == 404


def test_every_choice_of_the_form_is_a_consent_that_is_in_force(
    site: Site, patient: str, browser: Browser
) -> None:
    every = [("purpose", "HPAYMT"), ("purpose", "HRESCH")]
    every += [("kind", name) for name in KINDS] + [("topic", name) for name in TOPICS]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert granted(browser, *every, scope="some", span="dated", until=tomorrow).status_code == 303
    [found] = consents(site, patient)
    assert found["status"] == "active"
    assert len(found["provision"]["purpose"]) == 3
    assert found["provision"]["period"] == {"end": tomorrow}
    assert "consents" not in {kind["code"] for kind in found["provision"]["class"]}
    for name in TOPICS:
        assert granted(browser, ("topic", name)).headers["location"].endswith("done=given"), name


@pytest.mark.parametrize("times", [2, 5])
def test_a_form_that_is_sent_again_gives_nothing_twice(
    site: Site, patient: str, browser: Browser, times: int
) -> None:
    page = browser.post("/permissions/check", filled(browser))
    answers = [browser.send(page, "/permissions/give") for _ in range(times)]
    ends = [answer.headers["location"].partition("done=")[2] for answer in answers]
    assert ends == ["given", *["given-before"] * (times - 1)]
    assert len(consents(site, patient)) == 1
    browser.send(browser.get("/permissions"), "/permissions/end")
    again = browser.send(page, "/permissions/give")  # the back button, after it was ended
    assert again.headers["location"].endswith("given-before")
    assert [one["status"] for one in consents(site, patient)] == ["inactive"]


def test_ending_twice_changes_nothing_and_a_changed_consent_is_looked_at_first(
    site: Site, patient: str, browser: Browser
) -> None:
    granted(browser)
    page = browser.get("/permissions")
    [found] = consents(site, patient)
    changed = {**found, "dateTime": "2026-11-01T00:00:00Z"}
    assert site.patient(patient).put(f"Consent/{found['id']}", changed).status_code == 200
    assert browser.send(page, "/permissions/end").headers["location"].endswith("changed-meanwhile")
    assert consents(site, patient)[0]["status"] == "active"
    page = browser.get("/permissions")
    assert browser.send(page, "/permissions/end").headers["location"].endswith("done=ended")
    assert browser.send(page, "/permissions/end").headers["location"].endswith("ended-before")
    assert consents(site, patient)[0]["meta"]["versionId"] == "3"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"organization": ""}, "Choose who may see your record."),
        ({"organization": CITY.msp_id}, "Choose who may see your record."),
        ({"organization": "EvilMSP"}, "Choose who may see your record."),
        ({"purpose": "BTG"}, "Choose at least one reason."),
        ({"scope": ""}, "Choose which records."),
        ({"scope": "some"}, "Choose at least one kind of record."),
        ({"span": ""}, "Choose how long."),
        ({"span": "dated"}, "Write the last day as year, month and day"),
        ({"span": "dated", "until": "31/12/2030"}, "Write the last day as year, month and day"),
        ({"span": "dated", "until": "9999-12-31"}, "Write the last day as year, month and day"),
        ({"span": "dated", "until": "2020-01-01"}, "This day is over."),
    ],
)
def test_a_form_with_a_fault_says_which_keeps_what_was_typed_and_gives_nothing(
    site: Site, patient: str, browser: Browser, changed: dict[str, str], words: str
) -> None:
    fields = filled(browser, ("topic", "hiv"), **changed)
    for path in ("/permissions/check", "/permissions/give"):
        answer = browser.post(path, fields)
        assert answer.status_code == 422
        assert words in said(answer)
        kept = browser.form(answer, "/permissions/check")
        assert ("topic", "hiv") in kept
        assert dict(fields)["form"] == dict(kept)["form"]
    assert consents(site, patient) == []


def test_a_form_is_changed_without_typing_it_again(browser: Browser) -> None:
    page = browser.post(
        "/permissions/check", filled(browser, ("topic", "hiv"), ("kind", "care"), scope="some")
    )
    back = browser.send(page, "/permissions/new")
    kept = browser.form(back, "/permissions/check")
    assert {("topic", "hiv"), ("kind", "care"), ("scope", "some"), ("organization", LAKE.msp_id)} <= set(kept)


@pytest.mark.parametrize("path", ["/permissions/check", "/permissions/give"])
def test_nothing_typed_is_lost_when_the_session_ends_in_mid_form(
    site: Site, patient: str, browser: Browser, path: str
) -> None:
    fields = filled(browser, ("topic", "hiv"), ("kind", "care"), scope="some")
    browser.http.cookies.delete("session")
    page = browser.post(path, fields)
    assert page.status_code == 401
    assert "nothing was changed" in said(page)
    again = browser.send(page, "/sign-in", response=browser.device.get(browser.options(page)))
    assert again.status_code == 200
    assert "Nothing was sent yet" in said(again)
    kept = browser.form(again, "/permissions/check")
    assert {("topic", "hiv"), ("kind", "care"), ("organization", LAKE.msp_id)} <= set(kept)
    assert consents(site, patient) == []
    checked = browser.send(again, "/permissions/check")
    assert browser.send(checked, "/permissions/give").headers["location"].endswith("done=given")


def test_another_patient_who_signs_in_next_does_not_see_what_was_typed(site: Site, browser: Browser) -> None:
    other = Browser(site)
    other.enrol(code_for(site, site.new_patient()))
    fields = filled(browser, ("topic", "hiv"))
    browser.http.cookies.delete("session")
    page = browser.post("/permissions/check", fields)
    browser.device = other.device
    again = browser.send(page, "/sign-in", response=browser.device.get(browser.options(page)))
    assert ("topic", "hiv") not in browser.form(again, "/permissions/check")


def test_a_form_from_before_another_sign_in_is_shown_again_and_not_sent(
    site: Site, patient: str, browser: Browser
) -> None:
    page = browser.post("/permissions/check", filled(browser, ("topic", "hiv")))
    browser.http.cookies.delete("session")
    browser.sign_in()
    again = browser.send(page, "/permissions/give")
    assert again.status_code == 200
    assert ("topic", "hiv") in browser.form(again, "/permissions/check")
    assert consents(site, patient) == []


def test_the_page_says_who_gave_each_consent_and_in_which_state_it_is(
    site: Site, patient: str, browser: Browser
) -> None:
    past = {"period": {"end": "2020-01-01"}}
    future = {"period": {"start": "2090-01-01", "end": "2091-01-01"}}
    own = site.patient(patient)
    assert own.post("Consent", consent(patient, LAKE)).status_code == 201
    assert site.city.post("Consent", consent(patient, RIDGE)).status_code == 201
    assert site.city.post("Consent", consent(patient, LAKE, **future)).status_code == 201
    assert site.city.post("Consent", consent(patient, LAKE, status="inactive")).status_code == 201
    over = consent(patient, RIDGE, status="active", **past)
    over_stored = site.city.post("Consent", over)
    words = said(browser.get("/permissions"))
    holds, _, ended = words.partition("No longer in force")
    assert "Given by you" in holds
    assert "Ridge Research Institute may see your record" in holds
    assert "the hospital, which has it from you on paper" in holds
    assert "Starts later" in holds
    assert "Ended" in ended
    if over_stored.status_code == 201:
        assert "Over: its last day has passed" in ended


def test_a_refusal_and_exceptions_are_said_in_words(site: Site, patient: str, browser: Browser) -> None:
    loinc = [{"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]}]
    body = consent(patient, LAKE, provision=[{"type": "deny", "code": loinc}])
    assert site.patient(patient).post("Consent", body).status_code == 201
    deny = consent(patient, RIDGE)
    deny["provision"]["type"] = "deny"
    assert site.patient(patient).post("Consent", deny).status_code == 201
    page = browser.get("/permissions")
    words = said(page)
    assert "But not allowed: Only these: Heart rate" in words
    assert "Ridge Research Institute may not see your record" in words
    assert "Lift this refusal" in words


def test_names_with_markup_are_harmless(site: Site, patient: str, browser: Browser) -> None:
    evil = "<script>alert(1)</script>"
    loinc = [{"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": evil}], "text": evil}]
    body = consent(patient, LAKE, provision=[{"type": "deny", "code": loinc}])
    assert site.patient(patient).post("Consent", body).status_code == 201
    site.system(LAKE, user="Practitioner/x").get(f"Patient/{patient}")
    for path in ("/permissions", f"/views?name={evil}&from=%3Cb%3E&to={evil}", "/views?page=%3Cb%3E"):
        page = browser.get(path)
        assert page.status_code in {200, 400}
        assert "<script>alert" not in page.text
        assert "<b>" not in page.text


def views(page: httpx.Response) -> list[str]:
    return [
        re.sub(r"\s+", " ", one) for one in re.findall(r'<p class="sentence">(.*?)</p>', page.text, re.DOTALL)
    ]


def test_the_log_says_in_sentences_who_looked_why_and_with_what_result(
    site: Site, patient: str, browser: Browser
) -> None:
    granted(browser)
    record = labelled(site, patient)
    assert site.system(LAKE, user="Practitioner/lake-3").get(f"Observation/{record}").status_code == 200
    assert site.ridge.get(f"Observation/{record}").status_code == 404
    page = browser.get("/views")
    words = said(page)
    assert "Practitioner/lake-3 read measurements and test results." in views(page)
    assert "Handed out measurements and test results (1)" in words
    assert "Refused" in words
    assert "to treat you, also in an emergency" in words
    assert not any(one.startswith("You ") for one in views(page))
    mine = views(browser.get("/views?own=1"))
    assert "You added to your permissions." in mine
    assert "You looked for the list of views." in mine
    assert "You signed in, or got a key for an app." in mine
    assert "You got a code for a passkey from the hospital." in mine


def test_each_look_at_a_page_is_itself_in_the_log(site: Site, patient: str, browser: Browser) -> None:
    reader = site.patient(patient)

    def entries() -> int:
        return len(reader.found("AuditEvent?_count=200&purpose=PATRQT"))

    before = entries()
    browser.get("/permissions")
    browser.get("/views")
    assert entries() == before + 3  # two pages, and the first of these readings


def test_filters_narrow_the_log_and_pages_lead_through_it(site: Site, patient: str, browser: Browser) -> None:
    granted(browser)
    record = labelled(site, patient)
    for n in range(23):
        site.system(LAKE, user=f"Practitioner/lake-{n % 2}").get(f"Observation/{record}")
    site.ridge.get(f"Observation/{record}")
    page = browser.get("/views")
    assert len(views(page)) == 20
    seen = views(page)
    following = re.search(r'href="/patient(/views\?[^"]*page=[^"]*)"', page.text)
    assert following is not None
    rest = browser.get(following[1].replace("&amp;", "&"))
    seen += views(rest)
    assert len([one for one in seen if one.startswith("Practitioner/lake-")]) == 23
    lake = views(browser.get(f"/views?organization={LAKE.msp_id}"))
    assert len(lake) == 20
    assert all(one.startswith("Practitioner/lake-") for one in lake)
    refused = views(browser.get("/views?result=refused"))
    assert len(refused) == 1
    first = browser.get("/views?name=lake-1")
    assert len([one for one in views(first) if "lake-1 " in one]) in {0, 11}
    assert views(browser.get("/views?from=2090-01-01")) == []
    assert "nothing here with these filters" in said(browser.get("/views?from=2090-01-01"))
    wrong = browser.get("/views?from=yesterday")
    assert wrong.status_code == 400
    assert "Check the dates" in said(wrong)
    assert 'value="yesterday"' in wrong.text


def test_an_officers_reading_of_the_log_is_seen(site: Site, patient: str, browser: Browser) -> None:
    site.officer().get(f"AuditEvent?patient={patient}")
    assert any(one.startswith("O.reyes looked for the list of views") for one in views(browser.get("/views")))


def test_a_page_is_spanish_where_the_browser_or_the_person_says_so(site: Site, patient: str) -> None:
    browser = Browser(site, language="de, es-MX;q=0.8, en;q=0.5")
    assert 'lang="es"' in browser.get("/sign-in").text
    browser.enrol(code_for(site, patient))
    assert "Mis permisos" in said(browser.get("/permissions"))
    page = browser.get("/language?to=en&back=/account")
    assert "My passkeys" in said(page)
    assert "My permissions" in said(browser.get("/permissions"))
    assert browser.get("/language?to=xx&back=https://evil.example").url.path == "/patient/permissions"


def test_a_gateway_that_can_not_reach_its_ledger_says_so_and_nothing_is_lost(
    site: Site, patient: str, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.post("/permissions/check", filled(browser))

    async def away(*_arguments: Any, **_named: Any) -> None:
        raise UnavailableError("the ledger is away")

    with monkeypatch.context() as broken:
        broken.setattr(Interactions, "perform", away)
        for answer in (browser.get("/permissions"), browser.send(page, "/permissions/give")):
            assert answer.status_code == 503
            assert "does not work at the moment" in said(answer)
            assert answer.headers["retry-after"]
    assert browser.send(page, "/permissions/give").headers["location"].endswith("done=given")


def test_a_client_that_asks_too_often_is_told_to_wait(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rate, "wait", lambda *_: 7)
    answer = browser.get("/permissions")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    stranger = Browser(site)
    assert stranger.post("/code", {"code": "x"}).status_code == 429
    assert stranger.get("/sign-in").status_code == 200


def test_the_form_is_named_in_the_consent(site: Site, patient: str, browser: Browser) -> None:
    granted(browser)
    [found] = consents(site, patient)
    assert found["identifier"][0]["system"] == FORM_SYSTEM
    assert found["extension"][0]["valueCode"] == "patient"
