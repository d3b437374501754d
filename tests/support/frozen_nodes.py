"""Nodes as earlier releases left them, unpacked for a test, and the schemas of their databases."""

from __future__ import annotations

import sqlite3
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from tests.support.postgres_server import Server

FROZEN = Path(__file__).parents[1] / "frozen"
OLDEST, NEWEST = 4, 4
"""The formats of which there are frozen nodes."""


def expected(name: str, number: int = OLDEST) -> dict[str, Any]:
    """Return the facts about a frozen node, as they were when it was frozen."""
    facts: dict[str, Any] = msgspec.json.decode((FROZEN / f"format_{number}_{name}.json").read_bytes())
    return facts


def thawed(to: Path, server: Server | None = None, number: int = OLDEST) -> Path:
    """Return the folder of the frozen node, in `to`; with a `server` that of the one on PostgreSQL."""
    name = "sqlite" if server is None else "postgresql"
    with tarfile.open(FROZEN / f"format_{number}_{name}.tar.xz") as packed:
        packed.extractall(to, filter="data")
    if server is not None:
        url = server.new_database()
        psql = [server.bin / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", to / "schemas.sql", "-d", url]
        subprocess.run(psql, check=True, stdout=subprocess.DEVNULL)
        settings = to / "node" / "consentry.toml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace("postgresql://localhost/consentry", url), encoding="utf-8")
    return to / "node"


def schema_of_file(path: Path) -> dict[str, Any]:
    """Return each table of a SQLite file with its columns and indexes, in no certain order of its
    statements.
    """
    with closing(sqlite3.connect(path)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {name: _table(connection, name) for name in names if not name.startswith("sqlite_")}


def _table(connection: sqlite3.Connection, name: str) -> dict[str, Any]:
    indexes = {}
    for _, index, unique, origin, partial in connection.execute(f"PRAGMA index_list({name})"):
        where = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (index,)).fetchone()
        said = where[0].partition(" WHERE ")[2] if partial else ""
        columns = [row[1:6] for row in connection.execute(f"PRAGMA index_xinfo({index})")]
        indexes[index if origin == "c" else origin] = (unique, said, columns)
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return {
        "columns": connection.execute(f"PRAGMA table_xinfo({name})").fetchall(),
        "indexes": indexes,
        "without rowid": "WITHOUT ROWID" in sql,
        "autoincrement": "AUTOINCREMENT" in sql,
    }


def schema_of_server(url: str, schema: str) -> dict[str, Any]:
    """Return each column, constraint and index of a PostgreSQL schema."""
    queries = {
        "columns": "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, "
        "column_default, collation_name FROM information_schema.columns WHERE table_schema = %s",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE connamespace = %s::regnamespace",
        "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s",
        "sequences": "SELECT sequencename, data_type::text FROM pg_sequences WHERE schemaname = %s",
    }
    with psycopg.connect(url) as connection:
        found = {name: connection.execute(query, (schema,)).fetchall() for name, query in queries.items()}
    return {name: sorted(str(row).replace(f"{schema}.", "") for row in rows) for name, rows in found.items()}
