"""A new key store beside the records of a test."""

from __future__ import annotations

from exchange.store.engine.database import Database, OpenedBeside
from exchange.store.engine.place import Place
from exchange.store.keys.wrapped_keys import metadata
from exchange.store.migrations.create import create_keys


def made(place: Place) -> OpenedBeside:
    """Make an empty key store at `place`."""
    Database(place, metadata, durable=False, begin=create_keys).close()
    return OpenedBeside(place, metadata)
