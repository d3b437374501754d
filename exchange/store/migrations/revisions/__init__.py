"""All revisions, each in a module that is never changed once it was released."""

from __future__ import annotations

from typing import Final

from exchange.store.migrations.revision import Revision
from exchange.store.migrations.revisions import (
    format_4,
    format_5,
    format_6,
    format_7,
    format_8,
    format_9,
    format_10,
    format_11,
    format_12,
)

REVISIONS: Final[tuple[Revision, ...]] = (
    format_4.REVISION,
    format_5.REVISION,
    format_6.REVISION,
    format_7.REVISION,
    format_8.REVISION,
    format_9.REVISION,
    format_10.REVISION,
    format_11.REVISION,
    format_12.REVISION,
)
"""In the order of their formats; the last one makes the format that this release reads."""
