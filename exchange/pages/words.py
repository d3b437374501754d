"""Plain words for the codes of FHIR, and a Consent in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from exchange.pages.texts import Language, marked
from exchange.services.records.prepare import FILED_BY

CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

PURPOSES: Final[Mapping[str, str]] = {
    "TREAT": marked("to treat you, also in an emergency"),
    "ETREAT": marked("to treat you in an emergency"),
    "BTG": marked("in an emergency, without asking first"),
    "HPAYMT": marked("to bill for your care"),
    "HOPERAT": marked("to run the hospital"),
    "HRESCH": marked("for research"),
    "PATRQT": marked("because you asked for it"),
    "PUBHLTH": marked("for public health"),
}
"""Purposes of use, each as the end of a sentence."""

KINDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "person": (marked("your name, birth date and address"), ("Patient",)),
    "results": (marked("measurements and test results"), ("Observation", "DiagnosticReport")),
    "illnesses": (marked("illnesses and allergies"), ("Condition", "AllergyIntolerance")),
    "medicines": (
        marked("medicines and vaccines"),
        (
            "Immunization",
            "MedicationAdministration",
            "MedicationDispense",
            "MedicationRequest",
            "MedicationStatement",
        ),
    ),
    "care": (
        marked("visits, operations and care plans"),
        ("CarePlan", "Encounter", "EpisodeOfCare", "Procedure", "ServiceRequest"),
    ),
    "documents": (marked("letters and documents"), ("Composition", "DocumentReference")),
    "risks": (marked("risk scores"), ("RiskAssessment",)),
    "consents": (marked("your permissions"), ("Consent",)),
    "log": (marked("the list of views"), ("AuditEvent",)),
}
"""Kinds of record by name: their words, and their resource types."""

TOPICS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "mind": (marked("mental health"), ("BH", "MH", "PSY", "PSYTHPN")),
    "addiction": (marked("alcohol and drugs"), ("ETH", "ETHUD", "OPIOIDUD", "SUD")),
    "hiv": (marked("HIV"), ("HIV",)),
    "sexual": (marked("sexual health"), ("SEX", "STD")),
    "violence": (marked("violence and abuse"), ("SDV", "VIO")),
    "genes": (marked("inherited illness"), ("GDIS",)),
}
"""Sensitive topics by name: their words, and their labels."""

_KIND_OF = {kind: text for text, kinds in KINDS.values() for kind in kinds}
_TOPIC_OF = {label: text for text, labels in TOPICS.values() for label in labels}


@dataclass(frozen=True, slots=True)
class ConsentCard:
    """A consent as its patient sees it.

    `state` is active, later, expired, ended or draft; `rows` are its terms, each with its words. `by_patient`
    says whether the patient gave it, or the hospital recorded it on paper.
    """

    logical_id: str
    version: str
    state: str
    permits: bool
    title: str
    rows: Sequence[tuple[str, str]]
    exceptions: Sequence[str]
    by_patient: bool
    given: str
    changed: str


def purposes_in(codes: Sequence[str], language: Language) -> str:
    """Return purposes of use in words."""
    return language.listed([language.text(PURPOSES.get(code, code)) for code in codes])


def kinds_in(types: Sequence[str], language: Language) -> str:
    """Return resource types in words, each once."""
    words = dict.fromkeys(language.text(_KIND_OF[one]) if one in _KIND_OF else one for one in types)
    return language.listed(list(words))


def topics_in(labels: Sequence[str], language: Language) -> str:
    """Return sensitivity labels in words, each once."""
    words = dict.fromkeys(language.text(_TOPIC_OF[one]) if one in _TOPIC_OF else one for one in labels)
    return language.listed(list(words))


def consent_card(
    consent: Mapping[str, Any],
    *,
    names: Mapping[str, str],
    language: Language,
    zone: tzinfo | None,
    now: datetime,
) -> ConsentCard:
    """Return a Consent in words; `names` has the members' names by reference and by identifier."""
    say = language.text
    provision = consent.get("provision") or {}
    is_permission = permits(consent)
    who = _actors(provision, names, language) or say(marked("everyone"))
    title = (
        say(marked("%(who)s may see your record"))
        if is_permission
        else say(marked("%(who)s may not see your record"))
    )
    meta = consent.get("meta", {})
    return ConsentCard(
        logical_id=str(consent.get("id", "")),
        version=str(meta.get("versionId", "")),
        state=_state(consent, provision, zone, now),
        permits=is_permission,
        title=_capital(title % {"who": who}),
        rows=_rows(provision, language),
        exceptions=[
            text for one in provision.get("provision", ()) for text in _exceptions(one, names, language)
        ],
        by_patient=_filed_by(consent) == "patient",
        given=language.day(str(consent.get("dateTime", ""))),
        changed=language.day(str(meta.get("lastUpdated", ""))),
    )


def permits(consent: Mapping[str, Any]) -> bool:
    """Return whether a Consent as a whole permits; its exceptions may do the opposite."""
    provision = consent.get("provision") or {}
    if "type" in provision:
        return bool(provision["type"] == "permit")
    codings = (consent.get("policyRule") or {}).get("coding", ())
    return any(coding.get("code") == "OPTIN" for coding in codings)


def _filed_by(consent: Mapping[str, Any]) -> str:
    found = (one.get("valueCode") for one in consent.get("extension", ()) if one.get("url") == FILED_BY)
    return str(next(found, "organization"))


def _state(
    consent: Mapping[str, Any], provision: Mapping[str, Any], zone: tzinfo | None, now: datetime
) -> str:
    status = consent.get("status")
    if status != "active":
        return "draft" if status in {"draft", "proposed"} else "ended"
    period = provision.get("period") or {}
    today = now.astimezone(zone or UTC)
    if _is_before(str(period.get("end", "")), today):
        return "expired"
    return "later" if _is_after(str(period.get("start", "")), today) else "active"


def _is_before(text: str, today: datetime) -> bool:
    if len(text) > 10:
        moment = _moment(text)
        return moment is not None and moment < today
    return bool(text) and text < today.date().isoformat()[: len(text)]


def _is_after(text: str, today: datetime) -> bool:
    if len(text) > 10:
        moment = _moment(text)
        return moment is not None and moment > today
    return bool(text) and text > today.date().isoformat()[: len(text)]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _rows(provision: Mapping[str, Any], language: Language) -> list[tuple[str, str]]:
    say = language.text
    codes = [one.get("code", "") for one in provision.get("purpose", ())]
    types = [one.get("code", "") for one in provision.get("class", ())]
    rows = [
        (say(marked("Reason")), purposes_in(codes, language) if codes else say(marked("any reason"))),
        (say(marked("Records")), kinds_in(types, language) if types else say(marked("all kinds of record"))),
        (say(marked("Sensitive topics")), _labels(provision, language)),
        *_more(provision, language),
    ]
    period = provision.get("period") or {}
    if period.get("start"):
        rows.append((say(marked("From")), language.day(period["start"])))
    until = language.day(period["end"]) if period.get("end") else say(marked("until it is ended"))
    return [*rows, (say(marked("Until")), until)]


def _labels(provision: Mapping[str, Any], language: Language) -> str:
    say = language.text
    labels = [(one.get("system"), one.get("code", "")) for one in provision.get("securityLabel", ())]
    if not labels:
        return say(marked("all of them"))
    topics = [code for system, code in labels if system != CONFIDENTIALITY]
    return topics_in(topics, language) if topics else say(marked("none of them"))


def _more(provision: Mapping[str, Any], language: Language) -> list[tuple[str, str]]:
    say = language.text
    rows = []
    codes = [_concept(one) for one in provision.get("code", ())]
    if codes:
        rows.append((say(marked("Only these")), language.listed(codes)))
    data = [str(one.get("reference", {}).get("reference", "")) for one in provision.get("data", ())]
    if any(data):
        rows.append((say(marked("Only these records")), language.listed([one for one in data if one])))
    span = provision.get("dataPeriod") or {}
    if span:
        ends = {name: language.day(str(span.get(name, "…"))) for name in ("start", "end")}
        rows.append((say(marked("Only records from")), say(marked("%(start)s to %(end)s")) % ends))
    return rows


def _concept(concept: Mapping[str, Any]) -> str:
    codings = concept.get("coding", ())
    shown = (str(one.get("display") or one.get("code", "")) for one in codings)
    return str(concept.get("text") or next(shown, ""))


def _actors(provision: Mapping[str, Any], names: Mapping[str, str], language: Language) -> str:
    return language.listed([_actor(one, names) for one in provision.get("actor", ())])


def _actor(actor: Mapping[str, Any], names: Mapping[str, str]) -> str:
    reference = actor.get("reference") or {}
    text = str(reference.get("reference", ""))
    short = "/".join(text.split("/")[-2:])
    identifier = reference.get("identifier") or {}
    named = f"{identifier.get('system', '')}|{identifier.get('value', '')}"
    return names.get(short) or names.get(named) or str(reference.get("display") or text or named.strip("|"))


def _exceptions(provision: Mapping[str, Any], names: Mapping[str, str], language: Language) -> list[str]:
    """Return the exceptions of a rule as lines, those within them after each."""
    say = language.text
    head = say(marked("but allowed")) if provision.get("type") == "permit" else say(marked("but not allowed"))
    who = _actors(provision, names, language)
    codes = [one.get("code", "") for one in provision.get("purpose", ())]
    types = [one.get("code", "") for one in provision.get("class", ())]
    parts = [
        who,
        purposes_in(codes, language) if codes else "",
        kinds_in(types, language) if types else "",
        _labels(provision, language) if provision.get("securityLabel") else "",
        *(f"{name}: {text}" for name, text in _more(provision, language)),
    ]
    anything = say(marked("anything else"))
    line = f"{head}: {'; '.join(part for part in parts if part) or anything}"
    deeper = [text for one in provision.get("provision", ()) for text in _exceptions(one, names, language)]
    return [_capital(line), *deeper]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
