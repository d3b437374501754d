"""The identifiers by which a person is known at every hospital: `kind|value`, such as `npi|1234567893`.

A kind is a register with one number for each person, so two different numbers of one kind are two persons.
The spellings of a system are one kind. A value that its register can't have given is no identifier.

Source: US National Provider Identifier, 45 CFR 162.406 (ten digits, the last by ISO/IEC 7812 with 80840
before them); IHE IUA, `national_provider_identifier`; UDAP, `subject_id`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from exchange.fhir.code_systems import canonical

NPI: Final = "npi"
"""The kind of the National Provider Identifier."""

_NPI_SYSTEMS: Final = frozenset({"http://hl7.org/fhir/sid/us-npi", "urn:oid:2.16.840.1.113883.4.6"})
_NPI = re.compile(r"[12][0-9]{9}")
_PREFIX = 24  # the sum that 80840 adds


def npi(value: str) -> str:
    """Return the identifier of the National Provider Identifier `value`; empty if it can't be one."""
    value = value.strip()
    if _NPI.fullmatch(value) is None:
        return ""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in value[-2::-2])
    plain = (int(digit) for digit in value[-1::-2])
    return f"{NPI}|{value}" if (_PREFIX + sum(doubled) + sum(plain)) % 10 == 0 else ""


def identifier_of(system: str, value: str) -> str:
    """Return the identifier that `value` is in the FHIR identifier system `system`; empty if it is none."""
    return npi(value) if canonical(system.strip()) in _SYSTEMS else ""


def identifiers_in(identifiers: Iterable[Any]) -> tuple[str, ...]:
    """Return the identifiers among the `identifier` elements of a resource, sorted.

    One that is an old one of its person counts as well.
    """
    found = {
        identifier_of(str(one.get("system", "")), str(one.get("value", "")))
        for one in identifiers
        if isinstance(one, dict)
    }
    return tuple(sorted(found - {""}))


def stated_identifier(user: str) -> str:
    """Return the identifier that an assertion's `user` is, a bare number or `system|value`; else empty."""
    system, bar, value = user.rpartition("|")
    return identifier_of(system, value) if bar else npi(user)


_SYSTEMS = frozenset(canonical(system) for system in _NPI_SYSTEMS)
