"""The compose files, written by the functions that configure the processes of `consentry network up`.

    python compose/generate.py > compose/compose.yaml
    python compose/generate.py scoring > compose/scoring.yaml

A test runs this and compares, so the two networks can't drift apart.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from exchange.devnet.configuration import chaincode_environment, orderer_environment, peer_environment
from exchange.devnet.containers import (
    OPTIONS,
    ROOT,
    database_password,
    package_id_file,
    parts,
    profile_file,
    superuser_password,
)
from exchange.devnet.topology import NetworkFolder, NetworkOrganisation, Orderer, Topology

FABRIC = "3.1.5"
POSTGRES = "15.18"
USER = "10001:10001"
FIRST_PUBLISHED = 8401  # the port of hospital 1's gateway on this machine; one more for each hospital

EVALUATOR_PORT = 8100

HEADER = """\
# The consortium in containers. Written by compose/generate.py; change that, and write this anew:
#
#     python compose/generate.py > compose/compose.yaml
#
# FABRIC_RELEASE is the folder of Fabric's unpacked release archive; README.md says more.
"""

SCORING_HEADER = """\
# The evaluator, and what a gateway needs to ask it; for use beside compose.yaml. Written by
# compose/generate.py; change that, and write this anew:
#
#     python compose/generate.py scoring > compose/scoring.yaml
"""

Service = dict[str, Any]

_TMPFS = ["/tmp:mode=1777,size=64m"]  # noqa: S108  # inside the container
_FOLDER = NetworkFolder(ROOT)
_TOPOLOGY = Topology.contained(OPTIONS)
_PARTS = parts(_TOPOLOGY, _FOLDER)

# A GET over bash's own sockets: Fabric's images have no other client.
_HEALTHZ = (
    "exec 3<>/dev/tcp/127.0.0.1/{port}"
    " && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3"
    " && grep -q '200 OK' <&3"
)


def compose() -> dict[str, Any]:
    """Return the whole document."""
    services: dict[str, Service] = {"prepare": _prepare()}
    for orderer in _TOPOLOGY.orderers:
        services[orderer.name] = _orderer(orderer)
    for organisation in _TOPOLOGY.organisations:
        services[organisation.peer] = _peer(organisation)
        services[organisation.chaincode] = _chaincode(organisation)
        services[_database_host(organisation)] = _database(organisation)
    services["found"] = _found()
    for number, organisation in enumerate(_TOPOLOGY.organisations, 1):
        services[f"gateway.{_name(organisation)}"] = _gateway(organisation, number)
    within = ["consortium"]
    for organisation in _TOPOLOGY.organisations:
        within += [_name(organisation), _keeps(organisation)]
    return {
        "name": "consentry",
        "services": services,
        "networks": {**{name: {"internal": True} for name in within}, "edge": {}},
        "volumes": {name: {} for name in (*_PARTS, *map(_node, _TOPOLOGY.organisations))},
    }


def scoring() -> dict[str, Any]:
    """Return the document for scoring, which compose merges into the whole one."""
    names = [_name(organisation) for organisation in _TOPOLOGY.organisations]
    services = {f"gateway.{name}": _asking(name) for name in names}
    files = {
        "evaluator-clients": ("EVALUATOR_CLIENTS", "evaluator-clients.json"),
        "evaluator-certificate": ("EVALUATOR_CERTIFICATE", "evaluator.crt"),
        "evaluator-key": ("EVALUATOR_KEY", "evaluator.key"),
        "evaluator-authority": ("EVALUATOR_AUTHORITY", "evaluator-authority.crt"),
    }
    for number, name in enumerate(names, 1):
        files[f"{name}-evaluator-token"] = (f"EVALUATOR_TOKEN_{number}", f"{name}-evaluator.token")
    return {
        "services": {**services, "evaluator": _evaluator()},
        "networks": {_asks(name): {"internal": True} for name in names},
        "secrets": {
            secret: {"file": f"${{{variable}:-./secrets/{file}}}"}
            for secret, (variable, file) in files.items()
        },
    }


# -- the nodes ---------------------------------------------------------------------------


def _orderer(orderer: Orderer) -> Service:
    return _long_running(
        image=f"${{FABRIC_ORDERER_IMAGE:-hyperledger/fabric-orderer:{FABRIC}}}",
        command=["orderer"],
        environment=orderer_environment(_TOPOLOGY, _FOLDER, orderer),
        networks={"consortium": {"aliases": [orderer.host]}},
        volumes=[
            _read("configuration"),
            _read(f"{orderer.name}-identity"),
            _write(f"{orderer.name}-ledger"),
        ],
        healthcheck=_healthz(orderer.operations_port),
        memory="1g",
    )


def _peer(organisation: NetworkOrganisation) -> Service:
    name, reached = _name(organisation), {"aliases": [organisation.reached]}
    return _long_running(
        image=f"${{FABRIC_PEER_IMAGE:-hyperledger/fabric-peer:{FABRIC}}}",
        command=["peer", "node", "start"],
        environment=peer_environment(_TOPOLOGY, _FOLDER, organisation),
        networks={"consortium": reached, name: reached},
        volumes=[
            _read("configuration"),
            _read("builder"),
            _read(f"{name}-peer-identity"),
            _write(f"{name}-peer-ledger"),
        ],
        healthcheck=_healthz(organisation.operations_port),
        memory="2g",
    )


def _chaincode(organisation: NetworkOrganisation) -> Service:
    name = _name(organisation)
    environment = chaincode_environment(_FOLDER, organisation, "")
    del environment["CHAINCODE_ID"]  # a digest of the package, which `prepare` makes
    host, _, port = organisation.chaincode_address.rpartition(":")
    given = package_id_file(_FOLDER, organisation)
    return _long_running(
        image="consentry-chaincode",
        build=_build("chaincode"),
        command=["sh", "-c", f'CHAINCODE_ID="$$(cat {given})" exec python -m chaincode'],
        environment=environment,
        networks={name: {"aliases": [host]}},
        volumes=[
            _read("configuration"),
            _read(f"{name}-chaincode-identity"),
        ],
        healthcheck=_listens(int(port)),
        memory="512m",
    )


def _database(organisation: NetworkOrganisation) -> Service:
    """Return a hospital's PostgreSQL: its gateway alone shares its network, as a role with one database."""
    name, data = _name(organisation), "/var/lib/postgresql/data"
    script = "10-gateway.sh"
    return _long_running(
        image=f"${{POSTGRES_IMAGE:-postgres:{POSTGRES}-bookworm}}",
        environment={
            "PGDATA": f"{data}/pgdata",  # below the volume's top, whose owner and mode are not the server's
            "POSTGRES_PASSWORD_FILE": str(superuser_password(_FOLDER, organisation)),
            "POSTGRES_INITDB_ARGS": "--data-checksums --auth-local=scram-sha-256 --auth-host=scram-sha-256",
            "GATEWAY_PASSWORD_FILE": str(database_password(_FOLDER, organisation)),
        },
        networks=[_keeps(organisation)],
        volumes=[
            _read(f"{name}-database-password"),
            _read(f"{name}-database-superuser"),
            {"type": "volume", "source": f"{name}-database", "target": data},
            {
                "type": "bind",
                "source": f"./database/{script}",
                "target": f"/docker-entrypoint-initdb.d/{script}",
                "read_only": True,
            },
        ],
        # Over TCP: while it makes the role, the server listens on its socket alone.
        healthcheck=_checked(["CMD", "pg_isready", "--quiet", "--host=127.0.0.1", "--username=consentry"]),
        tmpfs=[*_TMPFS, "/var/run/postgresql:mode=1777,size=1m"],
        shm_size="256m",  # where parallel queries meet; a container's 64 MB is soon too little
        stop_grace_period="60s",
        memory="1g",
    )


def _gateway(organisation: NetworkOrganisation, number: int) -> Service:
    name, published = _name(organisation), FIRST_PUBLISHED + number - 1
    made = _gateway_made(organisation, number)
    start = f"{_once(made)} && exec consentry serve /node"
    code = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8400/health', timeout=2)"
    return _long_running(
        image="consentry-gateway",
        build=_build("gateway"),
        command=["sh", "-c", start],
        environment={
            "DATABASE_PASSWORD_FILE": str(database_password(_FOLDER, organisation)),
            "PGPASSFILE": "/tmp/pgpass",  # noqa: S108  # inside the container, in its memory
        },
        networks=[name, _keeps(organisation), "edge"],
        ports=[f"127.0.0.1:{published}:8400"],
        volumes=[
            _read(f"{name}-client-identity"),
            _read(f"{name}-database-password"),
            {"type": "volume", "source": _node(organisation), "target": "/node"},
        ],
        healthcheck=_checked(["CMD", "python", "-c", code]),
        depends_on={
            "found": {"condition": "service_completed_successfully"},
            _database_host(organisation): {"condition": "service_healthy"},
        },
        memory="1g",
    )


def _gateway_made(organisation: NetworkOrganisation, number: int) -> list[str]:
    """Return the command that makes a gateway's node, once."""
    return [
        *("consentry", "init", "/node", "--name", f'"Hospital {number}"', "--ledger", "fabric"),
        *("--profile", str(profile_file(_FOLDER, organisation))),
        *("--database", f"postgresql://consentry@{_database_host(organisation)}/consentry"),
        *("--host", "0.0.0.0", "--port", "8400"),  # noqa: S104  # the container's networks say who gets there
        *("--base-url", f"${{BASE_URL_{number}:-http://127.0.0.1:{FIRST_PUBLISHED + number - 1}}}"),
    ]


def _once(made: list[str]) -> str:
    return f"test -f /node/consentry.toml || {' '.join(made)}"


# -- scoring -----------------------------------------------------------------------------


def _asking(name: str) -> Service:
    """Return a gateway's additions for scoring: the model's public files, a token, the evaluator's CA.

    It takes them at each start, so that a new model or token is a restart. No other node is in the network
    between it and the evaluator: neither do hospitals meet there.
    """
    number = next(n for n, one in enumerate(_TOPOLOGY.organisations, 1) if _name(one) == name)
    used = [
        *("consentry", "model", "use", "/node", "/model"),
        *("--evaluator", f"https://evaluator:{EVALUATOR_PORT}"),
        *("--token-file", f"/run/secrets/{name}-evaluator-token"),
        *("--authority", "/run/secrets/evaluator-authority"),
    ]
    made = _gateway_made(_TOPOLOGY.organisations[number - 1], number)
    start = f"{_once(made)} && {' '.join(used)} && exec consentry serve /node"
    return {
        "image": "consentry-gateway-scoring",
        "build": {"target": "gateway-scoring"},
        "command": ["sh", "-c", start],
        "networks": [_asks(name)],
        "volumes": [
            {"type": "bind", "source": "${HOSPITAL_MODEL:-./model}", "target": "/model", "read_only": True}
        ],
        "secrets": [f"{name}-evaluator-token", "evaluator-authority"],
    }


def _asks(name: str) -> str:
    return f"{name}-scoring"


def _evaluator() -> Service:
    within = [_asks(_name(organisation)) for organisation in _TOPOLOGY.organisations]
    return _long_running(
        image="consentry-evaluator",
        build=_build("evaluator"),
        networks={name: {"aliases": ["evaluator"]} for name in within},
        volumes=[{"type": "bind", "source": "${MODELS:-./models}", "target": "/models", "read_only": True}],
        secrets=["evaluator-clients", "evaluator-certificate", "evaluator-key"],
        healthcheck=_listens(EVALUATOR_PORT),
        memory="4g",
        cpus="2.0",
        depends_on={},
    )


# -- the jobs ----------------------------------------------------------------------------


def _prepare() -> Service:
    return _hardened(
        **_job("prepare"),
        networks=["consortium"],
        restart="no",
    )


def _found() -> Service:
    nodes = [*(one.name for one in _TOPOLOGY.orderers), *(one.peer for one in _TOPOLOGY.organisations)]
    nodes += [one.chaincode for one in _TOPOLOGY.organisations]
    return _hardened(
        **_job("found"),
        networks=["consortium"],
        depends_on={name: {"condition": "service_healthy"} for name in nodes},
        restart="no",
    )


def _job(name: str) -> Service:
    """Return a job, which sees every part; as the volumes' first user it sets their owner and folders."""
    return {
        "image": "consentry-setup",
        "build": _build("setup"),
        "command": ["python", "-m", "exchange.devnet.containers", name],
        "volumes": [_write(name) for name in _PARTS],
        "memory": "1g",
    }


# -- what all have in common ---------------------------------------------------------------


def _long_running(**service: Any) -> Service:
    return _hardened(
        **{
            "depends_on": {"prepare": {"condition": "service_completed_successfully"}},
            "restart": "unless-stopped",
            "stop_grace_period": "20s",
            **service,
        }
    )


def _hardened(*, memory: str, cpus: str = "1.0", **service: Any) -> Service:
    """Harden a service: no root, no capabilities, nothing to write to but volumes, and bounded resources."""
    return {
        **{key: value for key, value in service.items() if value != {}},
        "user": USER,
        "read_only": True,
        "tmpfs": service.get("tmpfs", _TMPFS),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,
        "deploy": {"resources": {"limits": {"cpus": cpus, "memory": memory, "pids": 512}}},
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}},
    }


def _build(target: str) -> Service:
    build: Service = {"context": "..", "dockerfile": "compose/images/Dockerfile", "target": target}
    if target == "setup":
        release = "${FABRIC_RELEASE:?the folder of Fabric's unpacked release archive}"
        build["additional_contexts"] = {"fabric": release}
    return build


def _read(name: str) -> Service:
    return {**_write(name), "read_only": True}


def _write(name: str) -> Service:
    return {"type": "volume", "source": name, "target": str(_PARTS[name])}


def _healthz(port: int) -> Service:
    return _checked(["CMD", "bash", "-c", _HEALTHZ.format(port=port)])


def _listens(port: int) -> Service:
    code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2).close()"
    return _checked(["CMD", "python", "-c", code])


def _checked(test: list[str]) -> Service:
    return {"test": test, "interval": "5s", "timeout": "3s", "retries": 12, "start_period": "5s"}


def _node(organisation: NetworkOrganisation) -> str:
    return f"{_name(organisation)}-gateway"


def _database_host(organisation: NetworkOrganisation) -> str:
    return f"database.{_name(organisation)}"


def _keeps(organisation: NetworkOrganisation) -> str:
    """Return the network of a gateway and its database."""
    return f"{_name(organisation)}-database"


def _name(organisation: NetworkOrganisation) -> str:
    return organisation.name.lower()


class _Dumper(yaml.SafeDumper):
    """YAML without references: two services that look alike are written out twice."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def texts() -> dict[str, str]:
    """Return each file's name and text."""
    return {"compose": HEADER + _written(compose()), "scoring": SCORING_HEADER + _written(scoring())}


def _written(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(texts()[sys.argv[1] if len(sys.argv) > 1 else "compose"])
