"""Days in periods are days in the node's zone; where it is not known, none of its readings is wider."""

import datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chaincode.consent.model import Period
from exchange.consent.compile import compile_consent
from exchange.consent.rounding import MINUTE
from exchange.consent.spans import validity

HOUR = 3_600_000
V3 = "http://terminology.hl7.org/CodeSystem/v3-"
ZONES = sorted(available_timezones() - {"localtime"})
"""All that the database of zones has, with their days of 23 to 25 hours and those without a midnight."""
DAYS = st.dates(datetime.date(2027, 1, 1), datetime.date(2040, 12, 31))


def ms(text):
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


def root(provision, zone, now=0):
    resource = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": "Patient/p"},
        "policyRule": concept("urn:local", "rules"),
        "provision": provision,
    }
    return compile_consent(resource, version=1, attested="patient", now=now, zone=zone).root


def said(rule, now):
    """Return what `rule` says at `now` of a request and a record that meet all but its times."""
    period = rule.when.period
    if period is not None and not (
        (period.start is None or period.start <= now) and (period.end is None or now < period.end)
    ):
        return "none"
    inner = {said(exception, now) for exception in rule.exceptions} - {"none"}
    return "deny" if "deny" in inner else "permit" if inner else rule.effect


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("UTC", "2030-01-01T00:00Z", "2030-02-01T00:00Z"),
        ("Pacific/Auckland", "2029-12-31T11:00Z", "2030-01-31T11:00Z"),
        ("America/New_York", "2030-01-01T05:00Z", "2030-02-01T05:00Z"),
        ("Asia/Kathmandu", "2029-12-31T18:15Z", "2030-01-31T18:15Z"),
    ],
)
def test_days_of_a_consent_are_days_in_the_nodes_zone(zone, first, last):
    period = {"start": "2030-01-01", "end": "2030-01-31"}
    for effect in ("permit", "deny"):
        found = root({"type": effect, "period": period}, ZoneInfo(zone)).when.period
        assert found == Period(ms(first), ms(last))


def test_without_a_zone_a_permission_gets_shorter_and_a_denial_longer():
    period = {"start": "2030-01-01", "end": "2030-01-31"}
    permit, deny = (
        root({"type": effect, "period": period}, None).when.period for effect in ("permit", "deny")
    )
    assert permit == Period(ms("2030-01-01T12:00Z"), ms("2030-01-31T10:00Z"))
    assert deny == Period(ms("2029-12-31T10:00Z"), ms("2030-02-01T12:00Z"))


def test_times_with_a_zone_of_their_own_need_none():
    period = {"start": "2030-01-01T00:00:00Z", "end": "2030-01-31T11:59:59+12:00"}
    for zone in (None, ZoneInfo("Pacific/Auckland")):
        assert validity(period, zone) == (
            Period(ms("2030-01-01T00:00Z"), ms("2030-01-31T00:00Z")),
            frozenset(),
        )


def test_a_start_that_may_not_have_come_everywhere_is_waited_for():
    provision = {"type": "permit", "period": {"start": "2030-01-01"}}
    assert root(provision, None, ms("2030-01-01T11:00Z")).when.period == Period(ms("2030-01-01T12:00Z"), None)
    assert root(provision, None, ms("2030-01-01T12:00Z")).when.period is None


def test_the_last_day_of_all_is_a_day_in_every_zone():
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        assert validity({"start": "0001-01-01", "end": "9999-12-31"}, ZoneInfo(zone)).period is not None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_zone_that_the_node_might_be_in_is_wider_than_none(data):
    start, end = sorted((data.draw(DAYS), data.draw(DAYS)))
    period = {"start": start.isoformat(), "end": end.isoformat()}
    if data.draw(st.booleans()):
        del period[data.draw(st.sampled_from(["start", "end"]))]
    inner = {"type": data.draw(st.sampled_from(["permit", "deny"])), "code": [concept("urn:c", "1")]}
    effect = data.draw(st.sampled_from(["permit", "deny", None]))
    nested = effect is None or (data.draw(st.booleans()) and inner["type"] != effect)
    assume(nested or effect is not None)
    provision = (
        {"period": period} | ({"type": effect} if effect else {}) | ({"provision": [inner]} if nested else {})
    )
    zone = ZoneInfo(data.draw(st.sampled_from(ZONES)))
    unknown, known = root(provision, None), root(provision, zone)
    moment = data.draw(st.sampled_from(sorted(period.items())))[1]
    around = (
        ms(f"{moment}T00:00Z")
        + data.draw(st.integers(-40, 60)) * HOUR
        + data.draw(st.integers(0, 59)) * MINUTE
    )
    order = {"permit": 2, "none": 1, "deny": 0}
    assert order[said(unknown, around)] <= order[said(known, around)]
