"""Checks that a change of a channel's configuration was allowed: no orderer can make one alone.

The rules are those of Fabric's `configtx`: an update names what it read and what it writes, element by
element with versions. A changed element must be one version above the present one, and the policy that each
changed element names must be satisfied by the signers of the update. The configuration that results
must be exactly the one that the block sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fabric_protos.common.common_pb2 import CONFIG_UPDATE, ChannelHeader, Envelope, Payload, SignatureHeader
from fabric_protos.common.configtx_pb2 import ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope

from exchange.ledger.fabric.blocks.config import ChannelConfig, envelope_of
from exchange.ledger.fabric.blocks.errors import BlockError
from exchange.ledger.fabric.blocks.layout import ProposedCall, parse

_Key = tuple[str, tuple[str, ...]]
"""An element: `group`, `value` or `policy`, and the names that lead to it; the channel itself is empty."""

_DEEPEST = 50


def apply_update(current: ChannelConfig, headers: ProposedCall) -> ChannelConfig:
    """Return the configuration that a later block sets, when it follows from `current` by its rules.

    Raises:
        BlockError: it does not follow, or the policies do not let its signers change it; naming what.
        UnreadableError: it can't be read.
    """
    if headers.channel != current.channel:
        raise BlockError("is of another channel")
    envelope = envelope_of(headers)
    _check(current, envelope)
    return ChannelConfig(envelope.config, current.channel)


def _check(current: ChannelConfig, envelope: Any) -> None:
    update, signatures = _update(envelope.last_update)
    if update.channel_id != current.channel:
        raise BlockError("changes the configuration of another channel")
    if envelope.config.sequence != current.message.sequence + 1:
        raise BlockError("does not follow the configuration before it")
    elements = dict(_elements(current.message.channel_group))
    read = dict(_elements(update.read_set))
    for key, element in read.items():
        if key not in elements or elements[key].version != element.version:
            raise BlockError(f"changes a configuration whose {_name(key)} had changed")
    signers = current.signers(signatures, current.every_member)
    changed = {
        key: element
        for key, element in _elements(update.write_set)
        if key not in read or read[key].version != element.version
    }
    if not changed:
        raise BlockError("changes nothing")
    for key, element in changed.items():
        if key not in elements:
            if element.version != 0:
                raise BlockError(f"adds {_name(key)} with a version")
            continue
        if element.version != elements[key].version + 1:
            raise BlockError(f"changes {_name(key)} to another version than the next")
        if not current.satisfied(_policy(key, elements[key].mod_policy), signers):
            raise BlockError(f"changes {_name(key)}, and those who signed for it may not")
    if _result((), elements | changed, 0) != envelope.config.channel_group:
        raise BlockError("sets another configuration than its update gives")


def _update(last_update: Any) -> tuple[Any, list[tuple[bytes, bytes, bytes]]]:
    payload = parse(Payload, parse(Envelope, last_update.SerializeToString()).payload)
    if parse(ChannelHeader, payload.header.channel_header).type != CONFIG_UPDATE:
        raise BlockError("does not say which update gave it")
    signed = parse(ConfigUpdateEnvelope, payload.data)
    return parse(ConfigUpdate, signed.config_update), [
        (
            parse(SignatureHeader, one.signature_header).creator,
            one.signature_header + signed.config_update,
            one.signature,
        )
        for one in signed.signatures
    ]


def _elements(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[_Key, Any]]:
    if len(path) > _DEEPEST:
        raise BlockError("nests its configuration too deeply")
    yield ("group", path), group
    for name, value in group.values.items():
        yield ("value", (*path, name)), value
    for name, policy in group.policies.items():
        yield ("policy", (*path, name)), policy
    for name, below in group.groups.items():
        yield from _elements(below, (*path, name))


def _policy(key: _Key, named: str) -> str:
    """Return the path of the policy that guards an element, named from the root or from its group."""
    kind, path = key
    if named.startswith("/"):
        return named
    return "/".join(("/Channel", *(path if kind == "group" else path[:-1]), named))


def _result(path: tuple[str, ...], elements: dict[_Key, Any], depth: int) -> Any:
    """Return the group at `path`: its own element names its members, their elements have the content."""
    if depth > _DEEPEST:
        raise BlockError("nests its configuration too deeply")
    given = elements["group", path]
    made = ConfigGroup(version=given.version, mod_policy=given.mod_policy)
    try:
        for name in given.values:
            made.values[name].CopyFrom(elements["value", (*path, name)])
        for name in given.policies:
            made.policies[name].CopyFrom(elements["policy", (*path, name)])
        for name in given.groups:
            made.groups[name].CopyFrom(_result((*path, name), elements, depth + 1))
    except KeyError:
        raise BlockError("names a member that it does not define") from None
    return made


def _name(key: _Key) -> str:
    kind, path = key
    return f"the {kind} {'/'.join(('Channel', *path))}"
