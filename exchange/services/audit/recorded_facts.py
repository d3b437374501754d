"""Facts for a review from FHIR records: persons, departments, and who has to do with a patient.

A record counts for every practitioner and department that it names, wherever in it. The hospital's own
Organization is no department: a record that names it would explain everybody. Records that were
entered in error, cancelled or rejected say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from exchange.consent.spans import span
from exchange.fhir.references import literal
from exchange.review.model import Involved, Involvement, PatientFacts, Persona, Posting, StaffFacts

PATIENT_TYPES: Final = (
    *("Appointment", "CareTeam", "Consent", "Encounter", "MedicationRequest", "Patient", "ServiceRequest"),
)
"""The types of records about a patient that a review reads."""
STAFF_TYPES: Final = ("Practitioner", "PractitionerRole")
"""The types of records about staff that it reads."""

_UNIT = re.compile(r"(?:Organization|Location|HealthcareService)/.+")
_VOID = frozenset({"cancelled", "entered-in-error", "rejected", "revoked"})
_VIP = frozenset({"CEL", "VIP"})
_KINDS: Final = {
    "Appointment": Involved.APPOINTMENT,
    "CareTeam": Involved.CARE_TEAM,
    "Consent": Involved.CONSENT,
    "Encounter": Involved.ENCOUNTER,
    "MedicationRequest": Involved.ORDER,
    "ServiceRequest": Involved.ORDER,
}
_REFERRALS = frozenset({"3457005", "306206005"})  # SNOMED CT: patient referral, referral to service
_TIMES: Final = {
    "Appointment": ("created", "start", "end"),
    "CareTeam": ("period",),
    "Consent": ("dateTime",),
    "Encounter": ("period",),
    "MedicationRequest": ("authoredOn",),
    "ServiceRequest": ("authoredOn", "occurrencePeriod", "occurrenceDateTime"),
}

Resource = Mapping[str, Any]


class StaffDirectory:
    """The staff of a hospital from its records; `hospital` is the reference of its own Organization."""

    def __init__(self, records: Iterable[Resource], *, base: str, hospital: str) -> None:
        self._base, self._hospital = base, hospital
        self.staff: dict[str, StaffFacts] = {}
        self._roles: dict[str, tuple[str, ...]] = {}
        self._same: dict[tuple[str, ...], str] = {}
        postings: dict[str, list[Posting]] = {}
        practitioners: list[Resource] = []
        for one in records:
            if one["resourceType"] == "Practitioner":
                practitioners.append(one)
            else:
                self._add_role(one, postings)
        for one in practitioners:
            name = _name(one)
            self.staff[name] = StaffFacts(_persona(one), tuple(postings.get(name, ())))
            self._same |= dict.fromkeys(_identities(one), name)

    def _add_role(self, role: Resource, postings: dict[str, list[Posting]]) -> None:
        names = list(_references(role, self._base))
        units = sorted({name for name in names if _UNIT.fullmatch(name) and name != self._hospital})
        people = [name for name in names if name.startswith("Practitioner/")]
        self._roles[_name(role)] = (*people, *units)
        found = span("Period", role["period"]) if "period" in role else None
        start, end = (None, None) if found is None else (found.start, found.end)
        for person in people:
            postings.setdefault(person, []).extend(Posting(unit, start or 0, end) for unit in units)

    def patient_facts(self, records: Sequence[Resource], members: Mapping[str, str]) -> PatientFacts:
        """Return the facts of the `records` about one patient; `members` maps references to MSP ids."""
        patients = [one for one in records if one["resourceType"] == "Patient"]
        identities = [key for one in patients for key in _identities(one)]
        personas = [_persona(one) for one in patients]
        return PatientFacts(
            Persona(
                frozenset().union(*(one.surnames for one in personas)),
                frozenset().union(*(one.addresses for one in personas)),
            ),
            is_vip=any(_is_vip(one) for one in records),
            died=next((died for one in patients if (died := _died(one)) is not None), None),
            colleague=next((self._same[key] for key in identities if key in self._same), None),
            involvements=tuple(
                found for one in records if (found := self._involvement(one, members)) is not None
            ),
        )

    def _involvement(self, one: Resource, members: Mapping[str, str]) -> Involvement | None:
        kind = _KINDS.get(one["resourceType"])
        times = _lasting(one)
        if kind is None or times is None or one.get("status") in _VOID:
            return None
        named = set(_references(one, self._base))
        if kind is Involved.CONSENT:
            organizations = frozenset(members[name] for name in named if name in members)
            return Involvement(kind, _name(one), *times, organizations=organizations)
        if kind is Involved.ORDER and _REFERRALS.intersection(_codes(one.get("category"))):
            kind = Involved.REFERRAL
        named.update(name for role in list(named) for name in self._roles.get(role, ()))
        return Involvement(
            kind,
            _name(one),
            *times,
            people=frozenset(name for name in named if name.startswith("Practitioner/")),
            units=frozenset(name for name in named if _UNIT.fullmatch(name) and name != self._hospital),
            organizations=frozenset(members[name] for name in named if name in members),
        )


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _references(value: Any, base: str) -> Iterator[str]:
    """Yield every reference within `value`, relative where it is this server's."""
    if isinstance(value, Mapping):
        reference = value.get("reference")
        if isinstance(reference, str):
            yield literal(reference, base)
        for item in value.values():
            yield from _references(item, base)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item, base)


def _codes(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("code"), str):
            yield value["code"]
        for item in value.values():
            yield from _codes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _codes(item)


def _lasting(one: Resource) -> tuple[int, int | None] | None:
    """Return start and end of a record; None where it tells no time."""
    spans = []
    for name in _TIMES.get(one["resourceType"], ()):
        if name not in one:
            continue
        try:
            found = span("Period" if isinstance(one[name], Mapping) else "dateTime", one[name])
        except ValueError:
            continue
        if found is not None:
            spans.append((found.start, found.end))
    starts = [start for start, _ in spans if start is not None]
    if not starts:
        return None
    ends = [end for _, end in spans]
    last = None if one["resourceType"] == "Consent" or None in ends else max(end for end in ends if end)
    return min(starts), last


def _persona(one: Resource) -> Persona:
    names = (name.get("family", "") for name in one.get("name", ()))
    places = (
        " ".join([*address.get("line", ()), address.get("postalCode", "") or address.get("city", "")])
        for address in one.get("address", ())
        if address.get("line")
    )
    return Persona(frozenset(filter(None, map(_plain, names))), frozenset(map(_plain, places)))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _identities(one: Resource) -> Iterator[tuple[str, ...]]:
    """Yield what two records of the same human share: an identifier, or full name and birth date."""
    for identifier in one.get("identifier", ()):
        if identifier.get("system") and identifier.get("value"):
            yield "identifier", identifier["system"], identifier["value"]
    for name in one.get("name", ()):
        if name.get("family") and name.get("given") and one.get("birthDate"):
            yield "name", _plain(name["family"]), _plain(name["given"][0]), one["birthDate"]


def _is_vip(one: Resource) -> bool:
    if one["resourceType"] == "Patient":
        return not _VIP.isdisjoint(label.get("code", "") for label in one.get("meta", {}).get("security", ()))
    courtesies = one.get("hospitalization", {}).get("specialCourtesy", ())
    return one["resourceType"] == "Encounter" and not _VIP.isdisjoint(_codes(courtesies))


def _died(patient: Resource) -> int | None:
    stated = patient.get("deceasedDateTime")
    if stated is None and patient.get("deceasedBoolean"):
        stated = patient.get("meta", {}).get("lastUpdated")
    try:
        found = None if stated is None else span("dateTime", stated)
    except ValueError:
        return None
    return None if found is None else found.start
