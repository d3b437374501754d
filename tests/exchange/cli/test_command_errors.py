"""Every error on the command line is one line: what, why, what to do; and the right exit code."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from exchange.cli.errors import run
from exchange.demo.process import await_ready, end, free_port
from exchange.node.folder import NodeFolder
from exchange.node.identity.accepted_changes import accept_settings
from tests.support.commands import consentry
from tests.support.shared_data import SHARED

PATIENT = '{"resourceType":"Patient","id":"p%d","name":[{"family":"F%d"}]}'
SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))


def refused(code: int, *arguments: str | Path) -> str:
    """Return the one line with which a command refuses."""
    done = consentry(*arguments)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "node"
    done = consentry("init", folder, "--msp", "CityMSP", "--name", "City", "--port", str(free_port()))
    assert done.returncode == 0, done.stderr
    assert "back up" in done.stdout
    return folder


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "node")
    return tmp_path / "node"


@pytest.fixture
def served(node: Path) -> Iterator[Path]:
    port = free_port()
    settings = node / "consentry.toml"
    old = next(line for line in settings.read_text().splitlines() if line.startswith("port ")).split()[-1]
    settings.write_text(settings.read_text().replace(old, str(port)))
    accept_settings(NodeFolder(node), by="ops")
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange.cli", "serve", str(node)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_ready(process, f"http://127.0.0.1:{port}/health")
        yield node
    finally:
        end(process)


COMMANDS = ("init", "serve", "load", "verify", "demo", "bench", "client", "token", "network", "policy")
NESTED = ("client key", "client register", "client list", "client disable", "network up", "network reset")
POLICY = ("policy show", "policy propose", "policy approve", "policy withdraw", "policy name")
TOKENS = ("token patient", "token officer", "token client")


@pytest.mark.parametrize("command", ["", *COMMANDS, *NESTED, *TOKENS, *POLICY])
def test_help_teaches(command: str) -> None:
    done = consentry(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: consentry" in done.stdout or "Usage: python -m" in done.stdout
    text = " ".join(done.stdout.split())
    assert any(mark in text for mark in (". ", "."))
    if not command:
        assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("command", [["nonsense"], ["init"], ["bench", "nope"], ["serve"], ["load"]])
def test_a_misspelt_call_ends_with_two_and_says_where_help_is(command: list[str]) -> None:
    done = consentry(*command)
    assert done.returncode == 2
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "City", "--member", "Lake"], "is not MSP=NAME; write"),
        (["--name", "City", "--member", "=Lake"], "is not MSP=NAME; write"),
        (["--name", ""], "the name of CityMSP can't be used; write"),
        (["--name", "City", "--member", "B SP=B"], "write letters, digits"),
        (["--name", "City", "--member", "BMSP=City"], "give each another name"),
        (["--name", "City", "--base-url", "http://h:x"], "base_url 'http://h:x' can't be used; write"),
        (["--name", "City", "--base-url", "http://h", "--port", "0"], "port is 1 to 65535"),
    ],
)
def test_init_refuses_what_cannot_work_and_makes_nothing(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    assert said in refused(1, "init", tmp_path / "node", "--msp", "CityMSP", *arguments)
    assert not (tmp_path / "node").exists()


def test_init_never_writes_over_anything(node: Path, tmp_path: Path) -> None:
    options = ["--msp", "CityMSP", "--name", "City"]
    assert "is a node already; choose another folder" in refused(1, "init", node, *options)
    (tmp_path / "file").touch()
    assert "is a file; choose a new folder" in refused(1, "init", tmp_path / "file", *options)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    assert "is not empty; choose a new folder" in refused(1, "init", tmp_path / "full", *options)


@pytest.mark.parametrize("command", ["serve", "verify", "load", "client list", "token officer"])
def test_a_folder_that_is_no_node_is_named(tmp_path: Path, command: str) -> None:
    more = {"load": [str(tmp_path)], "token officer": ["o"]}.get(command, [])
    line = refused(1, *command.split(), tmp_path / "none", *more)
    assert "has no consentry.toml, so it is no node; make one with" in line


@pytest.mark.parametrize("command", ["serve", "verify", "load"])
@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("ledger.db", "is missing; restore it from a backup"),
        ("records.db", "is missing; restore it from a backup"),
        ("log.db", "or build it from the ledger with `consentry rebuild`"),
        ("keys/root.key", "can't be read (No such file or directory); restore it"),
        ("keys/node.key", "restore keys/node.key from its backup"),
    ],
)
def test_a_missing_file_is_named_and_not_made_anew(
    node: Path, tmp_path: Path, command: str, missing: str, said: str
) -> None:
    (node / missing).unlink()
    more = [tmp_path] if command == "load" else []
    assert said in refused(1, command, node, *more)
    assert not (node / missing).exists()


@pytest.mark.parametrize("command", ["serve", "verify"])
def test_a_root_key_that_others_can_read_is_refused(node: Path, command: str) -> None:
    (node / "keys" / "root.key").chmod(0o644)
    assert "can be read by others; call chmod 600 on it" in refused(1, command, node)


@pytest.mark.parametrize("database", ["records.db", "log.db"])
def test_a_file_that_is_no_database_is_named(node: Path, database: str) -> None:
    (node / database).write_bytes(b"x" * 5000)
    for command in ("serve", "verify"):
        line = refused(3, command, node)
        assert database in line
        assert "nothing was changed; restore a backup" in line


def test_a_damaged_ledger_is_not_served_and_its_block_is_named(node: Path) -> None:
    ledger = node / "ledger.db"
    with closing(sqlite3.connect(ledger)) as db:
        (body,) = db.execute("SELECT body FROM transactions ORDER BY place").fetchone()
    data = bytearray(ledger.read_bytes())
    data[data.index(body) + len(body) // 2] ^= 1
    ledger.write_bytes(data)
    done = consentry("verify", node)
    assert done.returncode == 3
    assert "block 0" in done.stdout
    line = refused(3, "serve", node)
    assert "block 0" in line


def test_a_busy_port_is_named(node: Path) -> None:
    text = (node / "consentry.toml").read_text()
    port = next(line for line in text.splitlines() if line.startswith("port ")).split()[-1]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(port)))
        taken.listen()
        line = refused(1, "serve", node)
    assert f"127.0.0.1:{port} can't be listened on" in line
    assert "change port and base_url" in line


def test_a_second_server_is_refused(served: Path) -> None:
    settings = served / "consentry.toml"
    text = settings.read_text()
    port = next(line for line in text.splitlines() if line.startswith("port ")).split()[-1]
    settings.write_text(text.replace(f"port = {port}", f"port = {free_port()}"))
    assert "another process has this node open; end that gateway" in refused(1, "serve", served)
    settings.write_text(text)
    assert consentry("verify", served).returncode == 0
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


def test_clients_and_tokens_refuse_in_one_line(node: Path, tmp_path: Path) -> None:
    register = ["client", "register", node, "--id", "x", "--organization"]
    assert "can't be read" in refused(1, *register, "CityMSP", "--jwks", tmp_path / "none")
    (tmp_path / "bad.jwks").write_text('{"keys": 3}')
    assert "key set" in refused(1, *register, "CityMSP", "--jwks", tmp_path / "bad.jwks")
    made = consentry("client", "key", tmp_path / "key.pem")
    (tmp_path / "good.jwks").write_text(made.stdout)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert "choose a new file" in refused(1, "client", "key", tmp_path / "key.pem")
    assert "no member" in refused(1, *register, "StrangerMSP", "--jwks", tmp_path / "good.jwks")
    assert consentry(*register, "CityMSP", "--jwks", tmp_path / "good.jwks").returncode == 0
    assert "is taken" in refused(1, *register, "CityMSP", "--jwks", tmp_path / "good.jwks")
    assert consentry("client", "disable", node, "--id", "x").returncode == 0
    assert "no enabled client" in refused(1, "client", "disable", node, "--id", "x")
    asking = ["--id", "x", "--organization", "CityMSP", "--key", tmp_path / "key.pem"]
    unused = f"http://127.0.0.1:{free_port()}"
    assert "start one with `consentry serve" in refused(1, "token", "client", unused, *asking)
    assert "is no address" in refused(1, "token", "client", "http://[::1", *asking)
    assert "no private key" in refused(1, "token", "client", unused, *asking[:-1], tmp_path / "good.jwks")


def test_a_token_is_for_a_patient_who_has_records(node: Path, tmp_path: Path) -> None:
    assert "has no records of Patient/p1; give the" in refused(1, "token", "patient", node, "p1")
    (tmp_path / "one.ndjson").write_text(PATIENT % (1, 1))
    assert consentry("load", node, tmp_path / "one.ndjson").returncode == 0
    assert consentry("token", "patient", node, "p1").stdout.startswith("cst_")
    assert "has no records of Patient/P1" in refused(1, "token", "patient", node, "P1")


def test_load_names_what_is_broken_loads_the_rest_and_goes_on(node: Path, tmp_path: Path) -> None:
    lines = [PATIENT % (n, n) for n in range(20)]
    lines[7] = '{"resourceType":"Patient","id":"p7","gender":"sometimes"}'
    lines[11] = '{"resourceType":"Patient",'
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "Patient.ndjson").write_text("\n".join(lines))
    (tmp_path / "export" / "broken.json").write_text("{")
    done = consentry("load", node, tmp_path / "export")
    assert done.returncode == 1
    assert "Patient.ndjson:8: " in done.stderr
    assert "Patient.gender" in done.stderr
    assert "Patient.ndjson:12: " in done.stderr
    assert "broken.json: " in done.stderr
    assert "18 resources stored, 0 unchanged, 3 faults" in done.stdout
    (tmp_path / "export" / "broken.json").write_text(PATIENT % (99, 99))
    again = consentry("load", node, tmp_path / "export")
    assert again.returncode == 0, again.stderr
    assert "1 resources stored, 0 unchanged, 0 faults" in again.stdout
    with closing(sqlite3.connect(node / "records.db")) as records, records:
        records.execute("DELETE FROM load_positions")  # nothing is known of earlier runs: all is read again
    third = consentry("load", node, tmp_path / "export" / "broken.json")
    assert "0 resources stored, 1 unchanged, 0 faults" in third.stdout
    assert consentry("verify", node).returncode == 0


def test_load_stopped_by_ctrl_c_goes_on_where_it_ended(node: Path, tmp_path: Path) -> None:
    files = 100
    for number in range(files):
        rows = [PATIENT % (n, n) for n in range(number * 50, number * 50 + 50)]
        (tmp_path / f"{number:03}.ndjson").write_text("\n".join(rows))
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange.cli", "load", str(node), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    with closing(sqlite3.connect(node / "records.db")) as records:
        while time.monotonic() < deadline and not records.execute("SELECT 1 FROM load_positions").fetchall():
            time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, told = process.communicate(timeout=60)
    assert process.returncode == 1, told
    assert "call the same command again to go on" in told
    assert "Traceback" not in told
    first = int(said.split(" resources stored")[0].split()[-1])
    rest = consentry("load", node, tmp_path)
    assert rest.returncode == 0, rest.stderr
    stored = int(rest.stdout.split(" resources stored")[0].split()[-1])
    unchanged = int(rest.stdout.split(" unchanged")[0].split()[-1])
    assert 0 < first < files * 50
    assert (first + stored, unchanged) == (files * 50, 0)
    assert consentry("verify", node).returncode == 0


def test_the_synthea_sample_loads_without_a_fault(node: Path) -> None:
    places = (SHARED / "synthea-r4", SHARED / "data" / "synthea-r4")
    sample = next((path for path in places if path.is_dir()), None)
    if sample is None:
        pytest.skip("the Synthea sample is not beside the repository (set CONSENTRY_SHARED)")
    files = sorted(sample.rglob("*.json*"), key=lambda path: path.stat().st_size)
    first = [path for path in files if "information" in path.name.lower()]
    some = [path for path in files if path not in first][: max(2, round(2 * SCALE))]
    done = consentry("load", node, *first, *some, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert " 0 faults" in done.stdout


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("dask.distributed", "cohorts"),
        ("xgboost", "training"),
        ("psycopg", "postgresql"),
        ("uvicorn", "gateway"),
    ],
)
def test_a_module_that_is_not_installed_names_the_extra_that_installs_it(
    capsys: pytest.CaptureFixture[str], module: str, extra: str
) -> None:
    def command() -> None:
        raise ModuleNotFoundError(name=module)

    with pytest.raises(SystemExit, match="1"):
        run(command)
    assert capsys.readouterr().err == (
        f"error: this command needs {module}, which is not installed; install consentry[{extra}]\n"
    )
