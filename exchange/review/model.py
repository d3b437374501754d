"""The language of a review: an access, the facts about its patient and its user, and what became of it.

Times are in ms since 1970 UTC. Persons, departments and records are named by their references (`Type/id`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec


class Access(msgspec.Struct, frozen=True, gc=False):
    """One access of a person to one patient's records. `kinds` are the resource types asked for.

    `id` is that of its AuditEvent; `organization` is the MSP id of the user's employer.
    """

    id: str
    time: int
    user: str
    organization: str
    patient: str
    purpose: str
    kinds: tuple[str, ...]
    refused: bool = False


class Involved(StrEnum):
    """The kinds of records that say who has to do with a patient."""

    ENCOUNTER = "encounter"
    APPOINTMENT = "appointment"
    ORDER = "order"
    REFERRAL = "referral"
    CARE_TEAM = "care team"
    CONSENT = "consent"


class Involvement(msgspec.Struct, frozen=True, gc=False):
    """A record that involves people, departments or organisations with a patient, from `start` to `end`.

    An appointment and an order start when they are made. One without `end` goes on.
    """

    kind: Involved
    record: str
    start: int
    end: int | None
    people: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    organizations: frozenset[str] = frozenset()


class Posting(msgspec.Struct, frozen=True, gc=False):
    """A time in which a member of staff works in a department or covers it; without `end` it goes on."""

    unit: str
    start: int
    end: int | None


class Persona(msgspec.Struct, frozen=True, gc=False):
    """The part of a person's data by which two people are related: surnames and addresses, normalised."""

    surnames: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


class PatientFacts(msgspec.Struct, frozen=True, gc=False):
    """A patient as the hospital's records have it. `colleague` is the member of staff that the patient is."""

    persona: Persona = Persona()
    is_vip: bool = False
    died: int | None = None
    colleague: str | None = None
    involvements: tuple[Involvement, ...] = ()


class StaffFacts(msgspec.Struct, frozen=True, gc=False):
    """A member of the hospital's own staff, with the departments worked in."""

    persona: Persona = Persona()
    postings: tuple[Posting, ...] = ()


class RecordedFacts(Protocol):
    """The facts that a review reads; they are at hand before it asks."""

    def patient(self, patient: str) -> PatientFacts:
        """Return the facts about the patient with this logical id; empty ones where nothing is known."""

    def staff(self, access: Access) -> StaffFacts | None:
        """Return the facts about the user of `access`; None for one who is not of the own staff."""


class Explanation(msgspec.Struct, frozen=True, gc=False):
    """The strongest reason that the records give for an access; `strength` is above 0 and at most 1."""

    kind: str
    strength: float
    sentence: str
    record: str = ""


class Signal(msgspec.Struct, frozen=True, gc=False):
    """A detector's finding: its name, its weight between 0 and 1, and the reason as a sentence."""

    detector: str
    weight: float
    sentence: str


class Assessment(msgspec.Struct, frozen=True, gc=False):
    """One access assessed: `score` says how unexplained it is, from 0 to 1.

    `flagged` says that it needs a look. `signals` are all that spoke, also where the explanation outweighs
    them.
    """

    access: Access
    score: float
    flagged: bool
    explanation: Explanation | None
    signals: tuple[Signal, ...]
