"""`consentry policy` as an operator calls it; whatever is wrong is one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from exchange import devnet
from exchange.cli.main import main
from exchange.demo.process import await_ready, end, free_port
from exchange.node.folder import NodeFolder
from tests.support import commands


class Called(NamedTuple):
    """The exit code of a command, and its output."""

    code: int
    out: str
    err: str


Command = Callable[..., str]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Called]:
    """Runs `consentry` in this process, which spares each call a second."""

    def run(*arguments: str | Path) -> Called:
        monkeypatch.setattr(sys, "argv", ["consentry", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Called(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def policy(call: Callable[..., Called]) -> Command:
    """Return the output of a `consentry policy` that succeeds."""

    def run(*arguments: str | Path) -> str:
        done = call("policy", *arguments)
        assert done.code == 0, done.err
        return done.out

    return run


@pytest.fixture
def refused(call: Callable[..., Called]) -> Command:
    """The one line with which `consentry policy` refuses."""

    def run(*arguments: str | Path) -> str:
        done = call("policy", *arguments)
        assert done.code == 1, done.out + done.err
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1, done.err
        return done.err

    return run


def consentry(*arguments: str | Path) -> None:
    done = commands.consentry(*arguments)
    assert done.returncode == 0, done.stderr


def names(node: Path) -> dict[str, str]:
    return {one.msp_id: one.name for one in NodeFolder(node).load().members}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "node"
    named = ("--msp", "CityMSP", "--name", "City", "--member", "LakeMSP=Lake", "--port", str(free_port()))
    consentry("init", folder, *named)
    return folder


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "node")
    return tmp_path / "node"


# -- on a ledger of its own --------------------------------------------------------------


def test_members_come_and_go_by_the_vote_of_the_only_caller_there_is(
    node: Path, policy: Command, call: Callable[..., Called]
) -> None:
    assert "1 of 1 votes" in policy("show", node)
    said = policy("propose", node, "--admit", "RidgeMSP=Ridge Institute", "--remove", "LakeMSP")
    assert "  - member LakeMSP\n  + member RidgeMSP\nversion 2 is adopted" in said
    assert names(node) == {"CityMSP": "City", "LakeMSP": "Lake", "RidgeMSP": "Ridge Institute"}
    shown = policy("show", node)
    assert "version 2 is in force" in shown
    assert "RidgeMSP  Ridge Institute, without a vote" in shown
    assert "LakeMSP  Lake, no member" in shown
    assert call("verify", node).code == 0


def test_rules_are_printed_edited_and_proposed(
    node: Path, tmp_path: Path, policy: Command, refused: Command
) -> None:
    rules = json.loads(policy("show", node, "--rules"))
    rules[0]["purposes"].remove("HPAYMT")
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    assert "- rule own-care: for HPAYMT\n" in policy("propose", node, "--rules", tmp_path / "rules.json")
    held = json.loads(policy("show", node, "--json"))
    assert held["policy"]["rules"] == rules
    assert held["proposals"] == {}
    rules[0]["purposes"] = ["CURIOSITY"]
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    assert "the ledger refuses: policy.rules holds" in refused(
        "propose", node, "--rules", tmp_path / "rules.json"
    )
    (tmp_path / "rules.json").write_text('{"rules": []}')
    assert "holds no list of rules" in refused("propose", node, "--rules", tmp_path / "rules.json")
    assert "can't be read (No such file" in refused("propose", node, "--rules", tmp_path / "none")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("propose",), "that changes nothing"),
        (("propose", "--admit", "RidgeMSP"), "is not MSP=NAME; write"),
        (("propose", "--admit", "LakeMSP=Lake"), "LakeMSP is a member already"),
        (("propose", "--admit", "LakeMSP=Other"), "stands in"),
        (("propose", "--admit", "R MSP=Ridge"), "the ledger refuses: members"),
        (("propose", "--remove", "RidgeMSP"), "RidgeMSP is no member; they are CityMSP, LakeMSP"),
        (("propose", "--remove", "CityMSP"), "nobody would be left to decide"),
        (("approve", "xyz"), "is no digest"),
        (("approve", "0" * 64), "is no proposal that waits; those that wait are: none"),
        (("withdraw", "0" * 8), "is no proposal that waits"),
        (("name", "LakeMSP=Lake"), "stands in"),
        (("name", "RidgeMSP=City"), "Organization/city is stored already"),
    ],
)
def test_what_can_not_be_is_one_line_and_changes_nothing(
    made: Path, refused: Command, arguments: tuple[str, ...], said: str
) -> None:
    before = (made / "consentry.toml").read_bytes()
    command, *rest = arguments
    assert said in refused(command, made, *rest)
    assert (made / "consentry.toml").read_bytes() == before


def test_all_of_it_works_beside_a_gateway_that_serves(node: Path, policy: Command, refused: Command) -> None:
    port = NodeFolder(node).load().port
    serving = [sys.executable, "-m", "exchange.cli", "serve", str(node)]
    process = subprocess.Popen(serving, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_ready(process, f"http://127.0.0.1:{port}/health")
        assert "version 1 is in force" in policy("show", node)
        assert "version 2 is adopted" in policy("propose", node, "--remove", "LakeMSP")
        assert "version 2 is in force" in policy("show", node)
        assert "is no proposal that waits" in refused("approve", node, "0" * 64)
        assert "Organization/ridge" in policy("name", node, "RidgeMSP=Ridge")
    finally:
        end(process)
    assert names(node)["RidgeMSP"] == "Ridge"


# -- on a real network -------------------------------------------------------------------


@pytest.fixture(scope="module")
def nodes(programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """The nodes of three hospitals, each with the two others by their MSP ids."""
    root = tmp_path_factory.mktemp("decided")
    with devnet.up(root / "net", devnet.Options(organisations=3), programs=programs):
        made = []
        for number in (1, 2, 3):
            node = root / f"node{number}"
            profile = root / "net" / "profiles" / f"hospital{number}.json"
            given = ("--name", f"Hospital {number}", "--ledger", "fabric", "--profile", profile)
            consentry("init", node, *given)
            made.append(node)
        yield made


@pytest.mark.fabric
def test_a_majority_of_nodes_decides_and_each_is_told_what_is_missing(
    nodes: list[Path], policy: Command, refused: Command
) -> None:
    one, two, three = nodes
    said = policy("propose", one, "--admit", "Hospital4MSP=Hospital 4")
    assert "  + member Hospital4MSP\napproved; it waits for 1 of Hospital2MSP, Hospital3MSP" in said
    digest = said.split()[1].rstrip(":")
    for node in nodes:
        assert f"proposal {digest}\n  + member Hospital4MSP\n  approved by Hospital1MSP" in policy(
            "show", node
        )
    assert "approves that proposal already; it waits for 1 of" in refused("approve", one, digest[:8])
    assert "Hospital2MSP does not approve that proposal" in refused("withdraw", two, digest[:8])
    assert "nobody proposes it any more" in policy("withdraw", one, digest[:8])
    assert "those that wait are: none" in refused("approve", two, digest[:8])
    assert digest in policy("propose", three, "--admit", "Hospital4MSP=The fourth")  # the same bytes
    adopted = policy("approve", two, digest[:8])
    assert "version 2 is adopted" in adopted
    assert f"next: consentry policy name {two} Hospital4MSP=NAME" in adopted
    assert "is a member already" in refused("propose", one, "--admit", "Hospital4MSP=Hospital 4")
    assert names(three)["Hospital4MSP"] == "The fourth"
    assert "Hospital4MSP  has no name here" in policy("show", two)
    policy("propose", one, "--remove", "Hospital1MSP")
    gone = policy("show", two).rpartition("proposal ")[2].split()[0]
    policy("approve", two, gone)
    policy("approve", three, gone)
    assert "Hospital1MSP has no vote on the policy; Hospital2MSP, Hospital3MSP, Hospital4MSP decide" in (
        refused("propose", one, "--remove", "Hospital4MSP")
    )
