"""Seconds to verify a ledger of many log records: every hash, signature, transaction and state row."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from pathlib import Path

from chaincode.access.model import Request
from exchange.bench.report import Row
from exchange.core.policy import founding_policy
from exchange.ledger.client import Ask, LedgerClient
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.verify import verify
from exchange.progress import Work

_BATCH = 250
_MSP = "BenchMSP"


def measure(records: int) -> list[Row]:
    """Write `records` real entries through the contracts, then verify them from the file alone."""
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch:
        path, key = Path(scratch) / "ledger.db", Path(scratch) / "node.key"
        EmbeddedLedger.create_key(key)
        asyncio.run(_write(path, key, records))
        size = path.stat().st_size
        report = verify(path, load_node_key(key).public_key())
    if report.finding is not None:
        raise RuntimeError(f"an honest ledger does not verify: {report.finding}")
    return [
        Row("verify.million_s", report.seconds * 1_000_000 / records, "s a million records", "<= 10"),
        Row("verify.seconds", report.seconds, "s"),
        Row("verify.records", records, "records"),
        Row("verify.bytes", size / records, "bytes on disk a record"),
    ]


async def _write(path: Path, key: Path, records: int) -> None:
    client = LedgerClient(EmbeddedLedger.open(path, key=key, msp_id=_MSP))
    await client.found_policy(founding_policy([_MSP]))
    with Work("writing", total=records, go_on="start again", counted="records") as work:
        for start in range(0, records, _BATCH * 4):
            await asyncio.gather(
                *(
                    client.authorize([_ask() for _ in range(min(_BATCH, records - at))])
                    for at in range(start, min(start + _BATCH * 4, records), _BATCH)
                )
            )
            work.advance(_BATCH * 4, count=_BATCH * 4)
    await client.close()


def _ask() -> Ask:
    request = Request(
        pair=secrets.token_hex(16),
        recipient=_MSP,
        purpose="TREAT",
        action="read",
        user=secrets.token_hex(16),
        digest=secrets.token_hex(32),
        evidence=secrets.token_hex(32),
        classes=("Observation",),
    )
    return Ask(secrets.token_bytes(16), request)
