"""The evaluator's start in its container: models from /models; clients, certificate and key are secrets.

Clients are JSON: each one's name, and the SHA-256 of its bearer token in hexadecimal. Certificate chain and
key are PEM files; gateways know the evaluator by them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from analytics.errors import AnalyticsError
from analytics.evaluator.app import EvaluatorSettings, read_models, serve

CLIENTS = Path("/run/secrets/evaluator-clients")
CERTIFICATE = Path("/run/secrets/evaluator-certificate")
KEY = Path("/run/secrets/evaluator-key")
MODELS = Path("/models")


def main() -> int:
    """Serve until told to end, and return the exit status."""
    try:
        clients = json.loads(CLIENTS.read_text())
        settings = EvaluatorSettings(models=read_models(MODELS), clients=clients)
        host = "0.0.0.0"  # noqa: S104  # the container's networks say who gets here
        serve(settings, host=host, certificate=CERTIFICATE, key=KEY)
    except (OSError, ValueError, AnalyticsError) as why:
        sys.stderr.write(f"error: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
