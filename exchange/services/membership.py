"""The members known to this gateway, and the addition of members while it runs.

Each hospital names the members in its own settings, not on the ledger, and records them under its key. A
member that is added while the gateway serves is known within seconds: its clients get tokens, consents may
name it, and its Organization is stored; a new name holds for the entries from then on. The policy in force
on the ledger decides what a member may do. No member is ever removed: consents that name a former member
still mean that member, and its accesses stay visible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog

from exchange.auth.identity import KnownMember
from exchange.auth.principal import Member, Principal
from exchange.crypto.references import References
from exchange.errors import NotFoundError, UnavailableError
from exchange.runtime.quota import Quota, Reservation
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.read import RecordReader
from exchange.services.records.write_rights import for_introducing_members
from exchange.store.engine.database import Database
from exchange.store.records import documents
from exchange.store.records.documents import StoredVersion

_log = structlog.get_logger()


class MemberList(Protocol):
    """The list of members that an operator changes while the gateway runs."""

    async def changed(self) -> Sequence[KnownMember]:
        """Return the members if the list was changed since the last call, else nothing."""


class Members:
    """The members by each of their names: views that grow with `add`.

    `by_msp` has them by MSP id, `names` their names of now. `references` maps how a consent may name each
    of them, its Organization resource or its MSP identifier, to its MSP id.
    """

    def __init__(self, members: Iterable[KnownMember]) -> None:
        self._known: dict[str, KnownMember] = {}
        self._by_msp: dict[str, Member] = {}
        self._names: dict[str, str] = {}
        self._references: dict[str, str] = {}
        # The dicts themselves: a loader hands them to its processes, and a view can't be sent there.
        self.by_msp: Mapping[str, Member] = self._by_msp
        self.names: Mapping[str, str] = self._names
        self.references: Mapping[str, str] = self._references
        for member in members:
            self.add(member)

    def add(self, known: KnownMember) -> None:
        """Add a member to every view, or put it in place of what was known of it."""
        member = known.current
        self._known[member.msp_id] = known
        self._by_msp[member.msp_id] = member
        self._names[member.msp_id] = member.name
        self._references[f"Organization/{member.organization}"] = member.msp_id
        self._references[f"urn:consentry:msp|{member.msp_id}"] = member.msp_id

    def names_at(self, time: int) -> Mapping[str, str]:
        """Return the names that held at `time`, in milliseconds since 1970 UTC, by MSP id."""
        if all(len(known.names) == 1 for known in self._known.values()):
            return self.names
        return {msp_id: known.name_at(time) for msp_id, known in self._known.items()}

    def known(self) -> Sequence[KnownMember]:
        """Return every member with all of its names."""
        return tuple(self._known.values())

    def is_as(self, known: KnownMember) -> bool:
        """Return whether the member is known here just as `known` says."""
        return self._known.get(known.msp_id) == known


class Membership:
    """Updates the members of a running gateway from the list."""

    def __init__(
        self,
        *,
        msp_id: str,
        listed: MemberList,
        members: Members,
        references: References,
        records: Database,
        reading: RecordReader,
        writing: RecordWriter,
        quota: Quota,
        poll_seconds: float,
    ) -> None:
        self._listed = listed
        self._members = members
        self._references = references
        self._records = records
        self._reading = reading
        self._writing = writing
        self._quota = quota
        self._poll_seconds = poll_seconds
        self._reader = Principal.for_operator(msp_id, "consentry-members")
        self._introduced: dict[str, KnownMember] = {}  # those that this process knows an Organization of

    @property
    def introduced(self) -> Set[str]:
        """The MSP ids of the members that have an Organization."""
        return self._introduced.keys()

    async def introduce(self) -> None:
        """Store each member's Organization, so that consents can name it.

        One that is there stays as it is, but for the name of a member that was renamed since it was written.

        Raises:
            UnavailableError: store or ledger can't be reached.
        """
        new = [one for one in self._members.known() if one not in self._introduced.values()]
        if not new:
            return
        tokens = {self._references.record("Organization", one.organization): one for one in new}
        there = await self._records.read(lambda c: documents.current(c, list(tokens), bodies=False))
        right = for_introducing_members()
        changes = []
        for token, one in tokens.items():
            body = await self._body(one, there.get(token))
            if body is not None:
                changes.append(await self._writing.prepare(right, body, logical_id=one.organization))
        if changes:
            await self._writing.write(changes, by=self._reader, interaction="update")
        self._introduced.update({one.msp_id: one for one in new})

    async def _body(self, known: KnownMember, stored: StoredVersion | None) -> bytes | None:
        """Return the Organization to store for a member, None where it may stay as it is."""
        if stored is None:
            return _organization(known.current)
        if stored.deleted or stored.written >= known.names[-1].since:
            return None
        try:
            with Reservation(self._quota):
                found = await self._reading.read(self._reader, "Organization", known.organization)
        except NotFoundError:
            return None
        return msgspec.json.encode({**msgspec.json.decode(found.body), "name": known.current.name})

    async def keep_following(self) -> None:
        """Add each member that is new in the list, until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            with suppress(UnavailableError):  # the next round does it
                for known in await self._listed.changed():
                    if not self._members.is_as(known):
                        self._members.add(known)
                        _log.info("members.added", member=known.msp_id)
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
