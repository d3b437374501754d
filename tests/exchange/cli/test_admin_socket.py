"""Commands beside a serving gateway: it votes and loads for its owner, and nothing else comes by this way."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaincode.consent.calls import Opening
from exchange.cli.node.ledger import nodes, retire
from exchange.demo.process import free_port, serving
from exchange.ledger.client import LedgerClient
from exchange.ledger.embedded.identity import WriterLock
from exchange.node.admin import messages
from exchange.node.folder import NodeFolder
from exchange.node.parts import open_transactions
from tests.support.commands import consentry

LOST = "1a" * 10
PATIENT = '{"resourceType":"Patient","id":"%s","name":[{"family":"F"}]}'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeFolder]:
    """A node in a folder whose name no address of a socket could hold, served."""
    path = tmp_path_factory.mktemp("served") / ("x" * 90) / "node"
    port = free_port()
    made = consentry("init", path, "--msp", "CityMSP", "--name", "City", "--port", str(port))
    assert made.returncode == 0, made.stderr
    asyncio.run(open_elsewhere(NodeFolder(path)))
    with serving(path, f"http://127.0.0.1:{port}"):
        yield NodeFolder(path)


async def open_elsewhere(folder: NodeFolder) -> None:
    """Open a pair as another gateway of the organisation does."""
    ledger = LedgerClient(open_transactions(folder, folder.load()), node=LOST)
    await ledger.open_pairs([Opening("5e" * 16, "CityMSP", "patient")])
    await ledger.close()


def said(folder: NodeFolder, *lines: bytes) -> list[Any]:
    """Return all that the socket answers to `lines` until it ends the connection."""
    with messages.address(folder.admin_socket) as place, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(place)
        connection.sendall(b"".join(lines))
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answers:
            return [json.loads(line) for line in answers]


def test_the_socket_is_its_owners_alone(served: NodeFolder) -> None:
    assert served.admin_socket.is_socket()
    assert served.admin_socket.stat().st_mode & 0o777 == 0o600


def test_a_policy_is_proposed_and_adopted(served: NodeFolder) -> None:
    done = consentry("policy", "propose", served.path, "--admit", "LakeMSP=Lake Clinic")
    assert "version 2 is adopted" in done.stdout, done.stderr
    assert "version 2 is in force" in consentry("policy", "show", served.path).stdout
    again = consentry("policy", "propose", served.path, "--remove", "NoneMSP")
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1


def test_pairs_of_a_lost_node_are_retired(served: NodeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    retire(served.path, LOST, yes=True)
    said = capsys.readouterr().out
    assert "opened 1 pairs" in said
    assert said.endswith("retired 1 pairs\n")
    nodes(served.path)
    assert "1 of them are retired" in capsys.readouterr().out


def test_files_are_loaded_and_every_fault_is_named(served: NodeFolder, tmp_path: Path) -> None:
    lines = [PATIENT % f"p{n}" for n in range(30)]
    lines[7] = '{"resourceType":"Patient","id":"p7","gender":"sometimes"}'
    (tmp_path / "Patient.ndjson").write_text("\n".join(lines))
    (tmp_path / "broken.json").write_text("{")
    first = consentry("load", served.path, tmp_path)
    assert first.returncode == 1
    assert "Patient.ndjson:8: " in first.stderr
    assert "broken.json: " in first.stderr
    assert "29 resources stored, 0 unchanged, 2 faults" in first.stdout
    (tmp_path / "broken.json").write_text(PATIENT % "p99")
    second = consentry("load", served.path, tmp_path)
    assert second.returncode == 0, second.stderr
    assert "1 resources stored, 0 unchanged, 0 faults" in second.stdout
    token = consentry("token", "patient", served.path, "p99")
    assert token.stdout.startswith("cst_"), token.stderr
    assert "does not exist" in consentry("load", served.path, tmp_path / "none").stderr


@pytest.mark.parametrize(
    "function",
    [
        "access:authorize",
        "access:record",
        "consent:open",
        "consent:retired",
        "contracts:adopt",
        "Policy:read",
        "",
    ],
)
@pytest.mark.parametrize("kind", [messages.Submit, messages.Evaluate])
def test_nothing_but_the_policy_is_asked_by_this_way(served: NodeFolder, function: str, kind: Any) -> None:
    [answer] = said(served, messages.line(kind(function, b"{}")))
    assert answer["type"] == "Refused"
    assert "is no call of the policy" in answer["message"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"x\n",
        b"[]\n",
        b'{"type":"Nothing"}\n',
        b'{"type":"Load","paths":7}\n',
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_question_is_refused_and_the_next_one_answered(served: NodeFolder, text: bytes) -> None:
    assert [answer["type"] for answer in said(served, text)] == ["Refused"]
    assert [
        answer["type"] for answer in said(served, messages.line(messages.Evaluate("policy:read", b"{}")))
    ] == ["ContractResult"]


def test_a_load_whose_command_is_gone_stops_and_leaves_the_way_free(
    served: NodeFolder, tmp_path: Path
) -> None:
    for number in range(40):
        rows = [PATIENT % f"q{number}-{n}" for n in range(20)]
        (tmp_path / f"{number:02}.ndjson").write_text("\n".join(rows))
    asked = messages.line(messages.Load((str(tmp_path),), same_ids=False))
    with messages.address(served.admin_socket) as place, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(place)
        connection.sendall(asked)
        assert b"Planned" in connection.recv(65536)
        [busy] = said(served, asked)
        assert "another load is under way" in busy["message"]
    end = time.monotonic() + 60
    rest = consentry("load", served.path, tmp_path)
    while "another load" in rest.stderr and time.monotonic() < end:
        time.sleep(0.1)
        rest = consentry("load", served.path, tmp_path)
    assert rest.returncode == 0, rest.stderr
    assert consentry("load", served.path, tmp_path).stdout.startswith("0 resources stored")


def test_without_a_gateway_a_lock_is_named(tmp_path: Path) -> None:
    """A process that holds the node and answers no commands, such as a load."""
    path = tmp_path / "node"
    assert consentry("init", path, "--msp", "CityMSP", "--name", "City").returncode == 0
    assert not NodeFolder(path).admin_socket.exists()
    (tmp_path / "p.json").write_text(PATIENT % "p1")
    held = WriterLock(NodeFolder(path).ledger)
    try:
        for command in (
            ["load", path, tmp_path / "p.json"],
            ["policy", "propose", path, "--admit", "LMSP=L"],
        ):
            done = consentry(*command)
            assert done.returncode == 1
            assert "another process has this node open" in done.stderr
            assert done.stderr.count("\n") == 1
    finally:
        held.release()
