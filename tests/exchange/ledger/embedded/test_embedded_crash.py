"""A node that is killed at any moment loses nothing that it acknowledged.

A child process writes and reports each acknowledgement over a pipe; it is killed with SIGKILL at a random
moment, and the file is opened, verified and replayed. CONSENTRY_TEST_SCALE=10 kills a hundred times.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import textwrap
import time
from typing import Any

from chaincode.policy.model import Policy

KILLS = int(10 * float(os.environ.get("CONSENTRY_TEST_SCALE", "1")))

WRITER = textwrap.dedent(
    """
    import asyncio, secrets, sys
    from pathlib import Path

    from chaincode.access.model import AccessRequest
    from chaincode.consent.calls import Opening
    from exchange.ledger.client import LedgerClient, SubjectRequest
    from exchange.ledger.embedded import EmbeddedLedger

    path, key = Path(sys.argv[1]), Path(sys.argv[2])

    def acknowledge(tx_id, count):
        sys.stdout.write(f"{tx_id} {count}\\n")
        sys.stdout.flush()

    async def work(client, batch):
        while True:
            pairs = [secrets.token_hex(16) for _ in range(batch)]
            await client.open_pairs([Opening(pair, "HospitalBMSP", "patient") for pair in pairs])
            asks = [
                SubjectRequest(
                    bytes.fromhex(pair),
                    AccessRequest(pair, "HospitalBMSP", "TREAT", "read", "0a" * 16, "0b" * 32, "0c" * 32),
                )
                for pair in pairs
            ]
            answer = await client.authorize(asks)
            acknowledge(answer.tx_id, batch)

    async def main():
        client = LedgerClient(EmbeddedLedger.open(path, key=key, msp_id="HospitalAMSP"))
        acknowledge("ready", 0)
        await asyncio.gather(*(work(client, batch) for batch in (1, 1, 2, 20)))

    asyncio.run(main())
    """
)


def kill_again_and_again(node: Any) -> dict[str, int]:
    """Return the transactions that the children acknowledged, with the entries of each."""
    acknowledged: dict[str, int] = {}
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(node.path), str(node.key)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready 0\n"
        time.sleep(random.uniform(0, 0.15))
        child.kill()
        for line in child.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                tx_id, count = line.split()
                acknowledged[tx_id] = int(count)
        child.stdout.close()
        child.wait()
        report = node.verify()
        assert report.sound, report.finding
    return acknowledged


async def test_nothing_acknowledged_is_lost_and_the_file_verifies(node: Any) -> None:
    client = node.client()
    node.now = time.time_ns() // 1_000_000
    await client.found_policy(Policy(version=1, members=("HospitalAMSP", "HospitalBMSP"), rules=()))
    await client.close()
    acknowledged = kill_again_and_again(node)
    report = node.verify(replay=True)
    assert report.sound, report.finding
    node.now = time.time_ns() // 1_000_000
    ledger = node.open()
    logged: dict[str, int] = {}
    last = await ledger.submit("consent:open", _opening(node))
    async for event in ledger.events(None):
        if event.name == "access":
            logged[event.tx_id] = sum(value.count(b'"outcome"') for _, value in event.written)
        if event.tx_id == last.tx_id:
            break
    await ledger.close()
    assert acknowledged, "no child lived long enough"
    lost = {tx_id for tx_id in acknowledged if tx_id not in logged}
    assert not lost
    # One transaction may have decided for several of the child's callers.
    assert all(logged[tx_id] >= count for tx_id, count in acknowledged.items())


def _opening(node: Any) -> bytes:
    name = secrets.token_hex(16)
    return b'{"openings":[{"pair":"%s","recipient":"HospitalBMSP","subject":"patient"}]}' % name.encode()


async def test_a_node_that_dies_while_it_begins_a_ledger_can_begin_again(node: Any) -> None:
    """The file gets its name only when it is whole."""
    node.path.with_name("ledger.db.new").write_bytes(b"half of a database")
    ledger = node.open()
    await ledger.close()
    assert node.verify().sound
    assert not node.path.with_name("ledger.db.new").exists()
