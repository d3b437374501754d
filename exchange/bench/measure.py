"""The benches by name, and the options that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange import devnet
from exchange.bench import access, hostile, ingest, ledger, memory, score, verification
from exchange.bench.audit import detection
from exchange.bench.report import Row
from exchange.errors import ExchangeError


class BenchError(ExchangeError):
    """A bench can't go on; the message names the problem, its cause and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """The options of all benches; each reads its own (see the command's help)."""

    fabric: bool
    organisations: Sequence[int]
    grown: int
    path: Path | None
    database: str | None
    seconds: float
    records: int
    resources: int
    test_rows: int | None
    sweep: bool
    concrete: Path | None
    plot: Path | None


def measure(name: str, options: BenchOptions) -> list[Row]:
    """Run the bench `name`.

    Raises:
        BenchError: its Fabric network can't be brought up.
    """
    try:
        return _BENCHES[name](options)
    except devnet.NetworkError as why:
        raise BenchError(str(why)) from None


def _ledger(options: BenchOptions) -> list[Row]:
    return ledger.measure(
        fabric=options.fabric,
        organisations=options.organisations,
        seconds=options.seconds,
        grown=options.grown,
    )


def _score(options: BenchOptions) -> list[Row]:
    return score.measure(
        test_rows=options.test_rows, sweep=options.sweep, concrete=options.concrete, plot=options.plot
    )


_BENCHES: Mapping[str, Callable[[BenchOptions], list[Row]]] = {
    "access": lambda options: access.measure(seconds=options.seconds, database=options.database),
    "audit": lambda _: detection.measure(),
    "hostile": lambda options: hostile.measure(seconds=options.seconds),
    "ingest": lambda options: ingest.measure(options.path, options.database),
    "ledger": _ledger,
    "memory": lambda options: memory.measure(options.resources),
    "score": _score,
    "verify": lambda options: verification.measure(options.records),
}
