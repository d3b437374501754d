"""The breaker between callers and a ledger that does not answer.

The first caller notices it, after some seconds. From then on everybody is refused at once, while one probe
asks on; as soon as it has an answer, callers pass again. So an outage costs a caller no wait, and the ledger
no crowd, and it ends with the first answer, however long it lasted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from exchange.errors import ExchangeError, UnavailableError

_PAUSE, _PATIENCE = 0.5, 3.0  # seconds between two tries of a probe, and for one

_log = structlog.get_logger()


class CircuitBreaker:
    """Refuses calls from `open` on, until the probe has an answer or `answered` is called.

    `kind` names in the log what it guards.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._trouble: str | None = None
        self._probe: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str | None:
        """Return why calls are refused; None while they are not."""
        return self._trouble

    def check(self) -> None:
        """Let a call pass.

        Raises:
            UnavailableError: the ledger does not answer; the call was not made.
        """
        if self._trouble is not None:
            raise UnavailableError(self._trouble)

    def open(self, trouble: str, probe: Callable[[], Awaitable[None]]) -> None:
        """Refuse calls with `trouble` until `probe` returns; it raises, or takes long, without an answer."""
        if self._trouble is None:
            _log.warning("ledger.gone", kind=self._kind, reason=trouble)
            self._trouble = trouble
            self._probe = asyncio.create_task(self._ask(probe), name="ledger-probe")

    def answered(self) -> None:
        """Let calls pass, because the ledger has answered one that was under way."""
        if self._trouble is not None:
            _log.warning("ledger.back", kind=self._kind)
            self._trouble = None
            if self._probe is not None and self._probe is not asyncio.current_task():
                self._probe.cancel()

    async def close(self) -> None:
        """End the probe."""
        if self._probe is not None:
            self._probe.cancel()
            with suppress(asyncio.CancelledError):
                await self._probe

    async def _ask(self, probe: Callable[[], Awaitable[None]]) -> None:
        while True:
            with suppress(ExchangeError, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await probe()
                break
            await asyncio.sleep(_PAUSE)
        self.answered()
