"""Checks of a node's stored data, put together from its folder: before it serves, and on demand.

Everything is read beside a gateway that may be serving the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import select

from chaincode.consent.calls import PairOpener
from exchange.auth.identity import KnownMember
from exchange.errors import DamagedError
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.reader import open_reader
from exchange.ledger.embedded.verify import LedgerReport, PinnedBlock
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.port import LedgerReader
from exchange.node.folder import NodeFolder
from exchange.node.identity.recorded_identity import differences
from exchange.node.identity.root_key_check import RootKeyError
from exchange.node.parts import NodeParts, naming_profile, open_ledger, open_parts
from exchange.node.settings import NodeSettings
from exchange.services.membership import Members
from exchange.store.engine.database import Database
from exchange.store.engine.freshness import Freshness
from exchange.store.log import log_tables
from exchange.verify.clients import check_clients, compared_with
from exchange.verify.consents import ConsentChecks
from exchange.verify.fabric_channel import open_channel
from exchange.verify.indexed_log import IndexChecks
from exchange.verify.node import (
    check_documents,
    check_ledger,
    check_ledger_to_serve,
    check_log,
)
from exchange.verify.other_nodes import OpenedPairs, OtherNodes, summaries
from exchange.verify.release_checks import LogGaps, ReleaseChecks
from exchange.verify.reports import CheckedPart, Progress, WrongError, check_part, snapshot
from exchange.verify.writes import WriteChecks


@dataclass(frozen=True, slots=True)
class CheckedLedger:
    """A verified ledger; `reader` is None if something is wrong: then it proves nothing about the rest."""

    checked: CheckedPart
    report: LedgerReport
    reader: LedgerReader | None


@dataclass(frozen=True, slots=True)
class CheckedNode:
    """Every part of a node that was checked, and the report of the ledger's verifier.

    `gaps` counts what the log lacks without being wrong; None where something else is wrong. `other_nodes`
    are other gateways of the organisation with pairs on the ledger.
    """

    parts: Sequence[CheckedPart]
    report: LedgerReport
    gaps: LogGaps | None
    other_nodes: Sequence[OpenedPairs] = ()


def check_to_serve(folder: NodeFolder, settings: NodeSettings) -> Freshness:
    """Refuse to serve on an embedded ledger that does not verify, or on records that were taken back.

    Opening the ledger reads its newest block alone, and a gateway relies on all of them. On Fabric the peer
    verifies, and the records are compared with the entries that the log has by now. Returns the rows of
    records as they were compared, for the process that serves them.

    Raises:
        DamagedError: naming the first finding.
    """
    with ExitStack() as stack:
        parts = stack.enter_context(open_parts(folder))
        compared = Freshness()
        others = other_nodes(parts)
        if settings.ledger != "embedded":
            writes = _write_checks(parts, lambda names: _asked(folder, settings, others, names), compared)
            _refuse(writes.check_against_log(parts.open_log(), _silent))
            return compared
        public = load_node_key(folder.node_key).public_key()
        _refuse(check_ledger_to_serve(folder.ledger, public))
        reader = stack.enter_context(open_reader(folder.ledger))
        writes = _write_checks(parts, lambda names: others.among(names, reader.pairs()), compared)
        _refuse(writes.check_against_ledger(reader, _silent))
        _refuse(_checked_clients(parts, reader, _silent))
        _refuse(_consent_checks(parts, parts.open_log(), reader, others).check_consents(_silent))
        return compared


def other_nodes(parts: NodeParts) -> OtherNodes:
    """Return the check that tells pairs of other gateways of the organisation from those of this node."""
    return OtherNodes(
        msp_id=parts.settings.msp_id,
        node=parts.keys.name,
        records=parts.records,
        ring=parts.keys.ring,
        recipients={parts.settings.msp_id, *_members(parts).references.values()},
    )


def _write_checks(
    parts: NodeParts, others: Callable[[Collection[str]], Collection[str]], compared: Freshness | None = None
) -> WriteChecks:
    return WriteChecks(
        msp_id=parts.settings.msp_id,
        records=parts.records,
        ring=parts.keys.ring,
        others=others,
        compared=compared,
    )


def _asked(
    folder: NodeFolder, settings: NodeSettings, others: OtherNodes, names: Collection[str]
) -> list[str]:
    """Ask the own peer which of the pairs `names` other gateways of this organisation opened.

    Raises:
        UnavailableError: the peer can't be reached.
    """

    async def openers() -> dict[str, PairOpener]:
        async with open_ledger(folder, settings) as ledger:
            return await ledger.pair_openers(list(names))

    with ThreadPoolExecutor(1) as thread:  # the caller's may run a loop
        found = thread.submit(asyncio.run, openers()).result()
    return [name for name, opener in found.items() if others.opened(name, settings.msp_id, opener)]


def _refuse(checked: CheckedPart) -> None:
    if checked.finding is not None:
        raise DamagedError(str(checked.finding))


def _silent(_part: str, _done: int, _of: int) -> None:
    pass


def check_node(
    folder: NodeFolder, progress: Progress, *, replay: bool = False, pinned: tuple[PinnedBlock, ...] = ()
) -> CheckedNode:
    """Check the ledger, the log, consents, documents and clients of the node in `folder`.

    Raises:
        ConfigError: the folder is no node, or the connection profile can't be used.
        UnavailableError: the peer serves no blocks, or a database can't be reached.
    """
    with ExitStack() as stack:
        parts = stack.enter_context(open_parts(folder))
        keys = parts.keys
        ledger = checked_ledger(stack, folder, parts.settings, progress, replay=replay, pinned=pinned)
        root_key = check_part("root key", _root_key(parts), progress, lambda: 2)
        if root_key.finding is not None:  # nothing else can be read
            return CheckedNode([ledger.checked, root_key], ledger.report, gaps=None)
        records = parts.records
        checked = [ledger.checked, _settings(parts, progress)]
        gaps, opened = None, list[OpenedPairs]()
        if ledger.reader is not None:
            others = other_nodes(parts)
            releases = ReleaseChecks(
                msp_id=parts.settings.msp_id,
                records=records,
                entries=parts.open_log(),
                ledger=ledger.reader,
                ring=keys.ring,
            )
            checked += _against_the_ledger(parts, ledger.reader, releases, others, progress)
            if not any(part.finding for part in checked):
                theirs = others.by_node(ledger.reader.pairs())
                gaps = releases.gaps(frozenset[str]().union(*theirs.values()))
                opened = summaries(theirs)
        checked.append(check_documents(records, keys.ring, progress))
        checked.append(_checked_clients(parts, ledger.reader, progress))
        return CheckedNode(checked, ledger.report, gaps, opened)


def _root_key(parts: NodeParts) -> Iterator[None]:
    """Compare the root key with the check value of each database."""
    try:
        _ = parts.records
        yield
        parts.open_log()
        yield
    except RootKeyError as why:
        raise WrongError("keys", str(why)) from None


def _settings(parts: NodeParts, progress: Progress) -> CheckedPart:
    return check_part("settings", _compare(parts), progress, lambda: 1)


def _compare(parts: NodeParts) -> Iterator[None]:
    """Compare the recorded settings with the file, and with the members that the log knows."""
    found = differences(parts.settings, parts.recorded)
    if found:
        raise WrongError("consentry.toml", found[0].text)
    recipients = select(log_tables.entries.c.recipient).distinct()
    with snapshot(parts.open_log()) as connection:
        logged = sorted(connection.execute(recipients).scalars())
    for msp_id in logged:
        if parts.recorded.member(msp_id) is None:
            raise WrongError(f"member {msp_id}", "has entries in the log, and is not recorded as a member")
        yield


def _members(parts: NodeParts) -> Members:
    """Return the members as recorded; those of the file where the record does not verify."""
    try:
        return parts.members
    except DamagedError:
        return Members(KnownMember.new(one) for one in parts.settings.members)


def _against_the_ledger(
    parts: NodeParts, reader: LedgerReader, releases: ReleaseChecks, others: OtherNodes, progress: Progress
) -> list[CheckedPart]:
    log = parts.open_log()
    consents = _consent_checks(parts, log, reader, others)
    writes = _write_checks(parts, lambda names: others.among(names, reader.pairs()))
    return [
        check_log(reader, log, progress),
        writes.check_against_ledger(reader, progress),
        consents.check_details(progress),
        _index_checks(parts, log).check_index(progress),
        releases.check(progress),
        consents.check_consents(progress),
    ]


def _index_checks(parts: NodeParts, log: Database) -> IndexChecks:
    keys = parts.keys
    return IndexChecks(records=parts.records, entries=log, ring=keys.ring, references=keys.references)


def _checked_clients(parts: NodeParts, reader: LedgerReader | None, progress: Progress) -> CheckedPart:
    compare = None if reader is None else compared_with(reader, parts.client_commitments)
    return check_clients(parts.records, parts.keys.operator_seal, progress, compare)


def _consent_checks(
    parts: NodeParts, log: Database, reader: LedgerReader, others: OtherNodes
) -> ConsentChecks:
    return ConsentChecks(
        msp_id=parts.settings.msp_id,
        records=parts.records,
        entries=log,
        ledger=reader,
        ring=parts.keys.ring,
        references=parts.keys.references,
        members=_members(parts).references,
        others=others,
    )


def checked_ledger(
    stack: ExitStack,
    folder: NodeFolder,
    settings: NodeSettings,
    progress: Progress,
    *,
    replay: bool = False,
    pinned: tuple[PinnedBlock, ...] = (),
) -> CheckedLedger:
    """Verify the node's ledger from its first block on; its reader stays open until `stack` ends.

    Raises:
        ConfigError: the connection profile, or a file that it names, can't be used.
        UnavailableError: the peer serves no blocks.
    """
    path = folder.profile(settings)
    if path is None:
        public = load_node_key(folder.node_key).public_key()
        checked, report = check_ledger(folder.ledger, public, progress, replay=replay, pinned=pinned)
        if checked.finding is not None:
            return CheckedLedger(checked, report, None)
        return CheckedLedger(checked, report, stack.enter_context(open_reader(folder.ledger)))
    if settings.first_block is not None:
        pinned = (PinnedBlock(0, settings.first_block), *pinned)
    with naming_profile(path):
        channel = stack.enter_context(open_channel(Profile.read(path), progress, pinned=pinned))
    checked, report = channel.check()
    return CheckedLedger(checked, report, channel.reader if checked.finding is None else None)
