"""The pages of the sign-in: a passkey for a code of the hospital, and a session for a passkey."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import Response

from exchange.errors import ForbiddenError
from exchange.pages import grant_pages
from exchange.pages.answers import begin_session, page, redirect
from exchange.pages.texts import marked
from exchange.pages.visits import Visit
from exchange.services.sign_in.refusals import SignInRefusal, SignInRefusedError

REFUSED: Final[Mapping[SignInRefusal, str]] = {
    SignInRefusal.CODE_UNKNOWN: marked(
        "This code isn't right. Check it and type it again. After five wrong tries a code no longer works."
    ),
    SignInRefusal.CODE_EXPIRED: marked("This code is too old. Ask the hospital for a new one."),
    SignInRefusal.CODE_LOCKED: marked(
        "This code no longer works, because it was typed wrongly too often. Ask the hospital for a new one."
    ),
    SignInRefusal.CODE_USED: marked(
        "This code was used before, and each code works once. If that was you, sign in with your passkey. If "
        "it was not, call the hospital."
    ),
    SignInRefusal.FORM_STALE: marked(
        "This page was open for too long. Nothing was changed. Please try again."
    ),
    SignInRefusal.FORM_USED: marked("This form was sent before. Nothing was changed this time."),
    SignInRefusal.PASSKEY_UNKNOWN: marked(
        "This passkey doesn't work here, or was removed. Use another one, or ask the hospital for a new code."
    ),
    SignInRefusal.PASSKEY_KNOWN: marked("This passkey is in use here already. Sign in with it."),
    SignInRefusal.PASSKEY_LAST: marked(
        "This is your only passkey. Add another one first, or you could not sign in any more."
    ),
    SignInRefusal.PASSKEYS_FULL: marked("You have as many passkeys as we can keep. Remove one first."),
    SignInRefusal.NOT_VERIFIED: marked(
        "Your device's answer could not be checked, so nothing was changed. Please try again."
    ),
    SignInRefusal.PATIENT_OVER: marked("This record can't be opened here. Please ask the hospital."),
    SignInRefusal.SESSION_OVER: marked("You were signed out after a time without use."),
}
"""The sentence for each refusal: it says what happened, and what to do."""

_LONGEST_DRAFT = 16 * 1024
_PAGES = frozenset({"/permissions", "/permissions/new", "/views", "/account"})


def passkeys_work(base_url: str) -> bool:
    """Return whether browsers make passkeys for an address: with TLS, or on this machine, and for a name."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return parts.scheme == "https" or host == "localhost"
    return False


async def show_start(visit: Visit) -> Response:
    """Lead to the permissions, or to the sign-in."""
    return redirect(visit, "/sign-in" if visit.session is None else "/permissions")


async def show_sign_in(visit: Visit) -> Response:
    """Show the sign-in, or go on where there is a session."""
    wanted = visit.asked("next")
    if visit.session is not None:
        return redirect(visit, wanted if wanted in _PAGES else "/permissions")
    over = REFUSED[SignInRefusal.SESSION_OVER] if visit.asked("ended") else ""
    return _sign_in(visit, wanted=wanted, problem=over)


async def sign_in_again(visit: Visit, wanted: str) -> Response:
    """Show the sign-in in place of a form's answer; it carries what was typed."""
    draft = [(name, value) for name, values in visit.form.items() if name != "key" for value in values]
    return _sign_in(
        visit,
        status=401,
        wanted=wanted,
        draft=urlencode(draft) if wanted == "/permissions/new" else "not-done",
        problem=marked(
            "You were signed out before this was sent, so nothing was changed. Sign in, and go on where you "
            "stopped."
        ),
    )


async def sign_in(visit: Visit) -> Response:
    """Begin a session for the passkey's answer, and go on where the patient wanted to."""
    passkeys = visit.gateway.door.passkeys
    wanted, draft = visit.one("next"), visit.one("draft")[:_LONGEST_DRAFT]
    try:
        token = await passkeys.sign_in(
            visit.browser, visit.one("form"), visit.one("response"), device=visit.device
        )
    except SignInRefusedError as why:
        if why.refusal is SignInRefusal.FORM_USED and visit.session is not None:
            return redirect(visit, "/permissions")  # the button was pressed twice
        return _sign_in(visit, status=401, wanted=wanted, draft=draft, problem=REFUSED[why.refusal])
    if draft and wanted == "/permissions/new":
        visit.session = await visit.gateway.door.sessions.resolve(token)
        return begin_session(visit, await _resumed(visit, draft), token)
    path = wanted if wanted in _PAGES else "/permissions"
    response = redirect(visit, path, done="not-done" if draft else "signed-in")
    return begin_session(visit, response, token)


async def _resumed(visit: Visit, draft: str) -> Response:
    """Show the form with what was typed before the sign-in, to the patient who typed it alone."""
    try:
        fields = parse_qsl(draft, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        fields = []
    form: dict[str, list[str]] = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    own = visit.gateway.door.sessions.owner(visit.signed_in.principal.patient)
    visit.form = form if form.get("owner") == [own] else {}
    return await grant_pages.show_again(visit)


def _sign_in(
    visit: Visit, *, status: int = 200, wanted: str = "", draft: str = "", problem: str = ""
) -> Response:
    offer = visit.gateway.door.passkeys.offer_sign_in(visit.browser)
    return page(
        visit,
        "sign_in.html",
        status=status,
        offer=offer,
        wanted=wanted,
        draft=draft,
        problem=visit.language.text(problem) if problem else "",
        works=passkeys_work(visit.gateway.base_url),
    )


async def show_code(visit: Visit) -> Response:
    """Ask for the hospital's code."""
    return _code(visit)


async def offer_passkey(visit: Visit) -> Response:
    """Show the page that makes a passkey, for a code that holds."""
    try:
        offer = await visit.gateway.door.passkeys.offer_first(
            visit.browser, visit.one("code"), visit.one("label").strip()
        )
    except SignInRefusedError as why:
        return _code(visit, status=401, problem=REFUSED[why.refusal])
    return page(visit, "make_passkey.html", offer=offer, action="/enrol", back="/code")


async def enrol(visit: Visit) -> Response:
    """Store the first passkey, and begin a session."""
    try:
        token = await visit.gateway.door.passkeys.enrol(
            visit.browser, visit.one("form"), visit.one("response"), device=visit.device
        )
    except SignInRefusedError as why:
        if why.refusal in {SignInRefusal.FORM_USED, SignInRefusal.CODE_USED} and visit.session is not None:
            return redirect(visit, "/permissions", done="enrolled")  # the button was pressed twice
        return _code(visit, status=401, problem=REFUSED[why.refusal])
    return begin_session(visit, redirect(visit, "/permissions", done="enrolled"), token)


def _code(visit: Visit, *, status: int = 200, problem: str = "") -> Response:
    return page(
        visit,
        "code.html",
        status=status,
        typed=visit.one("code")[:40],
        label=visit.one("label")[:60],
        problem=visit.language.text(problem) if problem else "",
        works=passkeys_work(visit.gateway.base_url),
    )


async def sign_in_to_demo(visit: Visit) -> Response:
    """Begin a session of the demo's patient.

    Raises:
        ForbiddenError: this is no demo.
    """
    if visit.demo is None:
        raise ForbiddenError("only a demo has an account that needs no passkey")
    token = await visit.gateway.door.sessions.open(
        visit.demo.patient, device=visit.device, proof="the button of the demo"
    )
    return begin_session(visit, redirect(visit, "/permissions", done="signed-in"), token)


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    session = visit.signed_in
    await visit.gateway.door.sessions.end(session, session.principal.client_id)
    visit.session, visit.ended = None, True
    return redirect(visit, "/sign-in", done="signed-out")
