"""The bounds and pauses of an open node that are no setting: operators don't choose them, tests do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """What `open_node` passes to the services; each default is that of a node in production.

    `member_poll_seconds` lie between two looks at the settings for new members.
    """

    member_poll_seconds: float = 5.0
