"""The patient's pages in Chromium, with its virtual authenticator, as a person uses them.

Every page that is visited is checked: accessibility by axe where it is narrow, no error on the console, no
request to another host, and no scrolling sideways. `CONSENTRY_SCREENSHOTS` names a folder for pictures.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.support.scenarios.patient_browser import code_for
from tests.support.scenarios.scenario_site import LAKE, Site

PICTURES = os.environ.get("CONSENTRY_SCREENSHOTS", "")
PHONE, DESK = 360, 1280
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
_STATUS = "Failed to load resource: the server responded with a status of 4"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not there; `make chromium` says how to install it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Person:
    """A person at a browser with an authenticator, whose pages are checked as they are seen."""

    page: Page
    context: BrowserContext
    base: str
    with_axe: bool
    seen: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.base}/patient{path}")

    def check(self, name: str) -> None:
        """Check the page that is shown now."""
        if self.with_axe:
            found = Axe().run(self.page)
            assert found.violations_count == 0, found.generate_report()
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{name} scrolls sideways by {wide} px"
        assert [one for one in self.errors if not one.startswith(_STATUS)] == []
        assert self.hosts <= {self.base}
        assert self.page.evaluate("document.title")
        self.seen.append(name)
        if PICTURES:
            self._take(name)

    def _take(self, name: str) -> None:
        width = (self.page.viewport_size or {})["width"]
        language = self.page.evaluate("document.documentElement.lang")
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.page.screenshot(
                path=Path(PICTURES) / f"{name}-{language}-{width}-{scheme}.png", full_page=True
            )

    def enrol(self, code: str) -> None:
        self.go("/code")
        self.page.fill("#code", code)
        self.page.click("main button")
        self.page.click("main button")
        self.page.wait_for_url("**/permissions?done=enrolled")


def person(chromium: Browser, site: Site, *, width: int, **options: Any) -> Person:
    context = chromium.new_context(viewport={"width": width, "height": 780}, **options)
    context.set_default_timeout(15_000)
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    found = Person(page, context, site.demo.settings.base_url, with_axe=width != DESK)

    def note(request: Request) -> None:
        found.hosts.add("/".join(request.url.split("/")[:3]))

    page.on("console", lambda message: found.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("request", note)
    return found


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_patient_enrols_grants_sees_and_ends(chromium: Browser, served: Site, width: int) -> None:
    patient = served.new_patient()
    ana = person(chromium, served, width=width)
    page = ana.page
    ana.go("")
    ana.check("sign-in")
    page.click("text=I have a code")
    page.fill("#code", "AAAA-BBBB-CCCC")
    page.click("main button")
    ana.check("code-wrong")
    page.fill("#code", code_for(served, patient))
    page.fill("#label", "Ana, phone")
    page.click("main button")
    ana.check("make-passkey")
    page.click("main button")
    page.wait_for_url("**/permissions?done=enrolled")
    ana.check("permissions-none")
    page.click("text=Give a permission")
    page.click("main button[type=submit]")
    ana.check("grant-faults")
    page.check(f"#organization-{LAKE.msp_id}")
    page.check("#purpose-TREAT")
    page.check("#scope-some")
    page.check("#kind-results")
    page.check("#topic-mind")
    page.check("#span-dated")
    page.fill("#until", "2090-12-31")
    page.click("main button[type=submit]")
    ana.check("check")
    page.click("text=Change something")
    expect(page.locator("#topic-mind")).to_be_checked()
    page.click("main button[type=submit]")
    page.dblclick("text=Give this permission")
    page.wait_for_url("**/permissions?done=given*")
    ana.check("permissions")
    assert page.locator("main .card").count() == 1
    record = served.observation(patient)["id"]
    lake = served.system(LAKE, user="Practitioner/lake-3")
    assert lake.get(f"Observation/{record}").status_code == 200
    page.click("text=Who looked")
    expect(page.locator(".sentence").first).to_contain_text("Practitioner/lake-3 read measurements")
    ana.check("views")
    page.click("summary")
    page.select_option("#organization", LAKE.msp_id)
    page.click("main form button")
    assert page.locator(".sentence").count() == 1
    ana.check("views-filtered")
    page.click("nav >> text=Permissions")
    page.click("text=End this permission")
    page.wait_for_url("**/permissions?done=ended")
    ana.check("permissions-ended")
    assert lake.get(f"Observation/{record}").status_code == 404
    page.go_back()  # no page is shown from memory
    expect(page.locator("main .card .tag")).to_have_text("Ended")
    page.click("nav >> text=Sign-in")
    ana.check("account")
    page.click("text=Add a passkey")
    ana.check("add-passkey")
    ana.go("/nothing")
    ana.check("nothing")
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in?done=signed-out")
    page.click("text=Sign in with a passkey")
    page.wait_for_url("**/permissions?done=signed-in")
    assert len(set(ana.seen)) == 13
    ana.context.close()


def test_all_of_it_works_by_keyboard_alone(chromium: Browser, served: Site) -> None:
    ana = person(chromium, served, width=DESK)
    page = ana.page
    keys = page.keyboard

    def to(words: str) -> None:
        """Tab until the element with these words has the focus, which is to be seen."""
        for _ in range(60):
            keys.press("Tab")
            at = page.evaluate(
                "() => { const a = document.activeElement; const l = a.labels && a.labels[0];"
                " return [(l || a).textContent.trim(), getComputedStyle(a).outlineStyle, a.tagName]; }"
            )
            if words in at[0] and at[2] not in {"BODY", "MAIN"}:
                assert at[1] != "none", f"the focus on {words} is not seen"
                return
        raise AssertionError(f"no way to {words}")

    ana.go("/sign-in")
    keys.press("Tab")
    keys.press("Enter")  # the link that skips to the content
    to("I have a code")
    keys.press("Enter")
    page.wait_for_selector("#code")
    to("Code")
    keys.type(code_for(served, served.new_patient()))
    keys.press("Enter")
    page.wait_for_selector("text=Make the passkey")
    to("Make the passkey")
    keys.press("Enter")
    page.wait_for_url("**/permissions?done=enrolled")
    to("Give a permission")
    keys.press("Enter")
    page.wait_for_selector("#organization")
    to("Lake Clinic")
    keys.press("Space")
    to("to treat you")
    keys.press("Space")
    to("all kinds of record")
    keys.press("Space")
    to("until a day")
    keys.press("ArrowDown")
    expect(page.locator("#span-open")).to_be_checked()
    to("Check before you confirm")
    keys.press("Enter")
    page.wait_for_selector("text=What this means")
    to("Give this permission")
    keys.press("Enter")
    page.wait_for_url("**/permissions?done=given")
    to("End this permission")
    keys.press("Enter")
    page.wait_for_url("**/permissions?done=ended")
    ana.context.close()


def test_the_pages_are_spanish_dark_and_narrow_where_the_browser_is(chromium: Browser, served: Site) -> None:
    ana = person(chromium, served, width=320, locale="es-ES", color_scheme="dark")
    ana.go("/sign-in")
    ana.check("sign-in")
    ana.enrol(code_for(served, served.new_patient()))
    for path in ("/permissions", "/permissions/new", "/views?own=1", "/account"):
        ana.go(path)
        assert ana.page.evaluate("document.documentElement.lang") == "es"
        ana.check(path.strip("/").partition("?")[0].replace("/", "-"))
    ana.page.click("text=English")
    assert ana.page.evaluate("document.documentElement.lang") == "en"
    ana.context.close()


def test_everything_but_passkeys_works_without_script(chromium: Browser, served: Site) -> None:
    ana = person(chromium, served, width=PHONE)
    ana.enrol(code_for(served, served.new_patient()))
    state = ana.context.storage_state()
    ana.context.close()
    context = chromium.new_context(java_script_enabled=False, storage_state=state)
    page = context.new_page()
    page.goto(f"{ana.base}/patient/permissions/new")
    page.check(f"#organization-{LAKE.msp_id}")
    page.check("#purpose-HRESCH")
    page.check("#scope-all")
    page.check("#span-open")
    page.click("main button[type=submit]")
    page.click("text=Give this permission")
    page.wait_for_url("**/permissions?done=given")
    page.click("text=End this permission")
    page.wait_for_url("**/permissions?done=ended")
    page.goto(f"{ana.base}/patient/views?own=1")
    assert page.locator(".sentence").count() > 3
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in?done=signed-out")
    expect(page.locator("noscript p, .problem").last).to_contain_text("JavaScript")
    context.close()
