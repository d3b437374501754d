"""Building blocks of any service: memory quota, batching, worker processes, logs, progress, metrics."""
