"""Makes a node again and again, killed before one of the calls that this makes into the system; then goes on.

`python -m tests.support.killed_inits FOLDER STRIDE [DATABASE_URL]`: FOLDER is empty, and with DATABASE_URL
records and log are there. It is killed before one of STRIDE calls, most of which write to the databases, and
in files before each of the first calls, up to the keys. Prints how many of the nodes were no folder of a node
yet, how many were not complete, and how many were, or what is wrong. It forks, so it is a process of its own,
with one thread.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import msgspec
import psycopg
import pytest

from exchange.auth.principal import Member
from exchange.node.folder import SCHEMAS, NodeFolder
from exchange.node.initialise import initialise
from exchange.node.settings import ConfigError, NodeSettings
from tests.support.killing import run_until
from tests.support.scenarios.ledger_reader import findings

MEMBERS = (Member("CityMSP", "City", "city"), Member("LakeMSP", "Lake", "lake"))
EACH = 24
"""The first calls."""


def state_of(folder: NodeFolder) -> str:
    """Return the state that a command finds the folder in, which names the remedy."""
    try:
        folder.load()
    except ConfigError as why:
        if "make one with `consentry init`" in str(why):
            return "nothing"
        if "call it again with the same options" in str(why):
            return "begun"
        raise
    return "complete"


def go_on(folder: NodeFolder, settings: NodeSettings) -> None:
    """Make the node complete, with the keys that it has, and check all of it."""
    root = folder.root_key.read_bytes() if folder.root_key.exists() else None
    if folder.settings_file.exists():
        with pytest.raises(ConfigError, match="begun here with another port"):
            asyncio.run(initialise(folder, msgspec.structs.replace(settings, port=8500)))
    asyncio.run(initialise(folder, settings))
    assert root in {None, folder.root_key.read_bytes()}, "the root key is another"
    check_complete(folder, settings)


def check_complete(folder: NodeFolder, settings: NodeSettings) -> None:
    assert folder.load() == settings
    assert folder.unversioned.read_bytes() == b"*\n"
    assert findings(folder) == []
    left = [path.name for path in folder.path.iterdir() if path.name.endswith((".unfinished", ".new"))]
    assert not left, f"{left} were left"
    with pytest.raises(ConfigError, match="is a node already"):
        asyncio.run(initialise(folder, settings))


def judged(work: Callable[[], None]) -> bool:
    """Return whether `work` succeeds, in a child: it begins threads. Says on standard error why it failed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  # the child ends here
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def remove(folder: NodeFolder, database: str | None) -> None:
    if folder.path.exists():
        rmtree(folder.path)
    if database is not None:
        with psycopg.connect(database, autocommit=True) as server:
            for name in SCHEMAS:
                server.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


def main(root: Path, stride: int, database: str | None) -> None:
    """Kill `initialise` at calls, and go on with what is left."""
    settings = NodeSettings("CityMSP", "http://127.0.0.1:8400", MEMBERS, database=database)
    folder = NodeFolder(root / "node")
    left: Counter[str] = Counter()
    call, ended = 0, False
    while not ended:
        call += 1 if call < EACH and database is None else stride
        ended = run_until(lambda: asyncio.run(initialise(folder, settings)), call)
        state = state_of(folder)
        left[state] += 1
        judge = check_complete if state == "complete" else go_on
        if not judged(lambda judge=judge: judge(folder, settings)):
            sys.exit(f"killed before call {call}, when it was {state}")
        remove(folder, database)
    sys.stdout.write(f"{left['nothing']} {left['begun']} {left['complete']}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
