"""All tables of the records database, gathered: importing this module declares every one of them."""

from __future__ import annotations

from exchange.store import clients, documents, subjects
from exchange.store.schema import metadata

__all__ = ["clients", "documents", "metadata", "subjects"]
