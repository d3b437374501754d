"""A migration that is killed anywhere leaves a node of the old format or of the new one, and goes on.

One call of a few is tried, others each time; CONSENTRY_TEST_SCALE=8 tries every call.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.frozen_nodes import thawed
from tests.support.killing import can_trace

ROOT = Path(__file__).parents[3]
SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
SEED = os.environ.get("CONSENTRY_TEST_SEED")


def killed(root: Path, stride: int, *admin: str) -> tuple[int, int]:
    """Return how often a node killed in its migration was of the old format then, and how often new."""
    tried = str(1 + random.Random(SEED).randrange(stride)), str(stride)
    command = [sys.executable, "-m", "tests.support.killed_migrations", str(root), *tried, *admin]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    old, new = done.stdout.split()
    return int(old), int(new)


@pytest.mark.slow
@pytest.mark.skipif(not can_trace(), reason="a process can't trace its child here")
@pytest.mark.parametrize(("engine", "stride"), [("sqlite", 4), ("postgresql", 8)])
def test_a_migration_killed_before_any_call_leaves_the_old_node_or_the_new_one(
    tmp_path: Path, engine: str, stride: int, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres") if engine == "postgresql" else None
    thawed(tmp_path, server)
    stride = max(1, round(stride / SCALE))
    old, new = killed(tmp_path, stride, *(() if server is None else (server.url("postgres"),)))
    assert old > 10 / stride
    assert new
