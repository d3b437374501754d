"""An entry of the access log as one plain sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from exchange.pages.texts import Language, marked
from exchange.pages.words import KINDS, kinds_in, purposes_in

_SENTENCES: Final[Mapping[str, str]] = {
    "read": marked("%(who)s read %(what)s."),
    "search": marked("%(who)s looked for %(what)s."),
    "history": marked("%(who)s read older versions of %(what)s."),
    "export": marked("%(who)s exported %(what)s."),
    "score": marked("%(who)s had a risk score computed from your record."),
    "create": marked("%(who)s added to %(what)s."),
    "update": marked("%(who)s changed %(what)s."),
    "delete": marked("%(who)s removed from %(what)s."),
    "load": marked("%(who)s loaded records into %(what)s."),
    "code": marked("%(who)s got a code for a passkey from the hospital."),
    "passkey": marked("%(who)s changed the passkeys."),
    "sign-in": marked("%(who)s signed in, or got a key for an app."),
    "sign-out": marked("%(who)s signed out, or a sign-in ended."),
    "other": marked("%(who)s did something with your record (%(name)s)."),
}
_INTERACTIONS = {
    "read": "read",
    "vread": "read",
    "search-type": "search",
    "search-system": "search",
    "history-instance": "history",
    "history-type": "history",
    "create": "create",
    "update": "update",
    "patch": "update",
    "delete": "delete",
    "transaction": "update",
    "batch": "update",
}
_OWN_PROGRAM = re.compile(r"consentry-[a-z-]+")
_LOGIN, _LOGOUT = "110122", "110123"
_RELEASED = re.compile(r"([0-9]+) ([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class ViewCard:
    """An entry of the log as the patient sees it; `outcome` is allowed, refused or failed."""

    sentence: str
    when: str
    moment: str
    organization: str
    why: str
    outcome: str
    got: str
    reason: str
    is_own: bool
    transaction: str


def view_card(event: Mapping[str, Any], *, patient: str, language: Language, zone: tzinfo | None) -> ViewCard:
    """Return an AuditEvent about `patient` in words."""
    say = language.text
    agent: Mapping[str, Any] = next((one for one in event.get("agent", ()) if one.get("requestor")), {})
    who, is_own = _who(agent, patient, language)
    purpose = event.get("purposeOfEvent", [{}])[0]
    codes = [one.get("code", "") for one in purpose.get("coding", ())]
    recorded = str(event.get("recorded", ""))
    kind = _kind(event)
    sentence = say(_SENTENCES[kind]) % {"who": who, "what": _what(event, language), "name": _name(event)}
    return ViewCard(
        sentence=sentence[:1].upper() + sentence[1:],
        when=_when(recorded, language, zone),
        moment=recorded,
        organization=str(agent.get("network", {}).get("address", "")),
        why=purposes_in(codes, language),
        outcome={"0": "allowed", "4": "refused"}.get(str(event.get("outcome")), "failed"),
        got=_got(event, language),
        reason=str(purpose.get("text", "")),
        is_own=is_own,
        transaction=_transaction(event),
    )


def _who(agent: Mapping[str, Any], patient: str, language: Language) -> tuple[str, bool]:
    who = agent.get("who", {})
    reference, identifier = str(who.get("reference", "")), who.get("identifier", {})
    if f"Patient/{patient}" in {reference, identifier.get("value")}:
        return language.text(marked("You")), True
    if identifier.get("system") == "urn:consentry:user-pseudonym":
        return language.text(marked("A person whose name is not known here")), False
    name = str(agent.get("name") or who.get("display") or identifier.get("value") or reference)
    if _OWN_PROGRAM.fullmatch(name):
        return language.text(marked("A program of this hospital")), False
    if reference.startswith("RelatedPerson/"):
        return language.text(marked("%(name)s, who acts for you,")) % {"name": name}, False
    return name, False


def _kind(event: Mapping[str, Any]) -> str:
    subtypes = [str(one.get("code", "")) for one in event.get("subtype", ())]
    told = _description(event)
    if _LOGIN in subtypes:
        if told.startswith("code "):
            return "code"
        return "passkey" if told.startswith("passkey ") else "sign-in"
    if _LOGOUT in subtypes:
        return "passkey" if told.startswith("passkey ") else "sign-out"
    if "operation" in subtypes:
        if event.get("action") == "C":
            return "load"
        return "score" if "assess-risk" in told else "export" if "export" in told else "read"
    return next((_INTERACTIONS[one] for one in subtypes if one in _INTERACTIONS), "other")


def _description(event: Mapping[str, Any]) -> str:
    return next((str(one["description"]) for one in event.get("entity", ()) if "description" in one), "")


def _name(event: Mapping[str, Any]) -> str:
    return ", ".join(str(one.get("code", "")) for one in event.get("subtype", ())) or str(
        event.get("action", "")
    )


def _what(event: Mapping[str, Any], language: Language) -> str:
    types = [
        str(one.get("type", {}).get("code", ""))
        for one in event.get("entity", ())
        if one.get("name") == "kind of record asked for"
    ]
    if not types or len(types) > len(KINDS):
        return language.text(marked("your record"))
    return kinds_in(types, language)


def _got(event: Mapping[str, Any], language: Language) -> str:
    """Return what was handed out, empty where that is not known or not asked for."""
    details = (one for entity in event.get("entity", ()) for one in entity.get("detail", ()))
    told = next((str(one.get("valueString", "")) for one in details if one.get("type") == "released"), "")
    if told.startswith("nothing"):
        return language.text(marked("nothing"))
    found = _RELEASED.findall(told)
    if not found:
        return ""
    return language.listed([f"{kinds_in([kind], language)} ({number})" for number, kind in found])


def _when(text: str, language: Language, zone: tzinfo | None) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return language.moment(int(moment.timestamp() * 1000), zone)


def _transaction(event: Mapping[str, Any]) -> str:
    for entity in event.get("entity", ()):
        identifier = entity.get("what", {}).get("identifier", {})
        if identifier.get("system") == "urn:consentry:ledger-transaction":
            return str(identifier.get("value", ""))
    return ""
