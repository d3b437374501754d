"""The peer of the access bench: the same route in FastAPI, the same bytes in SQLite, and no protection."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Response


def create(path: Path, records: dict[str, bytes]) -> None:
    """Write `records` (by `Type/id`) as they are to a new database at `path`."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE records (reference TEXT PRIMARY KEY, body BLOB NOT NULL)")
        connection.executemany("INSERT INTO records VALUES (?, ?)", records.items())
    connection.close()


def app(path: Path) -> FastAPI:
    """Make the unprotected route over the database at `path`."""
    connection = sqlite3.connect(path, check_same_thread=False)
    plain = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @plain.get("/fhir/{resource_type}/{logical_id}")
    async def read(resource_type: str, logical_id: str) -> Response:
        row = connection.execute(
            "SELECT body FROM records WHERE reference = ?", (f"{resource_type}/{logical_id}",)
        ).fetchone()
        if row is None:
            raise HTTPException(404)
        return Response(row[0], media_type="application/fhir+json")

    return plain


if __name__ == "__main__":
    uvicorn.run(app(Path(sys.argv[1])), port=int(sys.argv[2]), log_config=None, access_log=False)
