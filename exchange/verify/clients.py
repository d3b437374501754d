"""Checks the registered clients: each by its MAC, and all of them by the newest entry about clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from exchange.crypto.operator_seal import OperatorSeal
from exchange.errors import DamagedError
from exchange.ledger.port import LedgerReader
from exchange.services.auth.client_commitments import TAKEN_BACK, ClientCommitments
from exchange.store.engine.database import Database
from exchange.store.records import clients
from exchange.verify.reports import CheckedPart, Progress, WrongError, check_part, snapshot

Comparison = Callable[[Connection], bool]
"""Returns whether the clients in a database are those that they should be."""


def check_clients(
    records: Database, seal: OperatorSeal, progress: Progress, compare: Comparison | None = None
) -> CheckedPart:
    """Check every registered client against the MAC that it was registered with, and all by `compare`."""
    with snapshot(records) as connection:
        check = _check(connection, seal, compare)
        return check_part("clients", check, progress, lambda: clients.count(connection))


def compared_with(ledger: LedgerReader, commitments: ClientCommitments) -> Comparison:
    """Return the comparison with the newest entry about clients that is on the ledger, or waits for it."""

    def compare(connection: Connection) -> bool:
        pair, waiting = commitments.pair(connection), commitments.waiting(connection)
        ledger.catch_up()  # a gateway that is serving may have committed what waited
        logged = commitments.of_entries(pair, (found.value for found in ledger.entries(None)))
        roots = commitments.in_order(logged, waiting)
        return not roots or roots[-1].root == commitments.root(connection)

    return compare


def _check(connection: Connection, seal: OperatorSeal, compare: Comparison | None) -> Iterator[None]:
    for client, mac in clients.everyone(connection):
        try:
            seal.check(client, mac)
        except DamagedError:
            raise WrongError(f"client {client.client_id!r}", "is not as it was registered") from None
        yield
    if compare is not None and not compare(connection):
        raise WrongError("rows", TAKEN_BACK)
