"""The frozen set of services that a gateway is made of; `exchange.wiring` builds it."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.core.actors import Member
from exchange.core.budget import Budget
from exchange.crypto.cursors import Cursors
from exchange.services.audit import Audit
from exchange.services.bundles import Bundles
from exchange.services.reading import Reading
from exchange.services.scoring import Scoring
from exchange.services.searching import Searching
from exchange.services.tokens import Tokens
from exchange.services.writing import Writing


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the API calls. `base` is the public FHIR base URL without a trailing slash.

    `budget` is what its requests share; `scoring` is None on a node without a risk model.
    """

    base: str
    member: Member
    tokens: Tokens
    reading: Reading
    writing: Writing
    searching: Searching
    bundles: Bundles
    audit: Audit
    cursors: Cursors
    budget: Budget
    scoring: Scoring | None = None
