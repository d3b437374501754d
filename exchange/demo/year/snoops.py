"""Seeded snoops: people who look at records without a reason, each in one of eleven ways.

The shares are chosen for breadth, and are no estimate of how often any of them happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from exchange.demo.year.care import CHART, HEADER, AccessBook, OrdinaryYear
from exchange.demo.year.people import BEGIN, DAY, YEAR, Employee, Hospital, Inhabitant, moments


@dataclass(frozen=True, slots=True)
class SnoopCase:
    """One snoop: its kind, the user, and the ids of the accesses in order."""

    kind: str
    user: str
    accesses: tuple[str, ...]


_Looks = Iterator[tuple[Inhabitant, int, tuple[str, ...]]]
"""Patient, time and kinds of each look."""


class Snoops:
    """Seeds snoops into the year of a hospital that has worked."""

    def __init__(self, hospital: Hospital, work: OrdinaryYear, book: AccessBook) -> None:
        self._hospital = hospital
        self._chance = hospital.chance
        self._book = book
        self._stays = [stay for stay in work.stays if 0 <= stay[0] < YEAR - 40]
        self._by_household: dict[int, list[Inhabitant]] = {}
        self._by_surname: dict[str, list[Inhabitant]] = {}
        for one in hospital.people:
            self._by_household.setdefault(one.household, []).append(one)
            self._by_surname.setdefault(one.surname, []).append(one)
        self._vips = [one for one in hospital.people if one.is_vip]
        self._dead = [one for one in hospital.people if one.died is not None]
        self._unknown = [one for one in hospital.people if not one.involvements]
        self._users = [one for one in hospital.staff if one.pattern != "desk"]

    def seed(self) -> list[SnoopCase]:
        """Return the seeded snoops, as many of each kind as the hospital's size says."""
        return [self._case(kind) for kind in KINDS for _ in range(self._hospital.size.snoops_of_each_kind)]

    def _case(self, kind: str) -> SnoopCase:
        looks: list[tuple[Inhabitant, int, tuple[str, ...]]] = []
        user = self._chance.choice(self._users)
        while not looks:  # a person without relatives, or on leave: another one
            user = self._chance.choice(self._users)
            looks = [look for look in KINDS[kind](self, user) if self._counts(user, *look[:2])]
        looks.sort(key=lambda look: look[1])
        label = f"snoop: {kind}"
        names = [self._book.write(label, user.user, one, time, kinds) for one, time, kinds in looks]
        return SnoopCase(kind, user.user, tuple(names))

    def _counts(self, user: Employee, patient: Inhabitant, time: int) -> bool:
        """Return whether a look is within the year, and at somebody with whom user and ward have no tie."""
        return time < BEGIN + YEAR * DAY and not any(
            user.user in one.people or user.unit in one.units for one in patient.involvements
        )

    def _on_duty(self, user: Employee, day: int, number: int = 1) -> Iterator[int]:
        """Yield moments of the user's first shift from `day` on."""
        for later in range(day, min(day + 20, YEAR)):
            hours = user.hours(later)
            if hours is not None:
                yield from moments(self._chance, later, hours, number)
                return

    def _some_day(self) -> int:
        return self._chance.randrange(10, YEAR - 40)

    def _kinds(self, share_of_header: float) -> tuple[str, ...]:
        return HEADER if self._chance.random() < share_of_header else CHART

    def _few(self, user: Employee, patient: Inhabitant, most: int) -> _Looks:
        """Yield one to `most` looks within some weeks."""
        day = self._some_day()
        for _ in range(self._chance.randrange(most) + 1):
            for time in self._on_duty(user, day):
                yield patient, time, self._kinds(0.15)
            day += self._chance.randrange(1, 12)

    def own(self, user: Employee) -> _Looks:
        """Look at the user's own record."""
        yield from self._few(user, self._hospital.by_name[user.patient], 3)

    def family(self, user: Employee) -> _Looks:
        """Look at one of the user's household or surname."""
        near = [one for one in self._by_household[user.household] if one.name != user.patient]
        far = [one for one in self._by_surname[user.surname] if one.name != user.patient]
        some = near if near and self._chance.random() < 0.7 else far
        if some:
            yield from self._few(user, self._chance.choice(some), 4)

    def co_worker(self, user: Employee) -> _Looks:
        """Look at somebody of the staff."""
        other = self._chance.choice(self._hospital.staff)
        if other is not user:
            yield from self._few(user, self._hospital.by_name[other.patient], 3)

    def vip(self, user: Employee) -> _Looks:
        """Look at a person whom many know."""
        yield from self._few(user, self._chance.choice(self._vips), 2)

    def deceased(self, user: Employee) -> _Looks:
        """Look at somebody who has been dead for weeks."""
        one = self._chance.choice(self._dead)
        day = ((one.died or 0) - BEGIN) // DAY + self._chance.randrange(35, 300)
        if day >= 0:
            for time in self._on_duty(user, day, self._chance.choice((1, 2))):
                yield one, time, self._kinds(0.15)

    def other_department(self, user: Employee) -> _Looks:
        """Follow a patient of another ward through the stay and the days after."""
        first, _, ward, patient = self._chance.choice(self._stays)
        if ward != user.unit:
            day = first
            for _ in range(self._chance.randrange(4, 10)):
                for time in self._on_duty(user, day):
                    yield patient, time, self._kinds(0.2)
                day += self._chance.randrange(1, 5)

    def never_treated(self, user: Employee) -> _Looks:
        """Look at somebody who was never here."""
        day = self._some_day()
        patient = self._chance.choice(self._unknown)
        for time in self._on_duty(user, day, self._chance.choice((1, 1, 2))):
            yield patient, time, CHART

    def after_hours(self, user: Employee) -> _Looks:
        """Look at somebody's chart by night; the user never works then."""
        if user.unit in self._hospital.clinics:
            first, _, ward, patient = self._chance.choice(self._stays)
            if ward != user.unit:
                for time in moments(self._chance, first + 1, (1, 4), self._chance.choice((1, 2))):
                    yield patient, time, CHART

    def volume(self, user: Employee) -> _Looks:
        """Open many charts in one shift."""
        for time in self._on_duty(user, self._some_day(), self._chance.randrange(12, 40)):
            yield self._chance.choice(self._hospital.people), time, self._kinds(0.4)

    def repeat(self, user: Employee) -> _Looks:
        """Visit one person's record for weeks, mostly to the address."""
        patient, day = self._chance.choice(self._hospital.people), self._some_day()
        for _ in range(self._chance.randrange(5, 14)):
            for time in self._on_duty(user, day):
                yield patient, time, self._kinds(0.6)
            day += self._chance.randrange(1, 9)

    def serial(self, user: Employee) -> _Looks:
        """Look at one patient of another ward every few weeks, for months; none of them twice."""
        day = self._chance.randrange(5, 120)
        for _ in range(self._chance.randrange(10, 25)):
            here = [stay for stay in self._at(day) if stay[2] != user.unit]
            if here:
                for time in self._on_duty(user, day):
                    yield self._chance.choice(here)[3], time, self._kinds(0.2)
            day += self._chance.randrange(4, 18)

    def _at(self, day: int) -> list[tuple[int, int, str, Inhabitant]]:
        return [stay for stay in self._stays if stay[0] <= day <= stay[1]]


KINDS: Final[Mapping[str, Callable[[Snoops, Employee], _Looks]]] = {
    "self": Snoops.own,
    "family": Snoops.family,
    "co-worker": Snoops.co_worker,
    "VIP": Snoops.vip,
    "deceased": Snoops.deceased,
    "other department": Snoops.other_department,
    "never treated": Snoops.never_treated,
    "after hours": Snoops.after_hours,
    "volume": Snoops.volume,
    "repeat": Snoops.repeat,
    "serial": Snoops.serial,
}
"""The kinds of snoops."""
