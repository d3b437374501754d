"""Counts of jobs' steps and of their ends, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter

STEPS = Counter("consentry_job_steps_total", "Steps of jobs that were committed.", ["kind"])
ENDED = Counter(
    "consentry_jobs_ended_total", "Jobs, or rounds of repeated ones, by how they ended.", ["kind", "state"]
)
