"""Makes the tables of a new database, through every revision that there is."""

from __future__ import annotations

from sqlalchemy import Connection

from exchange.store.migrations.revision import NodeDatabase
from exchange.store.migrations.revisions import REVISIONS


def create_records(connection: Connection) -> None:
    """Make the tables of the records in an empty database."""
    _create(connection, NodeDatabase.RECORDS)


def create_log(connection: Connection) -> None:
    """Make the tables of the access log in an empty database."""
    _create(connection, NodeDatabase.LOG)


def create_keys(connection: Connection) -> None:
    """Make the tables of the key store in an empty database."""
    _create(connection, NodeDatabase.KEYS)


def _create(connection: Connection, database: NodeDatabase) -> None:
    for revision in REVISIONS:
        revision.apply(connection, database)
