"""The files of one node, in one folder.

```
FOLDER/
├── consentry.toml        this hospital, the members, the address to listen on
├── keys/root.key         wraps every patient's key; back it up apart from the rest
├── keys/node.key         signs the embedded ledger's blocks
├── keys/evaluator.token  opens the evaluator to this gateway, on a node with a risk model
├── risk/                 published by the risk model's owner: risk.offer and card.json; the authority
│                         that vouches for the evaluator, where this machine trusts none that does
├── records.db            sealed documents and search tokens
├── ledger.db             the embedded ledger
└── log.db                the projection of the access log (rebuilt from the ledger)
```

A node on Fabric has neither `node.key` nor `ledger.db`: its settings name a connection profile, which names
the peer and the files of certificates and keys. Those stay where they are; nothing secret is in settings.
"""

from __future__ import annotations

from pathlib import Path

from exchange.auth.principal import Member
from exchange.node import settings_file
from exchange.node.settings import ConfigError, NodeSettings, RiskSettings
from exchange.store.engine.place import Place, Schema

SCHEMAS = ("consentry_records", "consentry_log")
"""The schemas of a node in its PostgreSQL database."""


class NodeFolder:
    """The files of one node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "consentry.toml"
        self.root_key = path / "keys" / "root.key"
        self.node_key = path / "keys" / "node.key"
        self.records = path / "records.db"
        self.ledger = path / "ledger.db"
        self.log = path / "log.db"
        self.journal = path / "load.journal"  # of loads up to format 4

    def load(self) -> NodeSettings:
        """Return the settings in this folder.

        Raises:
            ConfigError: there are none, or they can't be used.
            FormatError: a newer release made them.
        """
        return settings_file.read(self.settings_file)

    def write(self, settings: NodeSettings) -> None:
        """Write `settings`; never over existing ones.

        Raises:
            ConfigError: they can't be used, or the folder is a node already.
        """
        settings_file.create(self.settings_file, settings)

    def add_member(self, member: Member) -> None:
        """List one more member in the settings; `exchange.node.identity.accepted_changes` records it.

        Raises:
            ConfigError: the member can't be used beside the others, or is listed already.
        """
        settings_file.add_member(self.settings_file, member)

    def use_model(
        self, risk: RiskSettings, *, offer: bytes, card: bytes, token: str, authority: bytes = b""
    ) -> None:
        """Configure a risk model: put the model's files in place, and `[risk]` into the settings.

        `authority` is written where `risk` names a file for it.

        Raises:
            ConfigError: the node's settings name another model's files or evaluator already.
        """
        settings_file.check_risk(self.settings_file, risk)
        files = [(risk.offer, offer), (risk.card, card), (risk.token, token.encode())]
        if risk.authority is not None:
            files.append((risk.authority, authority))
        for name, data in files:
            path = self.path / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(data)
        settings_file.set_risk(self.settings_file, risk)

    def profile(self, settings: NodeSettings) -> Path | None:
        """Return the connection profile of a node on Fabric; a relative path starts at this folder."""
        return None if settings.profile is None else self.path / settings.profile

    def places(self, settings: NodeSettings) -> tuple[Place, Place]:
        """Return the place of the records, and that of the log's projection."""
        if settings.database is None:
            return self.records, self.log
        records, log = SCHEMAS
        return Schema(settings.database, records), Schema(settings.database, log)

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
            missing = "is empty" if path.is_file() else "is missing"
            raise ConfigError(f"{path} {missing}; restore it from a backup, {ways}")
