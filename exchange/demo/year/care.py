"""Ordinary work of one year: stays, visits, emergencies, orders, referrals, cover, desks and neighbours.

Some of it leaves no record that would explain it, as in a hospital: a colleague's question in the corridor,
a former patient on the telephone, a wrong patient of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from exchange.demo.year.people import (
    BEGIN,
    DAY,
    EMPLOYER,
    HOUR,
    NEIGHBOUR,
    YEAR,
    Employee,
    Hospital,
    Inhabitant,
    moments,
    pick,
)
from exchange.review.model import Access, Involved, Involvement, Posting

CHART = ("Condition", "MedicationRequest", "Observation")
"""The kinds that most readers of a chart open."""
HEADER = ("Patient",)
"""The kinds of a look at a patient's header."""
_DESK, _BILL = ("Coverage", "Patient"), ("Claim", "Coverage", "Encounter")

_TYPES = {
    Involved.ENCOUNTER: "Encounter",
    Involved.APPOINTMENT: "Appointment",
    Involved.ORDER: "ServiceRequest",
    Involved.REFERRAL: "ServiceRequest",
    Involved.CARE_TEAM: "CareTeam",
    Involved.CONSENT: "Consent",
}

_SLIPS, _SLIPS_THAT_READ_ON = 0.003, 0.05
_CORRIDOR = 0.008
_TELEPHONE = 0.04


@dataclass(slots=True)
class AccessBook:
    """The accesses so far, each with its label: the work that it was, or the kind of snoop."""

    accesses: list[Access] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def write(
        self,
        label: str,
        user: str,
        patient: Inhabitant,
        time: int,
        kinds: tuple[str, ...] = CHART,
        *,
        purpose: str = "TREAT",
        employer: str = EMPLOYER,
    ) -> str:
        """Write one access down, and return its id."""
        name = str(len(self.accesses))
        self.accesses.append(Access(name, time, user, employer, patient.name, purpose, kinds))
        self.labels.append(label)
        return name


class OrdinaryYear:
    """Lets a hospital work for a year, day by day, and writes its accesses into `book`."""

    def __init__(self, hospital: Hospital, book: AccessBook) -> None:
        self._hospital = hospital
        self._chance = hospital.chance
        self._book = book
        self._records = 0
        self.stays: list[tuple[int, int, str, Inhabitant]] = []
        """First and last day, ward and patient of every stay."""
        self._alive = [one for one in hospital.people if one.died is None or one.died > BEGIN + YEAR * DAY]

    def work(self) -> None:
        """Write the year's work down, with two months before it that leave records alone."""
        self._cover()
        for day in range(-60, YEAR):
            for _ in range(self._hospital.size.visits_a_day):
                patient = self._chance.choice(self._alive)
                share = self._chance.random()
                if share < 0.35:
                    self._stay(day, patient, self._chance.choice(self._hospital.wards))
                elif share < 0.85:
                    self._visit(day, patient)
                else:
                    self._emergency(day, patient)
        self._telephone()

    # -- records -----------------------------------------------------------------

    def _involve(
        self,
        kind: Involved,
        patient: Inhabitant,
        start: int,
        end: int | None,
        *,
        people: Sequence[Employee] = (),
        units: Sequence[str] = (),
        organizations: Sequence[str] = (),
    ) -> None:
        self._records += 1
        named = frozenset(one.user for one in people)
        record = f"{_TYPES[kind]}/{self._records}"
        patient.involvements.append(
            Involvement(kind, record, start, end, named, frozenset(units), frozenset(organizations))
        )

    def _cover(self) -> None:
        """Have a doctor of another ward on call for each ward, each night."""
        hospital = self._hospital
        self._on_call: dict[tuple[int, str], Employee] = {}
        doctors = [one for ward in hospital.wards for one in hospital.doctors(ward)]
        for day in range(-61, YEAR + 32):  # the last stays end in the next year
            for ward in hospital.wards:
                one = self._on_call[day, ward] = self._chance.choice(doctors)
                if one.unit != ward:
                    start = BEGIN + day * DAY + 16 * HOUR
                    one.postings.append(Posting(ward, start, start + 17 * HOUR))

    # -- work --------------------------------------------------------------------

    def _open(
        self,
        label: str,
        one: Employee | None,
        patient: Inhabitant,
        time: int,
        *,
        kinds: tuple[str, ...] = CHART,
        purpose: str = "TREAT",
    ) -> None:
        if one is None or not BEGIN <= time < BEGIN + YEAR * DAY:
            return
        if one.patient == patient.name:
            return  # colleagues treat a colleague
        if self._chance.random() < _SLIPS:
            other = self._chance.choice(self._alive)
            read_on = self._chance.random() < _SLIPS_THAT_READ_ON
            before = time - self._chance.randrange(5_000, 90_000)
            if other.name != one.patient:
                self._book.write("slip", one.user, other, before, CHART if read_on else HEADER)
        self._book.write(label, one.user, patient, time, kinds, purpose=purpose)

    def _desks(self, day: int, last: int, patient: Inhabitant) -> None:
        chance, hospital = self._chance, self._hospital
        at = BEGIN + day * DAY + chance.randrange(7 * HOUR, 16 * HOUR)
        clerk = pick(chance, hospital.of_unit[hospital.registration])
        self._open("registration", clerk, patient, at, kinds=_DESK, purpose="HOPERAT")
        if chance.random() < 0.8:
            billed = self._weekday(last + chance.randrange(1, 50))
            clerk = pick(chance, hospital.of_unit[hospital.billing])
            for moment in moments(chance, billed, (8, 16), chance.choice((1, 1, 2))):
                self._open("billing", clerk, patient, moment, kinds=_BILL, purpose="HPAYMT")

    def _stay(self, day: int, patient: Inhabitant, ward: str) -> None:
        chance, hospital = self._chance, self._hospital
        length = min(30, 1 + int(chance.expovariate(0.28)))
        attending = chance.choice(hospital.doctors(ward))
        named = [attending] if chance.random() < 0.95 else []
        start, end = BEGIN + day * DAY + 8 * HOUR, BEGIN + (day + length) * DAY + 16 * HOUR
        self._involve(Involved.ENCOUNTER, patient, start, end, people=named, units=[ward])
        self.stays.append((day, day + length, ward, patient))
        self._desks(day, day + length, patient)
        for today in range(day, day + length):
            for hour in (9, 17, 25):
                nurse = pick(chance, hospital.on_shift(ward, today + hour // 24, hour % 24))
                if nurse is not None:
                    for moment in moments(chance, today, (hour - 2, hour + 3), 1):
                        self._open("ward", nurse, patient, moment)
            for moment in moments(chance, today, (9, 16), chance.choice((0, 1, 1))):
                self._open("ward", attending, patient, moment)
                self._corridor(ward, patient, moment)
            if chance.random() < 0.06:
                moment = BEGIN + today * DAY + chance.randrange(18 * HOUR, 30 * HOUR)
                self._open("on call", self._on_call[today, ward], patient, moment)
            self._orders(today, patient, attending)
        self._afterwards(day + length, patient, attending)

    def _corridor(self, ward: str, patient: Inhabitant, time: int) -> None:
        if self._chance.random() >= _CORRIDOR:
            return
        asked = pick(self._chance, self._hospital.doctors(self._chance.choice(self._hospital.wards)))
        if asked is not None and asked.unit != ward:
            self._open("corridor", asked, patient, time + self._chance.randrange(60_000, 1_800_000))

    def _orders(self, day: int, patient: Inhabitant, by: Employee) -> None:
        chance, hospital = self._chance, self._hospital
        start = BEGIN + day * DAY + 9 * HOUR
        if chance.random() < 0.3:
            service = chance.choice(hospital.services)
            self._involve(
                Involved.ORDER,
                patient,
                start,
                start + chance.randrange(1, 4) * DAY,
                people=[by],
                units=[service],
            )
            hour = chance.randrange(10, 22)
            who = pick(chance, hospital.on_shift(service, day, hour))
            for moment in moments(chance, day, (hour, hour + 1), chance.choice((1, 2))):
                self._open("order", who, patient, moment)
        if chance.random() < 0.04:
            other = chance.choice(hospital.wards)
            asked = chance.choice(hospital.doctors(other))
            people, units = ([asked], []) if chance.random() < 0.5 else ([], [other])
            self._involve(Involved.REFERRAL, patient, start, start + 7 * DAY, people=people, units=units)
            for moment in moments(chance, self._weekday(day + 1), (8, 17), chance.choice((1, 2))):
                self._open("referral", asked, patient, moment)
        if chance.random() < 0.02:
            team = chance.sample(hospital.staff[: -len(hospital.of_unit[hospital.billing])], 3)
            lasts = chance.randrange(10, 60)
            self._involve(Involved.CARE_TEAM, patient, start, start + lasts * DAY, people=team)
            for one in team:
                later = day + chance.randrange(1, lasts)
                hours = one.hours(later)
                if hours is not None:
                    for moment in moments(chance, later, hours, 1):
                        self._open("care team", one, patient, moment)

    def _afterwards(self, day: int, patient: Inhabitant, attending: Employee) -> None:
        chance = self._chance
        for most, share in ((10, 0.4), (40, 0.15)):
            if chance.random() < share:
                for moment in moments(chance, self._weekday(day + chance.randrange(1, most)), (8, 17), 1):
                    self._open("results", attending, patient, moment)
        if chance.random() < 0.01:
            given = BEGIN + day * DAY
            self._involve(Involved.CONSENT, patient, given, given + 365 * DAY, organizations=[NEIGHBOUR])
            for moment in moments(chance, day + chance.randrange(1, 60), (8, 18), 2):
                if BEGIN <= moment < BEGIN + YEAR * DAY:
                    user = f"Practitioner/lake-{chance.randrange(40)}"
                    self._book.write("neighbour", user, patient, moment, employer=NEIGHBOUR)

    def _visit(self, day: int, patient: Inhabitant) -> None:
        chance, hospital = self._chance, self._hospital
        day = self._weekday(day)
        clinic = chance.choice(hospital.clinics)
        doctor = chance.choice(hospital.doctors(clinic))
        booked, at = day - chance.randrange(1, 50), BEGIN + day * DAY + chance.randrange(9, 16) * HOUR
        self._involve(
            Involved.APPOINTMENT,
            patient,
            BEGIN + booked * DAY + 7 * HOUR,
            at + HOUR,
            people=[doctor],
            units=[clinic],
        )
        self._desks(self._weekday(booked), day, patient)
        other = pick(chance, hospital.of_unit[clinic])
        for moment in moments(chance, self._weekday(day - 1), (13, 17), chance.choice((0, 1))):
            self._open("clinic", other, patient, moment)
        for moment in moments(chance, day, (9, 17), chance.choice((1, 2, 2))):
            self._open("clinic", doctor, patient, moment)
            self._corridor(clinic, patient, moment)
        self._orders(day, patient, doctor)
        self._afterwards(day, patient, doctor)

    def _emergency(self, day: int, patient: Inhabitant) -> None:
        chance, hospital = self._chance, self._hospital
        hour = chance.randrange(24)
        start = BEGIN + day * DAY + hour * HOUR
        self._involve(Involved.ENCOUNTER, patient, start, start + 6 * HOUR, units=[hospital.emergency])
        crew = hospital.on_shift(hospital.emergency, day, hour)
        purpose = "BTG" if chance.random() < 0.05 else "ETREAT"
        for moment in moments(chance, day, (hour, hour + 3), chance.choice((1, 2, 3))):
            self._open("emergency", pick(chance, crew), patient, moment, purpose=purpose)
        if chance.random() < 0.2:
            self._stay(day + 1, patient, chance.choice(hospital.wards))

    def _telephone(self) -> None:
        """Have former patients call the ward, long after their stay."""
        chance, hospital = self._chance, self._hospital
        for _, last, ward, patient in list(self.stays):
            if chance.random() < _TELEPHONE:
                day = self._weekday(last + chance.randrange(40, 250))
                who = pick(chance, [*hospital.doctors(ward), *hospital.on_shift(ward, day, 10)])
                for moment in moments(chance, day, (9, 12), 1):
                    self._open("telephone", who, patient, moment)

    def _weekday(self, day: int) -> int:
        """Return `day`, or the Monday after it."""
        return day + max(0, 7 - (day + 2) % 7) if (day + 2) % 7 >= 5 else day
