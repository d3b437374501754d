"""Roles on the ledger: those of a closed list in clear, and all others as salted digests.

A role is the requester's word, and a member of the consortium may write anything into it. So only codes that
are listed here stand on the ledger, and no other text does. The digest of another role holds for one pair: it
shows whether two roles are of one code system and whether they differ by more than case, because rules
ask for both (`chaincode.consent.rules`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from chaincode.errors import BadArgumentError

_FHIR = "http://terminology.hl7.org/CodeSystem/practitioner-role"
_SNOMED = "http://snomed.info/sct"
_NUCC = "http://nucc.org/provider-taxonomy"

KNOWN_ROLES: Final = frozenset(
    {
        *(f"{_FHIR}|{code}" for code in ("doctor", "ict", "nurse", "pharmacist", "researcher", "teacher")),
        # Medical doctor, physician, dentist, professional nurse, registered nurse, midwife, pharmacist,
        # physiotherapist.
        *(f"{_SNOMED}|{code}" for code in ("112247003", "309343006", "106289002", "106292003")),
        *(f"{_SNOMED}|{code}" for code in ("224535009", "309453006", "46255001", "36682004")),
        # Internal medicine, family medicine, emergency medicine, registered nurse, pharmacist.
        *(f"{_NUCC}|{code}" for code in ("207R00000X", "207Q00000X", "207P00000X")),
        *(f"{_NUCC}|{code}" for code in ("163W00000X", "183500000X")),
    }
)
"""The roles that stand on the ledger in clear, as `system|code`."""

KNOWN_SYSTEMS: Final = frozenset({_FHIR, _SNOMED, _NUCC})
"""The code systems that stand in clear also where the code is a digest."""

_HALF = 16
_HIDDEN = re.compile(
    rf"(?:[0-9a-f]{{{2 * _HALF}}}|{'|'.join(map(re.escape, sorted(KNOWN_SYSTEMS)))})\|[0-9a-f]{{{2 * _HALF}}}"
)


def check_role(role: str) -> None:
    """Refuse a role that is neither known nor a salted digest.

    Raises:
        BadArgumentError: it might be any text.
    """
    if role not in KNOWN_ROLES and _HIDDEN.fullmatch(role) is None:
        raise BadArgumentError("a role is one of the known ones, or a salted digest")


def hidden_role(role: str, digest: Callable[[str, str], str]) -> str:
    """Return `role` (`system|code`) as the ledger has it: as it is where it is known, and otherwise a digest.

    `digest` returns 32 hexadecimal digits for a kind of text and a text. A code that is a known one but for
    its case may mean that one, so its system does not show: such roles are not known to be different.
    """
    if not role or role in KNOWN_ROLES:
        return role
    system = role.rpartition("|")[0]
    shows = system in KNOWN_SYSTEMS and role.lower() not in _FOLDED
    code = digest("role-folded", role.lower())[:_HALF] + digest("role", role)[:_HALF]
    return f"{system if shows else digest('role-system', system)}|{code}"


def is_another_role(role: str, other: str) -> bool:
    """Return whether two roles of one pair surely differ: in one code system, and not by case alone."""
    return role.rpartition("|")[0] == other.rpartition("|")[0] and _folded(role) != _folded(other)


def _folded(role: str) -> str:
    return role[:-_HALF] if _HIDDEN.fullmatch(role) else role.lower()


_FOLDED = frozenset(role.lower() for role in KNOWN_ROLES)
