"""The files of one node, in one folder.

```
FOLDER/
├── consentry.toml        this hospital, the members, the address to listen on
├── .gitignore            has a repository take nothing of all this
├── keys/root.key         wraps every patient's key, with the one below; back both up apart from the rest
├── keys/epoch-1.key      replaced by the next number when patients are erased
├── keys/node.key         signs the embedded ledger's blocks
├── keys/evaluator.token  opens the evaluator to this gateway, on a node with a risk model
├── risk/                 published by the risk model's owner: risk.offer and card.json; the authority
│                         that vouches for the evaluator, where this machine trusts none that does
├── records.db            sealed documents and search tokens
├── keys.db               the patients' wrapped keys; back it up apart from records.db
├── ledger.db             the embedded ledger
├── log.db                the projection of the access log (rebuilt from the ledger)
├── admin.sock            answers commands of this node's owner, while a gateway serves
└── init.unfinished       there while `init` makes the node, and after one that was cut off
```

A node on Fabric has neither `node.key` nor `ledger.db`: its settings name a connection profile, which names
the peer and the files of certificates and keys. Those stay where they are; nothing secret is in settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.auth.principal import Member
from exchange.node import settings_file
from exchange.node.settings import ConfigError, NodeSettings, RiskSettings, check
from exchange.runtime.private_files import write_private
from exchange.store.engine.place import Place, Schema

SCHEMAS = ("consentry_records", "consentry_log", "consentry_keys")
"""The schemas of a node in its PostgreSQL database."""


def _lack(path: Path) -> str:
    return "is empty" if path.is_file() else "is missing"


def _replace(staged: list[tuple[Path, Path]]) -> None:
    for beside, path in staged:
        beside.replace(path)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The content of a risk model's files; `authority` is None where this machine's authorities vouch."""

    offer: bytes
    card: bytes
    token: str
    authority: bytes | None = None

    def named(self, risk: RiskSettings) -> Iterator[tuple[str, bytes]]:
        """Yield the path of each file, as `risk` has it, with its content."""
        yield from ((risk.offer, self.offer), (risk.card, self.card), (risk.token, self.token.encode()))
        if risk.authority is not None and self.authority is not None:
            yield risk.authority, self.authority


class NodeFolder:
    """The files of one node; `unfinished` for the one that makes it, and opens it before it is complete."""

    def __init__(self, path: Path, *, unfinished: bool = False) -> None:
        self.path = path
        self._may_be_unfinished = unfinished
        self.settings_file = path / "consentry.toml"
        self.root_key = path / "keys" / "root.key"
        self.node_key = path / "keys" / "node.key"
        self.records = path / "records.db"
        self.key_store = path / "keys.db"
        self.ledger = path / "ledger.db"
        self.log = path / "log.db"
        self.admin_socket = path / "admin.sock"
        self.unversioned = path / ".gitignore"
        self.unfinished = path / "init.unfinished"
        self.journal = path / "load.journal"  # of loads up to format 4

    def load(self) -> NodeSettings:
        """Return the settings in this folder.

        Raises:
            ConfigError: there are none, they can't be used, or the node is not complete yet.
            FormatError: a newer release made them.
        """
        if self.unfinished.exists() and not self._may_be_unfinished:
            raise ConfigError(
                f"{self.path} is not complete: `consentry init` is making it, or was cut off; "
                "call it again with the same options, and it goes on where it was"
            )
        return settings_file.read(self.settings_file)

    def write(self, settings: NodeSettings) -> None:
        """Write a `.gitignore` against all of a node, and `settings`, never over existing ones.

        Raises:
            ConfigError: they can't be used, or the folder is a node already.
        """
        check(settings)
        if not (self.unversioned.exists() and self.unversioned.stat().st_size):
            self.unversioned.unlink(missing_ok=True)
            write_private(self.unversioned, b"*\n")
        settings_file.create(self.settings_file, settings)

    def close_to_others(self, *, group: bool = True) -> None:
        """Let others no more into the folder; its group neither, unless `group` is False.

        Raises:
            ConfigError: it is open to others, and not this user's to close.
        """
        mode = self.path.stat().st_mode & 0o777
        wanted = mode & (0o700 if group else 0o770)
        if mode == wanted:
            return
        try:
            self.path.chmod(wanted)
        except PermissionError:
            raise ConfigError(
                f"{self.path} is open to others, and another user's; have that user call chmod 700 on it"
            ) from None

    def add_member(self, member: Member) -> None:
        """List one more member in the settings; `exchange.node.identity.accepted_changes` records it.

        Raises:
            ConfigError: the member can't be used beside the others, or is listed already.
        """
        settings_file.add_member(self.settings_file, member)

    @contextmanager
    def staged_model(self, risk: RiskSettings, files: ModelFiles) -> Iterator[Callable[[], None]]:
        """Write the files of a risk model beside their places, readable by their owner alone.

        Yields the function that puts them in place. The files that it was not called for are gone afterwards.
        """
        staged: list[tuple[Path, Path]] = []
        try:
            for name, data in files.named(risk):
                path = self.path / name
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                beside = path.with_name(f".{path.name}.{os.getpid()}")
                staged.append((beside, path))
                write_private(beside, data)
            yield lambda: _replace(staged)
        finally:
            for beside, _ in staged:
                beside.unlink(missing_ok=True)

    def profile(self, settings: NodeSettings) -> Path | None:
        """Return the connection profile of a node on Fabric; a relative path starts at this folder."""
        return None if settings.profile is None else self.path / settings.profile

    def places(self, settings: NodeSettings) -> tuple[Place, Place]:
        """Return the place of the records, and that of the log's projection."""
        if settings.database is None:
            return self.records, self.log
        records, log, _ = SCHEMAS
        return Schema(settings.database, records), Schema(settings.database, log)

    def keys_place(self, settings: NodeSettings) -> Place:
        """Return the place of the key store."""
        return self.key_store if settings.database is None else Schema(settings.database, SCHEMAS[2])

    def check_files(self, settings: NodeSettings) -> None:
        """Refuse a node with a missing database: opening it would begin an empty one.

        Schemas on PostgreSQL are checked where they are opened.

        Raises:
            ConfigError: which one is missing, or holds nothing.
        """
        ledger = (self.ledger,) if settings.ledger == "embedded" else ()
        databases = (self.records, self.log) if settings.database is None else ()
        for path in (*ledger, *databases):
            if path.is_file() and path.stat().st_size:
                continue
            ways = "docs/operations/backup.md says how"
            if path == self.log:  # not done unasked: the details that a backup has would be lost
                ways = "or build it from the ledger with `consentry rebuild`, without the details in it"
            raise ConfigError(f"{path} {_lack(path)}; restore it from a backup, {ways}")

    def check_key_store(self, settings: NodeSettings) -> None:
        """Refuse a node of this release's format with a missing key store.

        Raises:
            ConfigError: it is missing, or holds nothing.
        """
        path = self.key_store
        if settings.database is None and not (path.is_file() and path.stat().st_size):
            raise ConfigError(
                f"{path} {_lack(path)}; restore it from its backup, docs/operations/backup.md says how: "
                "no record opens without it"
            )
