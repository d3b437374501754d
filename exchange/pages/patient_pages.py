"""The patient's pages as one ASGI endpoint: a table of pages, and the checks before each.

1. A form counts only from our own origin and with the key of the session that it was made for.
2. A page for patients who are signed in leads to the sign-in without a session. A form that arrives after the
   session has ended changes nothing, and what was typed goes on through the sign-in.
3. All that a page shows of records and log comes from the interactions that FHIR is answered by, so the same
   decisions are made and the same entries are left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from exchange.errors import (
    BadRequestError,
    ExchangeError,
    ForbiddenError,
    TooManyRequestsError,
)
from exchange.node.gateway import Gateway
from exchange.pages import account_pages, consent_pages, grant_pages, log_pages, sign_in_pages
from exchange.pages.answers import HEADERS, choose_language, finished, page, redirect
from exchange.pages.texts import LANGUAGES, language, marked
from exchange.pages.visits import PREFIX, DemoAccount, Visit, is_own_page, read_form, visit

Handler = Callable[[Visit], Awaitable[Response]]

_STATIC = {
    path.name: (path.read_bytes(), kind)
    for path in sorted((Path(__file__).parent / "static").iterdir())
    if (kind := {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}.get(path.suffix))
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PageRow:
    """One page: `show` answers GET, `send` answers a form; `is_open` says that no session is needed."""

    show: Handler | None = None
    send: Handler | None = None
    is_open: bool = False
    resumes: bool = False


PAGES: Final[Mapping[str, PageRow]] = {
    "": PageRow(show=sign_in_pages.show_start, is_open=True),
    "/sign-in": PageRow(show=sign_in_pages.show_sign_in, send=sign_in_pages.sign_in, is_open=True),
    "/code": PageRow(show=sign_in_pages.show_code, send=sign_in_pages.offer_passkey, is_open=True),
    "/enrol": PageRow(send=sign_in_pages.enrol, is_open=True),
    "/demo": PageRow(send=sign_in_pages.sign_in_to_demo, is_open=True),
    "/sign-out": PageRow(send=sign_in_pages.sign_out),
    "/permissions": PageRow(show=consent_pages.show_consents),
    "/permissions/end": PageRow(send=consent_pages.end_consent),
    "/permissions/new": PageRow(show=grant_pages.show_form, send=grant_pages.show_form, resumes=True),
    "/permissions/check": PageRow(send=grant_pages.check, resumes=True),
    "/permissions/give": PageRow(send=grant_pages.give, resumes=True),
    "/views": PageRow(show=log_pages.show_log),
    "/account": PageRow(show=account_pages.show_account),
    "/account/passkey": PageRow(show=account_pages.show_add, send=account_pages.offer_another),
    "/account/add": PageRow(send=account_pages.add),
    "/account/remove": PageRow(send=account_pages.remove),
    "/account/end": PageRow(send=account_pages.end),
}
"""The pages by their addresses under `PREFIX`; `resumes` marks forms that go on after a sign-in."""

_PARENT = {
    "/permissions/end": "/permissions",
    "/account/passkey": "/account",
    "/account/add": "/account",
    "/account/remove": "/account",
    "/account/end": "/account",
    "/sign-out": "/sign-in",
}


class PatientPages:
    """The pages of one gateway, an ASGI application; with a `demo` account, one signs in with a click.

    Raises:
        ValueError: a demo account is for an address of this machine alone.
    """

    def __init__(self, gateway: Gateway, demo: DemoAccount | None = None) -> None:
        if demo is not None and urlsplit(gateway.base_url).hostname not in _LOOPBACK:
            raise ValueError("a demo account is for an address of this machine alone")
        self._gateway = gateway
        self._demo = demo
        for code in LANGUAGES:  # read now, not while the first patient waits
            language(code)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path.removeprefix(PREFIX)
        if path.startswith("/static/"):
            return _static(path.removeprefix("/static/"))
        try:
            found = await visit(request, self._gateway, self._demo)
        except ExchangeError as error:  # a database that is away, or a row that was changed
            _log.warning("page.unavailable", code=error.code, exc_info=error)
            found = Visit(request, self._gateway, language("en"), "", is_new=False)
            return _told(found, 503)
        try:
            return await self._page(found, path)
        except ExchangeError as error:
            if error.status >= 500:
                _log.warning("page.unavailable", code=error.code, exc_info=error)
            return _refused(found, error)

    async def _page(self, visit: Visit, path: str) -> Response:
        if path == "/language":
            return _language(visit)
        row = PAGES.get(path)
        if row is None:
            return _told(visit, 404)
        method = visit.request.method
        handler = row.show if method in {"GET", "HEAD"} else row.send if method == "POST" else None
        if handler is None:
            return _told(visit, 404 if method in {"GET", "HEAD", "POST"} else 405)
        if method == "POST":
            self._check_stranger(visit)
            if not is_own_page(visit.request, self._gateway.base_url):
                raise ForbiddenError("the form is not from a page of this gateway")
            visit.form = await read_form(visit.request)
        if visit.session is not None:
            self._gateway.rates.admit(visit.session.principal.client_id)
        if not row.is_open:
            if visit.session is None:
                return await _sign_in_first(visit, path, row)
            if method == "POST" and not visit.session.is_own_form(visit.one("key")):
                return await _of_another_session(visit, path, row)
        return await handler(visit)

    def _check_stranger(self, visit: Visit) -> None:
        if visit.session is None:
            address = visit.request.client.host if visit.request.client else ""
            wait = self._gateway.rates.wait_of_unknown(address)
            if wait:
                raise TooManyRequestsError("too many forms of this address", retry_after=wait)


async def _sign_in_first(visit: Visit, path: str, row: PageRow) -> Response:
    if visit.request.method != "POST":
        wanted = urlencode({"next": path, **({"ended": "1"} if visit.ended else {})})
        response = Response(status_code=303, headers={"Location": f"{PREFIX}/sign-in?{wanted}"})
        return finished(visit, response)
    return await sign_in_pages.sign_in_again(visit, "/permissions/new" if row.resumes else _PARENT[path])


async def _of_another_session(visit: Visit, path: str, row: PageRow) -> Response:
    """Answer a form that was made in an earlier session: it is shown again, or its page is."""
    if row.resumes and visit.one("owner") == visit.gateway.door.sessions.owner(
        visit.signed_in.principal.patient
    ):
        return await grant_pages.show_again(visit)
    return redirect(visit, _PARENT.get(path, "/permissions"), done="not-done")


def _language(visit: Visit) -> Response:
    code, back = visit.asked("to"), visit.asked("back")
    row = PAGES.get(back)
    response = redirect(visit, back if row is not None and row.show is not None else "")
    return choose_language(visit, response, code) if code in LANGUAGES else response


_TOLD: Mapping[int, tuple[str, str]] = {
    400: (
        marked("This form can't be read"),
        marked("Your browser sent something that we don't understand. Go back and try again."),
    ),
    403: (
        marked("This form did not come from our page"),
        marked("For your safety, nothing was changed. Open the page again and fill in the form there."),
    ),
    404: (
        marked("There is no page here"),
        marked("Check the address, or go back to your permissions."),
    ),
    405: (
        marked("There is no page here"),
        marked("Check the address, or go back to your permissions."),
    ),
    429: (
        marked("Too many tries"),
        marked("To keep your record safe, please wait a minute before you try again."),
    ),
    503: (
        marked("This does not work at the moment"),
        marked(
            "Wait a minute and open the page again. If you were changing something, look at the list first "
            "to see whether it was done. To send the same form twice does no harm."
        ),
    ),
}


def _told(visit: Visit, status: int, *, retry_after: int = 0) -> Response:
    title, text = _TOLD[status]
    say = visit.language.text
    response = page(visit, "message.html", status=status, title=say(title), text=say(text))
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _refused(visit: Visit, error: ExchangeError) -> Response:
    if isinstance(error, TooManyRequestsError):
        return _told(visit, 429, retry_after=error.retry_after)
    if error.status >= 500:
        return _told(visit, 503, retry_after=2)
    if isinstance(error, ForbiddenError):
        return _told(visit, 403)
    return _told(visit, 400 if isinstance(error, BadRequestError) else 404)


def _static(name: str) -> Response:
    if name not in _STATIC:
        return Response(status_code=404, headers=dict(HEADERS))
    body, kind = _STATIC[name]
    headers = {**HEADERS, "Cache-Control": "public, max-age=3600"}
    return Response(body, headers=headers, media_type=f"{kind}; charset=utf-8")
