"""The place of a node's database: a file, or a schema on a PostgreSQL server."""

from __future__ import annotations

import os
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


def flush_folder(folder: Path) -> None:
    """Flush the names of the files in `folder` to the disk: a new or renamed file is durable after that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
