"""The assessment of accesses: properties that hold for all entries and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.review.explanations import DAY
from exchange.review.model import (
    Access,
    Assessment,
    Involved,
    Involvement,
    PatientFacts,
    Persona,
    Posting,
    StaffFacts,
)
from exchange.review.triage import THRESHOLD, is_explained, review

USERS = [f"Practitioner/{number}" for number in range(4)]
PATIENTS = ["p0", "p1", "p2", "p3", "p4"]
UNITS = ["Organization/a", "Organization/b"]
SOME_DAYS = 400 * DAY


class Known:
    """Facts that are given."""

    def __init__(self, patients: Mapping[str, PatientFacts], staff: Mapping[str, StaffFacts]) -> None:
        self.patients, self._staff = patients, staff

    def patient(self, patient: str) -> PatientFacts:
        return self.patients.get(patient, PatientFacts())

    def staff(self, access: Access) -> StaffFacts | None:
        return self._staff.get(access.user) if access.organization == "CityMSP" else None


times = st.integers(0, SOME_DAYS)
personas = st.builds(
    Persona,
    st.frozensets(st.sampled_from(["miller", "smith"]), max_size=2),
    st.frozensets(st.sampled_from(["here", "there"]), max_size=1),
)


@st.composite
def involvements(draw: st.DrawFn) -> Involvement:
    start = draw(times)
    return Involvement(
        draw(st.sampled_from(Involved)),
        f"Encounter/{draw(st.integers(0, 20))}",
        start,
        draw(st.none() | st.integers(start, SOME_DAYS)),
        draw(st.frozensets(st.sampled_from(USERS), max_size=2)),
        draw(st.frozensets(st.sampled_from(UNITS), max_size=1)),
        draw(st.frozensets(st.sampled_from(["LakeMSP"]), max_size=1)),
    )


patients = st.builds(
    PatientFacts,
    personas,
    st.booleans(),
    st.none() | times,
    st.none() | st.sampled_from(USERS),
    st.lists(involvements(), max_size=3).map(tuple),
)
postings = st.builds(Posting, st.sampled_from(UNITS), times, st.none() | times)
staff = st.builds(StaffFacts, personas, st.lists(postings, max_size=2).map(tuple))
facts = st.builds(
    Known,
    st.dictionaries(st.sampled_from(PATIENTS), patients),
    st.dictionaries(st.sampled_from(USERS), staff),
)
kinds = st.sampled_from([("Patient",), ("Observation",), ("Coverage", "Patient"), ()])


@st.composite
def logs(draw: st.DrawFn) -> list[Access]:
    number = draw(st.integers(0, 12))
    return [
        Access(
            f"entry-{name}",
            # Many within a short time, and on the same moment.
            draw(st.integers(0, 12)) * DAY // 8 + draw(st.sampled_from([0, 100 * DAY])),
            draw(st.sampled_from(USERS[:2])),
            draw(st.sampled_from(["CityMSP", "CityMSP", "LakeMSP"])),
            draw(st.sampled_from(PATIENTS)),
            draw(st.sampled_from(["TREAT", "HPAYMT"])),
            draw(kinds),
        )
        for name in range(number)
    ]


def assessed(accesses: Sequence[Access], known: Known) -> dict[str, Assessment]:
    return {one.access.id: one for one in review(accesses, known)}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs(), facts, st.randoms(use_true_random=False))
def test_the_order_of_entries_and_of_facts_does_not_matter(
    accesses: list[Access], known: Known, chance: object
) -> None:
    before = assessed(accesses, known)
    shuffled = list(accesses)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    turned = {
        name: msgspec.structs.replace(one, involvements=one.involvements[::-1])
        for name, one in known.patients.items()
    }
    assert assessed(shuffled, Known(turned, known._staff)) == before


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs(), facts, st.sampled_from(PATIENTS), involvements())
def test_another_explanation_never_raises_a_score(
    accesses: list[Access], known: Known, patient: str, more: Involvement
) -> None:
    before = assessed(accesses, known)
    had = known.patient(patient)
    explained = msgspec.structs.replace(had, involvements=(*had.involvements, more))
    after = assessed(accesses, Known({**known.patients, patient: explained}, known._staff))
    for name, one in after.items():
        assert one.score <= before[name].score + 1e-9
        assert is_explained(one) or not is_explained(before[name])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs(), facts, times)
def test_nothing_later_changes_an_assessment(accesses: list[Access], known: Known, moment: int) -> None:
    earlier = [one for one in accesses if one.time <= moment]
    all_of_them = assessed(accesses, known)
    assert assessed(earlier, known) == {one.id: all_of_them[one.id] for one in earlier}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs(), facts)
def test_a_flag_has_reasons_and_a_cleared_access_says_why(accesses: list[Access], known: Known) -> None:
    for one in review(accesses, known):
        assert 0 <= one.score <= 1
        assert one.flagged == (one.score >= THRESHOLD)
        assert one.signals or not one.flagged
        assert one.explanation is not None or one.signals
        names = [signal.detector for signal in one.signals]
        assert len(names) == len(set(names))
        assert all(signal.sentence.endswith(".") for signal in one.signals)


def one_access(
    *, user: str = USERS[0], patient: str = "p0", day: int = 100, hour: int = 10, kind: str = "Observation"
) -> Access:
    time = day * DAY + hour * DAY // 24
    return Access(f"{user}-{patient}-{day}-{hour}", time, user, "CityMSP", patient, "TREAT", (kind,))


ME = StaffFacts(Persona(frozenset({"miller"}), frozenset({"here"})), (Posting(UNITS[0], 0, None),))
ELSEWHERE = Involvement(Involved.ENCOUNTER, "Encounter/1", 95 * DAY, 110 * DAY, units=frozenset({UNITS[1]}))


def last(accesses: Sequence[Access], patient: PatientFacts, others: PatientFacts | None = None) -> Assessment:
    known = Known({name: others or PatientFacts() for name in PATIENTS} | {"p0": patient}, {USERS[0]: ME})
    return list(review(accesses, known))[-1]


@pytest.mark.parametrize(
    ("detector", "patient"),
    [
        ("self", PatientFacts(colleague=USERS[0], involvements=(ELSEWHERE,))),
        ("same surname", PatientFacts(Persona(frozenset({"miller"})), involvements=(ELSEWHERE,))),
        ("same address", PatientFacts(Persona(addresses=frozenset({"here"})), involvements=(ELSEWHERE,))),
        ("co-worker", PatientFacts(colleague=USERS[1], involvements=(ELSEWHERE,))),
        ("VIP", PatientFacts(is_vip=True, involvements=(ELSEWHERE,))),
        ("deceased", PatientFacts(died=50 * DAY, involvements=(ELSEWHERE,))),
        ("never treated", PatientFacts()),
    ],
)
def test_one_look_is_flagged(detector: str, patient: PatientFacts) -> None:
    found = last([one_access()], patient)
    assert found.flagged
    assert detector in [one.detector for one in found.signals]


def test_one_look_into_another_department_ranks_and_is_not_flagged() -> None:
    found = last([one_access()], PatientFacts(involvements=(ELSEWHERE,)))
    assert [one.detector for one in found.signals] == ["department mismatch"]
    assert 0 < found.score < THRESHOLD


def test_looks_at_one_patient_on_several_days_are_flagged() -> None:
    found = last([one_access(day=day) for day in (98, 100, 103)], PatientFacts(involvements=(ELSEWHERE,)))
    assert found.flagged
    assert "repeat" in [one.detector for one in found.signals]


def test_many_patients_in_two_days_are_flagged() -> None:
    patients = {f"q{number}": PatientFacts(involvements=(ELSEWHERE,)) for number in range(8)}
    accesses = [one_access(patient=name, hour=10 + number) for number, name in enumerate(patients)]
    found = list(review(accesses, Known(patients, {USERS[0]: ME})))
    assert not found[0].flagged
    assert found[-1].flagged
    assert "volume" in [one.detector for one in found[-1].signals]


def test_one_patient_a_month_is_flagged_in_the_end() -> None:
    patients = {
        f"q{month}": PatientFacts(involvements=(msgspec.structs.replace(ELSEWHERE, start=0, end=SOME_DAYS),))
        for month in range(8)
    }
    accesses = [one_access(patient=name, day=28 * n) for n, name in enumerate(patients)]
    found = list(review(accesses, Known(patients, {USERS[0]: ME})))
    assert not found[3].flagged
    assert found[-1].flagged
    assert "serial" in [one.detector for one in found[-1].signals]


def test_a_night_among_days_is_flagged() -> None:
    work = [one_access(patient="p1", day=day, hour=hour) for day in range(60, 99) for hour in (9, 11, 15)]
    mine = Involvement(Involved.ENCOUNTER, "Encounter/2", 0, None, units=frozenset({UNITS[0]}))
    looked = last(
        [*work, one_access(hour=3)],
        PatientFacts(involvements=(ELSEWHERE,)),
        PatientFacts(involvements=(mine,)),
    )
    assert looked.flagged
    assert "after hours" in [one.detector for one in looked.signals]


@pytest.mark.parametrize("kind", [one for one in Involved if one is not Involved.CONSENT])
@pytest.mark.parametrize("by", ["people", "units"])
def test_an_involvement_clears_whoever_it_names(kind: Involved, by: str) -> None:
    named = {"people": frozenset({USERS[0]})} if by == "people" else {"units": frozenset({UNITS[0]})}
    mine = Involvement(kind, "Record/1", 99 * DAY, 101 * DAY, **named)
    famous = PatientFacts(Persona(frozenset({"miller"})), is_vip=True, involvements=(ELSEWHERE, mine))
    found = last([one_access()], famous)
    assert not found.flagged
    assert found.explanation is not None
    assert (found.explanation.kind, found.explanation.record) == (kind.value, "Record/1")
    assert {"same surname", "VIP"} <= {one.detector for one in found.signals}
    assert last([one_access(day=300)], famous).flagged


def test_a_consent_clears_its_organisation_while_it_lasts() -> None:
    given = Involvement(
        Involved.CONSENT, "Consent/1", 90 * DAY, 120 * DAY, organizations=frozenset({"LakeMSP"})
    )
    access = msgspec.structs.replace(one_access(), organization="LakeMSP")
    assert not last([access], PatientFacts(involvements=(given,))).flagged
    late = msgspec.structs.replace(access, time=121 * DAY)
    assert last([late], PatientFacts(involvements=(given,))).flagged


def test_desk_work_is_cleared_as_long_as_no_chart_is_opened() -> None:
    patient = PatientFacts(involvements=(ELSEWHERE,), is_vip=True)
    billed = msgspec.structs.replace(one_access(kind="Coverage"), purpose="HPAYMT")
    assert not last([billed], patient).flagged
    assert last([msgspec.structs.replace(billed, kinds=("Coverage", "Observation"))], patient).flagged


def test_a_question_among_colleagues_is_cleared() -> None:
    named = msgspec.structs.replace(ELSEWHERE, people=frozenset({USERS[1]}))
    known = Known({"p0": PatientFacts(involvements=(named,))}, {USERS[0]: ME, USERS[1]: StaffFacts()})
    treats, asked = one_access(user=USERS[1]), one_access()
    found = list(review([treats, msgspec.structs.replace(asked, time=asked.time + 60_000)], known))[-1]
    assert found.explanation is not None
    assert found.explanation.kind == "question"
    assert is_explained(found)


def test_an_explained_access_explains_what_follows_in_the_episode() -> None:
    mine = Involvement(Involved.CARE_TEAM, "CareTeam/1", 60 * DAY, 85 * DAY, people=frozenset({USERS[0]}))
    patient = PatientFacts(involvements=(mine,))
    found = last([one_access(day=98), one_access(day=110)], patient)
    assert found.explanation is not None
    assert found.explanation.kind == "episode"
    assert last([one_access(day=98), one_access(day=300)], patient).explanation != found.explanation
