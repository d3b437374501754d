"""Makes a new node: its folder, settings, keys and databases, and on a new ledger the founding policy."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from chaincode.errors import ConflictError
from chaincode.policy.model import Policy
from exchange.ledger.client import LedgerClient
from exchange.ledger.consortium_policy import founding_policy
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.errors import RefusedError
from exchange.ledger.fabric.channel import survey
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from exchange.node.folder import NodeFolder
from exchange.node.identity.recorded_identity import identity_of, record
from exchange.node.identity.root_key_check import record_root_key
from exchange.node.keys import NodeKeys
from exchange.node.open import open_node
from exchange.node.parts import naming_profile, open_ledger, open_parts, open_vault
from exchange.node.settings import ConfigError, NodeSettings
from exchange.store.engine import postgres
from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.log import log_tables
from exchange.store.migrations.create import create_log, create_records
from exchange.store.records.recorded_settings import records_root_key
from exchange.store.records.tables import metadata as records_metadata
from exchange.vault.file import create_root_key


@dataclass(frozen=True, slots=True)
class SurveyedChannel:
    """A channel as its peer describes it: the own MSP id, the first block's hash, the members' MSP ids."""

    msp_id: str
    first_block: str
    members: tuple[str, ...]


async def initialise(folder: NodeFolder, settings: NodeSettings) -> None:
    """Make a new node in `folder`: settings, keys, and on a new ledger the founding policy.

    The members' Organization resources are its first records, so that consents can name them. If a step
    fails, the folder is empty again.

    Raises:
        ConfigError: the folder is in use, the settings can't be used, or the channel has another policy.
        UnavailableError: the ledger can't be reached.
    """
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_free(folder, settings)
    folder.close_to_others()
    folder.write(settings)
    made: list[Place] = []
    try:
        _make_keys(folder, settings)
        await _found(folder, settings)
        _make_databases(folder, settings, made)
        _record(folder, settings)
        async with open_node(folder) as node:
            await node.membership.introduce()
    except BaseException:
        _remove(folder, made)
        raise


def _check_free(folder: NodeFolder, settings: NodeSettings) -> None:
    if any(folder.path.iterdir()) and not folder.settings_file.exists():
        raise ConfigError(f"{folder.path} is not empty; choose a new folder")
    for place in folder.places(settings):
        if isinstance(place, Schema) and postgres.schema_exists(place):
            raise ConfigError(f"there is a {place} already, maybe another node's; name a database of its own")


def _make_keys(folder: NodeFolder, settings: NodeSettings) -> None:
    folder.root_key.parent.mkdir(mode=0o700)
    create_root_key(folder.root_key)
    if settings.ledger == "embedded":
        EmbeddedLedger.create_key(folder.node_key)


def _make_databases(folder: NodeFolder, settings: NodeSettings, made: list[Place]) -> None:
    """Make both databases; each is in `made` from then on."""
    keys = NodeKeys(open_vault(folder))
    records, entries = folder.places(settings)

    def begin_records(connection: Connection) -> None:
        create_records(connection)
        record_root_key(connection, records_root_key, keys)

    def begin_log(connection: Connection) -> None:
        create_log(connection)
        record_root_key(connection, log_tables.log_root_key, keys)

    for place, tables, begin in (
        (records, records_metadata, begin_records),
        (entries, log_tables.metadata, begin_log),
    ):
        Database(place, tables, durable=True, begin=begin).close()
        made.append(place)


def _record(folder: NodeFolder, settings: NodeSettings) -> None:
    with open_parts(folder) as parts, parts.records.transaction() as connection:
        record(connection, parts.keys.operator_seal, identity_of(settings))


def _remove(folder: NodeFolder, made: Iterable[Place]) -> None:
    for place in made:
        if isinstance(place, Schema):
            postgres.remove(place)
    for file in folder.path.iterdir():  # nothing was here before
        shutil.rmtree(file) if file.is_dir() else file.unlink()


async def _found(folder: NodeFolder, settings: NodeSettings) -> None:
    """Found the policy, unless the ledger has one: then check that this node can be on it."""
    async with open_ledger(folder, settings) as ledger:
        found = (await ledger.read_policy()).policy
        if found is None:
            policy = _founding(settings, (member.msp_id for member in settings.members))
            try:
                await ledger.found_policy(policy)
            except RefusedError as refused:
                if not isinstance(refused.reason, ConflictError):
                    raise
                found = (await ledger.read_policy()).policy  # another member's node was quicker
        if found is not None:
            _check_policy(found, settings)


def _founding(settings: NodeSettings, members: Iterable[str]) -> Policy:
    # An embedded ledger has one caller: no other could ever approve a change of its policy.
    voters = (settings.msp_id,) if settings.ledger == "embedded" else ()
    return founding_policy(members, voters=voters)


def _check_policy(found: Policy, settings: NodeSettings) -> None:
    # A majority adopted any later version; one member alone could have set the first.
    if found.version == 1 and found != _founding(settings, found.members):
        raise ConfigError("the channel was founded on another policy; don't join it before you know why")
    if settings.msp_id not in found.members:
        raise ConfigError(
            f"the channel's policy does not name {settings.msp_id}; "
            "have a majority of its members adopt one that does"
        )


async def survey_channel(path: Path) -> SurveyedChannel:
    """Ask the peer of the connection profile at `path` for the facts of its channel.

    Members are those of the policy in force; before one is founded, the organisations on the channel.

    Raises:
        ConfigError: the profile, or a file that it names, can't be used.
        UnavailableError: the peer can't be reached, or refuses.
    """
    with naming_profile(path):
        profile = Profile.read(path)
        facts = await survey(profile)
        ledger = LedgerClient(FabricTransactions.open(profile))
    try:
        found = (await ledger.read_policy()).policy
    finally:
        await ledger.close()
    return SurveyedChannel(
        profile.msp_id, facts.first_block, facts.members if found is None else found.members
    )
