"""All tables of the records database, gathered: importing this module declares every one of them."""

from __future__ import annotations

from exchange.store.records import (
    clients,
    documents,
    jobs,
    load_positions,
    outbox,
    recorded_settings,
    subjects,
    written,
)
from exchange.store.records.persons import sign_in
from exchange.store.records.schema import metadata

__all__ = [
    "clients",
    "documents",
    "jobs",
    "load_positions",
    "metadata",
    "outbox",
    "recorded_settings",
    "sign_in",
    "subjects",
    "written",
]
