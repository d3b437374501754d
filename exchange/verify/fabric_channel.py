"""A Fabric channel under verification: read from the own peer block by block, without trust in it.

The checks of a node's databases compare with what its blocks built; while they run, a gateway may
write, so the channel is read further whenever a check asks for the newest state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Protocol

from exchange.errors import DamagedError
from exchange.ledger.embedded.verify import LedgerReport, PinnedBlock
from exchange.ledger.fabric.blocks.state import ChannelReader
from exchange.ledger.fabric.blocks.verify import ChannelVerifier
from exchange.ledger.fabric.gateway.blocks import open_blocks
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.verify.node import checked_ledger
from exchange.verify.reports import CheckedPart, Progress

_EVERY = 16


class Source(Protocol):
    """A source of blocks, Fabric's `common.Block` each; nothing about them need be true."""

    async def height(self) -> int:
        """Return how many blocks there are."""

    def blocks(self, start: int, height: int) -> AsyncIterator[Any]:
        """Return the blocks from number `start` on, of the first `height`."""


class Channel:
    """Verifies a channel; make one with `open_channel`. Its methods block."""

    def __init__(
        self, runner: asyncio.Runner, source: Source, verifier: ChannelVerifier, progress: Progress
    ) -> None:
        self._runner, self._source, self._progress = runner, source, progress
        self._verifier, self._height = verifier, 0
        self.reader = ChannelReader(verifier.state, self._advance)

    def check(self) -> tuple[CheckedPart, LedgerReport]:
        """Check every block, signature, verdict and transaction so far.

        Raises:
            UnavailableError: the peer serves no blocks.
        """
        self._runner.run(self._read())
        return checked_ledger(self._report()), self._report()

    def _advance(self) -> None:
        self._runner.run(self._read())
        finding = self._report().finding
        if finding is not None:
            raise DamagedError(str(finding))

    async def _read(self) -> None:
        self._height = await self._source.height()
        if self._verifier.blocks >= self._height:
            return
        async for block in self._source.blocks(self._verifier.blocks, self._height):
            if not self._verifier.check(block):
                break
            if self._verifier.blocks % _EVERY == 0:
                self._progress("ledger", self._verifier.blocks, self._height)

    def _report(self) -> LedgerReport:
        return self._verifier.finish(self._height)


@contextmanager
def open_channel(
    profile: Profile, progress: Progress, *, pinned: tuple[PinnedBlock, ...] = ()
) -> Iterator[Channel]:
    """Open the channel of `profile` for verification; `pinned` are blocks of earlier runs.

    Raises:
        ProfileError, IdentityError: a file can't be read, or a certificate or key can't be used.
    """
    with (
        asyncio.Runner() as runner,
        ChannelVerifier(profile.channel, profile.chaincode, pinned=pinned) as verifier,
    ):
        stack = AsyncExitStack()
        source = runner.run(stack.enter_async_context(open_blocks(profile)))
        try:
            yield Channel(runner, source, verifier, progress)
        finally:
            runner.run(stack.aclose())
