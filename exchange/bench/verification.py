"""Seconds to verify a ledger of many log records: every hash, signature, transaction and state row."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from pathlib import Path

from chaincode.access.model import AccessRequest
from exchange.bench.report import Row
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.consortium_policy import founding_policy
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.verify import LedgerReport, verify
from exchange.runtime.progress import TrackedWork

_BATCH = 250
_ALONE = 50  # a fiftieth of the records: each has a block, and a flush to disk, of its own
_MSP = "BenchMSP"


def measure(records: int) -> list[Row]:
    """Write `records` real entries through the contracts, then verify them from the file alone."""
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch:
        path, key = Path(scratch) / "ledger.db", Path(scratch) / "node.key"
        EmbeddedLedger.create_key(key)
        asyncio.run(_write(path, key, records))
        size = path.stat().st_size
        report = _sound(verify(path, load_node_key(key).public_key()))
        alone = Path(scratch) / "alone.db"
        asyncio.run(_write(alone, key, max(1, records // _ALONE), together=1))
        single = _sound(verify(alone, load_node_key(key).public_key()))
        start = _sound(verify(alone, load_node_key(key).public_key(), every_signature=False))
    return [
        Row("verify.million_s", report.seconds * 1_000_000 / records, "s a million records", "<= 10"),
        Row("verify.seconds", report.seconds, "s"),
        Row("verify.alone_million_s", _each(single), "s a million records, each in a block of its own"),
        Row("verify.alone_start_s", _each(start), "s a million of them, as checked before serving"),
        Row("verify.records", records, "records"),
        Row("verify.bytes", size / records, "bytes on disk a record"),
    ]


def _sound(report: LedgerReport) -> LedgerReport:
    if report.finding is not None:
        raise RuntimeError(f"an honest ledger does not verify: {report.finding}")
    return report


def _each(report: LedgerReport) -> float:
    return report.seconds * 1_000_000 / report.transactions


async def _write(path: Path, key: Path, records: int, *, together: int = _BATCH) -> None:
    client = LedgerClient(EmbeddedLedger.open(path, key=key, msp_id=_MSP))
    await client.found_policy(founding_policy([_MSP]))
    with TrackedWork("writing", total=records, go_on="start again", counted="records") as work:
        at_once = 4 if together > 1 else 1  # concurrent requests share a block
        for start in range(0, records, together * at_once):
            end = min(start + together * at_once, records)
            await asyncio.gather(
                *(
                    client.authorize([_ask() for _ in range(min(together, records - at))])
                    for at in range(start, end, together)
                )
            )
            work.advance(end - start, count=end - start)
    await client.close()


def _ask() -> SubjectRequest:
    request = AccessRequest(
        pair=secrets.token_hex(16),
        recipient=_MSP,
        purpose="TREAT",
        action="read",
        user=secrets.token_hex(16),
        digest=secrets.token_hex(32),
        evidence=secrets.token_hex(32),
        classes=("Observation",),
    )
    return SubjectRequest(secrets.token_bytes(16), request)
