"""Two chaincode services in processes of their own come to the same bytes, whatever differs around them.

Hash seed, time zone, locale and folder differ, as they do between two hospitals. Compared is everything that
leaves the service: the questions, the write batches, the response and the event. CONSENTRY_TEST_SCALE=10
tries ten times as many batches.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import random
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chaincode
from chaincode.access.calls import Authorize
from chaincode.consent.calls import Opening, OpenPairs, PublishTerms, TermsUpdate
from chaincode.encoding import encode
from chaincode.policy.calls import SetPolicy
from tests.support.ledger import consent_cases as cases

EXAMPLES = max(1, round(30 * float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))))
ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "2", "TZ": "America/Bogota", "LC_ALL": "C.UTF-8"},
)


def certificate() -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "User1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


CERTIFICATE = certificate()


class Endorsers:
    """Two peers, each with a chaincode service of its own."""

    def __init__(self, peers: list[Any]) -> None:
        self.peers = peers

    async def run(self, function: str, argument: msgspec.Struct) -> int:
        """Make one call on both peers, compare all that each of them sent, and return the status."""
        given = {
            "tx_id": secrets.token_hex(32),
            "certificate": CERTIFICATE,
            "msp_id": cases.MEMBERS[0],
            "nanoseconds": time.time_ns(),
        }
        sent = []
        for peer in self.peers:
            peer.asked.clear()
            done = await peer.invoke(function, encode(argument), **given)
            sent.append(
                (
                    [message.SerializeToString() for message in peer.asked],
                    done.response.SerializeToString(),
                    done.event.SerializeToString() if done.event is not None else None,
                )
            )
        assert sent[0] == sent[1], f"{function} differs"
        assert self.peers[0].state == self.peers[1].state
        return int(done.response.status)


@pytest.fixture
async def endorsers(bench: Any, tmp_path: Path) -> AsyncIterator[Endorsers]:
    async with AsyncExitStack() as stack:
        peers = []
        for number, environment in enumerate(ENVIRONMENTS):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            folder = tmp_path / f"hospital{number}"
            folder.mkdir()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chaincode"),
                cwd=folder,
                env=environment
                | {
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(Path(chaincode.__file__).parents[1]),
                    "CHAINCODE_ID": "records_1:abc",
                    "CHAINCODE_SERVER_ADDRESS": f"127.0.0.1:{port}",
                },
                stderr=asyncio.subprocess.PIPE,
            )
            stack.push_async_callback(process.communicate)
            stack.callback(process.terminate)
            assert process.stderr
            assert b"serving" in await process.stderr.readline()
            peers.append(await bench.dial(port))
        yield Endorsers(peers)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_two_services_send_the_same_bytes(endorsers: Endorsers, seed: int) -> None:
    rng = random.Random(seed)
    for peer in endorsers.peers:
        peer.state.clear()
    policy = msgspec.structs.replace(cases.policy(rng), version=1, members=cases.MEMBERS)
    assert await endorsers.run("policy:found", SetPolicy(policy)) == 200
    names = [rng.randbytes(16).hex() for _ in range(6)]
    recipients = [rng.choice(cases.MEMBERS) for _ in names]
    openings = tuple(
        Opening(
            name,
            recipient,
            rng.choice(("patient", "directory")),
            tuple(cases.filed_terms(rng, n) for n in range(rng.randint(0, 3))),
        )
        for name, recipient in zip(names, recipients, strict=True)
    )
    assert await endorsers.run("consent:open", OpenPairs(openings)) == 200
    filings = [TermsUpdate(name, cases.filed_terms(rng, rng.randint(0, 3))) for name in names[:3]]
    await endorsers.run("consent:file", PublishTerms(tuple(filings)))  # some are refused: that is equal too
    newer = tuple(
        TermsUpdate(one.pair, msgspec.structs.replace(one.terms, version=9 + n))
        for n, one in enumerate(filings)
    )
    assert await endorsers.run("consent:file", PublishTerms(newer)) == 200
    requests = tuple(
        msgspec.structs.replace(one, pair=name, model="e" * 64 if one.action == "score" else "")
        for name, recipient in zip(names, recipients, strict=True)
        for one in (cases.filed_request(rng, recipient), cases.filed_request(rng, recipient))
    )
    assert await endorsers.run("access:authorize", Authorize(requests)) == 200
    other = msgspec.structs.replace(policy, version=2, members=(*cases.MEMBERS[:2], "DeltaMSP"))
    assert await endorsers.run("policy:propose", SetPolicy(other)) == 200
