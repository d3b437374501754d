"""`consentry network` and a node on it, as an operator calls them; whatever is wrong is one line."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from exchange import devnet
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.node.folder import NodeFolder
from tests.support.commands import consentry


def refused(*arguments: str | Path, **environment: str) -> str:
    """Return the one line with which a command refuses."""
    done = consentry(*arguments, environment=environment)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def profile(root: Path, number: int = 1) -> Path:
    return root / "profiles" / f"hospital{number}.json"


# -- without Fabric ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["down", "status"])
def test_no_network_is_named_and_nothing_is_made(tmp_path: Path, command: str) -> None:
    assert "holds no network" in refused("network", command, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_missing_programs_are_named(tmp_path: Path) -> None:
    said = refused("network", "up", tmp_path / "net", FABRIC_BIN=str(tmp_path))
    assert "peer, orderer, configtxgen, cryptogen, osnadmin not found on FABRIC_BIN" in said
    assert "unpack Fabric's release archive" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--orderers", "2"), "1 or 3 orderers"),
        (("--organisations", "0"), "1 to 20 organisations"),
        (("--channel", "Not Lower"), "a channel's name"),
        (("--batch-timeout", "soon"), "a batch timeout"),
        (("--first-port", "65530"), "ports are counted up"),
        (("--log-level", "loud"), "log levels are"),
    ],
)
def test_options_that_can_not_work_are_refused(tmp_path: Path, options: tuple[str, str], said: str) -> None:
    assert said in refused("network", "up", tmp_path / "net", *options)
    assert not (tmp_path / "net").exists()


def test_node_needs_a_profile_to_be_on_fabric_and_none_otherwise(tmp_path: Path) -> None:
    node = tmp_path / "node"
    assert "give --profile" in refused("init", node, "--name", "City", "--ledger", "fabric")
    given = ("--profile", tmp_path / "p.json")
    assert "add --ledger fabric" in refused("init", node, "--name", "City", "--msp", "CityMSP", *given)
    said = refused("init", node, "--name", "City", "--ledger", "fabric", *given)
    assert "p.json: No such file" in said
    (tmp_path / "p.json").write_text("{}")
    assert "is no profile" in refused("init", node, "--name", "City", "--ledger", "fabric", *given)
    assert not node.exists()


# -- on a real network ---------------------------------------------------------------


@pytest.fixture(scope="module")
def root(programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("command") / "net"
    done = consentry("network", "up", folder, "--organisations", "2")
    assert done.returncode == 0, done.stderr
    assert str(profile(folder, 2)) in done.stdout
    yield folder
    assert consentry("network", "reset", folder).returncode == 0
    assert not folder.exists()


@pytest.fixture(scope="module")
def node(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command") / "node"
    done = consentry(
        *("init", folder, "--name", "City Hospital", "--member", "Hospital2MSP=Lake Clinic"),
        *("--ledger", "fabric", "--profile", profile(root)),
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.fabric
def test_status_shows_every_process_and_fails_when_one_is_down(root: Path) -> None:
    done = consentry("network", "status", root)
    assert done.returncode == 0
    assert len(re.findall(r"\brunning\b", done.stdout)) == 5
    assert consentry("network", "down", root).returncode == 0
    done = consentry("network", "status", root)
    assert done.returncode == 1
    assert "orderer1" in done.stderr
    assert consentry("network", "up", root).returncode == 0
    assert consentry("network", "status", root).returncode == 0


@pytest.mark.fabric
def test_other_options_and_half_built_folders_need_a_reset(root: Path, tmp_path: Path) -> None:
    assert "reset it first" in refused("network", "up", root, "--organisations", "3")
    half = tmp_path / "half"
    half.mkdir()
    state = msgspec.json.decode((root / "network.json").read_bytes())
    (half / "network.json").write_bytes(msgspec.json.encode(state | {"complete": False, "started": {}}))
    assert "half-built network: reset it" in refused("network", "up", half)
    assert consentry("network", "reset", half).returncode == 0
    assert not half.exists()


@pytest.mark.fabric
def test_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused("network", "up", tmp_path / "net", "--first-port", str(min(port, 65_500)))
        assert f"port {port} of orderer1 is in use" in said


@pytest.mark.fabric
def test_node_takes_its_members_from_the_channel_and_its_secrets_stay_files(node: Path, root: Path) -> None:
    settings = NodeFolder(node).load()
    assert [(one.msp_id, one.name) for one in settings.members] == [
        ("Hospital1MSP", "City Hospital"),
        ("Hospital2MSP", "Lake Clinic"),
    ]
    assert settings.profile == str(profile(root))
    assert not (node / "ledger.db").exists()
    assert not (node / "keys" / "node.key").exists()
    assert "PRIVATE" not in (node / "consentry.toml").read_text()


@pytest.mark.fabric
def test_second_members_node_finds_the_policy_founded(node: Path, root: Path, tmp_path: Path) -> None:
    other = ("--name", "Lake", "--ledger", "fabric", "--profile", profile(root, 2))
    assert consentry("init", tmp_path / "lake", *other).returncode == 0
    assert "is not on the channel" in refused("init", tmp_path / "x", *other, "--member", "RidgeMSP=Ridge")
    assert "leave --msp out" in refused("init", tmp_path / "x", *other, "--msp", "Hospital1MSP")
    assert "is a node already" in refused("init", tmp_path / "lake", *other)


@pytest.mark.fabric
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channel": "another"}, "the peer has not joined a channel of this name"),
        ({"chaincode": "another"}, "or the channel has none such"),
        ({"key": Path("/none")}, "can't read /none"),
        ({"peer": "127.0.0.1:9"}, "does not answer"),
    ],
)
def test_profile_that_leads_nowhere_is_named_and_leaves_nothing(
    root: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    wrong = tmp_path / "wrong.json"
    msgspec.structs.replace(Profile.read(profile(root)), **changes).write(wrong)
    line = refused("init", tmp_path / "node", "--name", "City", "--ledger", "fabric", "--profile", wrong)
    assert said in line
    assert not (tmp_path / "node").exists()


@pytest.mark.fabric
def test_node_is_not_served_with_another_members_profile_or_on_another_channel(
    node: Path, root: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "node"
    shutil.copytree(node, copy)
    settings = copy / "consentry.toml"
    before = settings.read_text()
    settings.write_text(before.replace(str(profile(root)), str(profile(root, 2))))
    assert "is a profile of Hospital2MSP" in refused("serve", copy)
    settings.write_text(re.sub(r'first_block = ".*"', f'first_block = "{"0" * 64}"', before))
    done = consentry("serve", copy)
    assert done.returncode == 3
    assert "the channel is not the one that this node was made on" in done.stderr
