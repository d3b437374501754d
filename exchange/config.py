"""The settings of one node: a `consentry.toml` and the files beside it in one folder.

```
FOLDER/
├── consentry.toml      who this hospital is, who the members are, where it listens
├── keys/root.key       wraps every patient's key; back it up apart from the rest
├── keys/node.key       signs the embedded ledger's blocks
├── records.db          sealed documents and search tokens
├── ledger.db           the embedded ledger
└── log.db              the projection of the access log (rebuilt from the ledger)
```
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from exchange.core.actors import Member


class ConfigError(Exception):
    """The node's folder or its settings can't be used; the message says what to do."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `consentry.toml`.

    `base_url` is the public address of the gateway (scheme, host, port; no path). `members` are all
    hospitals of the consortium, this one included. `body_limit` is in bytes.
    """

    msp_id: str
    base_url: str
    members: tuple[Member, ...]
    ledger: Literal["embedded"] = "embedded"
    host: str = "127.0.0.1"
    port: int = 8400
    body_limit: int = 32 * 1024 * 1024

    @property
    def fhir_base(self) -> str:
        """The FHIR base URL, without a trailing slash."""
        return f"{self.base_url}/fhir"

    @property
    def token_url(self) -> str:
        """The token endpoint, which client assertions name as their audience."""
        return f"{self.base_url}/auth/token"

    @property
    def member(self) -> Member:
        """This hospital."""
        return next(member for member in self.members if member.msp_id == self.msp_id)


class Folder:
    """The files of one node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "consentry.toml"
        self.root_key = path / "keys" / "root.key"
        self.node_key = path / "keys" / "node.key"
        self.records = path / "records.db"
        self.ledger = path / "ledger.db"
        self.log = path / "log.db"

    def load(self) -> Settings:
        """The settings in this folder.

        Raises:
            ConfigError: there are none, or they can't be used.
        """
        try:
            raw = tomllib.loads(self.settings_file.read_text(encoding="utf-8"))
            settings = msgspec.convert(raw, Settings)
        except FileNotFoundError:
            raise ConfigError(
                f"{self.path} has no consentry.toml; make a node with `consentry init {self.path}`"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as why:
            raise ConfigError(f"{self.settings_file} can't be used: {why}; mend that line") from None
        check(settings)
        return settings

    def write(self, settings: Settings) -> None:
        """Write `settings`; never over existing ones.

        Raises:
            ConfigError: they can't be used, or the folder is a node already.
        """
        check(settings)
        try:
            with self.settings_file.open("x", encoding="utf-8") as file:
                file.write(_render(settings))
        except FileExistsError:
            raise ConfigError(f"{self.path} is a node already; choose another folder") from None


_MSP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check(settings: Settings) -> None:
    """Refuse settings that can't work.

    Raises:
        ConfigError: which one, and what it must be.
    """
    ids = [member.msp_id for member in settings.members]
    if settings.msp_id not in ids:
        raise ConfigError(f"msp_id {settings.msp_id!r} is not among the members; add it to them")
    if len(set(ids)) != len(ids):
        raise ConfigError("two members have the same msp_id; each needs its own")
    if len({member.organization for member in settings.members}) != len(ids):
        raise ConfigError("two members have the same organization id; each needs its own")
    for name in ids:
        if _MSP.fullmatch(name) is None:
            raise ConfigError(f"the msp_id {name!r} may hold letters, digits, '.', '_' and '-' only")
    parts = urlsplit(settings.base_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
        raise ConfigError("base_url is scheme, host and port, such as https://fhir.hospital.example")
    if not 0 < settings.port < 65536:
        raise ConfigError("port is 1 to 65535")
    if not 1024 <= settings.body_limit <= 2**30:
        raise ConfigError("body_limit is 1024 bytes to 1 GiB")


def _render(settings: Settings) -> str:
    # JSON strings are TOML basic strings for everything that check() lets through.
    lines = [
        "# This hospital's node; `consentry init` wrote it.",
        f"msp_id = {json.dumps(settings.msp_id)}",
        f"base_url = {json.dumps(settings.base_url)}",
        f"ledger = {json.dumps(settings.ledger)}",
        f"host = {json.dumps(settings.host)}",
        f"port = {settings.port}",
        f"body_limit = {settings.body_limit}",
    ]
    for member in settings.members:
        lines += [
            "",
            "[[members]]",
            f"msp_id = {json.dumps(member.msp_id)}",
            f"name = {json.dumps(member.name, ensure_ascii=False)}",
            f"organization = {json.dumps(member.organization)}",
        ]
    return "\n".join(lines) + "\n"
