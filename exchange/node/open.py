"""Where a gateway is put together from its settings: the one place that chooses adapters."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from chaincode.errors import ConflictError
from chaincode.policy.model import Policy
from exchange.auth.principal import Principal, operator
from exchange.crypto.cursors import Cursors
from exchange.crypto.index_tokens import TokenKeys
from exchange.crypto.keys import KeyRing
from exchange.crypto.operator_seal import OperatorSeal
from exchange.crypto.references import References
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.consortium_policy import founding_policy
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.identity import WriterLock
from exchange.ledger.embedded.reader import open_reader
from exchange.ledger.errors import RefusedError
from exchange.ledger.fabric.channel import survey
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.errors import GatewayError
from exchange.ledger.fabric.gateway.transactions import IN_FLIGHT, FabricTransactions
from exchange.ledger.port import Transactions
from exchange.ledger.projection import Projection
from exchange.node.formats import check_formats
from exchange.node.gateway import Gateway
from exchange.node.interaction_table import build_capabilities, build_interactions
from exchange.node.risk_model import open_model
from exchange.node.settings import ConfigError, Folder, Settings
from exchange.runtime.quota import Budget, smallest
from exchange.services.access.enforcement import Enforcement
from exchange.services.access.subject_keys import Keys
from exchange.services.audit.access_log import Audit
from exchange.services.auth.tokens import Tokens
from exchange.services.consents.pairs import Pairs
from exchange.services.membership import Members, Membership
from exchange.services.records.conditions import Conditions
from exchange.services.records.create_update import Writing
from exchange.services.records.history import Histories
from exchange.services.records.prepare import Indexer
from exchange.services.records.read import Reading
from exchange.services.records.search import Searching
from exchange.services.records.write_rights import WriteRights
from exchange.services.scoring import Scoring
from exchange.store.engine import postgres
from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.log import log_tables
from exchange.store.migrations.create import create_log, create_records
from exchange.store.records.tables import metadata as records_metadata
from exchange.vault.file import FileVault, create_root_key

_log = structlog.get_logger()

_GREETING = 3.0
"""Seconds that a ledger has to answer when a node opens, before it counts as away."""


async def initialise(folder: Folder, settings: Settings) -> None:
    """Make a new node in `folder`: settings, keys, and on a new ledger the founding policy.

    The members' Organization resources are its first records, so that consents can name them. If a step
    fails, the folder is empty again.

    Raises:
        ConfigError: the folder is in use, the settings can't be used, or the channel has another policy.
        UnavailableError: the ledger can't be reached.
    """
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.path.iterdir()) and not folder.settings_file.exists():
        raise ConfigError(f"{folder.path} is not empty; choose a new folder")
    for place in folder.places(settings):
        if isinstance(place, Schema) and postgres.taken(place):
            raise ConfigError(f"there is a {place} already, maybe another node's; name a database of its own")
    folder.write(settings)
    made: list[Place] = []
    try:
        folder.root_key.parent.mkdir(mode=0o700)
        create_root_key(folder.root_key)
        if settings.ledger == "embedded":
            EmbeddedLedger.create_key(folder.node_key)
        await _found(folder, settings)
        records, entries = folder.places(settings)
        for place, tables, begin in (
            (records, records_metadata, create_records),
            (entries, log_tables.metadata, create_log),
        ):
            Database(place, tables, durable=True, begin=begin).close()
            made.append(place)
        async with open_node(folder) as node:
            await node.membership.introduce()
    except BaseException:
        for place in made:
            if isinstance(place, Schema):
                postgres.remove(place)
        for file in folder.path.iterdir():  # nothing was here before
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        raise


async def _found(folder: Folder, settings: Settings) -> None:
    ledger = LedgerClient(open_transactions(folder, settings))
    try:
        held = (await ledger.read_policy()).policy
        if held is None:
            policy = _founding(settings, (member.msp_id for member in settings.members))
            try:
                await ledger.found_policy(policy)
            except RefusedError as refused:
                if not isinstance(refused.reason, ConflictError):
                    raise
                held = (await ledger.read_policy()).policy  # another member's node was quicker
        if held is not None:
            _check_policy(held, settings)
    finally:
        await ledger.close()


def _founding(settings: Settings, members: Iterable[str]) -> Policy:
    # An embedded ledger has one caller: nobody else could ever approve a change of its policy.
    voters = (settings.msp_id,) if settings.ledger == "embedded" else ()
    return founding_policy(members, voters=voters)


def _check_policy(held: Policy, settings: Settings) -> None:
    # A later version was adopted by a majority, whatever it says; the first one anybody could have set.
    if held.version == 1 and held != _founding(settings, held.members):
        raise ConfigError("the channel was founded on another policy; don't join it before you know why")
    if settings.msp_id not in held.members:
        raise ConfigError(
            f"the channel's policy does not name {settings.msp_id}; "
            "have a majority of its members adopt one that does"
        )


async def consortium(profile: Path) -> tuple[Profile, str, tuple[str, ...]]:
    """What a channel tells of itself: the profile, its first block's hash, and its members' MSP ids.

    Members are those of the policy in force; before one is founded, the organisations on the channel.

    Raises:
        ConfigError: the profile, or a file that it names, can't be used.
        UnavailableError: the peer can't be reached, or refuses.
    """
    try:
        read = Profile.read(profile)
        facts = await survey(read)
        ledger = LedgerClient(FabricTransactions.open(read))
    except GatewayError as why:
        raise ConfigError(f"{why}; see to {profile} and the files that it names") from None
    try:
        held = (await ledger.read_policy()).policy
    finally:
        await ledger.close()
    return read, facts.first_block, facts.members if held is None else held.members


@dataclass(frozen=True, slots=True)
class Node:
    """An open node: the gateway's services, and what commands beside the API need.

    `away` says why the ledger could not be reached when the node was opened; None if it could.
    """

    settings: Settings
    gateway: Gateway
    indexer: Indexer
    membership: Membership
    away: str | None

    def system(self, name: str) -> Principal:
        """The principal under which the operator's own commands act and are logged."""
        return operator(self.settings.msp_id, name)


def open_transactions(folder: Folder, settings: Settings) -> Transactions:
    """The way to the node's ledger; an embedded one that is not there is begun.

    Raises:
        ConfigError: the connection profile, or a file that it names, can't be used.
        DamagedError: the embedded ledger does not verify.
        InUseError: another process has it open.
    """
    profile = folder.profile(settings)
    if profile is None:
        return EmbeddedLedger.open(folder.ledger, key=folder.node_key, msp_id=settings.msp_id)
    try:
        read = Profile.read(profile)
        if read.msp_id != settings.msp_id:
            raise ConfigError(
                f"{profile} is a profile of {read.msp_id}, and this node is {settings.msp_id}'s; "
                "name its own in consentry.toml"
            )
        return FabricTransactions.open(read, first_block=settings.first_block)
    except GatewayError as why:
        raise ConfigError(f"{why}; see to {profile} and the files that it names") from None


async def _greet(ledger: LedgerClient) -> str | None:
    """Why the ledger is away; None if it answers. Without a policy it is none that a node can be on."""
    try:
        async with asyncio.timeout(_GREETING):
            held = (await ledger.read_policy()).policy
    except UnavailableError as why:
        return str(why)
    except TimeoutError:
        return "the ledger does not answer"
    if held is None:
        raise DamagedError("the ledger has no policy: it is not the one that this node was made on")
    return None


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def open_node(folder: Folder) -> AsyncIterator[Node]:
    """All services of the node in `folder`, with the ledger followed and, if it is there, the outbox empty.

    A ledger that is away is no error: everything is refused until it is back.

    Raises:
        ConfigError: the folder is no node, its settings can't be used, or a database of it is missing.
        FormatError: it is of another format than this release reads.
        DamagedError: a data file does not verify, or they don't fit together; nothing is served.
        InUseError: another process has the node open.
    """
    settings = folder.load()
    folder.check_files(settings)
    check_formats(folder, settings)
    vault = FileVault(folder.root_key)
    members = Members(settings.members)
    async with AsyncExitStack() as stack:
        transactions = open_transactions(folder, settings)
        ledger = LedgerClient(transactions, in_flight=1 if settings.ledger == "embedded" else IN_FLIGHT)
        stack.push_async_callback(ledger.close)
        away = await _greet(ledger)
        if away is not None:
            _log.warning("ledger.away", reason=away)
        kept, listed = folder.places(settings)
        records = Database(kept, records_metadata, durable=True)
        stack.callback(records.close)
        stack.callback(WriterLock(folder.log).release)  # against a rebuilding of the same file
        entries = Database(listed, log_tables.metadata, durable=False, exclusive=True)
        stack.callback(entries.close)
        witness = partial(open_reader, folder.ledger) if settings.ledger == "embedded" else None
        references = References(vault.derive("references"))
        token_keys = TokenKeys(vault.derive("search-tokens"))
        keys = Keys(KeyRing(vault), records)
        pairs = Pairs(
            msp_id=settings.msp_id,
            members=members.references,
            directory=references.directory,
            records=records,
            keys=keys,
            ledger=ledger,
        )
        projection = Projection(transactions, entries, witness=witness, policy_changed=pairs.policy_changed)
        enforcement = Enforcement(
            base=settings.fhir_base,
            references=references,
            keys=keys,
            pairs=pairs,
            ledger=ledger,
            entries=entries,
        )
        reading = Reading(references=references, records=records, enforcement=enforcement)
        searching = Searching(
            msp_id=settings.msp_id,
            references=references,
            token_keys=token_keys,
            records=records,
            pairs=pairs,
            enforcement=enforcement,
        )
        indexer = Indexer(
            base=settings.fhir_base,
            members=members.references,
            references=references,
            token_keys=token_keys,
        )
        writing = Writing(
            references=references,
            indexer=indexer,
            records=records,
            keys=keys,
            pairs=pairs,
        )
        audit = Audit(
            msp_id=settings.msp_id,
            base=settings.fhir_base,
            names=members.names,
            references=references,
            keys=keys,
            enforcement=enforcement,
            entries=entries,
            projection=projection,
        )
        scoring = None
        if settings.risk is not None:
            model = open_model(folder, settings.risk)
            stack.push_async_callback(model.close)
            scoring = Scoring(
                model=model,
                references=references,
                records=records,
                enforcement=enforcement,
                searching=searching,
                writing=writing,
            )
        await projection.start()
        stack.push_async_callback(projection.close)
        if away is None:
            await pairs.recover()
        filing = asyncio.create_task(pairs.keep_filing(), name="consent-outbox")
        stack.push_async_callback(_ended, filing)
        membership = Membership(
            folder=folder,
            members=members,
            references=references,
            records=records,
            writing=writing,
        )
        following = asyncio.create_task(membership.keep_following(), name="membership")
        stack.push_async_callback(_ended, following)
        tokens = Tokens(
            records,
            members.by_msp,
            base_url=settings.base_url,
            seal=OperatorSeal(vault.derive("operator")),
        )
        rights = WriteRights(msp_id=settings.msp_id)
        interactions = build_interactions(
            base=settings.fhir_base,
            cursors=Cursors(vault.derive("cursors")),
            reading=reading,
            histories=Histories(
                references=references, records=records, enforcement=enforcement, reading=reading
            ),
            searching=searching,
            writing=writing,
            conditions=(conditions := Conditions(base=settings.fhir_base, searching=searching)),
            rights=rights,
            audit=audit,
            scoring=scoring,
        )
        gateway = Gateway(
            base=settings.fhir_base,
            member=settings.member,
            tokens=tokens,
            interactions=interactions,
            capabilities=build_capabilities(
                interactions, base=settings.fhir_base, member=settings.member, token_url=settings.token_url
            ),
            reading=reading,
            writing=writing,
            conditions=conditions,
            rights=rights,
            budget=Budget(settings.memory_limit, reserve=smallest(settings.body_limit)),
            scoring=scoring,
        )
        yield Node(settings, gateway, indexer, membership, away)
