"""The terms of consent as the ledger holds them: pseudonymous, canonical, and only for one recipient.

A FHIR `Consent` stays encrypted at the hospital. What a decision needs is compiled into these structs,
once per recipient that the consent concerns, so that two recipients' terms share no identifier.
Times are milliseconds since 1970 UTC; a period's `end` is exclusive. Codes are `system|code`.
Fields are append-only: new ones have a default, old ones keep their name and meaning.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA = 1
"""Version of every value in this module; a reader refuses what is newer."""

PURPOSES = frozenset({"TREAT", "ETREAT", "BTG", "HPAYMT", "HOPERAT", "HRESCH", "PATRQT", "PUBHLTH"})
"""v3 PurposeOfUse codes that a request may state and a provision may name."""

ACTIONS = frozenset({"access", "collect", "use", "disclose", "correct"})
"""Codes of FHIR's consentaction value set, which provisions name."""

CONFIDENTIALITY_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
"""The code system whose codes are ordered; all other labels are names."""

CONFIDENTIALITY = ("U", "L", "M", "N", "R", "V")
"""v3 Confidentiality from unrestricted to very restricted; a record without any of them is N."""

Effect = Literal["permit", "deny", "none"]


class Period(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """From `start` (inclusive) to `end` (exclusive); an absent side is unbounded."""

    start: int | None = None
    end: int | None = None


class Actor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a provision is about.

    `id` is an MSP id for an organisation, `system|code` for a role, and for a person a pseudonym that
    holds for this pair alone.
    """

    kind: Literal["organization", "role", "person"]
    id: str


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record that a provision names, as a digest salted for this pair (see FHIR's consent-data-meaning)."""

    meaning: Literal["instance", "dependents", "authoredby"]
    digest: str


class Condition(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a provision applies: every list that is not empty must be met, by one of its members.

    The first four are about the request and decided on the ledger; the others are about a record and
    go back to the gateway as an obligation. In an obligation, `actors` are those of which the request left
    open whether it is one of them.
    """

    period: Period | None = None
    actors: tuple[Actor, ...] = ()
    actions: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    data_period: Period | None = None
    references: tuple[Reference, ...] = ()


ALWAYS = Condition()
"""No condition. There is one of it, so that it is left out of what is written and each value has one form."""


class Provision(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule and its exceptions; `effect` is `none` only at the root of a consent without a base rule.

    What follows from it is said in `chaincode.consent.rules` and `chaincode.consent.obligations`.
    """

    effect: Effect
    when: Condition = ALWAYS
    exceptions: tuple[Provision, ...] = ()


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one FHIR Consent says to one recipient.

    `id` is a pseudonym of the Consent for this pair; `version` grows with each change; `attested` says
    whether the patient or the hospital vouches for it. A consent that is over has an empty root (`ended`).
    """

    id: str
    version: int
    status: Literal["active", "inactive"]
    attested: Literal["patient", "organization"]
    root: Provision


def ended(terms: Terms) -> Terms:
    """What is kept of terms that are over: who they are, so that no older version comes back."""
    return msgspec.structs.replace(terms, status="inactive", root=Provision("none"))


class Pair(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that holds between one subject and one recipient; the one key that every decision reads.

    `subject` is `patient`, or `directory` for records that belong to no patient. `epoch` grows with each
    change. `credentials` are salted commitments to the patient's public keys.
    """

    custodian: str
    recipient: str
    subject: Literal["patient", "directory"]
    epoch: int
    opened: int
    consents: tuple[Terms, ...] = ()
    credentials: tuple[str, ...] = ()
    schema: int = 1  # what is not written is 1, whatever SCHEMA becomes


class PolicyRule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may be done without asking the patient.

    `relation` is `custodian` where the recipient holds the records itself, `member` for any member of
    the consortium. `subject` as in `Pair`.
    """

    id: str
    relation: Literal["custodian", "member"]
    subject: Literal["patient", "directory"]
    purposes: tuple[str, ...]
    actions: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The consortium's implicit policy: who the members are and what they may do without asking.

    `voters` are the members that decide on the next version; all of them where none is named. A member
    without a vote takes part like any other: it holds records, asks, and endorses.
    """

    version: int
    members: tuple[str, ...]
    rules: tuple[PolicyRule, ...]
    schema: int = 1  # what is not written is 1, whatever SCHEMA becomes
    voters: tuple[str, ...] = ()

    @property
    def deciding(self) -> tuple[str, ...]:
        """The members of whom more than half adopt the next version."""
        return self.voters or self.members
