"""One step from a format to the next, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection


class NodeDatabase(StrEnum):
    """The databases of a node, all of the node's format."""

    RECORDS = "records"
    LOG = "log"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Revision:
    """The change from the format before to `format`; `title` is shown to the operator meanwhile.

    `records` also gets the node's folder, for content that an earlier release kept beside its databases; none
    while a new database is made. It must not remove that content: the transaction may be rolled back.
    `keys` makes or changes the key store, which is there from format 12 on. Each function names tables
    without a schema, and creates and drops them through the operations alone: all databases may be on one
    connection.
    """

    format: int
    title: str
    records: Callable[[Operations, Path | None], None]
    log: Callable[[Operations], None]
    keys: Callable[[Operations], None] = lambda _operations: None

    def apply(self, connection: Connection, database: NodeDatabase, folder: Path | None = None) -> None:
        """Change `database`, which is of the format before, in the transaction that `connection` is in."""
        operations = Operations(MigrationContext.configure(connection))
        if database is NodeDatabase.RECORDS:
            self.records(operations, folder)
        elif database is NodeDatabase.LOG:
            self.log(operations)
        else:
            self.keys(operations)


def unchanged(_operations: Operations) -> None:
    """Leave the log as it is: the revision is about the records alone."""
