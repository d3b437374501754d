"""The place of test data that is not part of the repository; tests that need it skip without it."""

import os
from pathlib import Path

SHARED = Path(os.environ.get("CONSENTRY_SHARED", Path(__file__).parents[3] / "shared" / "data"))
"""CONSENTRY_SHARED, or else `shared/data` beside the clone: holds `synthea-r4` and `fhir-r4-examples`."""
