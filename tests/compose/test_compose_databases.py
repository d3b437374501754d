"""The scripts of the databases' and the gateways' containers, run against a real PostgreSQL."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml

from tests.support.postgres_server import PASSWORD, Server, running

COMPOSE = Path(__file__).parents[2] / "compose"
SECRET = "it's a:pass\\word\"$HOME`id`"
SUPERUSER = "postgres"


@dataclass
class Database:
    """A server on which the container's script has run."""

    server: Server
    secret: Path

    def connect(self, user: str, password: str, name: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.server.folder), user=user, password=password, dbname=name, autocommit=True
        )


@pytest.fixture(scope="module")
def database(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """As in the image: the script's superuser is `postgres`, and there is no other role yet."""
    secret = tmp_path_factory.mktemp("secret") / "password"
    secret.write_text(SECRET)
    with running() as server:
        made = Database(server, secret)
        with made.connect("consentry", PASSWORD, "postgres") as found:
            found.execute(f"CREATE ROLE {SUPERUSER} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        with made.connect(SUPERUSER, PASSWORD, "postgres") as found:
            found.execute("ALTER ROLE consentry RENAME TO founder")
            found.execute(f"CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'")
        done = prepare(made)
        assert done.returncode == 0, done.stderr
        yield made


def prepare(database: Database) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{database.server.bin}:{os.environ['PATH']}",
        "PGHOST": str(database.server.folder),
        "PGPASSWORD": PASSWORD,  # the image's own script exports it
        "GATEWAY_PASSWORD_FILE": str(database.secret),
    }
    command = ["sh", COMPOSE / "database" / "10-gateway.sh"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def gateway(
    *command: str, secret: Path | None, passwords: Path, home: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command as the gateway's container starts it."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PGPASSFILE": str(passwords)}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    if secret is not None:
        environment["DATABASE_PASSWORD_FILE"] = str(secret)
    started = ["sh", COMPOSE / "images" / "gateway.sh", *command]
    return subprocess.run(started, env=environment, capture_output=True, text=True, check=False)


def test_gateways_role_owns_its_database_and_nothing_else(database):
    with database.connect("consentry", SECRET, "consentry") as own:
        role = own.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls "
            "FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert role == (False,) * 5
        owner = own.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'consentry'"
        ).fetchone()
        assert owner == ("consentry",)
        own.execute("CREATE SCHEMA consentry_try")
    for user, password, name in (
        ("consentry", SECRET, "postgres"),
        ("consentry", SECRET, "template1"),
        ("consentry", PASSWORD, "consentry"),
        ("stranger", PASSWORD, "consentry"),
    ):
        with pytest.raises(psycopg.OperationalError, match=r"permission denied|authentication failed"):
            database.connect(user, password, name).close()


def test_a_script_that_fails_leaves_no_password_in_the_servers_log(database):
    done = prepare(database)  # the role is there already
    assert done.returncode != 0
    assert "already exists" in done.stderr
    told = (database.server.folder / "log").read_text() + done.stderr
    assert "it's a:pass" not in told
    assert "it''s a:pass" not in told


def test_gateway_finds_the_password_and_makes_its_node(database, tmp_path):
    passwords = tmp_path / "pgpass"
    url = f"postgresql://consentry@/consentry?host={database.server.folder}"
    made = ["init", str(tmp_path / "node"), "--msp", "CityMSP", "--name", "City", "--database", url]
    command = [sys.executable, "-m", "exchange.cli", *made]
    done = gateway(*command, secret=database.secret, passwords=passwords, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
    with database.connect("consentry", SECRET, "consentry") as own:
        schemas = own.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^consentry_'").fetchall()
    assert {("consentry_records",), ("consentry_log",)} <= set(schemas)
    written = (tmp_path / "node" / "consentry.toml").read_text()
    assert "pass" not in written


def test_gateway_with_a_wrong_password_says_so_without_it(database, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-password")
    url = f"postgresql://consentry@/consentry?host={database.server.folder}"
    made = ["init", str(tmp_path / "node"), "--msp", "CityMSP", "--name", "City", "--database", url]
    command = [sys.executable, "-m", "exchange.cli", *made]
    done = gateway(*command, secret=wrong, passwords=tmp_path / "pgpass", home=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*password authentication failed.*\n", done.stderr)
    assert "not-the-password" not in done.stdout + done.stderr


def test_gateway_without_a_database_becomes_its_command(tmp_path):
    done = gateway("sh", "-c", "exit 7", secret=None, passwords=tmp_path / "pgpass", home=tmp_path)
    assert done.returncode == 7
    assert not (tmp_path / "pgpass").exists()


def test_scripts_read_what_the_containers_are_given():
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    scripts = {
        "database": (COMPOSE / "database" / "10-gateway.sh").read_text(),
        "gateway": (COMPOSE / "images" / "gateway.sh").read_text(),
    }
    for name, service in services.items():
        kind = name.partition(".")[0]
        if kind not in scripts:
            continue
        for key, value in service["environment"].items():
            if key.endswith("_PASSWORD_FILE"):
                assert key in scripts[kind] or key == "POSTGRES_PASSWORD_FILE"
                places = [one["target"] for one in service["volumes"] if one.get("read_only")]
                assert str(Path(value).parent) in places
        if kind == "database":
            binds = [one for one in service["volumes"] if one["type"] == "bind"]
            assert [(COMPOSE / one["source"]).read_text() for one in binds] == [scripts[kind]]
            assert all(os.access(COMPOSE / one["source"], os.X_OK) for one in binds)
