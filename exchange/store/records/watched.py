"""The tables of records that a serving process watches, so that it releases nothing by rows taken back.

The others need no watch. The ledger is asked what a pair holds, whatever its rows say; a row of
`search_tokens` only finds a document, which is then compared itself.
"""

from __future__ import annotations

from typing import Final

from exchange.store.engine.freshness import WatchedTable
from exchange.store.keys.wrapped_keys import SUBJECT_KEYS

CONSENTS: Final = "consents"
"""The topic under which consents wait in the outbox for their publication on the ledger."""

DOCUMENTS: Final = WatchedTable(
    "documents", "reference, version, sequence", "the stored versions of a record", by_newest=True
)
WRITTEN: Final = WatchedTable("written", "subject, versions, total, root", "the sums of a patient's records")
COMPILED: Final = WatchedTable(
    "compiled_consents", "subject, reference, version, sealed", "the compiled consents of a patient"
)
WAITING: Final = WatchedTable(
    "outbox", "subject, reference", "the consents of a patient that wait", where=f"topic = '{CONSENTS}'"
)

WATCHED: Final = (DOCUMENTS, WRITTEN, SUBJECT_KEYS, COMPILED, WAITING)
