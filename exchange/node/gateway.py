"""The frozen set of a gateway's services; `exchange.node.open` builds it."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.auth.principal import Member
from exchange.runtime.quota import MemoryQuota
from exchange.services.access.request_rates import RequestRates
from exchange.services.auth.tokens import Tokens
from exchange.services.capabilities import Capabilities
from exchange.services.health import NodeHealth
from exchange.services.interactions import Interactions
from exchange.services.records.conditions.searched import Conditions
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.history import HistoryReader
from exchange.services.records.read import RecordReader
from exchange.services.records.write_rights import WriteRights
from exchange.services.scoring import Scoring


@dataclass(frozen=True, slots=True)
class Gateway:
    """The services that the API and commands call. `base` is the FHIR base URL without a trailing slash.

    `quota` bounds the memory of its requests, `rates` their number; `scoring` is None on a node without a
    risk model.
    """

    base: str
    member: Member
    tokens: Tokens
    interactions: Interactions
    capabilities: Capabilities
    reading: RecordReader
    histories: HistoryReader
    writing: RecordWriter
    conditions: Conditions
    rights: WriteRights
    quota: MemoryQuota
    rates: RequestRates
    health: NodeHealth
    scoring: Scoring | None = None
