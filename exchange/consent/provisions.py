"""The reader of a FHIR `Consent`'s provisions: every element is understood, or the consent is refused.

The result names organisations, people and records as the consent does. `exchange.consent.compile` turns it
into terms that the ledger may see.

Source: https://hl7.org/fhir/R4/consent.html and the code systems that it binds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from chaincode.access.model import CONSENT_ACTION
from chaincode.consent.model import ACTIONS, CONFIDENTIALITY, CONFIDENTIALITY_SYSTEM, PURPOSES, Effect, Period
from exchange.consent.hierarchies import PURPOSES_BELOW, SENSITIVITY, with_all_below
from exchange.consent.spans import span, validity
from exchange.errors import Problem
from exchange.fhir.code_systems import coded, is_known
from exchange.fhir.compartment import DIRECTORY_TYPES
from exchange.fhir.r4.definitions import RESOURCES
from exchange.fhir.references import ID, TYPE, literal

V3: Final = "http://terminology.hl7.org/CodeSystem/v3-"
ACT_CODE: Final = V3 + "ActCode"
ACTION_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/consentaction"
TYPE_SYSTEM: Final = "http://hl7.org/fhir/resource-types"

MOST_DEPTH = 10
"""Provisions within provisions; the ledger allows a little more, which rounding of times needs."""

MOST_PROVISIONS = 80
"""Provisions in one consent; the ledger allows five times as many, which rounding of times may need."""

RECIPIENT_ROLES = frozenset(
    {f"{V3}ParticipationType|{code}" for code in ("IRCP", "NOT", "PRCP", "REFB", "REFT", "TRC")}
    | {f"{V3}RoleCode|{code}" for code in ("DELEGATEE", "GRANTEE")}
)
"""Roles that make an actor of a provision a recipient: v3 `IRCP` with all below it, and grantees."""

PERSON_TYPES = frozenset({"Patient", "Practitioner", "PractitionerRole", "RelatedPerson"})
"""Resource types that stand for a person when an actor refers to them."""

NOT_ONE_PERSON = ("CareTeam/", "PractitionerRole/")
"""Beginnings of references to a role or a team: the people in them have names of their own too."""

RELATED_TYPES = ("CarePlan", "Encounter", "EpisodeOfCare")
"""Types of the records to which data may be `related`, as IHE Privacy Consent on FHIR has it."""

_AUTHORS = (
    *("CareTeam", "Device", "Group", "Organization", "Patient", "Practitioner", "PractitionerRole"),
    "RelatedPerson",
)
_LOCAL = re.compile(rf"({TYPE})/{ID}")
_ELSEWHERE = re.compile(rf"https?://\S+/({TYPE})/{ID}")
_PERIOD_PARTS = frozenset({"id", "start", "end"})
_CODING_PARTS = frozenset({"id", "system", "code", "display", "userSelected"})
_RULE_PARTS = frozenset(
    {
        *("id", "type", "period", "actor", "action", "securityLabel", "purpose", "class", "code"),
        *("dataPeriod", "data", "provision"),
    }
)


class NamedEntity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An actor or a record by the name that the consent gives it.

    `kind` is an actor's kind or the meaning of a data reference. `name` is a reference (`Practitioner/1`),
    or `system|value` where the consent gives an identifier.
    """

    kind: Literal["organization", "role", "person", "instance", "dependents", "authoredby", "related"]
    name: str


class NamedCondition(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """As `chaincode.consent.model.Condition`, with names in place of pseudonyms and digests."""

    period: Period | None = None
    actors: tuple[NamedEntity, ...] = ()
    actions: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    data_period: Period | None = None
    references: tuple[NamedEntity, ...] = ()


class NamedProvision(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """As `chaincode.consent.model.Provision`, with names in place of pseudonyms and digests."""

    effect: Effect
    when: NamedCondition = NamedCondition()
    exceptions: tuple[NamedProvision, ...] = ()


def denies(rule: NamedProvision) -> bool:
    """Return whether `rule` or any exception in it denies."""
    return rule.effect == "deny" or any(denies(exception) for exception in rule.exceptions)


def is_certain(person: str) -> bool:
    """Return whether the reference `person` is the only name of its human on this server.

    The holder of a role has a name too, and another server's names may be of people known here.
    """
    return _LOCAL.fullmatch(person) is not None and not person.startswith(NOT_ONE_PERSON)


class ConsentReader:
    """The reader of one consent, with the problems found so far.

    `days` are the times in periods that stand for days of an unknown zone (`exchange.consent.spans`).
    """

    def __init__(self, base: str = "", zone: ZoneInfo | None = None) -> None:
        self._base = base
        self._zone = zone
        self.problems: list[Problem] = []
        self.days: set[int] = set()
        self._rules = 0

    def wrong(self, path: str, message: str, code: str = "not-supported") -> None:
        """Add a problem of the element at `path`, for which the consent is refused."""
        self.problems.append(Problem(path, message, code))

    def rule(self, path: str, resource: Any, *, base: Effect | None = None, depth: int = 1) -> NamedProvision:
        """Read the rule of a `provision` element; `base` is the effect of a root without a type."""
        self._rules += 1
        if depth > MOST_DEPTH or self._rules > MOST_PROVISIONS:
            if not self.problems or self.problems[-1].code != "too-costly":
                limits = f"at most {MOST_PROVISIONS} provisions, nested at most {MOST_DEPTH} deep"
                self.wrong(path, limits, "too-costly")
            return NamedProvision("deny")
        element = self._object(path, resource, _RULE_PARTS)
        effect: Effect = "none"
        stated = element.get("type")
        if stated in ("permit", "deny"):
            effect = stated
        elif stated is not None:
            self.wrong(f"{path}.type", "permit or deny", "code-invalid")
        elif base is None:
            self.wrong(f"{path}.type", "a nested provision says permit or deny", "required")
        else:
            effect = base
        conditions = self._conditions(path, element)
        exceptions = tuple(
            self.rule(where, nested, depth=depth + 1)
            for where, nested in self._items(f"{path}.provision", element.get("provision"))
        )
        return NamedProvision(effect, conditions, exceptions)

    def _conditions(self, path: str, element: dict[str, Any]) -> NamedCondition:
        def each(name: str) -> Iterator[tuple[str, Any]]:
            return self._items(f"{path}.{name}", element.get(name))

        actions = _sorted(self._action(where, item) for where, item in each("action"))
        if actions and not _EXERCISED.intersection(actions):
            exercised = ", ".join(sorted(_EXERCISED))
            self.wrong(f"{path}.action", f"names no action that is done here: name one of {exercised}")
        return NamedCondition(
            period=self._validity(f"{path}.period", element.get("period")),
            actors=_unique(self._actor(where, item) for where, item in each("actor")),
            actions=actions,
            purposes=_sorted(
                purpose for where, item in each("purpose") for purpose in self._purpose(where, item)
            ),
            classes=_sorted(self._class(where, item) for where, item in each("class")),
            codes=_sorted(code for where, item in each("code") for code in self.concept(where, item)),
            labels=_sorted(
                label for where, item in each("securityLabel") for label in self._label(where, item)
            ),
            data_period=self._data_period(f"{path}.dataPeriod", element.get("dataPeriod")),
            references=_unique(self._data(where, item) for where, item in each("data")),
        )

    def concept(self, path: str, item: Any) -> list[str]:
        """Read the codes (`system|code`) of a CodeableConcept, which are translations of one another."""
        element = self._object(path, item, frozenset({"id", "coding", "text"}))
        codes = [
            self.coding(where, one) for where, one in self._items(f"{path}.coding", element.get("coding"))
        ]
        if not codes:
            self.wrong(path, "needs a coding; words alone can't be matched", "required")
        return [code for code in codes if code]

    def coding(self, path: str, item: Any) -> str:
        """Read a Coding as canonical `system|code`; empty, with a problem, where it can't be matched."""
        stated = self._stated(path, item)
        text = coded(*stated.split("|")) if stated else ""
        if not is_known(text):
            self.wrong(path, "names a code system by an OID that is not known; write its URL", "code-invalid")
            return ""
        return text

    def _stated(self, path: str, item: Any) -> str:
        element = self._object(path, item, _CODING_PARTS)
        system, code = element.get("system"), element.get("code")
        if not (isinstance(system, str) and isinstance(code, str) and system and code):
            self.wrong(path, "needs a system and a code", "required")
            return ""
        if "|" in system or "|" in code or not f"{system}{code}".isprintable() or " " in f"{system}{code}":
            self.wrong(path, "has a system or code that can't be matched", "code-invalid")
            return ""
        return f"{system}|{code}"

    def _known(self, path: str, coding: str, system: str, codes: frozenset[str]) -> str:
        stated, _, code = coding.rpartition("|")
        if stated == system and code in codes:
            return code
        if coding:
            self.wrong(path, f"is not one of the codes of {system} that are supported", "code-invalid")
        return ""

    def _action(self, path: str, item: Any) -> str:
        codes = {self._known(path, coding, ACTION_SYSTEM, ACTIONS) for coding in self.concept(path, item)}
        if len(codes) > 1:
            self.wrong(path, "names two actions as one", "code-invalid")
        return min(codes, default="")

    def _purpose(self, path: str, item: Any) -> list[str]:
        code = self._known(path, self.coding(path, item), V3 + "ActReason", PURPOSES)
        return with_all_below(code, PURPOSES_BELOW)

    def _class(self, path: str, item: Any) -> str:
        name = self._known(path, self.coding(path, item), TYPE_SYSTEM, frozenset(RESOURCES))
        if name in DIRECTORY_TYPES:
            self.wrong(
                path, "is a type of records without patients, which no consent is about", "business-rule"
            )
        return name

    def _label(self, path: str, item: Any) -> list[str]:
        label = self.coding(path, item)
        system, _, code = label.rpartition("|")
        if system == CONFIDENTIALITY_SYSTEM and code in CONFIDENTIALITY:
            return [label]
        if system == ACT_CODE and code in SENSITIVITY:
            return [f"{ACT_CODE}|{one}" for one in with_all_below(code, SENSITIVITY)]
        if label:
            self.wrong(
                path, "is no v3 confidentiality and no v3 sensitivity that is supported", "code-invalid"
            )
        return []

    def _validity(self, path: str, item: Any) -> Period | None:
        if item is None:
            return None
        try:
            found, days = validity(self._object(path, item, _PERIOD_PARTS), self._zone)
        except ValueError as why:
            self.wrong(path, str(why), "value")
            return None
        self.days |= days
        return self._limited(path, found)

    def _data_period(self, path: str, item: Any) -> Period | None:
        if item is None:
            return None
        try:
            found = span("Period", self._object(path, item, _PERIOD_PARTS))
        except ValueError as why:
            self.wrong(path, str(why), "value")
            return None
        return self._limited(path, found)

    def _limited(self, path: str, found: Period | None) -> Period | None:
        if found is None:
            self.wrong(path, "needs a start or an end", "required")
        return found

    def _actor(self, path: str, item: Any) -> NamedEntity | None:
        element = self._object(path, item, frozenset({"id", "role", "reference"}))
        for role in self.concept(f"{path}.role", element.get("role", {})):
            if role not in RECIPIENT_ROLES:
                self.wrong(f"{path}.role", "is not a role of one who receives, such as IRCP", "code-invalid")
        path = f"{path}.reference"
        reference = self._reference(path, element.get("reference"))
        if reference is None:
            return None
        target, name, by_identifier = reference
        if target == "Organization":
            return NamedEntity("organization", name)
        if target == "PractitionerRole" and by_identifier:
            return NamedEntity("role", name)
        if target in PERSON_TYPES and not by_identifier:
            return NamedEntity("person", name)
        self.wrong(
            path,
            "an actor is an Organization, a person by reference or a PractitionerRole by identifier; "
            "name the people of a Group or a CareTeam, or their role",
        )
        return None

    def _data(self, path: str, item: Any) -> NamedEntity | None:
        element = self._object(path, item, frozenset({"id", "meaning", "reference"}))
        meaning = element.get("meaning")
        reference = self._reference(f"{path}.reference", element.get("reference"))
        if meaning not in ("instance", "related", "dependents", "authoredby"):
            self.wrong(f"{path}.meaning", "is instance, related, dependents or authoredby", "not-supported")
            return None
        if reference is None:
            return None
        target, name, by_identifier = reference
        types = {"related": RELATED_TYPES, "authoredby": _AUTHORS}.get(meaning, (target,))
        if by_identifier or _LOCAL.fullmatch(name) is None:
            self.wrong(f"{path}.reference", "names a record of this server: Type/id")
            return None
        if target not in types:
            self.wrong(f"{path}.reference", f"is with this meaning one of {', '.join(sorted(types))}")
            return None
        return NamedEntity(meaning, name)

    def _reference(self, path: str, item: Any) -> tuple[str, str, bool] | None:
        # Returns the type of the target, its name, and whether that is an identifier.
        if item is None:
            self.wrong(path, "is missing", "required")
            return None
        element = self._object(path, item, frozenset({"id", "reference", "type", "identifier", "display"}))
        text, identifier, kind = (element.get(name) for name in ("reference", "identifier", "type"))
        if (text is None) is (identifier is None):
            self.wrong(path, "needs a reference or an identifier, and not both")
            return None
        if identifier is not None:
            return self._identified(path, identifier, kind)
        # A version is less than its record, so a permission for the record would permit too much.
        name = literal(text, self._base) if isinstance(text, str) and "/_history/" not in text else ""
        match = _LOCAL.fullmatch(name) or _ELSEWHERE.fullmatch(name)
        if not match:
            self.wrong(path, "is not a reference that can be matched: Type/id, or the like on another server")
            return None
        if match[1] not in RESOURCES or kind not in (None, match[1]):
            self.wrong(path, "is of another type than it says", "value")
            return None
        return match[1], match[0], False

    def _identified(self, path: str, identifier: Any, kind: Any) -> tuple[str, str, bool] | None:
        parts = frozenset({"id", "use", "type", "system", "value", "assigner"})
        element = self._object(f"{path}.identifier", identifier, parts)
        coding = {"system": element.get("system"), "code": element.get("value")}
        named = self.coding if kind == "PractitionerRole" else self._stated  # a role is a code
        name = named(f"{path}.identifier", coding)
        if kind not in RESOURCES:
            self.wrong(f"{path}.type", "must say what the identifier is of", "required")
        return (kind, name, True) if name and kind in RESOURCES else None

    def _items(self, path: str, value: Any) -> Iterator[tuple[str, Any]]:
        if value is not None and not isinstance(value, list):
            self.wrong(path, "is a list", "structure")
            return
        for n, item in enumerate(value or ()):
            yield f"{path}[{n}]", item

    def _object(self, path: str, value: Any, parts: frozenset[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.wrong(path, "is an object", "structure")
            return {}
        for name in value:
            if name not in parts and name != "modifierExtension":  # checked for everywhere
                self.wrong(f"{path}.{name}", "is not supported in a consent that decides", "not-supported")
        return value


_EXERCISED = frozenset(CONSENT_ACTION.values())


def _sorted(values: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _unique(values: Iterator[NamedEntity | None]) -> tuple[NamedEntity, ...]:
    return tuple(sorted({value for value in values if value is not None}, key=lambda v: (v.kind, v.name)))
