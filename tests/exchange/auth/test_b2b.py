"""The purpose, the user and the role of a request come from the signed B2B extension."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.auth.b2b import Context, read_context
from exchange.auth.oauth import OAuthError
from exchange.consent.compile import person_named

BASE = "https://city.example/fhir"
NUCC = "http://nucc.org/provider-taxonomy"


def context(**stated: Any) -> Context:
    extension = {"version": "1", "organization_id": "LakeMSP", "purpose_of_use": ["TREAT"], **stated}
    return read_context({"hl7-b2b": extension})


def emergency(reason: object, **stated: Any) -> Context:
    extension = {"version": "1", "organization_id": "LakeMSP", "purpose_of_use": ["BTG"], **stated}
    return read_context({"hl7-b2b": extension, "consentry": {"emergency_reason": reason}})


def role(stated: str) -> str:
    return context(subject_id="Practitioner/1", subject_role=stated).role


def test_an_emergency_names_the_person_who_asks() -> None:
    assert emergency("cardiac arrest", subject_id="Practitioner/er").purpose == "BTG"
    with pytest.raises(OAuthError, match="BTG needs a subject_id"):
        emergency("cardiac arrest", subject_id="")


def test_an_emergency_states_its_reason_and_nothing_else_has_one() -> None:
    assert emergency(" cardiac arrest ", subject_id="Practitioner/er").reason == "cardiac arrest"
    assert context(purpose_of_use=["BTG"], subject_id="Practitioner/er").reason == ""
    assert emergency("  ", subject_id="Practitioner/er").reason == ""
    assert emergency("routine", purpose_of_use=["TREAT"]).reason == ""


@pytest.mark.parametrize("reason", ["...", "-", "x" * 256, "a\nb", 7, None, ["arrest"]])
def test_a_reason_that_says_nothing_or_too_much_is_refused(reason: object) -> None:
    with pytest.raises(OAuthError, match="emergency_reason"):
        emergency(reason, subject_id="Practitioner/er")


@pytest.mark.parametrize(
    "stated",
    [
        "TREAT",
        "urn:oid:2.16.840.1.113883.5.8#TREAT",
        "2.16.840.1.113883.5.8#TREAT",
        "http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT",
        "http://hl7.org/fhir/v3/ActReason|TREAT",
        "https://terminology.hl7.org/CodeSystem/v3-ActReason/|TREAT",
    ],
)
def test_a_purpose_is_the_same_in_every_spelling(stated: str) -> None:
    assert context(purpose_of_use=[stated]).purpose == "TREAT"


@pytest.mark.parametrize("stated", ["treat", "urn:oid:1.2.3#TREAT", "http://x.example|TREAT", "HMARKT"])
def test_a_purpose_that_is_not_known_is_refused(stated: str) -> None:
    with pytest.raises(OAuthError, match="purpose_of_use"):
        context(purpose_of_use=[stated])


@pytest.mark.parametrize(
    "stated",
    [
        "urn:oid:2.16.840.1.113883.6.101#163W00000X",
        f"{NUCC}|163W00000X",
        "http://www.nucc.org/provider-taxonomy/#163w00000x",
        "http://terminology.hl7.org/CodeSystem/v3-nuccProviderCodes|163W00000X",
    ],
)
def test_a_role_is_the_same_in_every_spelling(stated: str) -> None:
    assert role(stated) == f"{NUCC}|163W00000X"


@pytest.mark.parametrize(
    "stated", ["nurse", "#nurse", "urn:oid:1.2.3#nurse", "urn:x|head nurse", "urn:x|Ärztin"]
)
def test_a_role_that_can_not_be_compared_is_refused(stated: str) -> None:
    with pytest.raises(OAuthError, match="subject_role"):
        role(stated)


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ("Practitioner/1", ("Practitioner/1", False)),
        (f"{BASE}/Practitioner/1", ("Practitioner/1", False)),
        ("HTTPS://CITY.example:443/fhir/Practitioner/1/_history/4", ("Practitioner/1", False)),
        ("PractitionerRole/1", ("PractitionerRole/1", True)),
        ("https://lake.example/fhir/Practitioner/1", ("https://lake.example/fhir/Practitioner/1", True)),
        ("http://city.example/fhir/Practitioner/1", ("http://city.example/fhir/Practitioner/1", True)),
        (" Practitioner/1", ("", False)),
        ("Practitioner/1/", ("", False)),
        ("/Practitioner/1", ("", False)),
        ("CareTeam/1", ("", False)),
        ("#me", ("", False)),
        ("urn:npi|1", ("", False)),
        ("dr.jones", ("", False)),
    ],
)
def test_a_user_is_a_person_only_by_reference(user: str, named: tuple[str, bool]) -> None:
    assert person_named(user, BASE) == named
