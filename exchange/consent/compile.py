"""The compiler from a FHIR `Consent` to terms on the ledger, one set per recipient that it concerns.

1. Compiling reads all of a consent, or refuses it: no part of it is dropped in silence.
2. A compiled consent is stored encrypted. The terms of one pair are made from it, with only the rules that
   concern that recipient, and with pseudonyms and digests that hold for that pair alone.
3. Omissions and rounding never widen a consent. A rule that names only others has no effect for this
   recipient, and its exceptions have none either. Times are rounded to the minute so that two pairs share
   no unusual value: a permission gets shorter, a denial gets longer, and where a rule does both, the broken
   minute is denied.

`docs/consent.md` defines the meaning of a consent.

Source: https://hl7.org/fhir/R4/consent.html; IHE Privacy Consent on FHIR.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from chaincode.consent.model import Actor, Condition, Effect, Provision, Reference, Terms
from chaincode.roles import hidden_role
from exchange.consent.hidden_conditions import conditions_in, hide_conditions, pair_digest
from exchange.consent.provisions import (
    ACT_CODE,
    PERSON_TYPES,
    ConsentReader,
    NamedEntity,
    NamedProvision,
    denies,
    is_certain,
)
from exchange.consent.reach.structure import check_reach, widened
from exchange.consent.reach.trial import check_effects
from exchange.consent.rounding import round_times
from exchange.crypto.pair_versions import VERSIONS, consent_version, pair_version
from exchange.errors import InvalidResourceError, Problem
from exchange.fhir.code_systems import canonical
from exchange.fhir.references import ID, literal

SALT_BYTES: Final = 32

SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope|patient-privacy"
CATEGORY: Final = "http://loinc.org|59284-0"
"""LOINC "Patient Consent", the category that an active consent must have."""

_OTHER_CATEGORIES = frozenset({"http://loinc.org|64292-6", f"{ACT_CODE}|IDSCL", f"{ACT_CODE}|INFA"})
_STATUS: Mapping[str, Literal["active", "inactive", "unfiled"]] = {
    "active": "active",
    "draft": "unfiled",
    "proposed": "unfiled",
    "rejected": "inactive",
    "inactive": "inactive",
    "entered-in-error": "inactive",
}
_PATIENT = re.compile(rf"(?:https?://\S+/)?Patient/{ID}")
_PERSON = re.compile(rf"(?:https?://\S+/)?(?:{'|'.join(sorted(PERSON_TYPES))})/{ID}")
_BASE: Mapping[str, Effect] = {"OPTIN": "permit", "OPTOUT": "deny"}
_DIRECTIVES = frozenset(
    {
        *("EMRGONLY", "GRANTORCHOICE", "IMPLIED", "IMPLIEDD", "NOCONSENT", "NOPP"),
        *("OPTIN", "OPTINR", "OPTOUT", "OPTOUTE"),
    }
)
"""Consent directives of v3 ActCode, which are not ignored under another code system either."""
_SILENT = NamedProvision("none")


class CompiledConsent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A compiled consent: it names people and places, so it is stored encrypted and never on the ledger.

    `status` is `unfiled` for a consent that is only drafted or proposed: it has no terms and is not
    published. `root` has a meaning for an active consent only. `filed` is when this version was stored, in ms
    since 1970 UTC. `known_as` has the identifiers of the persons that it names by reference
    (`exchange.auth.person_identifiers`).
    """

    id: str
    version: int
    status: Literal["active", "inactive", "unfiled"]
    attested: Literal["patient", "organization"]
    root: NamedProvision
    filed: int = 0
    known_as: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class PairContext:
    """The recipient, salt and members that the terms of one pair are made with.

    `salt` is the pair's secret of 32 bytes, `count` is as in `exchange.crypto.pair_versions`. `members` maps
    each name that a consent may give an organisation, a reference or an identifier (`system|value`), to its
    MSP id. Names of organisations that left stay in it: a name that is not in it might be any
    organisation's, and is read so. `admitted` is the time at which the recipient was admitted again, in ms
    since 1970 UTC, 0 if it never left: a consent that was filed before only denies.
    """

    recipient: str
    salt: bytes
    members: Mapping[str, str]
    count: int = 1
    admitted: int = 0

    def __post_init__(self) -> None:
        if len(self.salt) != SALT_BYTES:
            raise ValueError(f"a pair's salt has {SALT_BYTES} bytes")


def compile_consent(
    resource: dict[str, Any],
    *,
    version: int,
    attested: Literal["patient", "organization"],
    now: int,
    members: Mapping[str, str] | None = None,
    base: str = "",
    zone: ZoneInfo | None = None,
) -> CompiledConsent:
    """Compile a valid R4 `Consent` for all recipients.

    `now` is in milliseconds since 1970 UTC: a start that has passed is left out. With `members` (as in
    `PairContext`), a consent that names another organisation is refused. `base` is this server's FHIR
    base URL: references under it count as relative. Days of periods are days in `zone`; where that is not
    known, a permission begins with the last of them on earth and ends with the first, a denial the other way.

    Raises:
        InvalidResourceError: elements are unsupported, unknown, can't be resolved or have no effect; each
            with its path.
    """
    reader = ConsentReader(base, zone)
    logical_id = resource.get("id")
    if not isinstance(logical_id, str) or not logical_id:
        reader.wrong("Consent.id", "is missing", "required")
    status = _STATUS.get(str(resource.get("status")))
    root = _SILENT
    if status is None:
        reader.wrong("Consent.status", "is not a status that is supported", "code-invalid")
    elif status != "inactive":  # an ended consent may have any content: revoking never fails
        for path in _modifiers("Consent", resource):
            reader.wrong(path, "changes the meaning in a way that is not understood")
        if status == "active":
            root = _base_rule(reader, resource)
            if not reader.problems:
                reader.problems.extend(check_reach(root, members))
            if not reader.problems:
                reader.problems.extend(check_effects(root, reader.days, members))
    if reader.problems or status is None:
        raise InvalidResourceError("the consent can't be enforced as it is", problems=reader.problems)
    root = round_times(widened(root, reader.days), now, reader.days)
    return CompiledConsent(str(logical_id), version, status, attested, root)


def concerns(consent: CompiledConsent, recipient: str, members: Mapping[str, str]) -> bool:
    """Return whether a consent has terms for `recipient` (an MSP id); an ended one may concern anyone."""
    if consent.status == "active":
        return _cut(consent.root, recipient, members) is not None
    return consent.status == "inactive"


def terms_for(consent: CompiledConsent, context: PairContext) -> Terms | None:
    """Return the terms for one pair; None where a consent is unfiled or does not concern the recipient."""
    if not concerns(consent, context.recipient, context.members):
        return None
    root = _cut(consent.root, context.recipient, context.members)
    rule = pseudonymous(root or _SILENT, context.salt, consent.known_as)
    return Terms(
        id=terms_id(consent, context),
        version=version_in(consent, context),
        status="active" if consent.status == "active" else "inactive",
        attested=consent.attested,
        root=hide_conditions(rule, context.salt, count=context.count),
        only_denies=consent.status == "active" and consent.filed < context.admitted,
    )


def version_in(consent: CompiledConsent, context: PairContext) -> int:
    """Return the version that terms of a consent have in one pair."""
    name = terms_id(consent, context)
    return pair_version(consent.version, terms_id=name, count=context.count, salt=context.salt)


def is_of_version(number: int, consent: CompiledConsent, context: PairContext) -> bool:
    """Return whether terms with the version `number` in one pair are of exactly this version of a consent."""
    name = terms_id(consent, context)
    return consent_version(number, terms_id=name, salt=context.salt) == consent.version % VERSIONS


def conditions_of(consent: CompiledConsent, salt: bytes) -> Iterator[Condition]:
    """Yield the conditions on records in a consent, as the pair of this salt has them."""
    return conditions_in(pseudonymous(consent.root, salt))


def terms_id(consent: CompiledConsent, context: PairContext) -> str:
    """Return a consent's pseudonym within one pair, whether or not it has terms there."""
    return consent_pseudonym(consent.id, context.salt)


def consent_pseudonym(logical_id: str, salt: bytes) -> str:
    """Return the pseudonym of a consent within the pair of this salt: 32 hexadecimal digits."""
    return pair_digest(salt, "consent", logical_id)


def person_digest(salt: bytes, person: str) -> str:
    """Return the digest of `person` in a pair's terms and requests: 32 hexadecimal digits.

    `person` is a reference as from `person_named`. Any other text names no person: the digest is empty, and
    the rules treat it as unstated.
    """
    return pair_digest(salt, "person", person) if _PERSON.fullmatch(person) else ""


def known_as_digests(salt: bytes, identifiers: Iterable[str]) -> tuple[str, ...]:
    """Return the digests of a person's `identifiers` (`kind|value`) in one pair, sorted."""
    return tuple(
        sorted(f"{one.partition('|')[0]}|{pair_digest(salt, 'identifier', one)}" for one in identifiers)
    )


def person_named(user: str, base: str, *, own: bool = True) -> tuple[str, bool]:
    """Return the person that a request's `user` names, and whether that person may have other names.

    Consents name people by reference, so a user is compared only if given as a reference: `Practitioner/1`,
    also under `base`, this server's FHIR base URL. The name is empty for any other text. A relative reference
    is of the server whose client states it: of another's, the name is empty too.
    """
    name = literal(user, base)
    if not own and "://" not in user:
        return "", False
    return (name, not is_certain(name)) if _PERSON.fullmatch(name) else ("", False)


def role_in(salt: bytes, role: str) -> str:
    """Return `role` (`system|code`) as the terms and requests of the pair of this salt have it."""
    return hidden_role(role, lambda kind, text: pair_digest(salt, kind, text))


def reference_digest(salt: bytes, reference: str) -> str:
    """Return the digest of the record `reference` (`Type/id`) in a pair's terms: 32 hexadecimal digits."""
    return pair_digest(salt, "reference", reference)


# --- Parsing -------------------------------------------------------------------------------------------


def _base_rule(reader: ConsentReader, resource: dict[str, Any]) -> NamedProvision:
    if resource.get("implicitRules") is not None:
        reader.wrong("Consent.implicitRules", "changes the meaning in a way that is not understood")
    if set(reader.concept("Consent.scope", resource.get("scope"))) - {SCOPE}:
        reader.wrong("Consent.scope", "must be patient-privacy and nothing else", "code-invalid")
    categories: set[str] = set()
    for n, category in enumerate(resource.get("category") or ()):
        categories.update(reader.concept(f"Consent.category[{n}]", category))
    if CATEGORY not in categories:
        reader.wrong("Consent.category", f"must have {CATEGORY}", "required")
    if categories - {CATEGORY} - _OTHER_CATEGORIES:
        reader.wrong("Consent.category", "has one that is not supported", "code-invalid")
    for n, verification in enumerate(resource.get("verification") or ()):
        if verification.get("verified") is False:
            message = "says that it is not verified: leave the consent proposed until it is"
            reader.wrong(f"Consent.verification[{n}].verified", message, "business-rule")
    patient = resource.get("patient")
    if not isinstance(patient, dict) or not _PATIENT.fullmatch(str(patient.get("reference"))):
        reader.wrong("Consent.patient", "must refer to a Patient", "required")
    return _root(reader, resource)


def _root(reader: ConsentReader, resource: dict[str, Any]) -> NamedProvision:
    opted = _opted(reader, resource.get("policyRule"))
    provision = resource.get("provision")
    if provision is None:
        return NamedProvision(_BASE.get(opted, "none"))
    typed = isinstance(provision, dict) and "type" in provision
    nested = isinstance(provision, dict) and bool(provision.get("provision"))
    base: Effect = "none" if opted == "OPTOUT" and nested else _BASE.get(opted, "none")
    root = reader.rule("Consent.provision", provision, base=base)
    if root.effect == "none" and not nested and not typed:
        reader.wrong(
            "Consent.provision.type", "neither permits nor denies, and has no exceptions", "required"
        )
    for n, exception in enumerate(root.exceptions):
        if base == exception.effect == "permit" and not typed:
            message = "permits what OPTIN permits already: say what the consent permits in the root"
            reader.wrong(f"Consent.provision.provision[{n}].type", message, "business-rule")
    return root


def _opted(reader: ConsentReader, policy_rule: Any) -> str:
    codings = policy_rule.get("coding", ()) if isinstance(policy_rule, dict) else ()
    opted = set()
    for n, coding in enumerate(codings):
        code = str(coding.get("code", "")).strip()
        if canonical(str(coding.get("system", ""))) != ACT_CODE:
            known = code.upper() not in _DIRECTIVES  # the name of a policy neither opts in nor out
        else:
            known = code in _BASE
            opted.add(code)
        if not known:
            message = "is a directive that is not supported; OPTIN or OPTOUT of v3 ActCode are"
            reader.wrong(f"Consent.policyRule.coding[{n}]", message, "code-invalid")
    opted &= _BASE.keys()
    if len(opted) > 1:
        reader.wrong("Consent.policyRule", "opts in and out at once", "code-invalid")
    return min(opted, default="")


def _modifiers(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "modifierExtension":
                yield f"{path}.{name}"
            else:
                yield from _modifiers(f"{path}.{name}", item)
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _modifiers(f"{path}[{n}]", item)


def problems_of_members(
    rule: NamedProvision,
    members: Mapping[str, str],
    current: Collection[str],
    path: str = "Consent.provision",
) -> list[Problem]:
    """Return the problems with organisations that `rule` permits something and that are no members now.

    `members` maps the names that consents give organisations to MSP ids; `current` are the members by the
    policy in force.
    """
    found = []
    names = (actor.name for actor in rule.when.actors if actor.kind == "organization")
    if rule.effect == "permit" and any(members.get(name) not in current for name in names):
        message = "permits an organization that is no member of the consortium now: leave it out"
        found.append(Problem(f"{path}.actor", message, "business-rule"))
    for n, exception in enumerate(rule.exceptions):
        found += problems_of_members(exception, members, current, f"{path}.provision[{n}]")
    return found


# --- The part for one recipient --------------------------------------------------------------------------


def _cut(rule: NamedProvision, recipient: str, members: Mapping[str, str]) -> NamedProvision | None:
    """Cut `rule` to `recipient`, the only organisation left in it; None where it has no effect."""
    actors = rule.when.actors
    names = [actor.name for actor in actors if actor.kind == "organization"]
    if any(members.get(name) == recipient for name in names):
        actors = (NamedEntity("organization", recipient),)
    elif any(name not in members for name in names):
        # It might be the recipient under an unknown name: then it may deny, and not permit.
        when = msgspec.structs.replace(rule.when, actors=())
        return NamedProvision(rule.effect, when, (NamedProvision("deny"),)) if denies(rule) else None
    elif names:
        actors = tuple(actor for actor in actors if actor.kind != "organization")
        if not actors:
            return None
    cut = (_cut(exception, recipient, members) for exception in rule.exceptions)
    exceptions = tuple(exception for exception in cut if exception is not None)
    if rule.effect == "none" and not exceptions:
        return None
    return NamedProvision(rule.effect, msgspec.structs.replace(rule.when, actors=actors), exceptions)


def pseudonymous(
    rule: NamedProvision, salt: bytes, known_as: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> Provision:
    """Return `rule` with pseudonyms and digests of one pair in place of names.

    `known_as` has the identifiers of the persons that it names.
    """
    when = rule.when
    return Provision(
        rule.effect,
        Condition(
            period=when.period,
            actors=tuple(
                sorted((_actor(actor, salt, known_as) for actor in when.actors), key=lambda a: (a.kind, a.id))
            ),
            actions=when.actions,
            purposes=when.purposes,
            classes=when.classes,
            codes=when.codes,
            labels=when.labels,
            data_period=when.data_period,
            references=tuple(
                sorted(
                    (_reference(one, salt) for one in when.references), key=lambda r: (r.meaning, r.digest)
                )
            ),
        ),
        tuple(pseudonymous(exception, salt, known_as) for exception in rule.exceptions),
    )


def _actor(actor: NamedEntity, salt: bytes, known_as: Mapping[str, Sequence[str]]) -> Actor:
    if actor.kind == "person":
        identifiers = known_as_digests(salt, known_as.get(actor.name, ()))
        return Actor("person", person_digest(salt, actor.name), identifiers)
    if actor.kind == "role":
        return Actor("role", role_in(salt, actor.name))
    return Actor("organization", actor.name)


def _reference(named: NamedEntity, salt: bytes) -> Reference:
    digest = reference_digest(salt, named.name)
    if named.kind in ("dependents", "related"):
        return Reference("dependents", digest)
    return Reference("authoredby" if named.kind == "authoredby" else "instance", digest)
