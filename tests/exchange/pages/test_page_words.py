"""Consents and entries of the log in words: whatever stands in them, a page can show it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.access.model import Action, LogEntry, RecordedAction
from exchange.consent.compile import compile_consent
from exchange.fhir.audit_event import EntryDetail, audit_event
from exchange.pages.grant_pages import OFFERED_KINDS, OFFERED_PURPOSES, Grant, consent_of, faults_of
from exchange.pages.log_words import view_card
from exchange.pages.texts import LANGUAGES, language
from exchange.pages.visits import device_of
from exchange.pages.words import TOPICS, consent_card

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
NAMES = {"Organization/lake-clinic": "Lake Clinic"}
MEMBERS = {"Organization/lake-clinic": "LakeClinicMSP"}


def some(*values: str) -> Any:
    return st.lists(st.sampled_from(values), unique=True).map(tuple)


GRANTS = st.builds(
    Grant,
    form=st.just("0" * 32),
    organization=st.just("LakeClinicMSP"),
    purposes=some(*OFFERED_PURPOSES),
    scope=st.sampled_from(["all", "some", ""]),
    kinds=some(*OFFERED_KINDS),
    topics=some(*TOPICS),
    span=st.sampled_from(["open", "dated", ""]),
    until=st.dates(NOW.date() - timedelta(days=3), date(8999, 12, 31)).map(str) | st.text(max_size=12),
)


@given(GRANTS)
def test_a_form_has_faults_or_is_a_consent_that_the_rules_understand(grant: Grant) -> None:
    if faults_of(grant, NOW.date()):
        return
    consent = {"id": "c1", **consent_of(grant, "p1", "lake-clinic", NOW)}
    now = int(NOW.timestamp() * 1000)
    compiled = compile_consent(consent, version=1, attested="patient", now=now, members=MEMBERS)
    assert compiled.status == "active"
    for code in LANGUAGES:
        card = consent_card(consent, names=NAMES, language=language(code), zone=None, now=NOW)
        assert card.state == "active"
        assert card.permits
        assert card.title.startswith("Lake Clinic")


@pytest.mark.parametrize(
    ("period", "state"),
    [
        ({}, "active"),
        ({"end": "2026-11-29"}, "active"),
        ({"end": "2026-11-28"}, "expired"),
        ({"end": "2026"}, "active"),
        ({"end": "2025"}, "expired"),
        ({"end": "2026-11-29T11:59:00Z"}, "expired"),
        ({"end": "2026-11-29T12:01:00Z"}, "active"),
        ({"start": "2026-11-30"}, "later"),
        ({"start": "2026-11-29"}, "active"),
        ({"start": "2026-11-29T12:01:00Z"}, "later"),
    ],
)
def test_the_state_of_a_consent_follows_from_its_period(period: dict[str, str], state: str) -> None:
    consent = {"status": "active", "provision": {"type": "permit", "period": period}}
    assert consent_card(consent, names={}, language=language("en"), zone=None, now=NOW).state == state


WORDS = st.text(max_size=8)
CODINGS = st.lists(
    st.fixed_dictionaries({}, optional={"system": WORDS, "code": WORDS, "display": WORDS}), max_size=2
)
PROVISIONS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["permit", "deny"]),
            "purpose": CODINGS,
            "class": CODINGS,
            "securityLabel": CODINGS,
            "code": st.lists(
                st.fixed_dictionaries({}, optional={"coding": CODINGS, "text": WORDS}), max_size=2
            ),
            "actor": st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "reference": st.fixed_dictionaries(
                            {}, optional={"reference": WORDS, "display": WORDS}
                        )
                    },
                ),
                max_size=2,
            ),
            "period": st.fixed_dictionaries({}, optional={"start": WORDS, "end": WORDS}),
            "dataPeriod": st.fixed_dictionaries({}, optional={"start": WORDS, "end": WORDS}),
            "data": st.lists(
                st.just({"meaning": "instance", "reference": {"reference": "Observation/1"}}), max_size=1
            ),
        },
    ),
    lambda inner: st.fixed_dictionaries({"provision": st.lists(inner, max_size=2)}),
    max_leaves=4,
)


@given(
    st.fixed_dictionaries(
        {"provision": PROVISIONS},
        optional={
            "status": WORDS,
            "dateTime": WORDS,
            "policyRule": st.fixed_dictionaries({"coding": CODINGS}),
        },
    )
)
def test_any_consent_can_be_shown(consent: dict[str, Any]) -> None:
    for code in LANGUAGES:
        card = consent_card(consent, names=NAMES, language=language(code), zone=None, now=NOW)
        assert card.title


@given(
    action=st.sampled_from([*Action, *RecordedAction]),
    outcome=st.sampled_from(["permit", "deny"]),
    purpose=st.sampled_from(["TREAT", "BTG", "PATRQT", "X"]),
    interaction=st.sampled_from(
        ["read", "search-type", "update", "assess-risk", "load", "baseline", "log", ""]
    ),
    user=st.sampled_from(["Patient/p1", "Practitioner/1", "RelatedPerson/1", "", "consentry-load", "<b>"]),
    target=st.text(max_size=20),
    classes=some("Observation", "Patient", "AuditEvent", "Basic"),
    known=st.booleans(),
)
def test_any_entry_can_be_shown(
    action: str,
    outcome: Any,
    purpose: str,
    interaction: str,
    user: str,
    target: str,
    classes: tuple[str, ...],
    known: bool,
) -> None:
    entry = LogEntry(
        pair="",
        custodian="CityMSP",
        recipient="CityMSP",
        purpose=purpose,
        action=action,
        user="0" * 32,
        digest="",
        evidence="",
        outcome=outcome,
        reason="recorded",
        classes=classes,
        time=int(NOW.timestamp() * 1000),
        tx="a" * 64,
        n=1,
    )
    detail = EntryDetail("client", user, "", "", interaction, target, "p1") if known else None
    event = msgspec.json.decode(audit_event(entry, detail, {"CityMSP": "City Hospital"}))
    for code in LANGUAGES:
        card = view_card(event, patient="p1", language=language(code), zone=None)
        assert card.sentence.endswith(".")
        assert "%(" not in card.sentence
        assert card.organization == "City Hospital"
        assert card.is_own == (known and user == "Patient/p1")
        assert card.outcome == ("allowed" if outcome == "permit" else "refused")


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) (KHTML, like Gecko) Chrome/150.0 Safari/537.36",
            "Chrome, Linux",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1",
            "Safari, iPhone",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0",
            "Firefox, Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36 Edg/150.0", "Edge, Windows"),
        ("curl/8", ""),
        ("", ""),
    ],
)
def test_a_device_is_named_as_people_know_it(agent: str, device: str) -> None:
    assert device_of(agent) == device
