"""The figures of a gateway for Prometheus: requests, decisions, tokens, memory, ledger and certificates.

The names of labels are of closed lists: no label holds a part of a request.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

IN_USE_BYTES = Gauge(
    "consentry_memory_in_use_bytes",
    "Bytes of the memory limit that requests hold, beyond the part that is free to each.",
)
REFUSALS = Counter(
    "consentry_memory_refusals_total",
    "Requests, or entries of a batch, refused because the memory limit was reached.",
)

REQUESTS = Counter(
    "consentry_requests_total",
    "Requests answered, by method and status.",
    ["method", "interaction", "status"],
)
REQUEST_SECONDS = Histogram(
    "consentry_request_seconds",
    "Time from the head of a request to the end of its answer.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CONNECTIONS = Gauge("consentry_connections", "Connections that are open.")
DECISIONS = Counter("consentry_decisions_total", "Decisions of the ledger.", ["outcome", "reason"])
TOKENS = Counter("consentry_tokens_total", "Token requests, by how they ended.", ["outcome"])
LEDGER_HEIGHT = Gauge("consentry_ledger_height", "The newest block that this gateway's own requests are in.")
LOG_HEIGHT = Gauge("consentry_log_height", "The newest block whose entries are in the searchable log.")
CERTIFICATE_END = Gauge(
    "consentry_certificate_end_seconds",
    "The end of a certificate, in seconds since 1970 UTC.",
    ["certificate"],
)
