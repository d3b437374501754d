"""A hospital of chance: its departments, its staff with their shifts, and the people around it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from exchange.review.model import Access, Involvement, PatientFacts, Persona, Posting, StaffFacts

HOUR: Final = 3_600_000
"""Milliseconds of an hour."""
DAY: Final = 24 * HOUR
"""Milliseconds of a day."""
YEAR: Final = 365
"""Days of a year."""
BEGIN: Final = 1_735_689_600_000
"""The year's first moment: 2025-01-01, UTC."""
EMPLOYER: Final = "CityMSP"
"""The hospital's MSP id."""
NEIGHBOUR: Final = "LakeMSP"
"""The MSP id of another hospital."""

_WARDS = ("medicine", "surgery", "cardiology", "oncology", "obstetrics", "paediatrics", "intensive-care")
_SERVICES = ("radiology", "laboratory", "pharmacy", "physiotherapy")
_EMERGENCY, _CLINIC, _REGISTRATION, _BILLING = "emergency", "clinic", "registration", "billing"


@dataclass(frozen=True, slots=True)
class HospitalSize:
    """The numbers of a hospital: wards of each specialty, their nurses and doctors, people around it."""

    name: str
    copies: int
    nurses: int
    doctors: int
    people: int
    visits_a_day: int
    snoops_of_each_kind: int


SIZES: Final = (
    HospitalSize("small", 1, 8, 3, 12_000, 30, 5),
    HospitalSize("medium", 2, 10, 5, 50_000, 100, 15),
    HospitalSize("large", 4, 12, 6, 150_000, 280, 40),
)
"""The hospitals of the bench: about 0.1, 0.3 and 0.7 million accesses a year."""


@dataclass(slots=True)
class Employee:
    """A member of staff. `pattern` is `rota`, `day` or `desk`; `patient` is set for those treated here."""

    user: str
    unit: str
    pattern: str
    turn: int
    household: int
    surname: str
    patient: str = ""
    postings: list[Posting] = field(default_factory=list)

    def hours(self, day: int) -> tuple[int, int] | None:
        """Return the first and the last hour of the shift that begins on `day`; None on a day off."""
        if self.pattern == "rota":
            return ((6, 14), (14, 22), (22, 30), None)[(day + self.turn) // 4 % 4]
        if (day + 2) % 7 >= 5:  # the year begins on a Wednesday
            return None
        return (8, 17) if self.pattern == "day" else (7, 16)


@dataclass(slots=True)
class Inhabitant:
    """A person around the hospital, with the records that involve others."""

    name: str
    surname: str
    household: int
    is_vip: bool = False
    died: int | None = None
    colleague: str | None = None
    involvements: list[Involvement] = field(default_factory=list)

    def facts(self) -> PatientFacts:
        """Return the person as a review reads it."""
        persona = Persona(frozenset({self.surname}), frozenset({f"household {self.household}"}))
        return PatientFacts(persona, self.is_vip, self.died, self.colleague, tuple(self.involvements))


class Hospital:
    """The people of one hospital; everything is drawn from `chance`."""

    def __init__(self, size: HospitalSize, chance: random.Random) -> None:
        self.size = size
        self.chance = chance
        copies = [f"-{number}" for number in range(size.copies)]
        self.wards = [f"Organization/{ward}{copy}" for ward in _WARDS for copy in copies]
        self.emergency = f"Organization/{_EMERGENCY}"
        self.clinics = [f"Organization/{_CLINIC}{copy}" for copy in copies]
        self.services = [f"Organization/{service}" for service in _SERVICES]
        self.registration, self.billing = f"Organization/{_REGISTRATION}", f"Organization/{_BILLING}"
        self._surnames = [f"surname {number}" for number in range(4_000)]
        self._shares = [1 / (number + 20) for number in range(4_000)]  # a few names are frequent
        self.people = self._inhabitants()
        self.by_name = {one.name: one for one in self.people}
        self.staff: list[Employee] = []
        self.of_unit: dict[str, list[Employee]] = {}
        self._employ_all()

    def doctors(self, unit: str) -> list[Employee]:
        """Return the doctors of a department."""
        return [one for one in self.of_unit[unit] if one.pattern == "day"]

    def on_shift(self, unit: str, day: int, hour: int) -> list[Employee]:
        """Return those of a department who work at this hour of `day`."""
        return [one for one in self.of_unit[unit] if _works(one, day, hour)]

    def known_facts(self) -> HospitalFacts:
        """Return the facts about everybody, as a review reads them."""
        staff = {
            one.user: StaffFacts(
                Persona(frozenset({one.surname}), frozenset({f"household {one.household}"})),
                tuple(one.postings),
            )
            for one in self.staff
        }
        return HospitalFacts({one.name: one.facts() for one in self.people}, staff)

    def _inhabitants(self) -> list[Inhabitant]:
        chance, people = self.chance, []
        household, left, surname = 0, 0, ""
        for number in range(self.size.people):
            if not left:
                household, left = household + 1, chance.choice((1, 1, 2, 2, 3, 4))
                surname = self._surname()
            left -= 1
            own = surname if chance.random() < 0.8 else self._surname()
            one = Inhabitant(f"p{number}", own, household, is_vip=chance.random() < 0.002)
            if chance.random() < 0.012:
                one.died = BEGIN + chance.randrange(-300, YEAR - 60) * DAY
            people.append(one)
        return people

    def _surname(self) -> str:
        return self.chance.choices(self._surnames, self._shares)[0]

    def _employ_all(self) -> None:
        size = self.size
        for ward in self.wards:
            self._employ(ward, "rota", size.nurses)
            self._employ(ward, "day", size.doctors)
        self._employ(self.emergency, "rota", 2 * size.nurses)
        self._employ(self.emergency, "day", size.doctors)
        for clinic in self.clinics:
            self._employ(clinic, "day", size.doctors + 2)
        for service in self.services:
            self._employ(service, "rota", size.nurses)
        for desk in (self.registration, self.billing):
            self._employ(desk, "desk", 3 * size.copies + 2)

    def _employ(self, unit: str, pattern: str, number: int) -> None:
        chance = self.chance
        for turn in range(number):
            person = chance.choice(self.people)
            while person.colleague is not None or person.died is not None or person.is_vip:
                person = chance.choice(self.people)
            user = f"Practitioner/{len(self.staff)}"
            person.colleague = user
            posting = Posting(unit, BEGIN - chance.randrange(30, 3_000) * DAY, None)
            # Every employee lives among the inhabitants, and so may be a patient here.
            one = Employee(
                user, unit, pattern, turn, person.household, person.surname, person.name, [posting]
            )
            self.staff.append(one)
            self.of_unit.setdefault(unit, []).append(one)


class HospitalFacts:
    """The facts about the people of a generated hospital; fits `exchange.review.model.RecordedFacts`."""

    def __init__(self, patients: dict[str, PatientFacts], staff: dict[str, StaffFacts]) -> None:
        self.patients = patients
        self._staff = staff

    def patient(self, patient: str) -> PatientFacts:
        """Return the facts about one patient."""
        return self.patients[patient]

    def staff(self, access: Access) -> StaffFacts | None:
        """Return the facts about the user of an access."""
        return self._staff.get(access.user)


def _works(one: Employee, day: int, hour: int) -> bool:
    today, before = one.hours(day), one.hours(day - 1)
    if today is not None and today[0] <= hour < today[1]:
        return True
    return before is not None and hour + 24 < before[1]


def moments(chance: random.Random, day: int, hours: tuple[int, int], number: int) -> Iterator[int]:
    """Yield `number` moments between two hours of `day`, in order."""
    first, last = hours
    for hour in sorted(chance.uniform(first, last) for _ in range(number)):
        yield BEGIN + day * DAY + int(hour * HOUR)


def pick(chance: random.Random, some: Sequence[Employee]) -> Employee | None:
    """Return one of `some`; None where there are none."""
    return chance.choice(some) if some else None
