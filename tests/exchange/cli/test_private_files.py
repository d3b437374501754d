"""What the commands write is for its owner alone, whatever the user's mask; a vault leaves no core dump."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.demo.process import free_port
from exchange.node.folder import NodeFolder
from tests.support import commands


def consentry(*arguments: str | Path, mask: int = 0o000) -> subprocess.CompletedProcess[str]:
    done = commands.consentry(*arguments, mask=mask)
    done.check_returncode()
    return done


def open_to_others(folder: Path) -> list[str]:
    return [str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


@pytest.fixture
def node(tmp_path: Path) -> Path:
    folder = tmp_path / "node"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)  # a volume, or the folder that a service's unit makes
    consentry("init", folder, "--msp", "CityMSP", "--name", "City", "--port", str(free_port()))
    return folder


def test_a_node_in_a_folder_that_was_open_is_closed(node: Path, tmp_path: Path) -> None:
    assert open_to_others(node) == []
    record = tmp_path / "p.json"
    record.write_text('{"resourceType":"Patient","id":"p1"}')
    consentry("load", node, record)
    consentry("verify", node)
    consentry("rebuild", node)
    consentry("client", "key", tmp_path / "c.pem")
    assert open_to_others(node) == []
    assert (tmp_path / "c.pem").stat().st_mode & 0o077 == 0


def test_a_token_goes_to_a_new_file_of_its_owner_or_is_not_issued(node: Path, tmp_path: Path) -> None:
    out = tmp_path / "token"
    assert consentry("token", "officer", node, "o.reyes", "--out", out).stdout == ""
    assert out.stat().st_mode & 0o777 == 0o600
    kept = out.read_text()
    assert len(kept.strip()) > 40
    for place, why in ((out, "is there already"), (tmp_path / "none" / "token", "No such file")):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            consentry("token", "officer", node, "a.okafor", "--out", place)
        assert why in caught.value.stderr
    assert out.read_text() == kept
    with pytest.raises(subprocess.CalledProcessError):
        consentry("token", "patient", node, "nobody", "--out", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert "a.okafor" not in consentry("token", "list", node).stdout


def test_an_evaluators_token_goes_to_a_new_file_of_its_owner_or_is_not_made(tmp_path: Path) -> None:
    out, listed = tmp_path / "token", tmp_path / "clients.json"
    assert consentry("evaluator", "client", tmp_path, "city", "--out", out).stdout == ""
    assert out.stat().st_mode & 0o777 == 0o600
    assert hashlib.sha256(out.read_text().strip().encode()).hexdigest() in listed.read_text()
    before = listed.read_bytes()
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero"):
        consentry("evaluator", "client", tmp_path, "city", "--out", out)
    assert listed.read_bytes() == before


def test_a_file_to_which_a_shell_redirects_a_token_is_closed_to_others(node: Path, tmp_path: Path) -> None:
    (tmp_path / "evaluator").mkdir()
    commands = (
        ["token", "officer", node, "o.reyes"],
        ["evaluator", "client", tmp_path / "evaluator", "city"],
    )
    for n, command in enumerate(commands):
        place = tmp_path / f"redirected-{n}"
        place.touch(0o644)
        place.chmod(0o644)
        with place.open("w") as file:
            subprocess.run(
                [sys.executable, "-m", "exchange.cli", *map(str, command)],
                check=True,
                stdout=file,
                timeout=60,
            )
        assert len(place.read_text().strip()) > 40
        assert place.stat().st_mode & 0o777 == 0o600
    assert len(consentry(*commands[0]).stdout.strip()) > 40  # a pipe


def test_a_repository_takes_nothing_of_a_node(node: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(node.parent)], check=True, timeout=60)
    said = subprocess.run(
        ["git", "-C", str(node.parent), "status", "--porcelain", "--untracked-files=all"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert [line for line in said.stdout.splitlines() if "node" in line] == []


def test_serving_closes_the_folder_to_strangers(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path)
    for mode, left in ((0o755, 0o750), (0o777, 0o770), (0o750, 0o750), (0o700, 0o700)):
        tmp_path.chmod(mode)
        folder.close_to_others(group=False)
        assert tmp_path.stat().st_mode & 0o777 == left
    folder.close_to_others()
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="the system's word on dumps is read as Linux has it")
def test_a_process_with_a_vault_leaves_no_core_dump(node: Path) -> None:
    program = (
        "import ctypes, resource, sys; from pathlib import Path\n"
        "from exchange.node.folder import NodeFolder; from exchange.node.parts import open_vault\n"
        "prctl = ctypes.CDLL(None).prctl\n"
        "print(prctl(3, 0, 0, 0, 0))\n"
        "open_vault(NodeFolder(Path(sys.argv[1])))\n"
        "print(prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    said = subprocess.run(
        [sys.executable, "-c", program, str(node)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)),
    )
    assert said.stdout.split() == ["1", "0", "0"]
