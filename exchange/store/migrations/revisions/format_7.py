"""Changes become entries of the ledger: the tables that this needs."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations

from exchange.store.migrations.revision import Revision


def _records(operations: Operations, _folder: Path | None) -> None:
    _close_pairs(operations)


def _close_pairs(operations: Operations) -> None:
    # On the ledger a pair's key names its custodian now, so each opens anew at its next request.
    operations.execute(
        "INSERT INTO grants (recipient, subject) SELECT recipient, subject FROM pairs WHERE NOT EXISTS "
        "(SELECT 1 FROM grants WHERE grants.recipient = pairs.recipient AND grants.subject = pairs.subject)"
    )
    operations.execute("DELETE FROM pairs")
    operations.execute("DELETE FROM requested_consents")


def _log(_operations: Operations) -> None:
    pass


REVISION = Revision(7, "every change becomes an entry of the ledger", _records, _log)
