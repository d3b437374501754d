"""`consentry jobs`: long work of a node that is queued, runs or has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import FOLDER
from exchange.node.settings import Folder
from exchange.services.jobs.queue import JobList
from exchange.store.engine.database import Database
from exchange.store.records.jobs import JobRow, JobState
from exchange.store.records.tables import metadata

app = typer.Typer(help="List and cancel the long work of a node.", no_args_is_help=True)


@app.command("list")
def list_jobs(folder: Annotated[Path, FOLDER]) -> None:
    """List the jobs of a node, the newest first, also while it is served."""
    for job in asyncio.run(_newest(Folder(folder))):
        print("\t".join((job.id, job.kind, job.state, _progress(job), _when(job), job.error)).rstrip())


@app.command("cancel")
def cancel(
    folder: Annotated[Path, FOLDER],
    job: Annotated[str, typer.Argument(help="The job's id, as `jobs list` shows it.", show_default=False)],
) -> None:
    """End a job that is queued or runs: no step of it counts from then on.

    Example: consentry jobs cancel ./node 5f2b6c0e9a1d4c7bb0f3a85d2e6c9f10
    """
    asyncio.run(_cancel(Folder(folder), job))
    print(f"cancelled {job}")


@asynccontextmanager
async def _jobs(folder: Folder) -> AsyncIterator[JobList]:
    settings = folder.load()
    folder.check_files(settings)
    records = Database(folder.places(settings)[0], metadata, durable=True)
    try:
        yield JobList(records)
    finally:
        records.close()


async def _newest(folder: Folder) -> list[JobRow]:
    async with _jobs(folder) as jobs:
        return await jobs.newest()


async def _cancel(folder: Folder, job: str) -> None:
    async with _jobs(folder) as jobs:
        await jobs.cancel(job)


def _progress(job: JobRow) -> str:
    return f"{job.done}" if job.total is None else f"{job.done} of {job.total}"


def _when(job: JobRow) -> str:
    if job.state is JobState.QUEUED:
        return f"due {_time(job.due)}"
    return f"since {_time(job.changed)}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
