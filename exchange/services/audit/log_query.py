"""Searches of the access log: R4's parameters of AuditEvent, or a refusal that names the parameter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chaincode.consent.model import PURPOSES
from exchange.auth.b2b import PURPOSE_SYSTEM
from exchange.errors import BadRequestError, TooCostlyError
from exchange.fhir import search
from exchange.fhir.audit_event import MSP, parse_event_id
from exchange.fhir.code_systems import canonical
from exchange.fhir.references import literal
from exchange.fhir.search import Clause, Query, Sort

PARAMETERS: Final = (
    ("_id", "token"),
    ("_lastUpdated", "date"),
    ("action", "token"),
    ("address", "string"),
    ("agent", "reference"),
    ("agent-name", "string"),
    ("agent-role", "token"),
    ("altid", "token"),
    ("date", "date"),
    ("entity", "reference"),
    ("entity-type", "token"),
    ("outcome", "token"),
    ("patient", "reference"),
    ("purpose", "token"),
    ("site", "token"),
    ("source", "reference"),
    ("subtype", "token"),
    ("type", "token"),
)
"""Name and type of each parameter that the log can be searched by; `purpose` is this server's own."""

_SHAPING = frozenset(
    {"_count", "_sort", "_total", "_summary", "_elements", "_format", "_pretty", "_lastUpdated"}
)
_FOUND = frozenset(name for name, _ in PARAMETERS)
_TIMES = ("date", "_lastUpdated")
_CODES = {
    "action": ("C", "D", "E", "R", "U"),
    "outcome": ("0", "4", "8", "12"),
}
"""The codes of the parameters whose value sets R4 requires."""
_INDEXED = frozenset(
    {"agent", "agent-name", "agent-role", "altid", "entity", "entity-type", "outcome", "subtype"}
)
_ORDERS = {
    (): False,
    (Sort("date", descending=True),): False,
    (Sort("_lastUpdated", descending=True),): False,
    (Sort("date", descending=False),): True,
    (Sort("_lastUpdated", descending=False),): True,
}
_ID = re.compile(r"[A-Za-z0-9_\-.]{1,64}")
_LARGEST_PAGE = 500
_MOST_VALUES = 256


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A search of the log. `place` is the start of a transaction's id and a number, for `_id`.

    `purposes` are alternatives of each parameter; `clauses` are the other parameters, still in R4's terms.
    """

    query: Query
    clauses: tuple[Clause, ...]
    ignored: tuple[str, ...]
    patient: str | None = None
    place: tuple[str, int] | None = None
    purposes: tuple[tuple[str, ...], ...] = ()

    @property
    def summary(self) -> str:
        """Return the summary that is asked for, `count` for a page of none."""
        return self.query.summary if self.query.count else "count"

    @property
    def elements(self) -> tuple[str, ...]:
        """Return the elements that are asked for."""
        return self.query.elements

    @property
    def count(self) -> int:
        """Return the most entries of a page; 0 asks for the total alone."""
        return 0 if self.query.summary == "count" else min(self.query.count, _LARGEST_PAGE)

    @property
    def counted(self) -> bool:
        """Return whether the total is asked for."""
        return not self.count or self.query.total == "accurate"

    @property
    def oldest_first(self) -> bool:
        """Return whether the oldest entry comes first."""
        return _ORDERS[self.query.sort]

    @property
    def needs_index(self) -> bool:
        """Return whether it asks for what only the details say."""
        return any(clause.parameter in _INDEXED for clause in self.clauses)


def parse(parameters: Sequence[tuple[str, str]], *, lenient: bool, base: str) -> LogQuery:
    """Return the search that `parameters` ask for; `base` is the FHIR base URL.

    Raises:
        BadRequestError: a parameter is not supported, or a value is not of its parameter's type.
        TooCostlyError: there are more values than the limits.
    """
    rest: list[tuple[str, str]] = []
    ignored: list[str] = []
    found: dict[str, Any] = {}
    purposes: list[tuple[str, ...]] = []
    for name, value in parameters:
        code = name.partition(":")[0]
        if name == "purpose":
            purposes.append(_codes(value))
        elif name in {"_id", "patient", "patient:Patient"}:
            if code in found:
                raise BadRequestError(f"{code}: give it once")
            found[code] = _place(value) if code == "_id" else _patient(value, base)
        elif name in _SHAPING:
            rest.append((name, value))
        elif code in _FOUND - {"_id", "patient", "purpose"}:
            if name == "entity" and any(_ID.fullmatch(one) for one in value.split(",")):
                raise BadRequestError("entity names a record with its type, such as Observation/1")
            _check_codes(code, value)
            rest.append((name, _members(code, value)))
        elif lenient:
            ignored.append(name)
        else:
            shown = name if _ID.fullmatch(name) else "of that name"
            raise BadRequestError(f"AuditEvent has no search parameter {shown}")
    query = search.parse("AuditEvent", rest, lenient=lenient, base=base, exact=True, times=_TIMES)
    if query.sort not in _ORDERS:
        raise BadRequestError("_sort: the log is in the order of date or -date")
    return LogQuery(
        query,
        query.clauses,
        (*ignored, *query.ignored),
        patient=found.get("patient"),
        place=found.get("_id"),
        purposes=tuple(purposes),
    )


def _place(value: str) -> tuple[str, int]:
    if "," in value:
        raise BadRequestError("_id names one entry; search for each by itself")
    return parse_event_id(value) or ("none", 0)


def _patient(value: str, base: str) -> str:
    patient = literal(value, base).removeprefix("Patient/")
    if not _ID.fullmatch(patient):
        raise BadRequestError("patient names one patient of this server, such as Patient/1")
    return patient


def _codes(value: str) -> tuple[str, ...]:
    values = value.split(",")
    if len(values) > _MOST_VALUES:
        raise TooCostlyError(f"purpose: at most {_MOST_VALUES} values")
    if not value.isprintable() or not all(values):  # no database has to be asked for a NUL
        raise BadRequestError("purpose: a code, or system|code")
    named = [one.rpartition("|") for one in values]
    if not PURPOSES.issuperset(code for _, _, code in named):
        raise BadRequestError(f"purpose: its codes are {', '.join(sorted(PURPOSES))}")
    system_of_all = canonical(PURPOSE_SYSTEM)
    return tuple(code for system, bar, code in named if not bar or canonical(system) == system_of_all)


def _check_codes(name: str, value: str) -> None:
    """Refuse a code that R4 does not have: an empty list would say that no entry has it."""
    known = _CODES.get(name)
    if known is not None and not all(one.rpartition("|")[2] in known for one in value.split(",")):
        raise BadRequestError(f"{name}: its codes are {', '.join(known)}")


def _members(code: str, value: str) -> str:
    # A member may be named by its MSP id and that one's system, which is no reference of R4's.
    if code not in {"agent", "source"}:
        return value
    return ",".join(one.removeprefix(f"{MSP}|") for one in value.split(","))
