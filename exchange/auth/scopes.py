"""The rights of a token: SMART scopes of version 1 and 2; unknown scopes grant nothing.

Rules:
- a scope is `level/Type.permissions`; the level is `system`, `patient` or `user`, the type a resource
  type or `*`, the permissions some of `cruds` in that order (version 2) or `read`, `write`, `*` (version 1);
- scopes limited to a part of a type (`?category=`) are not supported and grant nothing, rather than more
  than was meant;
- a grant is the overlap of what a client asks for and what it was registered for;
- no scope, no permission.

Source: SMART App Launch 2.2, section "Scopes and Launch Context".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LEVELS: Final = ("system", "patient", "user")

PERMISSION: Final[Mapping[str, str]] = {
    "create": "c",
    "read": "r",
    "vread": "r",
    "history-instance": "r",
    "update": "u",
    "patch": "u",
    "delete": "d",
    "search-type": "s",
    "search-system": "s",
    "history-type": "s",
    "history-system": "s",
}
"""The permission that each FHIR interaction needs (codes of type- and system-restful-interaction).

Batch and transaction are not here: each of their entries needs its own.
"""

_ORDER = "cruds"
_VERSION_1 = {"read": "rs", "write": "cud", "*": _ORDER}
_GRAMMAR = re.compile(r"(system|patient|user)/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|(?=.)c?r?u?d?s?)")


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope: `permissions` (some of `cruds`) at `level` for `resource_type` (`*` is all)."""

    level: str
    resource_type: str
    permissions: str

    def covers(self, other: Scope) -> bool:
        """Check whether this scope grants everything that `other` does."""
        return self.overlap(other) == other

    def overlap(self, other: Scope) -> Scope | None:
        """Return the scope that both grant, or None."""
        if self.level != other.level:
            return None
        if self.resource_type in ("*", other.resource_type):
            resource_type = other.resource_type
        elif other.resource_type == "*":
            resource_type = self.resource_type
        else:
            return None
        permissions = "".join(p for p in _ORDER if p in self.permissions and p in other.permissions)
        return Scope(self.level, resource_type, permissions) if permissions else None

    def __str__(self) -> str:
        """The scope in version 2 form."""
        return f"{self.level}/{self.resource_type}.{self.permissions}"


def parse(text: str) -> Scope | None:
    """Return the scope that `text` writes in version 1 or 2 form; None for anything else."""
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        return None
    level, resource_type, permissions = match.groups()
    return Scope(level, resource_type, _VERSION_1.get(permissions, permissions))


def grant(requested: Iterable[str], allowed: Iterable[str], *, level: str) -> tuple[str, ...]:
    """Return the scopes to grant at `level`: those asked for, as far as `allowed` allows.

    A scope that is allowed completely keeps its wording, so that a client finds it in the answer; one
    that is allowed in part is replaced by those parts. Unknown scopes and other levels are left out.
    """
    known = [scope for text in allowed if (scope := parse(text)) is not None]
    granted: dict[str, None] = {}
    for text in requested:
        asked = parse(text)
        if asked is None or asked.level != level:
            continue
        if any(scope.covers(asked) for scope in known):
            granted[text] = None
        else:
            granted.update((str(part), None) for scope in known if (part := scope.overlap(asked)) is not None)
    return tuple(granted)


def allows(scopes: tuple[str, ...], level: str, interaction: str, resource_type: str) -> bool:
    """Check whether `scopes` permit `interaction` on `resource_type` at `level`.

    `interaction` is a code of `PERMISSION`; `resource_type` is `*` for an interaction with the
    system, which needs a scope on all types. No scope permits unknown values.
    """
    needed = PERMISSION.get(interaction)
    if needed is None:
        return False
    granted = _granted(scopes)
    return (level, needed, resource_type) in granted or (level, needed, "*") in granted


@lru_cache(maxsize=4096)
def _granted(scopes: tuple[str, ...]) -> frozenset[tuple[str, str, str]]:
    # Tokens of one client share one tuple of scopes, so a request costs one cache access and no parsing.
    found = (scope for text in scopes if (scope := parse(text)) is not None)
    return frozenset((scope.level, p, scope.resource_type) for scope in found for p in scope.permissions)
