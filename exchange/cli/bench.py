"""`consentry bench NAME`: the figures of the README, measured here and now."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from exchange.bench import access, ingest, memory, report, verification
from exchange.cli.errors import CommandError


class Name(StrEnum):
    """The benches there are."""

    ACCESS = "access"
    INGEST = "ingest"
    MEMORY = "memory"
    VERIFY = "verify"


def bench(
    name: Annotated[Name, typer.Argument(help="What to measure.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    ledger: Annotated[str, typer.Option(help="The ledger to measure on.")] = "embedded",
    path: Annotated[Path | None, typer.Option(help="ingest: a folder of FHIR files.")] = None,
    seconds: Annotated[float, typer.Option(help="access: seconds a measurement.", min=0.5)] = 5.0,
    records: Annotated[int, typer.Option(help="verify: log records to verify.", min=1000)] = 1_000_000,
    resources: Annotated[int, typer.Option(help="memory: resources to load.", min=100)] = 100_000,
) -> None:
    """Measure this machine: rows with value, unit, target and whether it holds.

    Example: consentry bench access --ledger embedded --json
    """
    if ledger != "embedded":
        raise CommandError(f"there is no ledger {ledger!r} to measure yet; use --ledger embedded")
    before = report.machine()
    rows: list[report.Row]
    match name:
        case Name.ACCESS:
            rows = access.measure(seconds=seconds)
        case Name.INGEST:
            rows = ingest.measure(path)
        case Name.MEMORY:
            rows = memory.measure(resources)
        case Name.VERIFY:
            rows = verification.measure(records)
    report.show(name.value, rows, before=before, as_json=as_json)
