"""The terms of consent as the ledger holds them: pseudonymous, canonical, and only for one recipient.

A FHIR `Consent` stays encrypted at the hospital. The parts that a decision needs are compiled into these
structs, once per recipient that the consent concerns, so that two recipients' terms share no identifier.
Times are milliseconds since 1970 UTC; a period's `end` is exclusive. Codes are `system|code`.
Fields are append-only: new ones have a default, old ones keep their name and meaning.

Terms that a newer release wrote may hold codes without a meaning here. `understands_pair` finds them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA = 1
"""Version of every value in this module; a reader refuses a newer one."""

PURPOSES = frozenset({"TREAT", "ETREAT", "BTG", "HPAYMT", "HOPERAT", "HRESCH", "PATRQT", "PUBHLTH"})
"""v3 PurposeOfUse codes that a request may state and a provision may name."""

ACTIONS = frozenset({"access", "collect", "use", "disclose", "correct"})
"""Codes of FHIR's consentaction value set, which provisions name."""

CONFIDENTIALITY_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
"""The code system with ordered codes; all other labels are names."""

CONFIDENTIALITY = ("U", "L", "M", "N", "R", "V")
"""v3 Confidentiality from unrestricted to very restricted; a record without any of them is N."""

DEPTH = 12
"""Most levels of provisions within provisions that are stored and understood."""

Effect = Literal["permit", "deny", "none"]


class Period(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """From `start` (inclusive) to `end` (exclusive); an absent side is unbounded."""

    start: int | None = None
    end: int | None = None


class Actor(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An actor that a provision is about.

    `id` is an MSP id for an organisation, and for a person a pseudonym that holds for this pair alone. For a
    role it is as `chaincode.roles` has it; earlier releases wrote the `system|code` of any role. `known_as`
    are the person's identifiers: `kind|pseudonym`, of kinds of which a person has one each, such as `npi`.
    """

    kind: Literal["organization", "role", "person"]
    id: str
    known_as: tuple[str, ...] = ()


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record that a provision names, as a digest salted for this pair (see FHIR's consent-data-meaning)."""

    meaning: Literal["instance", "dependents", "authoredby"]
    digest: str


class Condition(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The condition of a provision: every list that is not empty must be met, by one of its members.

    The first four are about the request and decided on the ledger; the others are about a record and
    go back to the gateway as an obligation. In an obligation, `actors` are those of which the request left
    open whether it is one of them.

    On the ledger, `records` stands for `codes`, `labels`, `data_period` and `references` together: a digest
    of them, salted for this pair. The gateway puts them back before it applies an obligation.
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
    records: str = ""


ALWAYS = Condition()
"""No condition. There is one instance of it, which encoding leaves out, so that each value has one form."""


class Provision(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule and its exceptions; `effect` is `none` only at the root of a consent without a base rule.

    `chaincode.consent.rules` and `chaincode.consent.obligations` apply it.
    """

    effect: Effect
    when: Condition = ALWAYS
    exceptions: tuple[Provision, ...] = ()


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The terms that one FHIR Consent sets towards one recipient.

    `id` is a pseudonym of the Consent for this pair; `version` grows with each change; `attested` says
    whether the patient or the hospital vouches for it. A consent that has ended has an empty root (`ended`).
    Where `only_denies` is set, the consent was given to a member that left and was admitted again: it still
    denies, and permits nothing.
    """

    id: str
    version: int
    status: Literal["active", "inactive"]
    attested: Literal["patient", "organization"]
    root: Provision
    only_denies: bool = False


class Pair(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """All terms between one subject and one recipient; the one key that every decision reads.

    `subject` is `patient`, or `directory` for records that belong to no patient. `epoch` grows with each
    change. `credentials` are salted commitments to the patient's public keys. `node` is the fingerprint of
    the gateway that opened the pair, empty where an earlier release did. A pair that was `retired`, at a time
    in ms since 1970 UTC, permits nothing until it is opened again.
    """

    custodian: str
    recipient: str
    subject: Literal["patient", "directory"]
    epoch: int
    opened: int
    consents: tuple[Terms, ...] = ()
    credentials: tuple[str, ...] = ()
    schema: int = 1  # an absent schema is 1, whatever SCHEMA becomes
    node: str = ""
    retired: int = 0


def ended(terms: Terms) -> Terms:
    """Return the part of ended terms that stays: id and version, so that no older version comes back."""
    return msgspec.structs.replace(terms, status="inactive", root=Provision("none"), only_denies=False)


# --- Whether this release understands a pair ------------------------------------------------------------


def understands_pair(pair: Pair) -> bool:
    """Return whether every part of the active consents in `pair` means something to this release."""
    return pair.schema <= SCHEMA and all(
        terms.status == "inactive" or _understands_rule(terms.root, DEPTH) for terms in pair.consents
    )


def _understands_rule(rule: Provision, depth: int) -> bool:
    if depth == 0 or not _understands_condition(rule.when):
        return False
    for exception in rule.exceptions:
        if exception.effect == "none" or not _understands_rule(exception, depth - 1):
            return False
    return True


def _understands_condition(when: Condition) -> bool:
    return not (
        (when.period is not None and not _is_period(when.period))
        or (when.actors and not all(map(_is_actor, when.actors)))
        or (when.actions and not ACTIONS.issuperset(when.actions))
        or (when.purposes and not PURPOSES.issuperset(when.purposes))
        or (when.classes and "" in when.classes)
        or (when.codes and not all(map(_is_coding, when.codes)))
        or (when.labels and not all(map(_is_label, when.labels)))
        or (when.data_period is not None and not _is_period(when.data_period))
        or (when.references and not all(reference.digest for reference in when.references))
    )


def _is_period(period: Period) -> bool:
    if period.start is None or period.end is None:
        return period.start is not None or period.end is not None
    return period.start < period.end


def _is_actor(actor: Actor) -> bool:
    return _is_coding(actor.id) if actor.kind == "role" else actor.id != ""


def _is_coding(code: str) -> bool:
    system, _, value = code.rpartition("|")
    return system != "" and value != ""


def _is_label(label: str) -> bool:
    system, _, code = label.rpartition("|")
    return system != "" and (code in CONFIDENTIALITY if system == CONFIDENTIALITY_SYSTEM else code != "")
