"""Starts the evaluator in its container: models from /models, clients from a secret.

The secret is JSON: each client's name, and the SHA-256 of its bearer token in hexadecimal.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from analytics.errors import AnalyticsError
from analytics.service import EvaluatorSettings, models_in, serve

CLIENTS = Path("/run/secrets/evaluator-clients")
MODELS = Path("/models")


def main() -> int:
    """Serve until told to end; the exit status."""
    try:
        clients = json.loads(CLIENTS.read_text())
        settings = EvaluatorSettings(models=models_in(MODELS), clients=clients)
        serve(settings, host="0.0.0.0")  # noqa: S104  # the container's networks say who gets here
    except (OSError, ValueError, AnalyticsError) as why:
        sys.stderr.write(f"error: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
