"""The memory that requests hold, and refusals for want of it, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

IN_USE_BYTES = Gauge(
    "consentry_memory_in_use_bytes",
    "Bytes of the memory limit that requests hold, beyond the part that is free to each.",
)
REFUSALS = Counter(
    "consentry_memory_refusals_total",
    "Requests, or entries of a batch, refused because the memory limit was reached.",
)
