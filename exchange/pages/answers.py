"""Answers to browsers: pages and redirections, each with the headers that keep them to themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from exchange.pages.texts import LANGUAGES, marked
from exchange.pages.visits import PREFIX, Visit, cookie_name, is_secure
from exchange.services.sign_in.sessions import LIFETIME

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy: our own files alone, and nothing within a page."""

HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), "
        "publickey-credentials-create=(self), publickey-credentials-get=(self)"
    ),
    "Referrer-Policy": "same-origin",  # without any, browsers would send forms without their origin
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The headers of every answer."""

_TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}
_LANGUAGE_SECONDS = 365 * 24 * 3600

DONE: Final[Mapping[str, tuple[str, str]]] = {
    "signed-in": ("good", marked("You are signed in.")),
    "enrolled": ("good", marked("Your passkey is ready, and you are signed in.")),
    "signed-out": ("good", marked("You are signed out.")),
    "given": ("good", marked("Your permission is in force from now on.")),
    "given-before": ("note", marked("You had sent this form before. Nothing was changed this time.")),
    "ended": (
        "good",
        marked(
            "The permission has ended. New requests are refused from now on. What was released before can't "
            "be called back."
        ),
    ),
    "lifted": ("good", marked("The refusal is lifted. Your permissions count again.")),
    "ended-before": ("note", marked("This permission had ended before. Nothing was changed this time.")),
    "changed-meanwhile": (
        "note",
        marked("This permission was changed meanwhile. Look at it again before you end it."),
    ),
    "passkey-added": ("good", marked("The new passkey is ready. You can sign in with it from now on.")),
    "passkey-removed": ("good", marked("The passkey is removed. It no longer opens your pages.")),
    "passkey-gone": ("note", marked("This passkey was removed before. Nothing was changed this time.")),
    "passkey-last": (
        "note",
        marked("This is your only passkey. Add another one first, or you could not sign in any more."),
    ),
    "session-ended": ("good", marked("That sign-in has ended.")),
    "session-gone": ("note", marked("That sign-in had ended before. Nothing was changed this time.")),
    "not-done": (
        "note",
        marked("You were signed out before this was done, so nothing was changed. Do it again if you want."),
    ),
}
"""The notes above a page, by the name in its address: the kind and the sentence."""


def page(visit: Visit, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return the page that `template` makes."""
    note = DONE.get(visit.asked("done"))
    body = visit.language.render(
        template,
        **{
            "note": None if note is None else (note[0], visit.language.text(note[1])),
            "hospital": visit.gateway.member.name,
            "languages": LANGUAGES,
            "language": visit.language,
            "prefix": PREFIX,
            "session": visit.session,
            "key": "" if visit.session is None else visit.session.key,
            "owner": owner(visit),
            "demo": visit.demo,
            "here": visit.request.url.path,
            "zone": visit.gateway.zone,
            **values,
        },
    )
    response = Response(body, status, media_type="text/html; charset=utf-8")
    return finished(visit, response)


def owner(visit: Visit) -> str:
    """Return the mark of the patient who is signed in, for the forms of the page."""
    if visit.session is None:
        return ""
    return visit.gateway.door.sessions.owner(visit.session.principal.patient)


def redirect(visit: Visit, path: str, *, done: str = "") -> Response:
    """Return a redirection to a page, with the note `done` above it; the browser asks for it with GET."""
    place = f"{PREFIX}{path}" + (f"?done={done}" if done else "")
    return finished(visit, Response(status_code=303, headers={"Location": place}))


def finished(visit: Visit, response: Response) -> Response:
    """Add the headers of every answer, and the browser's secret where it has none yet."""
    response.headers.update(HEADERS)
    if is_secure(visit.gateway):
        response.headers.update(_TRANSPORT)
    if visit.is_new:
        _set(visit, response, "browser", visit.browser, seconds=LIFETIME)
    if visit.ended:
        name, secure = cookie_name(visit.gateway, "session"), is_secure(visit.gateway)
        response.delete_cookie(name, secure=secure, httponly=True, samesite="lax")
    return response


def begin_session(visit: Visit, response: Response, token: str) -> Response:
    """Hand the token of a new session to the browser."""
    visit.ended = False
    _set(visit, response, "session", token, seconds=LIFETIME)
    return response


def choose_language(visit: Visit, response: Response, code: str) -> Response:
    """Have the browser remember a language; it is no secret."""
    response.set_cookie(
        "language",
        code,
        max_age=_LANGUAGE_SECONDS,
        path=PREFIX,
        secure=is_secure(visit.gateway),
        httponly=True,
        samesite="lax",
    )
    return response


def _set(visit: Visit, response: Response, name: str, value: str, *, seconds: int) -> None:
    response.set_cookie(
        cookie_name(visit.gateway, name),
        value,
        max_age=seconds,
        path="/",
        secure=is_secure(visit.gateway),
        httponly=True,
        samesite="lax",
    )
