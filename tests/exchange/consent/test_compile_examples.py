"""The official R4 examples of Consent: each compiles, or is refused for the reason in this table."""

import json
import tarfile
from zoneinfo import ZoneInfo

import pytest

from chaincode.consent.model import Period
from exchange.consent.compile import compile_consent
from exchange.consent.provisions import NamedCondition, NamedEntity, NamedProvision
from exchange.errors import InvalidResourceError
from tests.support.shared_data import SHARED

EXAMPLES = SHARED / "fhir-r4-examples" / "fhir-r4-examples-4.0.1.tgz"
needs_examples = pytest.mark.skipif(
    not EXAMPLES.is_file(), reason="no official examples under CONSENTRY_SHARED or ../shared/data"
)

COMPILED = {
    "basic": NamedProvision("permit", NamedCondition(period=Period(None, 1_451_692_800_000))),
    "notTime": NamedProvision("permit", NamedCondition(period=Period(None, 1_422_835_200_000))),
    "notThem": NamedProvision(
        "permit",
        NamedCondition(actors=(NamedEntity("person", "Practitioner/f204"),), actions=("access", "correct")),
    ),
    "notOrg": NamedProvision(
        "deny",
        NamedCondition(
            actors=(NamedEntity("organization", "Organization/f001"),), actions=("access", "correct")
        ),
    ),
}

P = "Consent.provision"
NOT_A_RECIPIENT = "is not a role of one who receives, such as IRCP"
NO_CATEGORY = "must have http://loinc.org|59284-0"
OTHER_CATEGORY = "has one that is not supported"
WITHIN_OPT_IN = "permits what OPTIN permits already: say what the consent permits in the root"
NO_TYPE = "a nested provision says permit or deny"

REFUSED = {
    "Out": {f"{P}.actor[0].role": NOT_A_RECIPIENT},
    "notAuthor": {f"{P}.actor[0].role": NOT_A_RECIPIENT},
    "notThis": {
        f"{P}.data[0].reference": "is with this meaning one of CarePlan, Encounter, EpisodeOfCare",
    },
    "smartonfhir": {f"{P}.provision[0].type": WITHIN_OPT_IN},
    "pkb": {f"{P}.provision[{n}].type": NO_TYPE for n in range(11)},
    "Emergency": {
        "Consent.category": OTHER_CATEGORY,
        f"{P}.actor[0].role": NOT_A_RECIPIENT,
        f"{P}.provision[0].actor[0].role": NOT_A_RECIPIENT,
    },
    "grantor": {"Consent.category": OTHER_CATEGORY, f"{P}.actor[0].role": NOT_A_RECIPIENT},
    "signature": {
        "Consent.category": OTHER_CATEGORY,
        f"{P}.provision[0].type": WITHIN_OPT_IN,
        f"{P}.provision[0].actor[0].role": NOT_A_RECIPIENT,
        f"{P}.provision[0].class[0]": (
            "is not one of the codes of http://hl7.org/fhir/resource-types that are supported"
        ),
    },
}


def examples():
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            if member.name.startswith("package/Consent-"):
                resource = json.load(archive.extractfile(member))
                yield resource["id"].removeprefix("consent-example-"), resource


@needs_examples
def test_every_official_consent_compiles_or_is_refused_for_the_reason_in_the_table():
    compiled, refused = {}, {}
    for name, resource in examples():
        try:
            draft = compile_consent(
                resource, version=1, attested="patient", now=1_700_000_000_000, zone=ZoneInfo("UTC")
            )
            compiled[name] = draft.root
        except InvalidResourceError as why:
            refused[name] = {problem.path: problem.message for problem in why.problems}
    assert compiled == COMPILED
    assert refused == REFUSED


@needs_examples
@pytest.mark.parametrize("status", ["inactive", "entered-in-error", "rejected"])
def test_every_official_consent_can_be_taken_back(status):
    for _, resource in examples():
        draft = compile_consent({**resource, "status": status}, version=2, attested="patient", now=0)
        assert draft.status == "inactive"
