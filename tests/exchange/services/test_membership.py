"""A running gateway takes in a member that is added to its settings, for tokens, consents and the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import Client, new_client
from exchange.auth.principal import Member
from exchange.demo.consortium import permit_consent
from exchange.errors import BadRequestError, InvalidResourceError
from exchange.node.build import NodeLimits
from exchange.node.folder import NodeFolder
from exchange.node.identity.accepted_changes import add_member, rename_member
from exchange.node.initialise import initialise
from exchange.node.open import Node, open_node
from exchange.node.parts import ledger_client
from exchange.node.settings import NodeSettings
from exchange.runtime.quota import Reservation, UnboundedQuota

CITY = Member("CityMSP", "City", "city")
LAKE = Member("LakeMSP", "Lake Clinic", "lake-clinic")
RIDGE = Member("RidgeMSP", "Ridge", "ridge")
QUICK = NodeLimits(member_poll_seconds=0.02)
CONSENT = {**permit_consent("p", RIDGE), "id": "c"}


@pytest.fixture
async def folder(tmp_path: Path) -> NodeFolder:
    made = NodeFolder(tmp_path / "node")
    await initialise(made, NodeSettings("CityMSP", "http://127.0.0.1:8400", (CITY, LAKE)))
    return made


@pytest.fixture
async def node(folder: NodeFolder) -> AsyncIterator[Node]:
    async with open_node(folder, QUICK) as opened:
        yield opened


def client(organization: str) -> Client:
    key = ec.generate_private_key(ec.SECP384R1())
    return new_client(
        client_id=f"of-{organization}",
        name="a client",
        organization=organization,
        jwks=msgspec.json.encode({"keys": [public_jwk(key)]}),
        allowed=["system/*.rs"],
        created=1,
        purpose="",
    )


async def list_member(folder: NodeFolder, member: Member) -> None:
    await asyncio.to_thread(add_member, folder, member, by="ops")


async def stored(node: Node, organization: str) -> bool:
    with Reservation(UnboundedQuota("test")):
        found = await node.gateway.reading.read(node.system("test"), "Organization", organization)
    return organization.encode() in found.body


async def until(true: Callable[[], bool]) -> None:
    """Wait until `true` says so: the settings are a file, and a file does not report that it was read."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


async def put(node: Node, resource: dict[str, object]) -> None:
    body = msgspec.json.encode(resource)
    kind, name = str(resource["resourceType"]), str(resource["id"])
    writing = node.gateway.writing
    right = node.gateway.rights.grant(node.system("test"), kind)
    prepared = await writing.prepare(right, body, logical_id=name)
    await writing.write([prepared], by=node.system("test"), interaction="update")


async def accepted(node: Node, resource: dict[str, object]) -> bool:
    with suppress(InvalidResourceError):
        await put(node, resource)
        return True
    return False


async def test_a_member_added_to_the_settings_is_known_without_a_restart(
    node: Node, folder: NodeFolder
) -> None:
    await put(node, {"resourceType": "Patient", "id": "p"})
    with pytest.raises(BadRequestError, match="no member"):
        await node.gateway.tokens.clients.register(client("RidgeMSP"))
    with pytest.raises(InvalidResourceError) as unknown:
        await put(node, CONSENT)
    assert "is not known here" in str(unknown.value.problems)
    await list_member(folder, RIDGE)
    await until(lambda: "RidgeMSP" in node.membership.introduced)
    await node.gateway.tokens.clients.register(client("RidgeMSP"))
    with pytest.raises(InvalidResourceError) as early:
        await put(node, CONSENT)
    assert "no member of the consortium now" in str(early.value.problems)
    ledger = ledger_client(node.transactions, node.settings)
    policy = (await ledger.read_policy()).policy
    assert policy is not None
    members = (*policy.members, "RidgeMSP")
    await ledger.propose_policy(msgspec.structs.replace(policy, version=policy.version + 1, members=members))
    async with asyncio.timeout(10):  # the gateway follows the policy by its event
        while not await accepted(node, CONSENT):  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.02)
    assert await stored(node, "ridge")


async def test_an_organization_that_is_stored_stays_as_it_is(node: Node) -> None:
    edited = {"resourceType": "Organization", "id": "lake-clinic", "name": "Lake Clinic, renamed"}
    await put(node, edited)
    await node.membership.introduce()
    with Reservation(UnboundedQuota("test")):
        found = await node.gateway.reading.read(node.system("test"), "Organization", "lake-clinic")
    assert b"renamed" in found.body


async def test_a_member_that_was_listed_while_the_gateway_was_off_is_introduced(folder: NodeFolder) -> None:
    await list_member(folder, RIDGE)
    async with open_node(folder, QUICK) as node:
        await until(lambda: "RidgeMSP" in node.membership.introduced)
        assert await stored(node, "ridge")


@pytest.mark.parametrize("running", [True, False])
async def test_a_new_name_reaches_the_organization_and_leaves_the_rest_of_it(
    folder: NodeFolder, running: bool
) -> None:
    async def named(node: Node, text: bytes) -> bool:
        with Reservation(UnboundedQuota("test")):
            found = await node.gateway.reading.read(node.system("test"), "Organization", "lake-clinic")
        return text in found.body and b"555" in found.body

    async with open_node(folder, QUICK) as node:
        phone = {"telecom": [{"system": "phone", "value": "555"}]}
        edited = {"resourceType": "Organization", "id": "lake-clinic", "name": "Lake Clinic", **phone}
        await put(node, edited)
        if running:
            await asyncio.to_thread(rename_member, folder, "LakeMSP", "Lake Medical Center", by="ops")
            async with asyncio.timeout(10):
                while not await named(node, b'"Lake Medical Center"'):  # noqa: ASYNC110 - as for `until`
                    await asyncio.sleep(0.05)
    if not running:
        await asyncio.to_thread(rename_member, folder, "LakeMSP", "Lake Medical Center", by="ops")
    async with open_node(folder, QUICK) as node:
        async with asyncio.timeout(10):
            while not await named(node, b'"Lake Medical Center"'):  # noqa: ASYNC110 - as for `until`
                await asyncio.sleep(0.05)
