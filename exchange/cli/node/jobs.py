"""`consentry jobs`: the long work of a node that is queued, runs or has ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import FOLDER
from exchange.node.folder import NodeFolder
from exchange.node.parts import open_parts
from exchange.services.jobs.queue import JobList
from exchange.store.records.jobs import JobRow, JobState

app = typer.Typer(help="List and cancel the long work of a node.", no_args_is_help=True)


@app.command("list")
def list_jobs(folder: Annotated[Path, FOLDER]) -> None:
    """List the jobs of a node, the newest first, also while it is served."""
    with open_parts(NodeFolder(folder)) as node:
        jobs = asyncio.run(JobList(node.records).newest())
    for job in jobs:
        print("\t".join((job.id, job.kind, job.state, _progress(job), _when(job), job.error)).rstrip())


@app.command("cancel")
def cancel(
    folder: Annotated[Path, FOLDER],
    job: Annotated[str, typer.Argument(help="The job's id, as `jobs list` shows it.", show_default=False)],
) -> None:
    """End a job that is queued or runs: no step of it counts from then on.

    Example: consentry jobs cancel ./node 5f2b6c0e9a1d4c7bb0f3a85d2e6c9f10
    """
    with open_parts(NodeFolder(folder)) as node:
        asyncio.run(JobList(node.records).cancel(job))
    print(f"cancelled {job}")


def _progress(job: JobRow) -> str:
    return f"{job.done}" if job.total is None else f"{job.done} of {job.total}"


def _when(job: JobRow) -> str:
    if job.state is JobState.QUEUED:
        return f"due {_time(job.due)}"
    return f"since {_time(job.changed)}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
