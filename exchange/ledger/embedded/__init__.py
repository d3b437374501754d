"""A ledger in one file: the consortium's real contracts over signed blocks in SQLite."""

from exchange.ledger.embedded.node import EmbeddedLedger

__all__ = ["EmbeddedLedger"]
