"""`consentry bench NAME`: the figures of the README, measured here and now."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.errors import CommandError, needs_extra
from exchange.cli.options import Ledger


class BenchName(StrEnum):
    """The benches there are."""

    ACCESS = "access"
    AUDIT = "audit"
    HOSTILE = "hostile"
    INGEST = "ingest"
    LEDGER = "ledger"
    MEMORY = "memory"
    SCORE = "score"
    VERIFY = "verify"


_Kind = Annotated[Ledger, typer.Option("--ledger", help="ledger: the kind of ledger to measure.")]
_Organisations = Annotated[
    str, typer.Option(help="ledger: sizes of the Fabric network; the first has all rows.")
]
_Grown = Annotated[
    int, typer.Option(help="ledger: accesses to put on it besides, to see what its size costs.", min=0)
]
_Source = Annotated[Path | None, typer.Option(help="ingest: a folder of FHIR files.")]
_DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="access, ingest: URL of an empty PostgreSQL database to measure beside files."),
]
_Records = Annotated[int, typer.Option(help="verify: log records to verify.", min=1000)]
_TestRows = Annotated[
    int | None, typer.Option(help="score: held-out rows checked for exactness; all without it.", min=1)
]
_Concrete = Annotated[
    Path | None,
    typer.Option(help="score: folder of Concrete ML's own environment, made if need be (gigabytes)."),
]


def bench(
    name: Annotated[BenchName, typer.Argument(help="The figures to measure.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    kind: _Kind = Ledger.EMBEDDED,
    organisations: _Organisations = "3,2,5",
    grown: _Grown = 0,
    path: _Source = None,
    database: _DatabaseUrl = None,
    seconds: Annotated[
        float, typer.Option(help="access, hostile, ledger: seconds a measurement.", min=0.5)
    ] = 5.0,
    records: _Records = 1_000_000,
    resources: Annotated[int, typer.Option(help="memory: resources to load.", min=100)] = 100_000,
    test_rows: _TestRows = None,
    sweep: Annotated[bool, typer.Option(help="score: how cost grows with trees, depth, features.")] = True,
    concrete: _Concrete = None,
    plot: Annotated[Path | None, typer.Option(help="score: folder for a picture of the sweep.")] = None,
) -> None:
    """Measure this machine: rows with value, unit, target and whether it holds.

    Example: consentry bench access --ledger embedded --json
    """
    if kind is Ledger.FABRIC and name is not BenchName.LEDGER:
        raise CommandError(f"bench {name} measures on the embedded ledger alone; leave --ledger out")
    if database is not None and name not in {BenchName.ACCESS, BenchName.INGEST}:
        raise CommandError(f"bench {name} measures on files alone; leave --database out")
    with needs_extra("demo"):
        from exchange.bench import measure, report  # noqa: PLC0415 - not installed everywhere

        before = report.machine()
        options = measure.BenchOptions(
            fabric=kind is Ledger.FABRIC,
            organisations=_sizes(organisations),
            grown=grown,
            path=path,
            database=database,
            seconds=seconds,
            records=records,
            resources=resources,
            test_rows=test_rows,
            sweep=sweep,
            concrete=concrete,
            plot=plot,
        )
        rows = measure.measure(name, options)
    report.show(name.value, rows, before=before, as_json=as_json)


def _sizes(organisations: str) -> Sequence[int]:
    try:
        return [int(part) for part in organisations.split(",")]
    except ValueError:
        raise CommandError(f"--organisations {organisations!r} is no list such as 3,2,5") from None
