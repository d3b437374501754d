"""The commands' side of the admin socket: the gateway calls contracts and loads for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from chaincode.errors import from_code
from exchange.errors import BadRequestError, DamagedError, UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import InUseError, RefusedError, UnknownOutcomeError
from exchange.ledger.port import Checkpoint, Committed, LedgerEvent
from exchange.node.admin import messages
from exchange.node.admin.messages import LONGEST, Answer, Evaluate, Load, Question, Stop, Submit, line
from exchange.node.folder import NodeFolder
from exchange.node.parts import ledger_client, open_ledger
from exchange.node.settings import NodeSettings

_AWAY = "the gateway ended, or answers no more; look at its log, then call again"


class GatewaysTransactions:
    """The transactions of commands, by the gateway that serves the node; fits `Transactions`."""

    def __init__(self, folder: NodeFolder, msp_id: str) -> None:
        self._folder = folder
        self.msp_id = msp_id

    async def submit(
        self, function: str, args: bytes, *, transient: Mapping[str, bytes] | None = None
    ) -> Committed:
        """See `Transactions.submit`; no call of a command has transient data."""
        if transient:
            raise BadRequestError("the admin socket passes no transient data on")
        try:
            done = await _asked(self._folder, Submit(function, args))
        except UnavailableError as why:
            if isinstance(why, InUseError):  # nothing was asked
                raise
            raise UnknownOutcomeError(str(why)) from None
        if not isinstance(done, messages.Submitted):
            raise UnknownOutcomeError(_AWAY)
        return Committed(done.tx_id, done.block, done.time, done.result)

    async def evaluate(self, function: str, args: bytes) -> bytes:
        """See `Transactions.evaluate`."""
        done = await _asked(self._folder, Evaluate(function, args))
        if not isinstance(done, messages.ContractResult):
            raise UnavailableError(_AWAY)
        return done.result

    def events(self, after: Checkpoint | None) -> AsyncIterator[LedgerEvent]:
        """Refuse: the gateway follows the ledger itself."""
        raise BadRequestError(f"the admin socket passes no events on (after {after})")

    def trouble(self) -> str | None:
        """Return None: the gateway says so in its answers."""
        return None

    def doubt(self) -> str | None:
        """Return None: see `trouble`."""
        return None

    async def close(self) -> None:
        """Leave the ledger open: it is the gateway's."""


@asynccontextmanager
async def ledger_or_gateways(folder: NodeFolder, settings: NodeSettings) -> AsyncIterator[LedgerClient]:
    """Open the ledger; an embedded one that a gateway has open by that gateway.

    Raises:
        ConfigError, DamagedError: see `exchange.node.parts.open_transactions`.
    """
    async with AsyncExitStack() as stack:
        try:
            ledger = await stack.enter_async_context(open_ledger(folder, settings))
        except InUseError:
            ledger = ledger_client(GatewaysTransactions(folder, settings.msp_id), settings)
            stack.push_async_callback(ledger.close)
        yield ledger


class GatewaysLoad:
    """One load by the gateway that serves the node; `size` is known, in bytes, once it has begun."""

    def __init__(self, folder: NodeFolder, paths: Sequence[Path], *, same_ids: bool) -> None:
        self._folder = folder
        self._question = Load(tuple(str(path.absolute()) for path in paths), same_ids)

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[tuple[messages.Planned, AsyncGenerator[messages.Loaded]]]:
        """Begin it, and yield its plan and the outcomes; a caller that takes no more of them stops it.

        Raises:
            InUseError: no gateway answers.
            UnavailableError: it refuses, or ended meanwhile; what was stored stays.
        """
        reader, writer = await _connected(self._folder)
        try:
            planned = await _exchanged(reader, writer, self._question)
            if not isinstance(planned, messages.Planned):
                raise UnavailableError(_AWAY)
            yield planned, _outcomes(reader, writer)
        finally:
            writer.close()


async def _outcomes(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncGenerator[messages.Loaded]:
    try:
        while not isinstance(answer := await _next(reader), messages.Ended):
            if not isinstance(answer, messages.Loaded):
                raise UnavailableError(_AWAY)
            yield answer
    except GeneratorExit:
        writer.write(line(Stop()))
        raise


async def _asked(folder: NodeFolder, question: Question) -> Answer:
    reader, writer = await _connected(folder)
    try:
        return await _exchanged(reader, writer, question)
    finally:
        writer.close()


async def _connected(folder: NodeFolder) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        with messages.address(folder.admin_socket) as place:
            return await asyncio.open_unix_connection(place, limit=LONGEST)
    except OSError:
        raise InUseError("another process has this node open, and it answers no commands") from None


async def _exchanged(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: Question
) -> Answer:
    writer.write(line(question))
    try:
        await writer.drain()
    except OSError:
        raise UnavailableError(_AWAY) from None
    return await _next(reader)


async def _next(reader: asyncio.StreamReader) -> Answer:
    """Return the next answer.

    Raises:
        RefusedError, UnknownOutcomeError, DamagedError, UnavailableError: the gateway refused, or is gone.
    """
    try:
        answer: Answer = messages.read_answer(await reader.readline())
    except (OSError, ValueError, msgspec.MsgspecError):
        raise UnavailableError(_AWAY) from None
    if not isinstance(answer, messages.Refused):
        return answer
    if answer.contract:
        raise RefusedError(from_code(answer.contract, answer.message))
    if answer.damaged:
        raise DamagedError(answer.message)
    raise UnknownOutcomeError(answer.message) if answer.unknown_outcome else UnavailableError(answer.message)
