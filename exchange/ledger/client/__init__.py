"""Typed calls on the ledger for the gateway's services, one module for each contract.

`access` decides and logs, and issues permits; `consent` opens pairs and publishes terms; `policy` changes
the consortium's policy. `contract_calls` submits for all of them, and `LedgerClient` joins them.
"""

from exchange.ledger.client.access import (
    Authorization,
    LoggedDecision,
    RecordedEvents,
    SubjectRequest,
)
from exchange.ledger.client.ledger_client import LedgerClient

__all__ = ["Authorization", "LedgerClient", "LoggedDecision", "RecordedEvents", "SubjectRequest"]
