"""The network in containers is the one of processes: same topology, settings and Fabric; and hardened."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.main import get_command

from exchange.auth.principal import Member
from exchange.cli.main import build
from exchange.devnet import Programs, configuration
from exchange.devnet.containers import OPTIONS, ROOT, Job, parts
from exchange.devnet.network import Network
from exchange.devnet.state_file import NetworkState, save
from exchange.devnet.topology import NetworkFolder, Topology
from exchange.node.settings import NodeSettings, RiskSettings, check

REPOSITORY = Path(__file__).parents[2]
COMPOSE = REPOSITORY / "compose"
FILES = ("compose", "scoring")
WRITTEN = {name: (COMPOSE / f"{name}.yaml").read_text() for name in FILES}
DOCUMENT: dict[str, Any] = yaml.safe_load(WRITTEN["compose"])
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
LAID_OVER: dict[str, Any] = yaml.safe_load(WRITTEN["scoring"])
JOBS = {"prepare", "found"}


def merged(under: Any, over: Any) -> Any:
    """Merge two documents as compose does: mappings by their keys, lists one behind the other."""
    if isinstance(under, dict) and isinstance(over, dict):
        return {key: merged(under.get(key), over.get(key)) for key in (*under, *over)}
    if isinstance(under, list) and isinstance(over, list):
        return under + over
    return under if over is None else over


def scoring() -> dict[str, Any]:
    """Return the whole document for scoring; a command is replaced, not joined."""
    whole: dict[str, Any] = merged(DOCUMENT, LAID_OVER)
    for name, service in LAID_OVER["services"].items():
        if "command" in service:
            whole["services"][name]["command"] = service["command"]
    return whole


SCORING = scoring()
EVERYWHERE = [
    *(pytest.param(service, name, id=name) for name, service in SERVICES.items()),
    *(
        pytest.param(service, name, id=f"{name} scoring")
        for name, service in SCORING["services"].items()
        if name in LAID_OVER["services"]
    ),
]


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(COMPOSE / "generate.py"))


# -- the file ----------------------------------------------------------------------------


def test_compose_files_are_those_that_are_generated(generator):
    assert generator["texts"]() == WRITTEN


@pytest.mark.parametrize("document", [DOCUMENT, LAID_OVER, SCORING], ids=[*FILES, "merged"])
def test_compose_files_follow_the_specification(document):
    schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text())
    jsonschema.validate(document, schema)


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "FABRIC_RELEASE": "/fabric"}
    command = ["docker", "compose", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_docker_accepts_the_compose_file():
    if shutil.which("docker") is None or docker("version").returncode:
        pytest.skip("docker compose is not installed")
    files = [word for name in FILES for word in ("--file", str(COMPOSE / f"{name}.yaml"))]
    for some in (files[:2], files):
        done = docker(*some, "config", "--quiet")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", [DOCUMENT, SCORING], ids=["compose", "merged"])
def test_every_name_that_is_used_is_defined(document):
    for name, service in document["services"].items():
        for mount in service.get("volumes", []):
            assert mount["type"] == "bind" or mount["source"] in document["volumes"], name
        assert set(service["networks"]) <= set(document["networks"]), name
        assert set(service.get("depends_on", {})) <= set(document["services"]), name
        assert set(service.get("secrets", [])) <= set(document.get("secrets", {})), name


# -- the same network as the processes ------------------------------------------------------


def plain() -> tuple[Topology, NetworkFolder]:
    return Topology.plan(OPTIONS), NetworkFolder(ROOT)


def settings(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment without addresses and ports: containers have names, processes have ports."""
    address = r"[\w.]+:\d+|0\.0\.0\.0|127\.0\.0\.1|^\d{4,5}$"
    return {key: re.sub(address, "ADDRESS", value) for key, value in environment.items()}


def test_topology_is_that_of_the_processes():
    topology, _ = plain()
    nodes = [one.name for one in topology.orderers]
    nodes += [name for one in topology.organisations for name in (one.peer, one.chaincode)]
    gateways = {f"gateway.{one.name.lower()}" for one in topology.organisations}
    databases = {f"database.{one.name.lower()}" for one in topology.organisations}
    assert set(SERVICES) == {*nodes, *JOBS, *gateways, *databases}
    assert set(LAID_OVER["services"]) == {*gateways, "evaluator"}


def test_environment_of_each_node_is_that_of_its_process():
    topology, folder = plain()
    for orderer in topology.orderers:
        given = configuration.orderer_environment(topology, folder, orderer)
        assert settings(SERVICES[orderer.name]["environment"]) == settings(given)
    for one in topology.organisations:
        given = configuration.peer_environment(topology, folder, one)
        assert settings(SERVICES[one.peer]["environment"]) == settings(given)
        given = configuration.chaincode_environment(folder, one, "id")
        del given["CHAINCODE_ID"]
        assert settings(SERVICES[one.chaincode]["environment"]) == settings(given)


def test_settings_that_recovery_rests_on_are_there():
    peer, orderer = SERVICES["peer.hospital2"]["environment"], SERVICES["orderer3"]["environment"]
    assert peer["CORE_PEER_GATEWAY_DIALTIMEOUT"] == "1500ms"
    assert peer["CORE_PEER_GATEWAY_ENDORSEMENTTIMEOUT"] == "1500ms"
    assert peer["CORE_PEER_GOSSIP_ALIVETIMEINTERVAL"] == "1s"
    assert peer["CORE_PEER_GOSSIP_ALIVEEXPIRATIONTIMEOUT"] == "5s"
    assert peer["CORE_PEER_KEEPALIVE_DELIVERYCLIENT_INTERVAL"] == "10s"
    assert peer["CORE_PEER_KEEPALIVE_DELIVERYCLIENT_TIMEOUT"] == "3s"
    assert peer["CORE_PEER_DELIVERYCLIENT_RECONNECTBACKOFFTHRESHOLD"] == "2s"
    assert peer["CORE_PEER_GOSSIP_PUBLISHSTATEINFOINTERVAL"] == "1s"
    assert peer["CORE_PEER_GOSSIP_EXTERNALENDPOINT"] == "peer.hospital2.example:7051"
    assert orderer["ORDERER_GENERAL_KEEPALIVE_SERVERMININTERVAL"] == "5s"


def test_names_that_nodes_are_reached_at_are_names_in_their_certificates_and_networks():
    topology = Topology.contained(OPTIONS)
    named = json.loads(configuration.crypto_config(topology))
    hosts = {
        f"{spec['Hostname']}.{group['Domain']}"
        for group in (*named["OrdererOrgs"], *named["PeerOrgs"])
        for spec in group["Specs"]
    }
    aliases = {
        alias
        for service in SERVICES.values()
        if isinstance(service["networks"], dict)
        for network in service["networks"].values()
        for alias in network["aliases"]
    }
    assert aliases == hosts
    channel = json.loads(configuration.channel_config(topology, NetworkFolder(ROOT)))
    for place in re.findall(r'"Host": "([^"]+)"', json.dumps(channel)):
        assert place in hosts


@pytest.mark.fabric
def test_fabric_is_the_release_that_the_tests_run_on(generator):
    peer = Programs.find().peer
    told = subprocess.run([peer, "version"], capture_output=True, text=True, check=True).stdout
    assert f"v{generator['FABRIC']}" in told
    for service in SERVICES.values():
        if "fabric-" in service["image"]:
            assert service["image"].endswith(f":{generator['FABRIC']}}}")


# -- what a container may do ------------------------------------------------------------------


@pytest.mark.parametrize(("service", "name"), EVERYWHERE)
def test_container_has_no_root_no_capabilities_and_bounds(service, name):
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    # Only gateways are reached from outside, and only from this machine: TLS is a reverse proxy's work.
    assert ("ports" in service) == name.startswith("gateway.")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc"} & set(service)
    assert not any("docker.sock" in str(mount) for mount in service.get("volumes", []))
    if name not in JOBS:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize(("service", "name"), [one for one in EVERYWHERE if one.values[1] not in JOBS])
def test_container_sees_only_its_own_keys(service, name):
    sources = [mount["source"] for mount in service.get("volumes", []) if mount["type"] == "volume"]
    assert not any(source.endswith("-authority") or source == "foundation" for source in sources)
    own = {
        "orderer": f"{name}-identity",
        "peer": f"{name.partition('.')[2]}-peer-identity",
        "chaincode": f"{name.partition('.')[2]}-chaincode-identity",
        "gateway": f"{name.partition('.')[2]}-client-identity",
    }.get(re.split(r"[.\d]", name)[0])
    assert [source for source in sources if source.endswith("-identity")] == ([own] if own else [])
    writable = [mount["source"] for mount in service.get("volumes", []) if not mount.get("read_only")]
    assert all(source.endswith(("-ledger", "-gateway", "-database")) for source in writable)
    assert all(name.partition(".")[2] in source for source in writable)
    passwords = {source for source in sources if source.endswith(("-password", "-superuser"))}
    hospital = name.partition(".")[2]
    known = {"database": {f"{hospital}-database-password", f"{hospital}-database-superuser"}}
    known["gateway"] = {f"{hospital}-database-password"}
    assert passwords == known.get(name.partition(".")[0], set())


def test_hospitals_meet_in_the_consortium_network_alone():
    for one in Topology.contained(OPTIONS).organisations:
        own = one.name.lower()
        assert DOCUMENT["networks"][own] == {"internal": True}
        inside = {name for name, service in SERVICES.items() if own in service["networks"]}
        assert inside == {one.peer, one.chaincode, f"gateway.{own}"}
        kept = f"{own}-database"
        assert DOCUMENT["networks"][kept] == {"internal": True}
        inside = {name for name, service in SERVICES.items() if kept in service["networks"]}
        assert inside == {kept_by(own), f"gateway.{own}"}
        assert SERVICES[kept_by(own)]["networks"] == [kept]
    for name, service in SERVICES.items():
        assert ("edge" in service["networks"]) == name.startswith("gateway."), name


def kept_by(hospital: str) -> str:
    return f"database.{hospital}"


def test_each_gateway_has_a_network_of_its_own_with_the_evaluator():
    for one in Topology.contained(OPTIONS).organisations:
        own = f"{one.name.lower()}-scoring"
        assert SCORING["networks"][own] == {"internal": True}
        inside = {name for name, service in SCORING["services"].items() if own in service["networks"]}
        assert inside == {f"gateway.{one.name.lower()}", "evaluator"}
    evaluator = SCORING["services"]["evaluator"]
    assert all(network.endswith("-scoring") for network in evaluator["networks"])


def test_scoring_secrets_are_each_ones_own():
    services = SCORING["services"]
    holders = {
        secret: {name for name, service in services.items() if secret in service.get("secrets", ())}
        for secret in SCORING["secrets"]
    }
    gateways = {name for name in services if name.startswith("gateway.")}
    assert holders.pop("evaluator-authority") == gateways
    for name in gateways:
        assert holders.pop(f"{name.partition('.')[2]}-evaluator-token") == {name}
    assert set(holders) == {"evaluator-clients", "evaluator-certificate", "evaluator-key"}
    assert all(who == {"evaluator"} for who in holders.values())


def test_evaluators_image_reads_the_secrets_that_it_is_given():
    module = runpy.run_path(str(COMPOSE / "images" / "evaluator.py"))
    read = {module[name] for name in ("CLIENTS", "CERTIFICATE", "KEY")}
    assert read == {Path("/run/secrets", name) for name in SCORING["services"]["evaluator"]["secrets"]}


def test_images_end_as_another_user_than_root_and_take_what_exists():
    dockerfile = (COMPOSE / "images" / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)[1:]
    targets = {
        service["build"]["target"] for service in SCORING["services"].values() if "build" in service
    } | {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    for stage in stages:
        name = stage.splitlines()[0].split(" AS ")[1]
        if name in targets:
            assert re.findall(r"^USER (.*)$", stage, flags=re.MULTILINE)[-1] == "10001:10001"
    assert targets <= {stage.splitlines()[0].split(" AS ")[1] for stage in stages}
    for source in re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile, flags=re.MULTILINE):
        for path in source.split():
            assert (REPOSITORY / path).exists(), path
    assert "latest" not in dockerfile


# -- the jobs ---------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A folder as the setup image has it, below another root."""
    root = tmp_path / "network"
    for path in parts(Topology.contained(OPTIONS), NetworkFolder(root)).values():
        path.mkdir(parents=True, exist_ok=True)
    return root


@pytest.mark.fabric
def test_prepare_writes_what_every_container_reads_and_writes_it_once(folders):
    job = Job(folders, Programs.find())
    job.prepare()
    folder, topology = NetworkFolder(folders), Topology.contained(OPTIONS)
    for service in SERVICES.values():
        for value in service.get("environment", {}).values():
            for path in re.findall(rf"{ROOT}/[\w@./]+", value):
                if "/data/" not in path:
                    assert (folders / Path(path).relative_to(ROOT)).exists(), path
    assert folder.block("consentry").exists()
    before = {path: path.read_bytes() for path in folders.rglob("*") if path.is_file()}
    Job(folders, Programs.find()).prepare()
    assert {path: path.read_bytes() for path in folders.rglob("*") if path.is_file()} == before
    certificate = (folder.peer(topology.organisations[0]) / "tls" / "server.crt").read_bytes()
    assert b"BEGIN CERTIFICATE" in certificate


def options(*words: str) -> set[str]:
    """Return the options of a command."""
    command: Any = get_command(build(list(words)))
    for word in words:
        command = command.commands[word] if hasattr(command, "commands") else command
    return {name for option in command.params for name in option.opts}


def test_gateway_that_scores_starts_as_the_command_line_takes_it():
    known = options("model", "use")
    for name, service in LAID_OVER["services"].items():
        if name.startswith("gateway."):
            made, used, served = service["command"][2].split(" && ")
            assert made == SERVICES[name]["command"][2].split(" && ")[0]
            assert served == "exec consentry serve /node"
            words = shlex.split(used)
            assert words[:5] == ["consentry", "model", "use", "/node", "/model"]
            given = dict(zip(words[5::2], words[6::2], strict=True))
            assert set(given) <= known
            for option, secret in (("--token-file", 0), ("--authority", 1)):
                assert given[option] == f"/run/secrets/{service['secrets'][secret]}"
            check(settings_with(RiskSettings(evaluator=given["--evaluator"])))
            assert any(mount["target"] == "/model" for mount in service["volumes"])


def settings_with(risk: RiskSettings) -> NodeSettings:
    member = Member("CityMSP", "City", "city")
    return NodeSettings("CityMSP", "http://127.0.0.1:8400", (member,), risk=risk)


def test_gateway_starts_as_the_command_line_takes_it():
    known = options("init")
    for name, service in SERVICES.items():
        if name.startswith("gateway."):
            script = service["command"][2]
            made = shlex.split(script.partition("|| ")[2].partition(" && ")[0])
            assert {word for word in made if word.startswith("--")} <= known
            mounts = [mount["target"] for mount in service["volumes"]]
            assert any(made[made.index("--profile") + 1].startswith(f"{target}/") for target in mounts)


@pytest.mark.fabric
def test_found_makes_a_channel_of_running_nodes_and_goes_on_where_it_was_interrupted(folders):
    folder = NetworkFolder(folders)
    save(
        folder, NetworkState(Topology.plan(OPTIONS))
    )  # the same nodes as processes, which this test can start
    job = Job(folders, Programs.find())
    job.prepare()
    folder.logs.mkdir()
    network: Network = job.network
    with network:
        network.launch(network.names())
        network.await_listening(network.names())
        approve, calls = job._approve, []

        def interrupted(organisation: Any) -> None:
            calls.append(organisation)
            if len(calls) == 2:
                raise KeyboardInterrupt
            approve(organisation)

        job._approve = interrupted  # type: ignore[method-assign]  # as a signal would
        with pytest.raises(KeyboardInterrupt):
            job.found()
        again = Job(folders, Programs.find())
        again.found()
        again.found()
        assert (folders / "steps" / "commit").exists()
