"""One request of a browser: its cookies, its form, its language, and whether it is from our own page."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from exchange.errors import BadRequestError
from exchange.node.gateway import Gateway
from exchange.pages.texts import Language, language, preferred
from exchange.services.sign_in.refusals import SignInRefusedError
from exchange.services.sign_in.sessions import Session

PREFIX: Final = "/patient"
"""The address of the patient's pages under the public address of the gateway."""

_LONGEST_FORM = 64 * 1024
_MOST_FIELDS = 200
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_PORTS = {"http": 80, "https": 443}

Form = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """The patient of a demo, who signs in with one click; `name` is shown."""

    patient: str
    name: str


@dataclass(slots=True)
class Visit:
    """A request, with what is known about its browser.

    `browser` is a secret that binds a ceremony to the browser; `is_new` says that it has to get it. `ended`
    says that a session came, and is over.
    """

    request: Request
    gateway: Gateway
    language: Language
    browser: str
    is_new: bool
    demo: DemoAccount | None = None
    session: Session | None = None
    ended: bool = False
    form: Form = field(default_factory=dict)

    @property
    def signed_in(self) -> Session:
        """The session of a page that is for patients who are signed in."""
        assert self.session is not None  # noqa: S101 - the table of pages says which need one
        return self.session

    @property
    def device(self) -> str:
        """The browser and the system, in a word or two, as the browser states them."""
        return device_of(self.request.headers.get("user-agent", ""))

    def one(self, name: str) -> str:
        """Return the first value of a form's field, empty without one."""
        return self.form.get(name, [""])[0]

    def asked(self, name: str) -> str:
        """Return the first value of a query's parameter, empty without one."""
        return self.request.query_params.get(name, "")


def is_secure(gateway: Gateway) -> bool:
    """Return whether the public address is one of TLS, whatever is between the browser and this process."""
    return gateway.base_url.startswith("https:")


def cookie_name(gateway: Gateway, name: str) -> str:
    """Return the name of a cookie: with TLS one that no other host or path can have set."""
    return f"__Host-{name}" if is_secure(gateway) else name


async def visit(request: Request, gateway: Gateway, demo: DemoAccount | None) -> Visit:
    """Return what is known about the browser of a request, with its session if it has one that holds.

    Raises:
        UnavailableError: the database or the ledger can't be reached.
    """
    cookies = request.cookies
    browser = cookies.get(cookie_name(gateway, "browser"), "")
    is_new = _SECRET.fullmatch(browser) is None
    code = preferred(cookies.get("language", ""), request.headers.get("accept-language", ""))
    found = Visit(
        request=request,
        gateway=gateway,
        language=language(code),
        browser=secrets.token_urlsafe(32) if is_new else browser,
        is_new=is_new,
        demo=demo,
    )
    token = cookies.get(cookie_name(gateway, "session"), "")
    if token:
        try:
            found.session = await gateway.door.sessions.resolve(token)
        except SignInRefusedError:
            found.ended = True
    return found


def is_own_page(request: Request, base_url: str) -> bool:
    """Return whether a form comes from a page of ours, as the browser states it; silence counts as no."""
    sent = request.headers.getlist("origin")
    if len(sent) != 1:
        return False
    try:
        return _origin(sent[0]) == _origin(base_url)
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


async def read_form(request: Request) -> Form:
    """Return the fields of a form.

    Raises:
        BadRequestError: the body is no form, or a longer one than any of ours.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadRequestError("the body is no form")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            raise BadRequestError("the form is too long")
    form: dict[str, list[str]] = {}
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise BadRequestError("the body is no form in UTF-8") from None
    for name, value in fields:
        form.setdefault(name, []).append(value.replace("\0", ""))
    return form


_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)


def device_of(agent: str) -> str:
    """Return the browser and the system that a `User-Agent` names, as far as they are well-known ones."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return ", ".join(one for one in (browser, system) if one)
