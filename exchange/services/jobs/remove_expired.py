"""The job that removes expired tokens, used assertions, codes and sessions, and jobs that ended long ago.

A step removes up to `ROWS` rows of each table by its effect, which is committed with the step.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection

from exchange.services.jobs.kinds import Finished, JobKind, NextStep, StepContext
from exchange.services.jobs.queue import milliseconds
from exchange.store.engine.database import Database
from exchange.store.records import clients, jobs
from exchange.store.records.persons import sign_in

ROWS: Final = 500
EVERY_SECONDS: Final = 60.0
RETENTION_MS: Final = 7 * 24 * 3600 * 1000
"""Milliseconds for which a job that ended can still be listed."""


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Rounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of steps of this round that are done."""

    done: int = 0


def remove_expired(records: Database) -> JobKind[NoParameters, Rounds]:
    """Return the kind of job that cleans `records` once a minute."""

    async def step(_context: StepContext[NoParameters], cursor: Rounds) -> NextStep[Rounds] | Finished:
        now = milliseconds()

        def is_expired(connection: Connection) -> bool:
            return (
                clients.has_expired(connection, now)
                or sign_in.has_expired(connection, now)
                or jobs.has_ended(connection, now - RETENTION_MS)
            )

        def remove(connection: Connection) -> None:
            clients.sweep(connection, now, limit=ROWS)
            sign_in.sweep(connection, now, limit=ROWS)
            jobs.remove_ended(connection, now - RETENTION_MS, limit=ROWS)

        if not await records.read(is_expired):
            return Finished()
        return NextStep(Rounds(cursor.done + 1), remove, done=cursor.done + 1)

    return JobKind("remove-expired", NoParameters, Rounds(), step, every=EVERY_SECONDS)
