"""Peers that run the same call come to the same bytes, whatever the terms: otherwise nothing would commit.

Five hospitals endorse each call. A gateway refuses to put together what differs in a single byte of reads,
writes, event or result, so a transaction that all five endorsed is the proof.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaincode.access.calls import Authorize, Decisions
from chaincode.consent.calls import Opening, OpenPairs, PublishedTerms, PublishTerms, TermsUpdate
from chaincode.encoding import encode
from exchange import devnet
from exchange.ledger.fabric.gateway.client import GatewayClient
from exchange.ledger.fabric.gateway.connection import connect
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from tests.support.ledger import consent_cases as cases

pytestmark = pytest.mark.fabric

BATCH = 8


@pytest.fixture
def runner() -> Any:
    with asyncio.Runner() as runner:
        yield runner


async def endorsed_by_all(running: devnet.Network, chaincode: str, calls: Callable[..., Any]) -> None:
    profile = running.profile("HospitalA")
    everybody = [one.msp_id for one in running.topology.organisations]
    channel = connect(profile)
    identity = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
    gateway = GatewayClient(channel, identity, profile.channel, chaincode)

    async def submit(function: str, argument: msgspec.Struct) -> bytes:
        committed = await gateway.submit(function, encode(argument), organisations=everybody)
        return committed.result

    try:
        await calls(submit)
    finally:
        await channel.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_five_peers_agree_on_every_byte_of_random_terms_and_requests(
    hospitals: devnet.Network, runner: asyncio.Runner, seed: int
) -> None:
    rng = random.Random(seed)
    names = [secrets.token_hex(16) for _ in range(BATCH)]
    openings = tuple(
        Opening(
            name,
            "HospitalBMSP",
            "patient",
            tuple(cases.filed_terms(rng, n) for n in range(rng.randint(0, 3))),
        )
        for name in names
    )
    filings = tuple(
        TermsUpdate(name, msgspec.structs.replace(cases.filed_terms(rng, 0), version=9))
        for name in names[: BATCH // 2]
    )
    requests = tuple(
        msgspec.structs.replace(one, pair=name, model="e" * 64 if one.action == "score" else "")
        for name, one in ((name, cases.filed_request(rng, "HospitalBMSP")) for name in names)
    )

    async def calls(submit: Callable[..., Any]) -> None:
        await submit("consent:open", OpenPairs(openings))
        filed = msgspec.json.decode(await submit("consent:file", PublishTerms(filings)), type=PublishedTerms)
        assert filed.epochs == (2,) * len(filings)
        decided = await submit("access:authorize", Authorize(requests))
        assert len(msgspec.json.decode(decided, type=Decisions).decisions) == BATCH

    runner.run(endorsed_by_all(hospitals, hospitals.topology.options.chaincode, calls))
