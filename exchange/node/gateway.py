"""The frozen set of services that a gateway is made of; `exchange.node.open` builds it."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.auth.principal import Member
from exchange.crypto.cursors import Cursors
from exchange.runtime.quota import MemoryQuota
from exchange.services.audit.access_log import Audit
from exchange.services.auth.tokens import Tokens
from exchange.services.records.create_update import Writing
from exchange.services.records.read import Reading
from exchange.services.records.search import Searching
from exchange.services.records.transaction import Bundles
from exchange.services.scoring import Scoring


@dataclass(frozen=True, slots=True)
class Gateway:
    """The services that the API calls. `base` is the public FHIR base URL without a trailing slash.

    `quota` bounds the memory of its requests; `scoring` is None on a node without a risk model.
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
    quota: MemoryQuota
    scoring: Scoring | None = None
