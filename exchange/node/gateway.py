"""The frozen set of a gateway's services; `exchange.node.open` builds it."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from exchange.auth.principal import Member
from exchange.runtime.quota import MemoryQuota
from exchange.services.access.request_rates import RequestRates
from exchange.services.auth.tokens import Tokens
from exchange.services.capabilities import Capabilities
from exchange.services.health import NodeHealth
from exchange.services.interactions import Interactions
from exchange.services.membership import Members
from exchange.services.records.conditions.searched import Conditions
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.history import HistoryReader
from exchange.services.records.read import RecordReader
from exchange.services.records.write_rights import WriteRights
from exchange.services.scoring import Scoring
from exchange.services.sign_in.door import PatientDoor


@dataclass(frozen=True, slots=True)
class Gateway:
    """The services that the API and commands call. `base` is the FHIR base URL without a trailing slash.

    `base_url` is the public address of the gateway, `members` are all hospitals that it
    knows, and `zone` is that of its days, None where it is not known.
    `quota` bounds the memory of its requests, `rates` their number; `scoring` is None on a node without a
    risk model.
    """

    base: str
    base_url: str
    member: Member
    members: Members
    tokens: Tokens
    door: PatientDoor
    zone: ZoneInfo | None
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
