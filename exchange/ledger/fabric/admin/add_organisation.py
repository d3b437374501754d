"""Makes the update with which an organisation joins a channel, for the others' administrators to sign.

    python -m exchange.ledger.fabric.admin.add_organisation CHANNEL CURRENT.block DEFINITION.block UPDATE.pb

CURRENT.block is the channel's newest configuration block, as `peer channel fetch config` writes it.
DEFINITION.block is a first block that the joining organisation makes with `configtxgen -outputBlock` of a
profile that lists itself alone: its certificates, policies and anchor peers are copied from there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from exchange.ledger.fabric.admin.channel_update import configuration, update
from exchange.ledger.fabric.admin.errors import ChannelUpdateError

_APPLICATION = "Application"


def add_organisation(channel: str, current: bytes, definition: bytes) -> bytes:
    """Return the unsigned update, as an Envelope: the channel's organisations and those of `definition`.

    Raises:
        ChannelUpdateError: a block holds no configuration, or adds no organisation.
    """
    existing, wanted = configuration(current), configuration(current)
    organisations = wanted.groups[_APPLICATION].groups
    defined = configuration(definition).groups[_APPLICATION].groups
    new = set(defined) - set(organisations)
    if not new:
        raise ChannelUpdateError("the definition names no organisation that is not on the channel already")
    for name in new:
        organisations[name].CopyFrom(defined[name])
    return update(channel, existing, wanted)


def main(arguments: list[str]) -> int:
    """Write the update; the exit status."""
    try:
        channel, current, definition, made = arguments
        Path(made).write_bytes(
            add_organisation(channel, Path(current).read_bytes(), Path(definition).read_bytes())
        )
    except ValueError:
        sys.stderr.write("error: call with CHANNEL CURRENT.block DEFINITION.block UPDATE.pb\n")
        return 2
    except (OSError, ChannelUpdateError) as why:
        sys.stderr.write(f"error: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
