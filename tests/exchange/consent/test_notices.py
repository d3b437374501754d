"""The author of a consent is told what it does beyond, or short of, what it seems to say."""

import pytest

from exchange.consent.compile import CompiledConsent
from exchange.consent.notices import (
    EMERGENCY_DENIED,
    EMERGENCY_OVERRIDES,
    EVERYBODY,
    IDENTIFIED,
    PERSON,
    notices_of,
)
from exchange.consent.provisions import NamedCondition, NamedEntity, NamedProvision

LAKE = NamedEntity("organization", "Organization/lake")
PHYSICIAN, SURGEON = NamedEntity("person", "Practitioner/1"), NamedEntity("person", "Practitioner/2")
KNOWN = {"Practitioner/2": ("npi|1234567893",)}


def rule(effect, *exceptions, **when):
    return NamedProvision(effect, NamedCondition(**when), exceptions)


def told(root, *, overrides=False):
    consent = CompiledConsent("1", 1, "active", "patient", root, known_as=KNOWN)
    return notices_of(consent, overrides=overrides)


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (rule("permit", actors=(LAKE,)), ()),
        (rule("deny"), (EVERYBODY, EMERGENCY_DENIED)),
        (rule("none", rule("deny", purposes=("TREAT",))), (EVERYBODY,)),
        (rule("deny", actors=(LAKE,)), (EMERGENCY_DENIED,)),
        (rule("deny", actors=(LAKE,), purposes=("TREAT", "HRESCH")), ()),
        (rule("permit", rule("deny", actors=(LAKE,), purposes=("BTG",))), (EMERGENCY_DENIED,)),
        (rule("deny", actors=(PHYSICIAN,), purposes=("TREAT",)), (PERSON,)),
        (rule("deny", actors=(SURGEON,), purposes=("TREAT",)), (IDENTIFIED,)),
        (rule("deny", actors=(PHYSICIAN, SURGEON), purposes=("TREAT",)), (PERSON,)),
        (rule("permit", actors=(PHYSICIAN, SURGEON)), ()),
    ],
)
def test_an_effect_that_is_not_plain_is_told(root, expected):
    assert told(root) == expected
    overridden = (EMERGENCY_OVERRIDES if one is EMERGENCY_DENIED else one for one in expected)
    assert told(root, overrides=True) == tuple(overridden)


@pytest.mark.parametrize("notice", [EVERYBODY, EMERGENCY_DENIED, EMERGENCY_OVERRIDES, PERSON, IDENTIFIED])
def test_a_notice_fits_a_header(notice):
    assert notice.isascii()
    assert notice.isprintable()
    assert '"' not in notice
