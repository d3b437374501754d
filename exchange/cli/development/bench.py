"""`consentry bench NAME`: the figures of the README, measured here and now."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from exchange import devnet
from exchange.bench import access, ingest, ledger, memory, report, score, verification
from exchange.cli.errors import CommandError
from exchange.cli.options import Ledger


class Name(StrEnum):
    """The benches there are."""

    ACCESS = "access"
    INGEST = "ingest"
    LEDGER = "ledger"
    MEMORY = "memory"
    SCORE = "score"
    VERIFY = "verify"


def bench(
    name: Annotated[Name, typer.Argument(help="What to measure.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    kind: Annotated[
        Ledger, typer.Option("--ledger", help="ledger: the kind of ledger to measure.")
    ] = Ledger.EMBEDDED,
    organisations: Annotated[
        str, typer.Option(help="ledger: sizes of the Fabric network; the first has all rows.")
    ] = "3,2,5",
    grown: Annotated[
        int, typer.Option(help="ledger: accesses to put on it besides, to see what its size costs.", min=0)
    ] = 0,
    path: Annotated[Path | None, typer.Option(help="ingest: a folder of FHIR files.")] = None,
    database: Annotated[
        str | None,
        typer.Option(help="access, ingest: URL of an empty PostgreSQL database to measure beside files."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="access, ledger: seconds a measurement.", min=0.5)] = 5.0,
    records: Annotated[int, typer.Option(help="verify: log records to verify.", min=1000)] = 1_000_000,
    resources: Annotated[int, typer.Option(help="memory: resources to load.", min=100)] = 100_000,
    test_rows: Annotated[
        int | None, typer.Option(help="score: held-out rows checked for exactness; all without it.", min=1)
    ] = None,
    sweep: Annotated[bool, typer.Option(help="score: how cost grows with trees, depth, features.")] = True,
    concrete: Annotated[
        Path | None,
        typer.Option(help="score: folder of Concrete ML's own environment, made if need be (gigabytes)."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="score: folder for a picture of the sweep.")] = None,
) -> None:
    """Measure this machine: rows with value, unit, target and whether it holds.

    Example: consentry bench access --ledger embedded --json
    """
    if kind is Ledger.FABRIC and name is not Name.LEDGER:
        raise CommandError(f"bench {name} measures on the embedded ledger alone; leave --ledger out")
    if database is not None and name not in {Name.ACCESS, Name.INGEST}:
        raise CommandError(f"bench {name} measures on files alone; leave --database out")
    before = report.machine()
    rows: list[report.Row]
    match name:
        case Name.ACCESS:
            rows = access.measure(seconds=seconds, database=database)
        case Name.INGEST:
            rows = ingest.measure(path, database)
        case Name.LEDGER:
            rows = _ledger(kind, organisations, seconds, grown)
        case Name.MEMORY:
            rows = memory.measure(resources)
        case Name.SCORE:
            rows = score.measure(test_rows=test_rows, sweep=sweep, concrete=concrete, plot=plot)
        case Name.VERIFY:
            rows = verification.measure(records)
    report.show(name.value, rows, before=before, as_json=as_json)


def _ledger(kind: Ledger, organisations: str, seconds: float, grown: int) -> list[report.Row]:
    try:
        counts = [int(part) for part in organisations.split(",")]
    except ValueError:
        raise CommandError(f"--organisations {organisations!r} is no list such as 3,2,5") from None
    fabric = kind is Ledger.FABRIC
    try:
        return ledger.measure(fabric=fabric, organisations=counts, seconds=seconds, grown=grown)
    except devnet.NetworkError as why:
        raise CommandError(str(why)) from None
