"""The configuration of a channel as one block leaves it: organisations, policies, how blocks are ordered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fabric_protos.common.common_pb2 import CONFIG
from fabric_protos.common.configtx_pb2 import ConfigEnvelope
from fabric_protos.orderer.configuration_pb2 import ConsensusType

from exchange.ledger.fabric.blocks.errors import BlockError, UnreadableError
from exchange.ledger.fabric.blocks.layout import ProposedCall, parse
from exchange.ledger.fabric.blocks.members import Msp, MspMember, MspMembers
from exchange.ledger.fabric.blocks.policies import Signers, satisfied

APPLICATION, ORDERER = "Application", "Orderer"
_RAFT = "etcdraft"


class ChannelConfig:
    """One version of a channel's configuration; `message` is Fabric's Config.

    Raises:
        UnreadableError: it is of a kind that is not known here.
    """

    def __init__(self, message: Any, channel: str) -> None:
        self.message, self.channel = message, channel
        group = message.channel_group
        kind = parse(ConsensusType, group.groups[ORDERER].values["ConsensusType"].value).type
        if kind != _RAFT:
            raise UnreadableError(f"blocks ordered by {kind or 'an unnamed service'} can't be checked here")
        self.orderers = _members(group.groups[ORDERER])
        self.applicants = _members(group.groups[APPLICATION])
        self.every_member = MspMembers(
            [*self.orderers.organisations.values(), *self.applicants.organisations.values()]
        )
        self._groups = {
            organisation.msp_id: name for name, organisation in _organisations(group.groups[APPLICATION])
        }

    @classmethod
    def first(cls, headers: ProposedCall) -> ChannelConfig:
        """Return the configuration of the channel's first block, which is unsigned and trusted."""
        return cls(envelope_of(headers).config, headers.channel)

    def satisfied(self, path: str, signers: Signers) -> bool:
        """Return whether `signers` satisfy the policy at a path: `/Channel/Application/Endorsement`."""
        *groups, name = path.removeprefix("/Channel/").split("/")
        group = self.message.channel_group
        for one in groups:
            if one not in group.groups:
                return False
            group = group.groups[one]
        return satisfied(group, name, signers)

    def signers(
        self, signatures: Iterable[tuple[bytes, bytes, bytes]], members: MspMembers
    ) -> list[MspMember]:
        """Return the signers among `members` with a valid (identity, message, signature), each once."""
        found: dict[bytes, MspMember] = {}
        for serialized, message, signature in signatures:
            member = members.find(serialized)
            if member is not None and serialized not in found and member.signed(message, signature):
                found[serialized] = member
        return list(found.values())

    def endorsement_of(self, msp_id: str) -> str | None:
        """Return the path of an organisation's own endorsement policy; None if it is not on the channel."""
        name = self._groups.get(msp_id)
        return None if name is None else f"/Channel/{APPLICATION}/{name}/Endorsement"


def envelope_of(headers: ProposedCall) -> Any:
    """Return Fabric's ConfigEnvelope in a transaction that sets a configuration.

    Raises:
        BlockError: it sets none.
        UnreadableError: it can't be read.
    """
    if headers.kind != CONFIG:
        raise BlockError("sets no configuration")
    return parse(ConfigEnvelope, headers.data)


def _organisations(group: Any) -> list[tuple[str, Msp]]:
    return [(name, Msp(one.values["MSP"].value)) for name, one in group.groups.items()]


def _members(group: Any) -> MspMembers:
    return MspMembers([organisation for _, organisation in _organisations(group)])
