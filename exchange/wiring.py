"""Where a gateway is put together from its settings: the one place that chooses adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import msgspec

from exchange.config import ConfigError, Folder, Settings
from exchange.core.actors import Member, Principal, operator
from exchange.core.errors import DamagedError
from exchange.core.policy import founding_policy
from exchange.crypto.cursors import Cursors
from exchange.crypto.keys import KeyRing
from exchange.crypto.operator_seal import OperatorSeal
from exchange.crypto.references import References
from exchange.crypto.tokens import TokenKeys
from exchange.ledger.client import LedgerClient
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.identity import WriterLock
from exchange.ledger.projection import Projection
from exchange.services.audit import Audit
from exchange.services.bundles import Bundles
from exchange.services.enforcement import Enforcement
from exchange.services.gateway import Gateway
from exchange.services.indexing import Indexer
from exchange.services.keys import Keys
from exchange.services.pairs import Pairs
from exchange.services.reading import Reading
from exchange.services.searching import Searching
from exchange.services.tokens import Tokens
from exchange.services.writing import Writing
from exchange.store import log
from exchange.store.database import Database
from exchange.store.records import metadata as records_metadata
from exchange.vault.file import FileVault, create_root_key


async def initialise(folder: Folder, settings: Settings) -> None:
    """Make a new node in `folder`: settings, keys, an empty ledger with the founding policy.

    The members' Organization resources are its first records, so that consents can name them.

    Raises:
        ConfigError: the folder is in use, or the settings can't be used.
    """
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.path.iterdir()) and not folder.settings_file.exists():
        raise ConfigError(f"{folder.path} is not empty; choose a new folder")
    folder.write(settings)
    folder.root_key.parent.mkdir(mode=0o700)
    create_root_key(folder.root_key)
    EmbeddedLedger.create_key(folder.node_key)
    client = LedgerClient(EmbeddedLedger.open(folder.ledger, key=folder.node_key, msp_id=settings.msp_id))
    await client.found_policy(founding_policy(member.msp_id for member in settings.members))
    await client.close()
    async with open_node(folder) as node:
        bodies = [(member.organization, organization(member)) for member in settings.members]
        system = node.system("consentry-init")
        changes = [
            await node.gateway.writing.prepare(
                system, body, resource_type="Organization", logical_id=logical_id
            )
            for logical_id, body in bodies
        ]
        await node.gateway.writing.write(changes)


@dataclass(frozen=True, slots=True)
class Node:
    """An open node: the gateway's services, and what commands beside the API need."""

    settings: Settings
    gateway: Gateway
    indexer: Indexer

    def system(self, name: str) -> Principal:
        """The principal under which the operator's own commands act and are logged."""
        return operator(self.settings.msp_id, name)


def organization(member: Member) -> bytes:
    """The Organization resource of a member, found by its MSP id."""
    resource = {
        "resourceType": "Organization",
        "id": member.organization,
        "identifier": [{"system": "urn:consentry:msp", "value": member.msp_id}],
        "active": True,
        "name": member.name,
    }
    return msgspec.json.encode(resource)


def member_references(settings: Settings) -> Mapping[str, str]:
    """How a consent may name each member: its Organization resource or its MSP identifier."""
    names: dict[str, str] = {}
    for member in settings.members:
        names[f"Organization/{member.organization}"] = member.msp_id
        names[f"{settings.fhir_base}/Organization/{member.organization}"] = member.msp_id
        names[f"urn:consentry:msp|{member.msp_id}"] = member.msp_id
    return names


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def open_node(folder: Folder) -> AsyncIterator[Node]:
    """All services of the node in `folder`, with the ledger followed and the outbox empty.

    Raises:
        ConfigError: the folder is no node, or its settings can't be used.
        DamagedError: a data file does not verify; nothing is served.
        InUseError: another process has the node open.
    """
    settings = folder.load()
    vault = FileVault(folder.root_key)
    members = member_references(settings)
    async with AsyncExitStack() as stack:
        if not folder.ledger.exists():  # opening would begin a new one, and every promise with it
            raise DamagedError(f"{folder.ledger} is missing")
        transactions = EmbeddedLedger.open(folder.ledger, key=folder.node_key, msp_id=settings.msp_id)
        ledger = LedgerClient(transactions)
        stack.push_async_callback(ledger.close)
        records = Database(folder.records, records_metadata, durable=True)
        stack.callback(records.close)
        stack.callback(WriterLock(folder.log).release)  # against a rebuilding of the same file
        entries = Database(folder.log, log.metadata, durable=False)
        stack.callback(entries.close)
        projection = Projection(transactions, entries)
        references = References(vault.derive("references"))
        token_keys = TokenKeys(vault.derive("search-tokens"))
        keys = Keys(KeyRing(vault), records)
        pairs = Pairs(
            msp_id=settings.msp_id,
            members=members,
            directory=references.directory,
            records=records,
            keys=keys,
            ledger=ledger,
        )
        enforcement = Enforcement(
            references=references, keys=keys, pairs=pairs, ledger=ledger, entries=entries
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
            msp_id=settings.msp_id,
            base=settings.fhir_base,
            members=members,
            references=references,
            token_keys=token_keys,
        )
        writing = Writing(
            msp_id=settings.msp_id,
            references=references,
            indexer=indexer,
            records=records,
            keys=keys,
            pairs=pairs,
        )
        audit = Audit(
            msp_id=settings.msp_id,
            base=settings.fhir_base,
            names={member.msp_id: member.name for member in settings.members},
            references=references,
            keys=keys,
            enforcement=enforcement,
            entries=entries,
            projection=projection,
        )
        await projection.start()
        stack.push_async_callback(projection.close)
        await pairs.recover()
        filing = asyncio.create_task(pairs.keep_filing(), name="consent-outbox")
        stack.push_async_callback(_ended, filing)
        gateway = Gateway(
            base=settings.fhir_base,
            member=settings.member,
            tokens=Tokens(
                records,
                {member.msp_id: member for member in settings.members},
                base_url=settings.base_url,
                seal=OperatorSeal(vault.derive("operator")),
            ),
            reading=reading,
            writing=writing,
            searching=searching,
            bundles=Bundles(base=settings.fhir_base, writing=writing, searching=searching),
            audit=audit,
            cursors=Cursors(vault.derive("cursors")),
        )
        yield Node(settings, gateway, indexer)
