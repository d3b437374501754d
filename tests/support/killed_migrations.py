"""Migrates a frozen node again and again, killed before one of the calls that this makes into the system.

`python -m tests.support.killed_migrations FOLDER FIRST STRIDE [ADMIN_URL]`: FOLDER holds `node` of the oldest
format, and gets a copy for the call FIRST and each STRIDE calls after it; with ADMIN_URL its database, which
must be unused, is the template of a new one.
Prints how many of the copies were of the old format still, and how many of this one, or what is wrong. It
forks, so it is a process of its own, with one thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from exchange.errors import UnavailableError
from exchange.node.folder import NodeFolder
from exchange.node.migration import migrate
from exchange.store.engine.database import read_format
from exchange.store.engine.format import FORMAT, OLDEST
from exchange.store.engine.place import Place
from tests.frozen import facts
from tests.support.frozen_nodes import schema_of_file, schema_of_server
from tests.support.killing import run_until


@contextmanager
def copy_of(node: Path, admin: str | None) -> Iterator[NodeFolder]:
    """Make another node like `node`, with files or a database of its own."""
    folder = NodeFolder(node.with_name("copy"))
    copytree(node, folder.path)
    database = folder.load().database
    if database is None or admin is None:
        yield folder
    else:
        frozen = str(conninfo_to_dict(database)["dbname"])
        with psycopg.connect(admin, autocommit=True) as server:
            server.execute(f'CREATE DATABASE killed TEMPLATE "{frozen}"')
            text = folder.settings_file.read_text(encoding="utf-8")
            folder.settings_file.write_text(text.replace(frozen, "killed"), encoding="utf-8")
            yield folder
            server.execute("DROP DATABASE killed WITH (FORCE)")
    rmtree(folder.path)


def schema_of(place: Place) -> dict[str, Any]:
    return schema_of_file(place) if isinstance(place, Path) else schema_of_server(place.url, place.name)


class Judge:
    """The content of the node in the old format and in this one, to compare others with."""

    def __init__(self, node: Path, admin: str | None) -> None:
        with copy_of(node, admin) as folder:
            before = self._facts(folder, OLDEST)
            self.settings = folder.settings_file.read_bytes()
            self.journal = folder.journal.read_bytes()
            self.old = self._schemas(folder, OLDEST)
            bring(folder)
            self.new = self._schemas(folder, FORMAT)
            self.migrated = folder.settings_file.read_bytes()
            after = self._facts(folder, FORMAT)
            assert _lasting(after) == _lasting(before)
            self.facts = {OLDEST: before, FORMAT: after}

    def number(self, folder: NodeFolder) -> int:
        """Return the format of a node that was left somewhere; every part of it has to fit."""
        records, log = (read_format(place) for place in folder.places(folder.load()))
        assert records == log, f"the records are of format {records}, the log is of {log}"
        assert records in {OLDEST, FORMAT}
        assert records == OLDEST or read_format(folder.keys_place(folder.load())) == FORMAT
        assert self._facts(folder, records) == self.facts[records], (
            "what is in the tables or the ledger is other than it was"
        )
        assert self._schemas(folder, records) == (self.old if records == OLDEST else self.new), (
            "tables are half migrated"
        )
        settings = folder.settings_file.read_bytes()
        if records == OLDEST:
            assert settings == self.settings, "the settings say that the node was migrated"
            assert folder.journal.read_bytes() == self.journal, "the journal has gone before it was taken in"
        else:
            assert settings in {self.settings, self.migrated}
        return records

    def _facts(self, folder: NodeFolder, number: int) -> dict[str, Any]:
        database = folder.load().database
        read = facts.reading_files(folder.path) if database is None else facts.reading_schemas(database)
        queries = facts.QUERIES if number == OLDEST else facts.QUERIES | facts.RENAMED
        return {"tables": facts.of_tables(read, queries), "ledger": facts.of_ledger(folder.ledger)}

    def _schemas(self, folder: NodeFolder, number: int) -> list[dict[str, Any]]:
        settings = folder.load()
        places = (
            folder.places(settings)
            if number == OLDEST
            else (*folder.places(settings), folder.keys_place(settings))
        )
        return [schema_of(place) for place in places]


def _lasting(found: dict[str, Any]) -> dict[str, Any]:
    # Pairs open anew after a migration, under the keys of the present contracts; keys are wrapped anew.
    opened = {"pairs", "notes", "grants"}
    tables = {name: rows for name, rows in found["tables"].items() if name not in opened}
    subjects = [[token, created] for token, *_, created in tables["subjects"]]
    return found | {"tables": tables | {"subjects": subjects}}


def bring(folder: NodeFolder) -> None:
    """Migrate `folder`, once the server has missed the client that was killed."""
    end = time.monotonic() + 20
    while True:
        try:
            migrate(folder, lambda _revision: None, by="ops")
            return
        except UnavailableError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def main(root: Path, first: int, stride: int, admin: str | None) -> None:
    """Kill a migration at the call `first` and each `stride` calls after it, and judge what is left."""
    node = root / "node"
    judge = Judge(node, admin)
    left: dict[int, int] = {OLDEST: 0, FORMAT: 0}
    call, ended = first, False
    while not ended:
        with copy_of(node, admin) as folder:
            ended = run_until(lambda folder=folder: migrate(folder, lambda _revision: None, by="ops"), call)
            try:
                left[judge.number(folder)] += 1
                bring(folder)
                assert judge.number(folder) == FORMAT
                assert folder.settings_file.read_bytes() == judge.migrated
                assert not folder.journal.exists()
            except AssertionError as why:
                sys.exit(f"killed before call {call}: {why}")
        call += stride
    sys.stdout.write(f"{left[OLDEST]} {left[FORMAT]}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
