"""Facts about a node at rest, read from its databases by plain SQL: nothing here depends on a release.

Two nodes with the same facts hold the same documents, consents, clients, log and ledger. Ciphertext and keys
are told by their SHA-256. Tables and columns that came after format 4 are not looked at.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

Read = Callable[[str], list[tuple[Any, ...]]]

QUERIES = {
    "documents": "SELECT sequence, reference, version, deleted, current, written, subjects, digest, sealed, "
    "tokens FROM records.documents ORDER BY sequence",
    "search_tokens": "SELECT token, sequence FROM records.search_tokens ORDER BY token, sequence",
    "subjects": "SELECT subject, wrapped, created FROM records.subjects ORDER BY subject",
    "pairs": "SELECT subject, recipient, pair, opened FROM records.pairs ORDER BY subject, recipient",
    "drafts": "SELECT subject, reference, version, sealed FROM records.drafts ORDER BY subject, reference",
    "notes": "SELECT subject, recipient, reference FROM records.notes ORDER BY subject, recipient, reference",
    "grants": "SELECT recipient, subject FROM records.grants ORDER BY recipient, subject",
    "filings": "SELECT subject, reference FROM records.filings ORDER BY subject, reference",
    "clients": "SELECT client_id, name, organization, keys, scopes, created, disabled, purpose, mac "
    "FROM records.clients ORDER BY client_id",
    "access_tokens": "SELECT digest, client_id, principal, expires FROM records.access_tokens "
    "ORDER BY digest",
    "used_assertions": "SELECT client_id, jti, expires FROM records.used_assertions ORDER BY client_id, jti",
    "entries": 'SELECT sequence, tx, n, block, time, pair, custodian, recipient, "user", action, purpose, '
    "outcome, record FROM log.entries ORDER BY sequence",
    "details": "SELECT tx, n, subject, attempt, sealed FROM log.details ORDER BY tx, n",
    "checkpoints": "SELECT name, block, position FROM log.checkpoints ORDER BY name",
}
"""The rows that are compared, by their names in format 4."""
RENAMED = {
    "drafts": "SELECT subject, reference, version, sealed FROM records.compiled_consents",
    "notes": "SELECT subject, recipient, reference FROM records.requested_consents",
    "filings": "SELECT subject, reference FROM records.outbox WHERE topic = 'consents'",
    "subjects": "SELECT subject, created FROM keys.subject_keys ORDER BY subject",
}
"""The same in a node of this release, where it has another name."""
LEDGER = ("blocks", "transactions", "versions")
_LONG = 64


def reading_files(folder: Path) -> Read:
    """Return a reader of the databases of a node on SQLite."""

    def read(query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(":memory:")) as connection:
            for name in ("records", "log", "keys"):
                file = (folder / f"{name}.db").absolute()
                if file.exists():
                    connection.execute(f"ATTACH ? AS {name}", (str(file),))
            return connection.execute(query).fetchall()

    return read


def reading_schemas(url: str) -> Read:
    """Return a reader of the schemas of a node on PostgreSQL."""

    def read(query: str) -> list[tuple[Any, ...]]:
        for name in ("records", "log", "keys"):
            query = query.replace(f"{name}.", f"consentry_{name}.")
        with psycopg.connect(url) as connection:
            return connection.execute(query).fetchall()

    return read


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        value = bytes(value)
        return value.hex() if len(value) <= _LONG else f"sha256:{hashlib.sha256(value).hexdigest()}"
    return int(value) if isinstance(value, bool) else value


def of_tables(read: Read, queries: Mapping[str, str] = QUERIES) -> dict[str, list[list[Any]]]:
    """Return the rows of each of `queries`, in one order whatever the database sorts by."""
    return {
        name: sorted(([_plain(value) for value in row] for row in read(query)), key=json.dumps)
        for name, query in queries.items()
        if name != "search_tokens"
    } | {"search_tokens": [[_digest_of(read(QUERIES["search_tokens"]))]]}


def _digest_of(rows: list[tuple[Any, ...]]) -> str:
    said = json.dumps(sorted([_plain(value) for value in row] for row in rows))
    return f"{len(rows)} rows, sha256:{hashlib.sha256(said.encode()).hexdigest()}"


def of_ledger(path: Path) -> dict[str, Any]:
    """Return the digest of each block's header, and of all that the ledger's tables hold."""
    with closing(sqlite3.connect(path)) as connection:
        found: dict[str, Any] = {
            name: _digest_of(connection.execute(f"SELECT * FROM {name}").fetchall()) for name in LEDGER
        }
        headers = connection.execute("SELECT header, signature FROM blocks ORDER BY number").fetchall()
    found["headers"] = [hashlib.sha256(header + signature).hexdigest() for header, signature in headers]
    return found


def terms(path: Path) -> dict[str, Any]:
    """Return each pair on the ledger as it stands, as the JSON that the contract keeps."""
    latest = "SELECT key, value, max(place) FROM versions WHERE hex(key) LIKE ? GROUP BY key ORDER BY key"
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(latest, (f"%{b'pair'.hex().upper()}%",)).fetchall()
    return {key.hex(): json.loads(value) for key, value, _ in rows if key.strip(b"\0").startswith(b"pair\0")}


def positions(journal: Path) -> dict[str, Any]:
    """Return where a load of format 4 stopped in each file, by fingerprint, as its journal has it."""
    found: dict[str, Any] = {}
    for line in journal.read_text().splitlines()[1:]:
        done = json.loads(line)["done"]
        found[done["file"]] = done["end"]
    return found


def of_node(folder: Path, read: Read) -> dict[str, Any]:
    """Return all of the facts about the node in `folder`, which is of format 4 and not open."""
    return {
        "tables": of_tables(read),
        "ledger": of_ledger(folder / "ledger.db"),
        "terms": terms(folder / "ledger.db"),
        "journal": positions(folder / "load.journal"),
    }
