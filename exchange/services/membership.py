"""The members known to this gateway, and the addition of members while it runs.

Each hospital names the members in its own settings, not on the ledger. A member that is
added there while the gateway serves is known within seconds: its clients get tokens, consents may name it,
and its Organization is stored. The policy in force on the ledger decides what a member may do. No member is
removed while the gateway runs: consents that name a former member still mean that member.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog

from exchange.auth.principal import Member
from exchange.crypto.references import References
from exchange.errors import UnavailableError
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.write_rights import for_introducing_members
from exchange.store.engine.database import Database
from exchange.store.records import documents

_log = structlog.get_logger()


class MemberList(Protocol):
    """The list of members that an operator edits while the gateway runs."""

    def changed(self) -> Sequence[Member]:
        """Return the members if the list was edited since the last call, else nothing."""


class Members:
    """The members by each of their names: views that grow with `add`.

    `by_msp` has them by MSP id, `names` their names. `references` maps how a consent may name each of them,
    its Organization resource or its MSP identifier, to its MSP id.
    """

    def __init__(self, members: Iterable[Member]) -> None:
        self._by_msp: dict[str, Member] = {}
        self._names: dict[str, str] = {}
        self._references: dict[str, str] = {}
        # The dicts themselves: a loader hands them to its processes, and a view can't be sent there.
        self.by_msp: Mapping[str, Member] = self._by_msp
        self.names: Mapping[str, str] = self._names
        self.references: Mapping[str, str] = self._references
        for member in members:
            self.add(member)

    def add(self, member: Member) -> None:
        """Add `member` to every view."""
        self._by_msp[member.msp_id] = member
        self._names[member.msp_id] = member.name
        self._references[f"Organization/{member.organization}"] = member.msp_id
        self._references[f"urn:consentry:msp|{member.msp_id}"] = member.msp_id


class Membership:
    """Updates the members of a running gateway from the list."""

    def __init__(
        self,
        *,
        listed: MemberList,
        members: Members,
        references: References,
        records: Database,
        writing: RecordWriter,
        poll_seconds: float,
    ) -> None:
        self._listed = listed
        self._members = members
        self._references = references
        self._records = records
        self._writing = writing
        self._poll_seconds = poll_seconds
        self.introduced: set[str] = set()  # MSP ids of those that this process knows an Organization of

    async def introduce(self) -> None:
        """Store each member's Organization, so that consents can name it; one that is there stays as it is.

        Raises:
            UnavailableError: store or ledger can't be reached.
        """
        new = [one for one in self._members.by_msp.values() if one.msp_id not in self.introduced]
        if not new:
            return
        tokens = {self._references.record("Organization", one.organization): one for one in new}
        there = await self._records.read(lambda c: documents.current(c, list(tokens), bodies=False))
        right = for_introducing_members()
        changes = [
            await self._writing.prepare(right, _organization(one), logical_id=one.organization)
            for token, one in tokens.items()
            if token not in there
        ]
        if changes:
            await self._writing.write(changes)
        self.introduced.update(one.msp_id for one in new)

    async def keep_following(self) -> None:
        """Add each member that is new in the list, until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            for member in self._listed.changed():
                if member.msp_id not in self._members.by_msp:
                    self._members.add(member)
                    _log.info("members.added", member=member.msp_id)
            with suppress(UnavailableError):  # the next round does it
                await self.introduce()


def _organization(member: Member) -> bytes:
    resource = {
        "resourceType": "Organization",
        "id": member.organization,
        "identifier": [{"system": "urn:consentry:msp", "value": member.msp_id}],
        "active": True,
        "name": member.name,
    }
    return msgspec.json.encode(resource)
