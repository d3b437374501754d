"""Who the members are, as this gateway knows them, and how a running one takes in a new one.

Names are each hospital's own matter, so they stand in its settings and not on the ledger. A member that is
added there while the gateway serves is known within seconds: its clients get tokens, consents may name it,
and its Organization is stored. What a member may do the ledger decides, by the policy in force. Nobody is
forgotten while the gateway runs: consents that name who left still mean it, and nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec
import structlog

from exchange.auth.principal import Member
from exchange.crypto.references import References
from exchange.errors import UnavailableError
from exchange.node.settings import ConfigError, Folder
from exchange.services.records.create_update import Writing
from exchange.services.records.write_rights import for_introducing_members
from exchange.store.engine.database import Database
from exchange.store.records import documents

_AGAIN = 5.0
_log = structlog.get_logger()


class Members:
    """The members by what they are looked up by: views that grow with `add`.

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
        """Know `member` from now on."""
        self._by_msp[member.msp_id] = member
        self._names[member.msp_id] = member.name
        self._references[f"Organization/{member.organization}"] = member.msp_id
        self._references[f"urn:consentry:msp|{member.msp_id}"] = member.msp_id


class Membership:
    """Keeps the members of a running gateway in step with its settings."""

    def __init__(
        self,
        *,
        folder: Folder,
        members: Members,
        references: References,
        records: Database,
        writing: Writing,
    ) -> None:
        self._folder = folder
        self._members = members
        self._references = references
        self._records = records
        self._writing = writing
        self.introduced: set[str] = set()  # whose Organization is stored, as far as this process knows
        self._seen = self._stamp()

    async def introduce(self) -> None:
        """Store each member's Organization, so that consents can name it; one that is there stays as it is.

        Raises:
            UnavailableError: store or ledger can't be reached.
        """
        new = [one for one in self._members.by_msp.values() if one.msp_id not in self.introduced]
        if not new:
            return
        tokens = {self._references.record("Organization", one.organization): one for one in new}
        there = await self._records.read(lambda c: documents.current(c, list(tokens)))
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
        """Take in who is added to the settings, until cancelled."""
        while True:
            await asyncio.sleep(_AGAIN)
            stamp = self._stamp()
            if stamp != self._seen and self._read():
                self._seen = stamp
            with suppress(UnavailableError):  # the next round does it
                await self.introduce()

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self._folder.settings_file.stat()
        except OSError:
            return (0, 0)
        return found.st_mtime_ns, found.st_size

    def _read(self) -> bool:
        try:
            settings = self._folder.load()
        except ConfigError as why:
            _log.warning("members.settings_unread", reason=str(why))
            return False
        for member in settings.members:
            if member.msp_id not in self._members.by_msp:
                self._members.add(member)
                _log.info("members.added", member=member.msp_id)
        return True


def _organization(member: Member) -> bytes:
    resource = {
        "resourceType": "Organization",
        "id": member.organization,
        "identifier": [{"system": "urn:consentry:msp", "value": member.msp_id}],
        "active": True,
        "name": member.name,
    }
    return msgspec.json.encode(resource)
