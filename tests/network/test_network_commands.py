"""Bringing a network up, down and away again, and the one line that says what is wrong."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from exchange import devnet
from exchange.devnet import processes
from exchange.devnet.errors import (
    FolderError,
    NetworkCertificateError,
    NetworkError,
    PortError,
    ProcessStartError,
    ProgramsError,
)
from exchange.devnet.programs import NAMES
from exchange.devnet.state_file import NetworkState, locked, save
from exchange.devnet.topology import HOST, NetworkFolder, Topology, require_free
from exchange.ledger.fabric.admin.packaging import package
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions


@pytest.fixture(scope="module")
def small(programs, probe, tmp_path_factory):
    """A network of one organisation, started and stopped by the tests of this module."""
    root = tmp_path_factory.mktemp("small") / "network"
    devnet.up(root, devnet.Options(organisations=1, chaincode_command=probe), programs=programs)
    yield root
    devnet.reset(root)
    assert not root.exists()


def states(root: Path) -> set[str]:
    return {process.state for process in devnet.status(root)}


async def value(root: Path, key: str) -> str:
    transactions = FabricTransactions.open(Profile.read(root / "profiles" / "hospital1.json"))
    try:
        answer = json.loads(await transactions.evaluate("get", json.dumps(key).encode()))
        assert isinstance(answer, str)
        return answer
    finally:
        await transactions.close()


async def write(root: Path, key: str, text: str) -> None:
    transactions = FabricTransactions.open(Profile.read(root / "profiles" / "hospital1.json"))
    await transactions.submit("put", json.dumps({key: text}).encode())
    await transactions.close()


# -- one process -----------------------------------------------------------------

_MANY_THREADS = """
import socket, sys, threading, time
held = bytearray(2 ** 27)
held[::4096] = bytes(len(held[::4096]))
for _ in range(40):
    threading.Thread(target=time.sleep, args=[60], daemon=True).start()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


def test_a_process_has_ended_when_its_ports_are_free(tmp_path):
    """Its first thread may be gone before the others, which keep what they share."""
    (port,) = (one.port for one in Topology.plan(devnet.Options(organisations=1)).orderers)
    command = [sys.executable, "-c", _MANY_THREADS, str(port)]
    for _ in range(5):
        started = processes.spawn(command, {}, tmp_path / "log")
        while processes.running(started) and not listens(port):
            time.sleep(0.02)
        processes.send(started, signal.SIGKILL)
        processes.end([started])
        assert not listens(port)
        require_free([(port, "the same again")])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


# -- a real network --------------------------------------------------------------


@pytest.mark.fabric
def test_network_outlives_the_process_that_brought_it_up(programs, probe, tmp_path):
    root = tmp_path / "network"
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from exchange import devnet
        options = devnet.Options(organisations=1, chaincode_command={probe!r})
        devnet.up(Path({str(root)!r}), options)
        """
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    try:
        assert states(root) == {"running"}
        asyncio.run(write(root, "k", "v"))
        pids = [process.pid for process in devnet.status(root)]
    finally:
        devnet.reset(root)
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)


@pytest.mark.fabric
def test_data_stay_through_down_and_up(small):
    asyncio.run(write(small, "kept", "through"))
    devnet.down(small)
    assert states(small) == {"stopped"}
    devnet.down(small)  # a second time is nothing to do
    devnet.up(small)
    assert states(small) == {"running"}
    assert asyncio.run(value(small, "kept")) == "through"


@pytest.mark.fabric
def test_up_starts_only_what_is_stopped(small):
    before = {process.name: process.pid for process in devnet.status(small)}
    running = devnet.up(small)
    running.kill("chaincode.hospital1")
    assert running.stopped() == ["chaincode.hospital1"]
    devnet.up(small)
    after = {process.name: process.pid for process in devnet.status(small)}
    assert [name for name in before if before[name] != after[name]] == ["chaincode.hospital1"]


@pytest.mark.fabric
def test_paused_process_is_seen_and_still_ends(small):
    running = devnet.up(small)
    running.pause("peer.hospital1")
    assert "paused" in states(small)
    devnet.down(small)
    assert states(small) == {"stopped"}
    devnet.up(small)


@pytest.mark.fabric
def test_other_options_need_a_reset(small):
    with pytest.raises(FolderError, match="reset it first"):
        devnet.up(small, devnet.Options(organisations=2))


@pytest.mark.fabric
def test_taken_port_is_named_with_the_process_that_wants_it(small):
    devnet.down(small)
    port = devnet.up(small).topology.organisations[0].peer_port
    devnet.down(small)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(PortError, match=f"port {port} of peer.hospital1 is in use"):
            devnet.up(small)
    assert states(small) == {"stopped"}
    devnet.up(small)


@pytest.mark.fabric
def test_expired_certificate_is_named_with_its_file(small):
    devnet.down(small)
    folder = NetworkFolder(small)
    path = (
        folder.crypto
        / "ordererOrganizations/orderer.example/orderers/orderer1.orderer.example/tls/server.crt"
    )
    good = path.read_bytes()
    path.write_bytes(expired(good))
    try:
        with pytest.raises(NetworkCertificateError, match=r"server\.crt expired on 2"):
            devnet.up(small)
    finally:
        path.write_bytes(good)
    devnet.up(small)


@pytest.mark.fabric
def test_process_that_ends_while_starting_is_quoted(programs, tmp_path):
    broken = (sys.executable, "-c", "raise SystemExit('this chaincode has no contracts')")
    with pytest.raises(
        ProcessStartError, match=r"chaincode\.hospital1 ended .* this chaincode has no contracts"
    ):
        devnet.up(
            tmp_path / "n", devnet.Options(organisations=1, chaincode_command=broken), programs=programs
        )
    assert states(tmp_path / "n") == {"stopped"}
    with pytest.raises(FolderError, match="half-built"):
        devnet.up(tmp_path / "n")
    devnet.reset(tmp_path / "n")
    assert not (tmp_path / "n").exists()


@pytest.mark.fabric
def test_bring_up_takes_seconds(programs, probe, tmp_path):
    began = time.monotonic()
    with devnet.up(tmp_path / "n", devnet.Options(chaincode_command=probe), programs=programs):
        logging.getLogger(__name__).info("bring-up took %.2f s", time.monotonic() - began)
        # The target is 5 s on two cores that do nothing else; a test machine may be busy.
        assert time.monotonic() - began < 20


# -- without Fabric ----------------------------------------------------------------


def expired(certificate: bytes) -> bytes:
    read, key = x509.load_pem_x509_certificate(certificate), ec.generate_private_key(ec.SECP256R1())
    then = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(read.subject)
        .issuer_name(read.issuer)
        .public_key(read.public_key())
        .serial_number(read.serial_number)
        .not_valid_before(then)
        .not_valid_after(then + datetime.timedelta(days=1000))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def release(root: Path, *, without: str = "") -> Path:
    """Make a folder as Fabric's release archive unpacks, with programs that do nothing."""
    for folder in ("bin", "config"):
        (root / folder).mkdir(parents=True)
    for name in NAMES:
        if name != without:
            (root / "bin" / name).write_text("#!/bin/sh\n")
            (root / "bin" / name).chmod(0o755)
    for sample in ("core.yaml", "orderer.yaml"):
        if sample != without:
            (root / "config" / sample).write_text("{}\n")
    return root


def test_programs_are_found_through_links_with_the_configuration_beside_them(tmp_path):
    unpacked = release(tmp_path / "fabric")
    links = tmp_path / "links"
    links.mkdir()
    for name in NAMES:
        (links / name).symlink_to(unpacked / "bin" / name)
    found = devnet.Programs.find({"PATH": str(links)})
    assert found.peer == unpacked / "bin" / "peer"
    assert found.samples == unpacked / "config"


def test_named_folders_win_over_path(tmp_path):
    on_path, named = release(tmp_path / "path"), release(tmp_path / "named")
    environment = {"PATH": str(on_path / "bin"), "FABRIC_BIN": str(named / "bin")}
    found = devnet.Programs.find(environment | {"FABRIC_CFG_PATH": str(on_path / "config")})
    assert found.peer == named / "bin" / "peer"
    assert found.samples == on_path / "config"


@pytest.mark.parametrize("missing", [*NAMES, "core.yaml", "orderer.yaml"])
def test_missing_piece_is_named_in_one_line_with_what_to_do(tmp_path, missing):
    unpacked = release(tmp_path, without=missing)
    with pytest.raises(ProgramsError) as told:
        devnet.Programs.find({"FABRIC_BIN": str(unpacked / "bin"), "PATH": ""})
    assert missing in str(told.value)
    assert "release archive" in str(told.value)
    assert "\n" not in str(told.value)


def test_folder_with_something_else_is_left_alone(tmp_path):
    mine = tmp_path / "thesis.txt"
    mine.write_text("years of work")
    programs = devnet.Programs.find({"FABRIC_BIN": str(release(tmp_path / "f") / "bin")})
    for command in (
        lambda: devnet.up(tmp_path, programs=programs),
        lambda: devnet.down(tmp_path),
        lambda: devnet.status(tmp_path),
        lambda: devnet.reset(tmp_path),
    ):
        with pytest.raises(FolderError, match="holds no network"):
            command()
    assert mine.read_text() == "years of work"


def test_commands_on_no_folder_say_so(tmp_path):
    for command in (devnet.down, devnet.status):
        with pytest.raises(FolderError, match="bring one up first"):
            command(tmp_path / "nothing")
    devnet.reset(tmp_path / "nothing")
    with pytest.raises(FolderError, match="is a file"):
        devnet.status(Path(__file__))


def test_damaged_state_and_unreadable_paths_are_refused(tmp_path):
    (tmp_path / "network.json").write_text("{")
    with pytest.raises(FolderError, match="can't be read"):
        devnet.status(tmp_path)
    with pytest.raises(FolderError, match="comma or brackets"):
        devnet.up(tmp_path / "a,b")


def test_two_commands_do_not_work_on_one_folder_at_once(tmp_path):
    with locked(NetworkFolder(tmp_path)), pytest.raises(FolderError, match="another command"):
        devnet.reset(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"organisations": 0}, {"organisations": 21}, {"orderers": 2}, {"max_message_count": 0}]
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(NetworkError):
        devnet.Options(**wrong)


def test_process_id_that_was_given_away_is_not_signalled(tmp_path):
    bystander = processes.spawn(["sleep", "60"], {}, tmp_path / "log")
    try:
        folder = NetworkFolder(tmp_path / "network")
        folder.root.mkdir()
        stale = processes.Started(bystander.pid, bystander.at - 3600)
        save(folder, NetworkState(Topology.plan(devnet.Options()), started={"orderer1": stale}))
        assert {process.state for process in devnet.status(folder.root)} == {"stopped"}
        devnet.reset(folder.root)
        assert processes.running(bystander)
    finally:
        processes.end([bystander])
    assert processes.running(bystander) is None


def test_process_that_will_not_end_is_killed(tmp_path):
    log = tmp_path / "log"
    stubborn = processes.spawn(
        [sys.executable, "-uc", "import signal, time; signal.signal(15, 1); print('deaf'); time.sleep(60)"],
        {},
        log,
    )
    while "deaf" not in log.read_text():
        time.sleep(0.01)
    processes.end([stubborn], seconds=0.2)
    assert processes.running(stubborn) is None


def test_spawned_process_sees_only_its_own_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET_OF_THE_SHELL", "1")
    started = processes.spawn(["env"], {"GIVEN": "yes"}, tmp_path / "log")
    while processes.running(started):
        time.sleep(0.01)
    seen = dict(line.split("=", 1) for line in (tmp_path / "log").read_text().splitlines())
    assert set(seen) == {"PATH", "HOME", "GIVEN"}
    assert seen["PATH"] == os.environ["PATH"]


def test_package_is_the_same_each_time(tmp_path):
    for folder in ("service", "peer"):
        (tmp_path / folder).mkdir()
        for name in ("ca.crt", "server.key", "server.crt"):
            (tmp_path / folder / name).write_text(f"{folder} {name}")
    made = [
        package("consentry_1", "127.0.0.1:7000", tmp_path / "service", client_tls=tmp_path / "peer")
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert made[0].id.startswith("consentry_1:")
    elsewhere = package("consentry_1", "127.0.0.1:7001", tmp_path / "service", client_tls=tmp_path / "peer")
    assert elsewhere.id != made[0].id


def test_ports_are_given_once_and_can_be_fixed():
    for options in (devnet.Options(organisations=20, orderers=3), devnet.Options(first_port=21_000)):
        ports = [port for port, _ in Topology.plan(options).listeners()]
        assert len(set(ports)) == len(ports)
    assert ports == list(range(21_000, 21_000 + len(ports)))


def test_state_survives_writing_and_reading(tmp_path):
    state = NetworkState(
        Topology.plan(devnet.Options()), {"Hospital1": "a:b"}, {"orderer1": processes.Started(1, 2.5)}
    )
    save(NetworkFolder(tmp_path), state)
    assert msgspec.json.decode((tmp_path / "network.json").read_bytes(), type=NetworkState) == state
