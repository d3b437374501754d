"""The PostgreSQL database that a bench was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from exchange.node.folder import SCHEMAS
from exchange.node.settings import ConfigError
from exchange.store.engine import postgres
from exchange.store.engine.place import Schema


@contextmanager
def empty(database: str | None) -> Iterator[None]:
    """Check that a PostgreSQL database holds no node, and leave none in it.

    Raises:
        ConfigError: it holds one, which stays.
        UnavailableError: it can't be reached.
    """
    places = [] if database is None else [Schema(database, name) for name in SCHEMAS]
    for place in places:
        if postgres.schema_exists(place):
            raise ConfigError(f"there is a {place} already; give the bench an empty database")
    try:
        yield
    finally:
        for place in places:
            postgres.remove(place)


def records_bytes(database: str) -> int:
    """Return the bytes on disk of the records of the node on `database`, with their indexes."""
    engine = postgres.open_engine(Schema(database, SCHEMAS[0]), durable=False)
    try:
        with engine.connect() as connection:
            return int(connection.execute(_SIZE, {"schema": SCHEMAS[0]}).scalar_one())
    finally:
        engine.dispose()


_SIZE = text(
    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = to_regnamespace(:schema)"
)
