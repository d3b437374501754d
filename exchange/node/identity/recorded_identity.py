"""The settings that identify hospitals and servers: recorded under the node's key, compared with the file.

1. The record is in force. A line of the file that lists another name or another member, or lists one no
   more, changes nothing until a command records it; `verify` names it, and a start says so in its log.
2. A file with another Organization of a member, another hospital, address or time zone is refused at the
   start: somebody else, or another day, would be meant.
3. Each change is an event of the access log, which says in words what changed, and by whom.
4. A table `[risk]` that is not as recorded turns scores off, and hinders nothing else.
5. Commands record first and write the file then. One that was interrupted in between is called again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import structlog
from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth.identity import KnownMember, NodeIdentity
from exchange.auth.principal import Member
from exchange.crypto.operator_seal import OperatorSeal
from exchange.errors import DamagedError
from exchange.node.settings import ConfigError, NodeSettings, RiskSettings
from exchange.services.auth.identity_events import IdentityEvents
from exchange.store.engine.database import Database
from exchange.store.records import recorded_settings as store
from exchange.store.records.recorded_settings import Recorded

_log = structlog.get_logger()
_encode = msgspec.json.Encoder(order="deterministic").encode
_ACCEPT = "write the recorded one, or call `consentry member accept` if the change is meant"
_MISSING = "the recorded settings are missing; restore the database of records from a backup"


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting of the file that is not as recorded, and what to do; nothing is served with a `grave` one."""

    text: str
    grave: bool


def identity_of(settings: NodeSettings) -> NodeIdentity:
    """Return the part of `settings` to be recorded, for the first time."""
    members = tuple(KnownMember.new(member) for member in settings.members)
    return NodeIdentity(settings.msp_id, settings.base_url, members, _risk(settings), settings.zone)


def _risk(settings: NodeSettings) -> dict[str, str | None] | None:
    return None if settings.risk is None else _recorded(settings.risk)


def _recorded(risk: RiskSettings) -> dict[str, str | None]:
    return {name: getattr(risk, name) for name in ("evaluator", "offer", "card", "authority")}


def read_identity(connection: Connection, seal: OperatorSeal, *, lock: bool = False) -> NodeIdentity:
    """Return the recorded settings.

    Raises:
        DamagedError: they are missing, or are not as this node recorded them.
    """
    return opened(store.find(connection, lock=lock), seal)


def opened(recorded: Recorded | None, seal: OperatorSeal) -> NodeIdentity:
    """Return the settings in a row.

    Raises:
        DamagedError: there is none, or it is not as this node recorded it.
    """
    if recorded is None:
        raise DamagedError(_MISSING)
    seal.check_settings(recorded.value, recorded.mac)
    return msgspec.json.decode(recorded.value, type=NodeIdentity)


def record(connection: Connection, seal: OperatorSeal, identity: NodeIdentity) -> None:
    """Record `identity` in place of what was recorded."""
    value = _encode(identity)
    store.replace(connection, Recorded(value, seal.mac_settings(value)))


def differences(settings: NodeSettings, identity: NodeIdentity) -> list[Difference]:
    """Return each setting of the file that says who is who otherwise than recorded, grave ones first."""
    found = [*_grave(settings, identity)]
    for member in settings.members:
        known = identity.member(member.msp_id)
        if known is None:
            what = "is listed and not recorded, so it is no member yet: take the line out and list it by"
            found.append(Difference(f"{member.msp_id} {what} `consentry policy name`", grave=False))
        elif known.current.name != member.name:
            what = f"is listed as {member.name} and recorded as {known.current.name}; the record holds: call"
            found.append(Difference(f"{member.msp_id} {what} `consentry member rename`", grave=False))
    listed = {member.msp_id for member in settings.members}
    for known in identity.members:
        if known.msp_id not in listed:
            again = f"consentry policy name FOLDER {known.msp_id}='{known.current.name}'"
            what = "is recorded and listed no more; it stays known, as its accesses do: list it again by"
            found.append(Difference(f"{known.msp_id} {what} `{again}`", grave=False))
    scores = risk_difference(settings, identity)
    return found if scores is None else [*found, Difference(scores, grave=False)]


def _grave(settings: NodeSettings, identity: NodeIdentity) -> list[Difference]:
    pairs = [
        (f"the organization of {member.msp_id}", member.organization, known.organization)
        for member in settings.members
        if (known := identity.member(member.msp_id)) is not None
    ]
    taken = {known.organization: known.msp_id for known in identity.members}
    pairs += [
        (f"the organization {member.organization}", f"that of {member.msp_id}", f"that of {owner}")
        for member in settings.members
        if (owner := taken.get(member.organization, member.msp_id)) != member.msp_id
    ]
    pairs.append(("msp_id", settings.msp_id, identity.msp_id))
    remedy = "write the recorded one into consentry.toml"
    found = [Difference(f"{_differs(*pair)}; {remedy}", grave=True) for pair in pairs if pair[1] != pair[2]]
    if settings.base_url != identity.base_url:
        text = _differs("base_url", settings.base_url, identity.base_url)
        found.append(Difference(f"{text}; {_ACCEPT}", grave=True))
    if settings.zone != identity.zone:
        text = _differs("zone", settings.zone or "not given", identity.zone or "not known")
        found.append(Difference(f"{text}; {_ACCEPT}", grave=True))
    return found


def risk_difference(settings: NodeSettings, identity: NodeIdentity) -> str | None:
    """Return why the table `[risk]` of the file can't be used, or how it differs from the recorded one."""
    if settings.risk_fault is not None:
        return settings.risk_fault
    here, recorded = _risk(settings), identity.risk
    return None if here == recorded else f"{_differs('[risk]', _said(here), _said(recorded))}; {_ACCEPT}"


def _differs(what: str, here: str, recorded: str) -> str:
    return f"{what} is {here} in consentry.toml, and {recorded} as recorded"


def _said(value: object) -> str:
    if isinstance(value, str):
        return value
    return "nothing" if value is None else _encode(value).decode()


def agreed(settings: NodeSettings, identity: NodeIdentity) -> NodeSettings:
    """Return `settings` with the members as recorded, and without a `[risk]` that can't be used or differs.

    Raises:
        ConfigError: a grave difference, and what to do.
    """
    for one in differences(settings, identity):
        if one.grave:
            raise ConfigError(one.text)
    members = tuple(known.current for known in identity.members)
    fault = risk_difference(settings, identity)
    risk = settings.risk if fault is None else None
    return msgspec.structs.replace(settings, members=members, risk=risk, risk_fault=fault)


class RecordedMembers:
    """The members as recorded, which commands change meanwhile; a `MemberList` of the services."""

    def __init__(self, records: Database, seal: OperatorSeal, seen: NodeIdentity) -> None:
        self._records = records
        self._seal = seal
        self._seen = _encode(seen)

    async def changed(self) -> Sequence[KnownMember]:
        """Return the members if they were recorded anew since the last call, else nothing."""
        recorded = await self._records.read(store.find)
        if recorded is not None and recorded.value == self._seen:
            return ()
        try:
            identity = opened(recorded, self._seal)
        except DamagedError as why:
            _log.warning("members.unread", reason=str(why))
            return ()
        self._seen = _encode(identity)
        return identity.members


@dataclass(frozen=True, slots=True)
class SettingsRecord:
    """The recorded settings of one node, and the way to the log for the changes that `by` makes in them."""

    seal: OperatorSeal
    events: IdentityEvents
    by: str

    def begin(self, connection: Connection, identity: NodeIdentity) -> None:
        """Record the settings of a node that is migrated, which has none recorded."""
        record(connection, self.seal, identity)
        self._log(connection, f"recorded for the first time: {changes(None, identity)}")

    def change(
        self, records: Database, change: Callable[[NodeIdentity], NodeIdentity], *, done: str = ""
    ) -> NodeIdentity:
        """Record what `change` makes of the recorded settings, and return it.

        `done` says what else is done by it; without it, a change of nothing is no event.
        """
        with records.transaction() as connection:
            before = read_identity(connection, self.seal, lock=True)
            after = change(before)
            record(connection, self.seal, after)
            told = "; ".join(one for one in (changes(before, after), done) if one)
            if told:
                self._log(connection, f"settings changed: {told}")
            return after

    def _log(self, connection: Connection, told: str) -> None:
        self.events.put_of_operator(connection, RecordedAction.SETTINGS_CHANGED, self.by, told)


def changes(before: NodeIdentity | None, after: NodeIdentity) -> str:
    """Return in words how `after` differs from `before`, or all of it if nothing was recorded."""
    return "; ".join(_changes(before, after))


def _changes(before: NodeIdentity | None, after: NodeIdentity) -> Iterator[str]:
    for name in NodeIdentity.__struct_fields__:
        value = getattr(after, name)
        if name == "members":
            yield from _members(before, after)
        elif before is None:
            yield f"{name} {_said(value)}"
        elif (was := getattr(before, name)) != value:
            yield f"{name} from {_said(was)} to {_said(value)}"


def _members(before: NodeIdentity | None, after: NodeIdentity) -> Iterator[str]:
    for known in after.members:
        was = None if before is None else before.member(known.msp_id)
        name = known.current.name
        if was is None:
            yield f"member {known.msp_id} listed as {name}, Organization/{known.organization}"
        elif was != known:
            yield f"member {known.msp_id} renamed from {was.current.name} to {name}"


def listing(member: Member) -> Callable[[NodeIdentity], NodeIdentity]:
    """Return the change that lists `member`; one that is known as such stays as it is.

    Raises:
        ConfigError: by the change; another member has its id or its name, or had it.
    """

    def change(identity: NodeIdentity) -> NodeIdentity:
        known = identity.member(member.msp_id)
        if known is not None and known.current == member:
            return identity
        if known is not None:
            raise ConfigError(f"{member.msp_id} is known already, as {known.current.name}")
        _check_name(identity, member.msp_id, member.name)
        if any(one.organization == member.organization for one in identity.members):
            raise ConfigError(f"Organization/{member.organization} is another member's; give another name")
        return identity.with_member(KnownMember.new(member))

    return change


def renaming(msp_id: str, name: str) -> Callable[[NodeIdentity], NodeIdentity]:
    """Return the change that names a known member `name` from now on; its Organization's id stays.

    Raises:
        ConfigError: by the change; it is not known, or another member has the name, or had it.
    """

    def change(identity: NodeIdentity) -> NodeIdentity:
        known = identity.member(msp_id)
        if known is None:
            raise ConfigError(f"{msp_id} is not known here; list it by `consentry policy name`")
        if known.current.name == name:
            return identity
        _check_name(identity, msp_id, name)
        return identity.with_member(known.renamed(name, time.time_ns() // 1_000_000))

    return change


def _check_name(identity: NodeIdentity, msp_id: str, name: str) -> None:
    for one in identity.members:
        if one.msp_id != msp_id and any(held.name.casefold() == name.casefold() for held in one.names):
            raise ConfigError(f"{name} is or was the name of {one.msp_id}; give another one")


def scoring_by(risk: RiskSettings) -> Callable[[NodeIdentity], NodeIdentity]:
    """Return the change that records the evaluator and the files of `risk`, and nothing else."""

    def change(identity: NodeIdentity) -> NodeIdentity:
        return msgspec.structs.replace(identity, risk=_recorded(risk))

    return change


def accepting(settings: NodeSettings) -> Callable[[NodeIdentity], NodeIdentity]:
    """Return the change that records address, evaluator and time zone as `settings` have them."""

    def change(identity: NodeIdentity) -> NodeIdentity:
        return msgspec.structs.replace(
            identity, base_url=settings.base_url, risk=_risk(settings), zone=settings.zone
        )

    return change
