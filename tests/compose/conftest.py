"""Tests that need Fabric's own programs are skipped where these are absent."""

from __future__ import annotations

import pytest

from exchange.devnet import Programs
from exchange.devnet.errors import ProgramsError


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a Fabric test where its programs are absent; raised here, all skips share one line."""
    if item.get_closest_marker("fabric"):
        try:
            Programs.find()
        except ProgramsError as why:
            pytest.skip(str(why))
