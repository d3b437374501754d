"""Leaves tests that need Fabric's own programs out where these are not."""

from __future__ import annotations

import pytest

from exchange.devnet import Programs
from exchange.devnet.errors import ProgramsError


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Raised here, all of them share one line."""
    if item.get_closest_marker("fabric"):
        try:
            Programs.find()
        except ProgramsError as why:
            pytest.skip(str(why))
