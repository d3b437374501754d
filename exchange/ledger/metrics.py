"""Prometheus metrics of the ledger: its latency, and the size of request batches."""

from __future__ import annotations

from prometheus_client import Histogram

BATCH_REQUESTS = Histogram(
    "consentry_ledger_batch_requests",
    "Access requests decided by one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 500),
)
WAIT_SECONDS = Histogram(
    "consentry_ledger_wait_seconds",
    "Time from asking to the start of the transaction that decides.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
COMMIT_SECONDS = Histogram(
    "consentry_ledger_commit_seconds",
    "Time from the start of a deciding transaction to its commit.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
