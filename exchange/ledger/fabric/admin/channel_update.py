"""The update from one configuration of a channel to another, as administrators sign it.

It is what `configtxlator compute_update` would give, without leaving Fabric's own messages.
"""

from __future__ import annotations

from typing import Any

from fabric_protos.common.common_pb2 import CONFIG_UPDATE, Block, ChannelHeader, Envelope, Header, Payload
from fabric_protos.common.configtx_pb2 import ConfigEnvelope, ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope
from google.protobuf.message import DecodeError

from exchange.ledger.fabric.admin.errors import ChannelUpdateError

_LEAVES = ("values", "policies")


def configuration(block: bytes) -> Any:
    """Return the channel's group in a configuration block, as `peer channel fetch config` writes one.

    Raises:
        ChannelUpdateError: the block holds no configuration.
    """
    try:
        envelope = Envelope.FromString(Block.FromString(block).data.data[0])
        config = ConfigEnvelope.FromString(Payload.FromString(envelope.payload).data).config
    except (DecodeError, IndexError):
        raise ChannelUpdateError("that is no block with a configuration: fetch it again") from None
    return config.channel_group


def update(channel: str, existing: Any, wanted: Any) -> bytes:
    """Return the unsigned update, as an Envelope, that makes `wanted` of `existing`.

    Raises:
        ChannelUpdateError: they are the same.
    """
    read, write, differs = _compare(existing, wanted)
    if not differs:
        raise ChannelUpdateError("that changes nothing: the channel is so already")
    update = ConfigUpdate(channel_id=channel, read_set=read, write_set=write)
    asked = ConfigUpdateEnvelope(config_update=update.SerializeToString())
    header = Header(channel_header=ChannelHeader(type=CONFIG_UPDATE, channel_id=channel).SerializeToString())
    payload = Payload(header=header, data=asked.SerializeToString())
    made: bytes = Envelope(payload=payload.SerializeToString()).SerializeToString()
    return made


def _compare(existing: Any, wanted: Any) -> tuple[Any, Any, bool]:
    """Write the read set and write set of one group, and return whether it changes anything in it.

    A group's version counts changes of its membership: where that changes, every member is named, by its
    version alone. A member that changes gets a new version, and the group's version stays.
    """
    moved = any(set(getattr(existing, kind)) != set(getattr(wanted, kind)) for kind in (*_LEAVES, "groups"))
    read = ConfigGroup(version=existing.version)
    write = ConfigGroup(version=existing.version + moved)
    if moved:
        write.mod_policy = wanted.mod_policy
    differs = moved
    for kind in _LEAVES:
        old, new = getattr(existing, kind), getattr(wanted, kind)
        for name in new:
            if name not in old:
                getattr(write, kind)[name].CopyFrom(new[name])
            elif old[name] != new[name]:
                getattr(write, kind)[name].CopyFrom(new[name])
                getattr(write, kind)[name].version = old[name].version + 1
                differs = True
            elif moved:
                getattr(read, kind)[name].version = old[name].version
                getattr(write, kind)[name].version = old[name].version
    for name in wanted.groups:
        if name not in existing.groups:
            write.groups[name].CopyFrom(wanted.groups[name])
            continue
        reads, writes, within = _compare(existing.groups[name], wanted.groups[name])
        if within or moved:
            read.groups[name].CopyFrom(reads)
            write.groups[name].CopyFrom(writes)
        differs = differs or within
    return read, write, differs
