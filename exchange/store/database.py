"""A database as the services see it: give it work to read or to write, get the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, MetaData

from exchange.store.sqlite import open_engine, prepare
from exchange.store.worker import Worker

T = TypeVar("T")


class Database:
    """One SQLite file with a reading and a writing thread.

    Raises:
        DamagedError: the file is no database of this program.
    """

    def __init__(self, path: Path, metadata: MetaData, *, durable: bool) -> None:
        self._engine = open_engine(path, durable=durable)
        prepare(self._engine, metadata, path=path)
        self._reader = Worker(
            self._engine.execution_options(read_only=True), writes=False, name=f"{path.stem}-read"
        )
        self._writer = Worker(self._engine, writes=True, name=f"{path.stem}-write")

    @property
    def engine(self) -> Engine:
        """For set-up and administration outside of requests."""
        return self._engine

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads, in one snapshot of the database."""
        return await self._reader.run(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all it wrote is committed; if it raises, nothing was written."""
        return await self._writer.run(work)

    def close(self) -> None:
        """Finish what is queued and let go of the file."""
        self._reader.close()
        self._writer.close()
        self._engine.dispose()
