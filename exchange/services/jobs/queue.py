"""Queues, lists and cancels jobs; their parameters are checked here, before they are stored."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from exchange.auth.principal import Principal
from exchange.crypto.job_seal import PARAMETERS, JobSeal
from exchange.errors import BadRequestError, NotFoundError, ThrottledError, TooCostlyError
from exchange.services.jobs.kinds import JobKind, JobKinds
from exchange.store.engine.database import Database
from exchange.store.records import jobs as store
from exchange.store.records.jobs import JobRow

PARAMETER_BYTES: Final = 64 * 1024
"""Bytes of the largest parameters of a job, as JSON."""
UNFINISHED_JOBS: Final = 100
"""Jobs of one client that may be queued or run at a time."""


class JobOrder(msgspec.Struct, frozen=True):
    """The sealed part of a job: the principal it acts for, and its parameters."""

    principal: Principal
    parameters: msgspec.Raw


class JobList:
    """The jobs of one node as its operator sees and ends them."""

    def __init__(self, records: Database) -> None:
        self._records = records

    async def newest(self, limit: int = 1_000) -> list[JobRow]:
        """Return up to `limit` jobs, the newest first.

        Raises:
            DamagedError: a row can't be read.
            UnavailableError: the store can't be reached.
        """
        return await self._records.read(lambda c: store.newest(c, limit))

    async def cancel(self, job: str) -> None:
        """End a job: once this returns, no step of it commits.

        Raises:
            NotFoundError: no job of this id is queued or runs.
            UnavailableError: the store can't be reached.
        """
        now = milliseconds()
        if not await self._records.write(lambda c: store.cancel(c, job, now)):
            raise NotFoundError("no job with this id is queued or runs; `consentry jobs list` shows them")


class JobQueue:
    """Queues jobs of one node in its records database."""

    def __init__(self, records: Database, kinds: JobKinds, seal: JobSeal) -> None:
        self._records = records
        self._kinds = kinds
        self._seal = seal

    async def add(self, principal: Principal, kind: str, parameters: Any) -> str:
        """Queue a job for `principal`, with `parameters` as decoded from JSON; return its id.

        Raises:
            BadRequestError: there is no such kind, or the parameters are not of its type.
            TooCostlyError: the parameters are too large.
            ThrottledError: the client has too many unfinished jobs.
            UnavailableError: the store can't be reached.
        """
        found = self._kinds.get(kind)
        if found is None:
            raise BadRequestError("there is no such kind of job")
        job = secrets.token_hex(16)
        sealed, cursor = self._sealed(job, found, principal, _checked(found, parameters))
        now = milliseconds()

        def work(connection: Connection) -> None:
            if store.count_unfinished(connection, principal.client_id) >= UNFINISHED_JOBS:
                raise ThrottledError("too many jobs of this client wait; cancel one, or try again later")
            store.add(
                connection,
                job,
                kind,
                client_id=principal.client_id,
                sealed=sealed,
                cursor=cursor,
                now=now,
            )

        await self._records.write(work)
        return job

    async def schedule(self, principal: Principal, kind: JobKind[Any, Any], parameters: Any) -> str:
        """See to it that a job that repeats is queued, once however often this is called; return its id.

        Raises:
            UnavailableError: the store can't be reached.
        """
        job = hashlib.sha256(f"consentry/scheduled/{kind.name}".encode()).hexdigest()[:32]
        sealed, cursor = self._sealed(job, kind, principal, _checked(kind, parameters))
        now = milliseconds()
        await self._records.write(
            lambda c: store.add(
                c,
                job,
                kind.name,
                client_id=principal.client_id,
                sealed=sealed,
                cursor=cursor,
                now=now,
                again=True,
            )
        )
        return job

    async def schedule_repeated(self, principal: Principal) -> None:
        """Schedule every kind that repeats, without parameters.

        Raises:
            UnavailableError: the store can't be reached.
        """
        for kind in self._kinds.values():
            if kind.every is not None:
                await self.schedule(principal, kind, {})

    def _sealed(
        self, job: str, kind: JobKind[Any, Any], principal: Principal, parameters: bytes
    ) -> tuple[bytes, bytes]:
        order = msgspec.json.encode(JobOrder(principal, msgspec.Raw(parameters)))
        first = msgspec.json.encode(kind.first)
        return (
            self._seal.seal(job, kind.name, PARAMETERS, order),
            self._seal.seal(job, kind.name, 0, first),
        )


def milliseconds() -> int:
    """Return the time in ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def _checked(kind: JobKind[Any, Any], parameters: Any) -> bytes:
    try:
        checked = msgspec.json.encode(msgspec.convert(parameters, kind.parameters))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, OverflowError):
        # Without the reason, which may quote a value.
        raise BadRequestError(f"these are no parameters of a job of kind {kind.name}") from None
    if len(checked) > PARAMETER_BYTES:
        raise TooCostlyError(f"a job's parameters may have at most {PARAMETER_BYTES} bytes")
    return checked
