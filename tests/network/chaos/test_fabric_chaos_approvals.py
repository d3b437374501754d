"""Setting a channel up when Fabric's commands miss the news of their own success, as on a busy machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange import devnet
from exchange.devnet import administration

pytestmark = pytest.mark.fabric


def test_network_comes_up_though_no_command_sees_its_own_transaction(
    programs: devnet.Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approvals and the commit are on the channel; the command that made each one gave up waiting for it."""
    monkeypatch.setattr(administration, "_LISTENING", "15ms")
    monkeypatch.setattr(
        administration, "_SETTLE_TIMEOUT", 120.0
    )  # in so short a time some can't even begin to listen
    options = devnet.Options(organisations=2)
    with devnet.up(tmp_path / "network", options, programs=programs) as running:
        assert running.state.complete
