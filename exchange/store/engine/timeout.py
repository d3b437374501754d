"""A connection to PostgreSQL with a bounded wait for each answer.

A server that is frozen, and not dead, leaves its connections open: its kernel goes on acknowledging, so no
lower layer reports an error, and a request would wait for as long as the server is frozen.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

T = TypeVar("T")


class TimeoutConnection(psycopg.Connection[Any]):
    """Gives up a statement without an answer within `TIMEOUT` seconds, and with it the connection.

    The outcome is not known afterwards: a commit may stand although its answer was lost.
    """

    TIMEOUT: ClassVar[float] = 15.0  # longer than the wait for a lock

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait as psycopg does, but only up to `TIMEOUT`.

        Raises:
            OperationalError: there was no answer; the connection is closed.
        """
        try:
            return super().wait(gen, interval, self.TIMEOUT if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # no answer, not a refusal
                self.close()
            raise
