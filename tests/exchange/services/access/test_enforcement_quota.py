"""Code that is in no request opens no document, unless it names a memory quota of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.auth.principal import Member
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.open import open_node
from exchange.node.settings import NodeSettings
from exchange.runtime.quota import NoQuotaError, Reservation, UnboundedQuota

CITY = Member("CityMSP", "City Hospital", "city-hospital")


async def test_documents_are_opened_within_a_quota_alone(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path / "node")
    await initialise(folder, NodeSettings("CityMSP", "http://127.0.0.1:8400", (CITY,)))
    async with open_node(folder) as node:
        asked = node.system("test"), "Organization", CITY.organization
        reading = node.gateway.reading
        histories = node.gateway.histories
        for unbounded in (
            reading.read(*asked),
            reading.read(*asked, 1),
            histories.history(*asked, below=None, limit=5),
        ):
            with pytest.raises(NoQuotaError):
                await unbounded
        with Reservation(UnboundedQuota("test")):
            assert CITY.name.encode() in (await reading.read(*asked)).body
