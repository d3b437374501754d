"""The names under which a requester stands on the ledger: digests, salted for one pair.

The same person has the same names in each entry about one patient, and unrelated ones in those of others.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from exchange.auth.principal import Principal
from exchange.consent.compile import known_as_digests, person_digest, person_named, role_in


def salted(salt: bytes, kind: str, text: str) -> str:
    """Return the salted digest of `text` as a value of `kind`: 64 hexadecimal digits."""
    return hmac.digest(salt, f"consentry/{kind}/1\0{text}".encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class RequesterNames:
    """The names on the ledger of one principal's requests about one subject; the same for each of them."""

    pair: str
    salt: bytes
    user: str
    person: str
    person_open: bool
    known_as: tuple[str, ...]
    role: str
    evidence: str


def requester_names(principal: Principal, pair: str, salt: bytes, base: str, *, own: bool) -> RequesterNames:
    """Return the names of `principal` under `pair`, which has the `salt`; `own` is as in `person_named`."""
    person, is_open = person_named(principal.user, base, own=own)
    return RequesterNames(
        pair,
        salt,
        user=salted(salt, "user", f"{principal.organization}\0{principal.user}")[:32],
        person=person_digest(salt, person),
        person_open=is_open,
        known_as=known_as_digests(salt, principal.identifiers),
        role=role_in(salt, principal.role),
        evidence=salted(salt, "evidence", principal.evidence),
    )
