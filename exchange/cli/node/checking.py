"""What the commands that check a node share: its ledger verified, its databases, and progress."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Self

from rich.console import Console
from rich.progress import Progress, TaskID
from sqlalchemy import MetaData

from exchange.cli.errors import CommandError
from exchange.errors import DamagedError
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.reader import open_reader
from exchange.ledger.embedded.verify import Noted, Report
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.errors import GatewayError
from exchange.ledger.port import Reader
from exchange.node.settings import Folder, Settings
from exchange.store.engine.database import Database
from exchange.store.engine.place import Place
from exchange.verify.fabric_channel import open_channel
from exchange.verify.node import Checked, check_ledger
from exchange.verify.node import Progress as Told

_NOTED = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")


def noted_block(text: str) -> Noted:
    """The block that NUMBER:HASH names.

    Raises:
        CommandError: it names none.
    """
    found = _NOTED.fullmatch(text)
    if found is None:
        raise CommandError(f"--noted {text!r} is no NUMBER:HASH; `consentry verify` prints one that is")
    return Noted(int(found[1]), found[2])


def checked_ledger(
    stack: ExitStack,
    place: Folder,
    settings: Settings,
    progress: Told,
    *,
    replay: bool = False,
    noted: tuple[Noted, ...] = (),
) -> tuple[Checked, Report, Reader | None]:
    """The node's ledger, verified from its first block on; and a reader of it, if nothing was found.

    Raises:
        CommandError: the connection profile, or a file that it names, can't be used.
        UnavailableError: the peer serves no blocks.
    """
    profile = place.profile(settings)
    if profile is None:
        public = load_node_key(place.node_key).public_key()
        checked, report = check_ledger(place.ledger, public, progress, replay=replay, noted=noted)
        if checked.finding is not None:  # what does not verify is no witness against the rest
            return checked, report, None
        return checked, report, stack.enter_context(open_reader(place.ledger))
    if settings.first_block is not None:
        noted = (Noted(0, settings.first_block), *noted)
    try:
        channel = stack.enter_context(open_channel(Profile.read(profile), progress, noted=noted))
    except GatewayError as why:
        raise CommandError(f"{why}; see to {profile} and the files that it names") from None
    checked, report = channel.check()
    return checked, report, channel.reader if checked.finding is None else None


def database(stack: ExitStack, place: Place, tables: MetaData, *, durable: bool) -> Database:
    """A database of the node, closed with `stack`.

    Raises:
        DamagedError: it can't be opened.
    """
    try:
        database = Database(place, tables, durable=durable)
    except UnicodeDecodeError:  # SQLite quotes a damaged schema in its message
        raise DamagedError(f"{place} can't be opened as a database (its schema is damaged)") from None
    stack.callback(database.close)
    return database


class Shown:
    """Progress of the parts on a terminal; nothing where there is none."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def progress(self, part: str, done: int, of: int) -> None:
        """Show how far `part` is."""
        if part not in self._tasks:
            self._tasks[part] = self._bars.add_task(part, total=of)
        self._bars.update(self._tasks[part], completed=done, total=of)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
