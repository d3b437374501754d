"""The patient's own sign-ins and passkeys: seen, added, removed, ended."""

from __future__ import annotations

from starlette.responses import Response

from exchange.pages.answers import page, redirect
from exchange.pages.sign_in_pages import REFUSED, passkeys_work
from exchange.pages.visits import Visit
from exchange.services.sign_in.refusals import SignInRefusal, SignInRefusedError


async def show_account(visit: Visit) -> Response:
    """Show the passkeys, and the sign-ins that hold."""
    door, session = visit.gateway.door, visit.signed_in
    return page(
        visit,
        "account.html",
        passkeys=await door.passkeys.listed(session),
        sessions=await door.sessions.listed(session.principal),
        current=session.principal.client_id,
    )


async def show_add(visit: Visit) -> Response:
    """Ask for the name of another passkey."""
    return _ask(visit)


async def offer_another(visit: Visit) -> Response:
    """Show the page that makes another passkey."""
    offer = await visit.gateway.door.passkeys.offer_another(
        visit.signed_in, visit.browser, visit.one("label").strip()
    )
    return page(visit, "make_passkey.html", offer=offer, action="/account/add", back="/account/passkey")


async def add(visit: Visit) -> Response:
    """Store another passkey."""
    try:
        await visit.gateway.door.passkeys.add(
            visit.signed_in, visit.browser, visit.one("form"), visit.one("response")
        )
    except SignInRefusedError as why:
        if why.refusal is SignInRefusal.FORM_USED:
            return redirect(visit, "/account", done="passkey-added")  # the button was pressed twice
        return _ask(visit, status=422, problem=REFUSED[why.refusal])
    return redirect(visit, "/account", done="passkey-added")


def _ask(visit: Visit, *, status: int = 200, problem: str = "") -> Response:
    return page(
        visit,
        "add_passkey.html",
        status=status,
        label=visit.one("label")[:60],
        problem=visit.language.text(problem) if problem else "",
        works=passkeys_work(visit.gateway.base_url),
    )


async def remove(visit: Visit) -> Response:
    """Remove a passkey, but never the last one."""
    try:
        removed = await visit.gateway.door.passkeys.remove(visit.signed_in, visit.one("passkey"))
    except SignInRefusedError:
        return redirect(visit, "/account", done="passkey-last")
    return redirect(visit, "/account", done="passkey-removed" if removed else "passkey-gone")


async def end(visit: Visit) -> Response:
    """End a sign-in; this one's end leads to the sign-in."""
    session, name = visit.signed_in, visit.one("session")
    ended = await visit.gateway.door.sessions.end(session, name)
    if name == session.principal.client_id:
        visit.session, visit.ended = None, True
        return redirect(visit, "/sign-in", done="signed-out")
    return redirect(visit, "/account", done="session-ended" if ended else "session-gone")
