"""A PostgreSQL server of the tests' own: in a folder that goes with it, at a socket that only they know."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

PASSWORD = secrets.token_hex(16)
_PATIENCE = 30.0


class MissingError(Exception):
    """There are no server programs on this machine."""


def programs() -> Path:
    """Return the folder of the newest PostgreSQL server's programs.

    Raises:
        MissingError: there is none.
    """
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(installed, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    elsewhere = shutil.which("initdb")
    if found:
        return found[-1].parent
    if elsewhere:
        return Path(elsewhere).resolve().parent
    raise MissingError(
        "PostgreSQL's server is not installed; run `make test`, or `apt-get install postgresql` as root"
    )


@dataclass
class Server:
    """One server, that asks for a password; it can be ended hard and started again over the same data."""

    bin: Path
    folder: Path
    child: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int | None = None
    """The port on 127.0.0.1; it does not listen without one."""

    def url(self, database: str) -> str:
        """Return the URL of a database, by which libpq finds the password in a file."""
        where = f"host={self.folder}" if self.port is None else f"host=127.0.0.1&port={self.port}"
        given = f"{where}&passfile={self.folder / 'pass'}"
        return f"postgresql://consentry@/{database}?{given}"

    def make(self) -> None:
        """Lay the data out."""
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        if self.child:
            shutil.chown(secret, self.child["user"])
        layout = [
            self.bin / "initdb", "-D", self.folder / "data", "-U", "consentry", "-A", "scram-sha-256",
            "--pwfile", secret, "-E", "UTF8", "--no-sync",
        ]  # fmt: skip
        # A locale that sorts otherwise than by bytes, where the server has one (15 or newer, with ICU).
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, **self.child}
        sorting = ["--locale-provider=icu", "--icu-locale=en-US"]
        if subprocess.run([*layout, *sorting], check=False, stderr=subprocess.DEVNULL, **quiet).returncode:
            subprocess.run(layout, check=True, **quiet)
        passwords = self.folder / "pass"
        passwords.touch(mode=0o600)
        passwords.write_text(f"*:*:*:consentry:{PASSWORD}\n")

    def start(self) -> None:
        """Serve, and wait until it answers."""
        listening = ["-c", "listen_addresses="]
        if self.port is not None:
            listening = ["-c", "listen_addresses=127.0.0.1", "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder / "data", "-k", self.folder,
                 *listening, "-c", "fsync=off", "-c", "max_connections=200"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **self.child,
            )  # fmt: skip
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill all of its processes: what they had not written to a file yet is lost, as in a power cut."""
        assert self.process is not None
        self._signal_children(signal.SIGKILL)
        self.process.kill()
        self.process.wait(_PATIENCE)
        self.process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze all of its processes: their sockets stay open, and new ones are not answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # first, or it would start others
        self._signal_children(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_children(signal.SIGCONT)
            self.process.send_signal(signal.SIGCONT)

    def _signal_children(self, number: signal.Signals) -> None:
        assert self.process is not None
        main = self.process.pid
        for child in Path(f"/proc/{main}/task/{main}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def stop(self) -> None:
        """End it at once, as a crash would end all of its connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(_PATIENCE)
            self.process = None

    def new_database(self, like: str = "template1") -> str:
        """Return the URL of a new database: an empty one, or a copy of `like`, which has no connections."""
        name = f"t{secrets.token_hex(6)}"
        named = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(like))
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(named)
        return self.url(name)


@contextmanager
def running(*, port: int | None = None) -> Iterator[Server]:
    """Run a server for as long as the context lasts; as root, it runs as a user without rights."""
    found = programs()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    child: dict[str, Any] = {}
    try:
        if os.geteuid() == 0:
            names = {entry.pw_name: entry for entry in pwd.getpwall()}
            user = names.get("postgres") or names["nobody"]
            child = {"user": user.pw_name, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
            shutil.chown(folder, user.pw_name)
            folder.chmod(0o755)
        server = Server(found, folder, child, port=port)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
