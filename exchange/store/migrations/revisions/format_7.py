"""Changes become entries of the ledger: the tables that this needs."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations

from exchange.store.migrations.revision import Revision


def _records(_operations: Operations, _folder: Path | None) -> None:
    pass


def _log(_operations: Operations) -> None:
    pass


REVISION = Revision(7, "every change becomes an entry of the ledger", _records, _log)
