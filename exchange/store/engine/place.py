"""Where a database of a node is: a file, or a schema on a PostgreSQL server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema of the PostgreSQL database at `url`, which is libpq's URI and holds no password."""

    url: str
    name: str

    def __str__(self) -> str:
        return f"schema {self.name} of the PostgreSQL database"


Place = Path | Schema
"""A SQLite file, or a schema on PostgreSQL."""
