"""Refuses a node that is of another release's format, before anything of it is opened."""

from __future__ import annotations

from exchange.node.settings import Folder, Settings
from exchange.store.engine.database import read_format
from exchange.store.engine.format import check_format


def check_formats(folder: Folder, settings: Settings) -> None:
    """Refuse a node of which a database is of another format than this release reads.

    Raises:
        FormatError: it is older, and can be migrated, or newer.
        DamagedError: a database is no database of a node, or absent.
        UnavailableError: the database can't be reached.
    """
    for place in folder.places(settings):
        check_format(read_format(place))
