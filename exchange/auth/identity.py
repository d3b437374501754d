"""The settings that say who is who, as the node has recorded them under its key.

A file of settings is edited by anybody who may write to the folder; these are what a consent, a token and an
entry of the log go by. A member, once known, stays: its accesses stay visible, and ends of consents reach it.
Its Organization never changes, because consents name it; its name may, and the earlier names stay with the
times from which they held.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from exchange.auth.principal import Member


class NameSince(msgspec.Struct, frozen=True, array_like=True):
    """A member's name, and the time from which it holds, in milliseconds since 1970 UTC."""

    since: int
    name: str


class KnownMember(msgspec.Struct, frozen=True):
    """A member that this node knows or once knew; `names` has the oldest first."""

    msp_id: str
    organization: str
    names: tuple[NameSince, ...]

    @classmethod
    def new(cls, member: Member) -> KnownMember:
        """Return `member` under the one name that it has had."""
        return cls(member.msp_id, member.organization, (NameSince(0, member.name),))

    @property
    def current(self) -> Member:
        """The member under its name of now."""
        return Member(self.msp_id, self.names[-1].name, self.organization)

    def name_at(self, time: int) -> str:
        """Return the name that held at `time`, in milliseconds since 1970 UTC."""
        held = [one.name for one in self.names if one.since <= time]
        return held[-1] if held else self.names[0].name

    def renamed(self, name: str, now: int) -> KnownMember:
        """Return the member with `name` from `now` on."""
        return msgspec.structs.replace(self, names=(*self.names, NameSince(now, name)))


class NodeIdentity(msgspec.Struct, frozen=True):
    """The recorded settings: this hospital, its address, all members ever known, and the model's evaluator.

    `zone` is that of the days in consents, None where it is not known. `risk` has those of the settings of
    `[risk]` that say who scores: its evaluator, files and authority.
    """

    msp_id: str
    base_url: str
    members: tuple[KnownMember, ...]
    risk: Mapping[str, str | None] | None = None
    zone: str | None = None

    @property
    def fhir_base(self) -> str:
        """The base URL of the FHIR API."""
        return f"{self.base_url}/fhir"

    def member(self, msp_id: str) -> KnownMember | None:
        """Return the member with `msp_id`, if it was ever known."""
        return next((one for one in self.members if one.msp_id == msp_id), None)

    def with_member(self, changed: KnownMember) -> NodeIdentity:
        """Return this with `changed` in place of the member with its MSP id, or behind the others."""
        kept = tuple(changed if one.msp_id == changed.msp_id else one for one in self.members)
        if self.member(changed.msp_id) is None:
            kept = (*kept, changed)
        return msgspec.structs.replace(self, members=kept)
