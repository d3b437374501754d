"""Makes the update with which an organisation joins a channel, for the others' administrators to sign.

    python -m exchange.network.joining CHANNEL CURRENT.block DEFINITION.block UPDATE.pb

CURRENT.block is the channel's newest configuration block, as `peer channel fetch config` writes it.
DEFINITION.block is a first block that the joining organisation makes with `configtxgen -outputBlock` of a
profile that lists itself alone: its certificates, policies and anchor peers are taken from there. It is what
`configtxlator compute_update` would give, without leaving Fabric's own messages.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fabric_protos.common.common_pb2 import (
    CONFIG_UPDATE,
    Block,
    ChannelHeader,
    Envelope,
    Header,
    Payload,
)
from fabric_protos.common.configtx_pb2 import (
    ConfigEnvelope,
    ConfigGroup,
    ConfigPolicy,
    ConfigUpdate,
    ConfigUpdateEnvelope,
    ConfigValue,
)
from google.protobuf.message import DecodeError

from exchange.network.errors import NetworkError

_APPLICATION = "Application"


def joining(channel: str, current: bytes, definition: bytes) -> bytes:
    """The unsigned update, as an Envelope: the channel's organisations as they are, and those that join.

    Raises:
        NetworkError: a block holds no configuration, or nobody joins who is not there already.
    """
    held, wanted = _organisations(current), _organisations(definition)
    new = set(wanted.groups) - set(held.groups)
    if not new:
        raise NetworkError("the definition names no organisation that is not on the channel already")
    update = ConfigUpdate(channel_id=channel)
    for one in (update.read_set, update.write_set):
        one.groups[_APPLICATION].CopyFrom(_versions(held))
    changed = update.write_set.groups[_APPLICATION]
    changed.version, changed.mod_policy = held.version + 1, held.mod_policy
    for name in new:
        changed.groups[name].CopyFrom(wanted.groups[name])
    asked = ConfigUpdateEnvelope(config_update=update.SerializeToString())
    header = Header(channel_header=ChannelHeader(type=CONFIG_UPDATE, channel_id=channel).SerializeToString())
    payload = Payload(header=header, data=asked.SerializeToString())
    made: bytes = Envelope(payload=payload.SerializeToString()).SerializeToString()
    return made


def _organisations(block: bytes) -> Any:
    try:
        envelope = Envelope.FromString(Block.FromString(block).data.data[0])
        config = ConfigEnvelope.FromString(Payload.FromString(envelope.payload).data).config
    except (DecodeError, IndexError):
        raise NetworkError("that is no block with a configuration: fetch it again") from None
    return config.channel_group.groups[_APPLICATION]


def _versions(group: Any) -> Any:
    """A group as an update reads it: every member by its version alone."""
    return ConfigGroup(
        version=group.version,
        values={name: ConfigValue(version=one.version) for name, one in group.values.items()},
        policies={name: ConfigPolicy(version=one.version) for name, one in group.policies.items()},
        groups={name: ConfigGroup(version=one.version) for name, one in group.groups.items()},
    )


def main(arguments: list[str]) -> int:
    """Write the update; the exit status."""
    try:
        channel, current, definition, update = arguments
        made = joining(channel, Path(current).read_bytes(), Path(definition).read_bytes())
        Path(update).write_bytes(made)
    except ValueError:
        sys.stderr.write("error: call with CHANNEL CURRENT.block DEFINITION.block UPDATE.pb\n")
        return 2
    except (OSError, NetworkError) as why:
        sys.stderr.write(f"error: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
