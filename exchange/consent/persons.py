"""The persons whom a Consent names as actors: a rule about somebody who isn't there would have no effect.

Only references to this server are looked up. A Practitioner or a PractitionerRole must be stored here, and a
RelatedPerson, of the same patient: such a person signs in under a name of her own. Another Patient's token
opens that patient's records alone, so a consent for one is refused before any look-up: its answer tells
nothing about the patients here. The patient of a consent must be stored, as there is no other way to read or
end it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from exchange.errors import Problem
from exchange.fhir.references import ID, literal

_PERSON = re.compile(rf"(Patient|Practitioner|PractitionerRole|RelatedPerson)/({ID})")
_NO_WAY_IN = (
    "names a patient, whose token opens that patient's records alone: name a Practitioner, a RelatedPerson or"
    " an Organization"
)
_CLAIMED = "names another than the patient who sends this: leave it out, or name the patient"
_NOT_HERE = "names somebody who is not stored here"


def named_persons(resource: dict[str, Any], base: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, type and id of each actor of a valid Consent that is a person of this server."""
    for path, actor in _actors("Consent.provision", resource.get("provision")):
        match = _PERSON.fullmatch(literal(str(actor.get("reference", {}).get("reference", "")), base))
        if match is not None:
            yield f"{path}.reference", match[1], match[2]


def problems_of_persons(resource: dict[str, Any], base: str, *, patient: str, sender: str) -> list[Problem]:
    """Return the problems with the persons in a Consent of `patient` that need no look-up.

    `sender` is the patient who sends it, empty for the organization.
    """
    found = [
        Problem(path, _NO_WAY_IN, "business-rule")
        for path, kind, name in named_persons(resource, base)
        if kind == "Patient" and name != patient
    ]
    for n, performer in enumerate(resource.get("performer", ()) if sender else ()):
        if literal(str(performer.get("reference", "")), base) != f"Patient/{sender}":
            found.append(Problem(f"Consent.performer[{n}]", _CLAIMED, "business-rule"))
    return found


def not_here(path: str) -> Problem:
    """Return the problem of an actor at `path` that is not stored on this server."""
    return Problem(path, _NOT_HERE, "not-found")


def _actors(path: str, provision: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(provision, dict):
        for n, actor in enumerate(provision.get("actor", ())):
            yield f"{path}.actor[{n}]", actor
        for n, nested in enumerate(provision.get("provision", ())):
            yield from _actors(f"{path}.provision[{n}]", nested)
