"""Opens a node: all of its services, its ledger followed, and its work in the background begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from exchange.auth.principal import Principal
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError
from exchange.ledger.port import Transactions
from exchange.node import build
from exchange.node.folder import NodeFolder
from exchange.node.gateway import Gateway
from exchange.node.identity.recorded_identity import differences
from exchange.node.parts import NodeParts, ledger_client, open_parts, open_transactions
from exchange.node.settings import ConfigError, NodeSettings
from exchange.services.audit.access_review import AccessReview
from exchange.services.jobs.queue import JobQueue
from exchange.services.membership import Membership
from exchange.services.records.prepare import Indexer
from exchange.services.scoring import Scoring
from exchange.services.writes.baseline import adopt_stored
from exchange.store.engine.database import Database
from exchange.store.engine.freshness import Freshness
from exchange.store.records.watched import WATCHED

_LEDGER_TIMEOUT = 3.0
"""Seconds that a ledger has to answer when a node opens, before it counts as away."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Node:
    """An open node: the gateway's services, and those for commands beside the API.

    `away` says why the ledger could not be reached when the node was opened; None if it could. `scores_off`
    says why `[risk]` can't be used; None if it can, or on a node without one.
    """

    settings: NodeSettings
    gateway: Gateway
    indexer: Indexer
    records: Database
    transactions: Transactions
    membership: Membership
    jobs: JobQueue
    review: AccessReview
    away: str | None
    scores_off: str | None

    def system(self, name: str) -> Principal:
        """Return the principal under which the operator's own commands act and are logged."""
        return Principal.for_operator(self.settings.msp_id, name)


@asynccontextmanager
async def open_node(
    folder: NodeFolder, limits: build.NodeLimits | None = None, *, checked: Freshness | None = None
) -> AsyncIterator[Node]:
    """Open all services of the node in `folder`; if the ledger is there, with the outbox empty.

    A ledger that is away is no error: everything is refused until it is back. `checked` has the rows that
    were found to be as the ledger has them; others are refused.

    Raises:
        ConfigError: the folder is no node, its settings can't be used, or a database of it is missing.
        FormatError: it is of another format than this release reads.
        DamagedError: a data file does not verify, or they don't fit together; nothing is served.
        InUseError: another process has the node open.
    """
    async with AsyncExitStack() as stack:
        parts = stack.enter_context(open_parts(folder))
        for one in differences(parts.settings, parts.recorded):
            _log.warning("settings.not_recorded", reason=one.text)
        ground, away = await _open_ground(stack, parts, limits or build.NodeLimits(), checked)
        access = build.build_access(ground)
        records = build.build_records(ground, access)
        audit = build.build_audit(ground, access)
        scoring, scores_off = _open_scoring(stack, ground, access, records)
        membership = build.build_membership(ground, records)
        build.build_proxies(ground, records)
        await audit.projection.start()
        stack.push_async_callback(audit.projection.close)
        await _bring_up(ground, access, away)
        _run_outboxes(stack, access, audit)
        _run(stack, "log-ins", build.build_log_ins(parts, ground, access).keep_recording())
        jobs = build.build_jobs(ground, access)
        await jobs.queue.schedule_repeated(Principal.for_operator(ground.settings.msp_id, "consentry-jobs"))
        _run(stack, "jobs", jobs.runner.keep_running())
        _run(stack, "membership", membership.keep_following())
        gateway = build.build_gateway(ground, records, audit, scoring)
        _run(stack, "health", gateway.health.keep_watching())
        yield Node(
            settings=ground.settings,
            gateway=gateway,
            indexer=records.indexer,
            records=ground.records,
            transactions=ground.transactions,
            membership=membership,
            jobs=jobs.queue,
            review=build.build_review(ground, access, records, audit),
            away=away,
            scores_off=scores_off,
        )


async def _bring_up(ground: build.Foundation, access: build.AccessServices, away: str | None) -> None:
    """Bring to the ledger all that waits for it."""
    await access.links.load()
    await access.pairs.load_outbox()
    if away is None:
        await access.pairs.publish_all()
        await access.recording.complete_all()
    with suppress(UnavailableError):  # then the entries wait in the outbox
        await adopt_stored(ground.records, ground.keys.ring, access.recording)


def _open_scoring(
    stack: AsyncExitStack,
    ground: build.Foundation,
    access: build.AccessServices,
    records: build.RecordServices,
) -> tuple[Scoring | None, str | None]:
    """Open the risk model; or say why there is none, which concerns nothing but scores."""
    try:
        return build.build_scoring(stack, ground, access, records), None
    except ConfigError as why:
        _log.warning("scores.off", reason=str(why))
        return None, str(why)


async def _open_ground(
    stack: AsyncExitStack, parts: NodeParts, limits: build.NodeLimits, checked: Freshness | None
) -> tuple[build.Foundation, str | None]:
    """Open ledger and databases; and why the ledger is away, None if it answers."""
    transactions = open_transactions(parts.folder, parts.settings)
    ledger = ledger_client(transactions, parts.settings, node=parts.keys.name)
    stack.push_async_callback(ledger.close)
    away = await _reason_away(ledger)
    if away is None:
        await _adopt_contracts(ledger)
    else:
        _log.warning("ledger.away", reason=away)
    ground = build.build_foundation(parts, limits, transactions, ledger)
    await ground.records.watch(WATCHED, like=checked)
    return ground, away


async def _reason_away(ledger: LedgerClient) -> str | None:
    """Return why the ledger is away; None if it answers.

    Raises:
        DamagedError: it has no policy, so that no node can be on it.
    """
    try:
        async with asyncio.timeout(_LEDGER_TIMEOUT):
            policy = (await ledger.read_policy()).policy
    except UnavailableError as why:
        return str(why)
    except TimeoutError:
        return "the ledger does not answer"
    if policy is None:
        raise DamagedError("the ledger has no policy: it is not the one that this node was made on")
    return None


async def _adopt_contracts(ledger: LedgerClient) -> None:
    """Adopt this release's contracts before any other transaction, where the ledger can and has not."""
    try:
        await ledger.adopt_contracts()
    except (RefusedError, UnavailableError) as why:
        # The channel's chaincode is of another release, or another member was quicker: both serve.
        _log.warning("contracts.not_adopted", reason=str(why))


def _run_outboxes(stack: AsyncExitStack, access: build.AccessServices, audit: build.AuditServices) -> None:
    """Run, until `stack` ends, the work that follows accesses and writes."""
    _run(stack, "log-index", audit.index.keep_indexing())
    _run(stack, "releases", access.releases.keep_noting())
    _run(stack, "consent-outbox", access.pairs.keep_publishing())
    _run(stack, "entries-outbox", access.recording.keep_recording())


def _run(stack: AsyncExitStack, name: str, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` in the background until `stack` ends."""
    stack.push_async_callback(_ended, asyncio.create_task(work, name=name))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
