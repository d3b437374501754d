"""The check value of the root key, in the database of records."""

from __future__ import annotations

from exchange.store.engine.check_value import root_key_table
from exchange.store.records.schema import metadata

records_root_key = root_key_table("records_root_key", metadata)
