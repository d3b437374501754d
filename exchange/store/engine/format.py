"""The format of a node: one number, in each of its databases and in its settings.

1. The number in a database says which tables it has. A migration changes it in the transaction that changes
   the tables, so it is never wrong.
2. This release reads one number, `FORMAT`, and refuses every other with one sentence and the command to run.
   Only `consentry migrate` opens a database of an older format.
3. SQLite keeps the number as `user_version`, PostgreSQL in the schema's comment. Releases before migrations
   read it there as well, and refuse a database that a later release has migrated.
4. The number in the settings is written last. Settings of an older format beside databases of this one are a
   migration that was stopped before its last step, or an older copy of the file; they are read as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from exchange.errors import FormatError

if TYPE_CHECKING:
    from sqlalchemy import Connection  # an evaluator's commands know nodes' formats and have no database

Begin: TypeAlias = "Callable[[Connection], None]"
"""Makes the tables of a new database, which is of `FORMAT` then."""

FORMAT: Final = 12
"""The one format that this release reads and writes; `exchange.store.migrations` leads to it."""
OLDEST: Final = 4
"""The format of the last release without migrations, from which the first migration starts."""
KEYS_FROM: Final = 12
"""The format from which on the wrapped keys of subjects have a database of their own."""


def check_format(found: int) -> None:
    """Refuse a node, or a database of it, that is not of this release's format.

    Raises:
        FormatError: it is older or newer; the message says what to do.
    """
    if found < OLDEST:
        raise FormatError(
            f"this node is of format {found}, older than any that can be migrated: make a new one with "
            "`consentry init` and load its records into it"
        )
    if found < FORMAT:
        raise FormatError(
            f"this node is of format {found}, this release reads {FORMAT}: run `consentry migrate FOLDER`"
        )
    if found > FORMAT:
        raise FormatError(
            f"this node is of format {found}, this release reads {FORMAT}: install the release that made it, "
            "or a newer one"
        )
