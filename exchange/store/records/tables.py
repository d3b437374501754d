"""All tables of the records database, gathered: importing this module declares every one of them."""

from __future__ import annotations

from exchange.store.records import clients, documents, load_positions, subjects
from exchange.store.records.schema import metadata

__all__ = ["clients", "documents", "load_positions", "metadata", "subjects"]
