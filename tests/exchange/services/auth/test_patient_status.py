"""A patient's own token ends when the record says that the patient is deceased, and none is issued then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.auth.principal import Member, Principal
from exchange.errors import BadRequestError, UnauthenticatedError
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.open import Node, open_node
from exchange.node.parts import open_parts
from exchange.node.settings import NodeSettings


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[tuple[Node, NodeFolder]]:
    folder = NodeFolder(tmp_path / "node")
    members = (Member("CityMSP", "City", "city"),)
    await initialise(folder, NodeSettings("CityMSP", "http://127.0.0.1:8400", members))
    async with open_node(folder) as opened:
        yield opened, folder


async def put(node: Node, patient: str, **more: Any) -> None:
    body = msgspec.json.encode({"resourceType": "Patient", "id": patient, **more})
    right = node.gateway.rights.grant(node.system("test"), "Patient")
    change = await node.gateway.writing.prepare(right, body, logical_id=patient)
    await node.gateway.writing.write([change], by=node.system("test"), interaction="update")


@pytest.mark.parametrize(
    ("said", "over"),
    [
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2026-10-01"}, True),
        ({"_deceasedDateTime": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}}, True),
        ({"deceasedBoolean": False}, False),
        ({"active": False}, False),
    ],
)
async def test_an_own_token_ends_with_the_life(
    node: tuple[Node, NodeFolder], said: dict[str, Any], over: bool
) -> None:
    opened, folder = node
    await put(opened, "ada")
    await put(opened, "bea")
    with open_parts(folder) as beside:  # as the command issues them
        issued = {
            one: await beside.tokens.issue_local(Principal.for_patient("CityMSP", one), 60)
            for one in ("ada", "bea")
        }
        await put(opened, "ada", **said)
        await beside.tokens.resolve(issued["bea"])
        if not over:
            await beside.tokens.resolve(issued["ada"])
            await beside.tokens.issue_local(Principal.for_patient("CityMSP", "ada"), 60)
            return
        with pytest.raises(UnauthenticatedError):
            await beside.tokens.resolve(issued["ada"])
        with pytest.raises(BadRequestError, match="Patient/ada is deceased"):
            await beside.tokens.issue_local(Principal.for_patient("CityMSP", "ada"), 60)
        await put(opened, "ada")  # it was a mistake
        await beside.tokens.issue_local(Principal.for_patient("CityMSP", "ada"), 60)
