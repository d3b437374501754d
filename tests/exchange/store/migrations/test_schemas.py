"""The tables that the revisions make are those that are declared, and those of the release before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from exchange.store.engine.database import Database
from exchange.store.engine.format import FORMAT, OLDEST
from exchange.store.engine.place import Place, Schema
from exchange.store.keys.wrapped_keys import metadata as keys_metadata
from exchange.store.log import log_tables
from exchange.store.migrations.create import create_keys, create_log, create_records
from exchange.store.migrations.revision import NodeDatabase
from exchange.store.migrations.revisions import REVISIONS
from exchange.store.records.tables import metadata as records_metadata
from tests.support.frozen_nodes import schema_of_file, schema_of_server, thawed

METADATA = {
    NodeDatabase.RECORDS: records_metadata,
    NodeDatabase.LOG: log_tables.metadata,
    NodeDatabase.KEYS: keys_metadata,
}
CREATE = {
    NodeDatabase.RECORDS: create_records,
    NodeDatabase.LOG: create_log,
    NodeDatabase.KEYS: create_keys,
}
ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
ALL = pytest.mark.parametrize("database", list(NodeDatabase))
OLD = pytest.mark.parametrize("database", [NodeDatabase.RECORDS, NodeDatabase.LOG])


@pytest.fixture
def made(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[str, MetaData, Callable[[Connection], None]], tuple[Place, Database]]:
    """Makes an empty database of a name with the function that is given."""

    def make(name: str, metadata: MetaData, begin: Callable[[Connection], None]) -> tuple[Place, Database]:
        place: Place = tmp_path / f"{name}.db"
        if engine == "postgresql":
            place = Schema(request.getfixturevalue("postgres").new_database(), name)
        database = Database(place, metadata, durable=False, begin=begin)
        database.close()
        return place, database

    return make


def schema_of(place: Place) -> dict[str, Any]:
    return schema_of_file(place) if isinstance(place, Path) else schema_of_server(place.url, place.name)


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
@ENGINES
@ALL
def test_the_revisions_make_the_tables_that_are_declared(
    made: Callable[..., tuple[Place, Database]], database: NodeDatabase
) -> None:
    place, opened = made("migrated", METADATA[database], CREATE[database])
    with opened.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA[database]) == []
    declared, _ = made("declared", METADATA[database], METADATA[database].create_all)
    assert schema_of(place) == schema_of(declared)


@ENGINES
@OLD
def test_the_first_revision_makes_the_tables_of_the_release_before(
    made: Callable[..., tuple[Place, Database]],
    database: NodeDatabase,
    engine: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    first = REVISIONS[0]
    place, _ = made("first", MetaData(), lambda connection: first.apply(connection, database))
    if engine == "sqlite":
        frozen = schema_of_file(thawed(tmp_path / "frozen") / f"{database}.db")
    else:
        node = thawed(tmp_path / "frozen", request.getfixturevalue("postgres"))
        url = (node / "consentry.toml").read_text().partition('database = "')[2].partition('"')[0]
        frozen = schema_of_server(url, f"consentry_{database}")
    assert schema_of(place) == frozen


def test_the_revisions_lead_from_the_oldest_format_to_this_one_without_a_gap() -> None:
    assert [revision.format for revision in REVISIONS] == list(range(OLDEST, FORMAT + 1))


def test_no_table_stands_in_two_databases() -> None:
    """A statement that names a table means one, also where several databases are on one connection."""
    names = [name for metadata in METADATA.values() for name in metadata.tables]
    assert len(names) == len(set(names))
