"""The settings of one node: a `consentry.toml` and the files beside it in one folder.

```
FOLDER/
├── consentry.toml      who this hospital is, who the members are, where it listens
├── keys/root.key       wraps every patient's key; back it up apart from the rest
├── keys/node.key       signs the embedded ledger's blocks
├── keys/evaluator.token  opens the evaluator to this gateway, on a node with a risk model
├── risk/               what the risk model's owner published: risk.offer and card.json; the authority
│                       that vouches for the evaluator, where it is none that this machine trusts
├── records.db          sealed documents and search tokens
├── ledger.db           the embedded ledger
└── log.db              the projection of the access log (rebuilt from the ledger)
```

A node on Fabric has neither `node.key` nor `ledger.db`: its settings name a connection profile, which names
the peer and the files of certificates and keys. Those stay where they are; nothing secret is in settings.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from exchange.auth.principal import Member
from exchange.fhir.references import ID
from exchange.runtime.quota import smallest
from exchange.store.engine.format import FORMAT, OLDEST, check_format
from exchange.store.engine.place import Place, Schema

SCHEMAS = ("consentry_records", "consentry_log")
"""What a node on PostgreSQL has in its database."""

_LONGEST_NAME = 200


class ConfigError(Exception):
    """The node's folder or its settings can't be used; the message says what to do."""


class Risk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[risk]`: which model scores this node's patients, and who evaluates it on ciphertext.

    `evaluator` is its base URL, by https unless it is on this machine. `offer`, `card` and `token` are
    files; relative paths start at the node's folder. So is `authority`: the certificates (PEM) of who may
    vouch for the evaluator, and nobody else; without it, those that this machine trusts. `parameters` names
    the set of encryption parameters, and `seconds` is how long one score may take.
    """

    evaluator: str
    offer: str = "risk/risk.offer"
    card: str = "risk/card.json"
    token: str = "keys/evaluator.token"  # noqa: S105 - a path
    parameters: Literal["fast", "precise", "private"] = "fast"
    seconds: float = 10.0
    authority: str | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `consentry.toml`.

    `base_url` is the public address of the gateway (scheme, host, port; no path). `members` are all
    hospitals of the consortium, this one included. `body_limit` is in bytes, and so is `memory_limit`,
    which all requests share (`core/budget.py`). `metrics_port` is where Prometheus finds `/metrics`, on
    this machine alone; nowhere without it.

    On Fabric, `profile` is the path of the connection profile, and `first_block` the hash of the channel's
    first block as this node found it (64 hexadecimal digits): another channel is not taken for this one.

    `database` is the URL of a PostgreSQL database for records and log, as libpq reads it and without a
    password; files in the node's folder without it.

    `format` is the node's (`exchange.store.engine.format`); a file that does not say is of the oldest.
    """

    msp_id: str
    base_url: str
    members: tuple[Member, ...]
    ledger: Literal["embedded", "fabric"] = "embedded"
    profile: str | None = None
    first_block: str | None = None
    host: str = "127.0.0.1"
    port: int = 8400
    body_limit: int = 32 * 1024 * 1024
    memory_limit: int = 256 * 1024 * 1024
    metrics_port: int | None = None
    database: str | None = None
    risk: Risk | None = None
    format: int = FORMAT

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
        self.journal = path / "load.journal"  # of loads up to format 4

    def profile(self, settings: Settings) -> Path | None:
        """The connection profile of a node on Fabric; a relative path starts at this folder."""
        return None if settings.profile is None else self.path / settings.profile

    def places(self, settings: Settings) -> tuple[Place, Place]:
        """Where the records are, and the projection of the log."""
        if settings.database is None:
            return self.records, self.log
        records, entries = SCHEMAS
        return Schema(settings.database, records), Schema(settings.database, entries)

    def use_model(self, risk: Risk, *, offer: bytes, card: bytes, token: str, authority: bytes = b"") -> None:
        """Have the node's patients scored: put the model's files in place, and `[risk]` into the settings.

        `authority` is written where `risk` names a file for it.

        Raises:
            ConfigError: the node's settings name another model's files or evaluator already.
        """
        settings = self.load()
        check(msgspec.structs.replace(settings, risk=risk))
        if settings.risk not in {None, risk}:
            raise ConfigError(f"{self.settings_file} has a table [risk] already; edit or remove it first")
        files = [(risk.offer, offer), (risk.card, card), (risk.token, token.encode())]
        if risk.authority is not None:
            files.append((risk.authority, authority))
        for name, data in files:
            path = self.path / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(data)
        if settings.risk is None:
            with self.settings_file.open("a", encoding="utf-8") as file:
                file.write("\n" + "\n".join(_render_risk(risk)) + "\n")

    def add_member(self, member: Member) -> None:
        """List one more member in the settings; a gateway that serves takes it in by itself.

        Raises:
            ConfigError: the member can't be used beside the others, or is listed already.
        """
        settings = self.load()
        check(msgspec.structs.replace(settings, members=(*settings.members, member)))
        with self.settings_file.open("a", encoding="utf-8") as file:
            file.write("\n".join(_render_member(member)) + "\n")

    def load(self) -> Settings:
        """The settings in this folder.

        Raises:
            ConfigError: there are none, or they can't be used.
            FormatError: a newer release made them.
        """
        try:
            raw = tomllib.loads(self.settings_file.read_text(encoding="utf-8"))
            number = raw.setdefault("format", OLDEST)
            if isinstance(number, int) and number > FORMAT:  # before anything else in them is looked at
                check_format(number)
            settings = msgspec.convert(raw, Settings)
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigError(
                f"{self.path} has no consentry.toml, so it is no node; make one with `consentry init`"
            ) from None
        except OSError as why:
            raise ConfigError(
                f"{self.settings_file} can't be read ({why.strerror}); run as the user that owns the node"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as why:
            raise ConfigError(f"{self.settings_file} can't be used: {why}; mend that line") from None
        check(settings)
        return settings

    def check_files(self, settings: Settings) -> None:
        """Refuse a node whose databases are not all there: opening them would begin empty ones.

        Schemas on PostgreSQL are looked at where they are opened.

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
_ORGANIZATION = re.compile(ID)
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,255}")
_HASH = re.compile(r"[0-9a-f]{64}")


def check(settings: Settings) -> None:
    """Refuse settings that can't work.

    Raises:
        ConfigError: which one, and what it must be.
    """
    _check_members(settings)
    _check_ledger(settings)
    _check_base_url(settings.base_url)
    if settings.database is not None:
        _check_database(settings.database)
    if settings.risk is not None:
        _check_risk(settings.risk)
    if _HOST.fullmatch(settings.host) is None:
        raise ConfigError("host is a name or an address of this machine, such as 127.0.0.1")
    if not 0 < settings.port < 65536:
        raise ConfigError("port is 1 to 65535")
    if settings.metrics_port is not None and not 0 < settings.metrics_port < 65536:
        raise ConfigError("metrics_port is 1 to 65535")
    if settings.metrics_port == settings.port:
        raise ConfigError("metrics_port is the port of the API; give the metrics one of their own")
    if not 1024 <= settings.body_limit <= 2**30:
        raise ConfigError("body_limit is 1024 bytes to 1 GiB")
    least = smallest(settings.body_limit)
    if not least <= settings.memory_limit <= 2**40:
        raise ConfigError(
            f"memory_limit is {least} bytes to 1 TiB with this body_limit: one large search has to fit in it"
        )


def _check_members(settings: Settings) -> None:
    ids = [member.msp_id for member in settings.members]
    for member in settings.members:
        if _MSP.fullmatch(member.msp_id) is None:
            raise ConfigError(
                f"the msp_id {member.msp_id!r} can't be used; write letters, digits, '.', '_' and '-' only"
            )
        if not member.name.strip() or not member.name.isprintable() or len(member.name) > _LONGEST_NAME:
            raise ConfigError(
                f"the name of {member.msp_id} can't be used; write 1 to {_LONGEST_NAME} printable characters"
            )
        if _ORGANIZATION.fullmatch(member.organization) is None:
            raise ConfigError(
                f"the organization id {member.organization!r} can't be used; write 1 to 64 letters, digits, "
                "'-' and '.'"
            )
    if settings.msp_id not in ids:
        raise ConfigError(f"msp_id {settings.msp_id!r} is not among the members; add it to them")
    if len(set(ids)) != len(ids):
        raise ConfigError("two members have the same msp_id; give each its own")
    if len({member.organization for member in settings.members}) != len(ids):
        raise ConfigError("two members have the same organization id; give each another name")


def _check_ledger(settings: Settings) -> None:
    if settings.ledger == "embedded":
        if settings.profile is not None or settings.first_block is not None:
            raise ConfigError(
                "profile and first_block belong to a node on Fabric; remove them, or set ledger = 'fabric'"
            )
        return
    if not settings.profile or not settings.profile.isprintable():
        raise ConfigError("profile is missing; a node on Fabric needs the path of its connection profile")
    if settings.first_block is None or _HASH.fullmatch(settings.first_block) is None:
        raise ConfigError(
            "first_block is the hash of the channel's first block, 64 hexadecimal digits; "
            "`consentry init` wrote it, so restore it from a copy of consentry.toml"
        )


def _check_risk(risk: Risk) -> None:
    try:
        parts = urlsplit(risk.evaluator)
        at_home = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        usable = parts.scheme == "https" or (parts.scheme == "http" and at_home)
        usable = usable and bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        usable = False
    # Ciphertext hides the patient from whoever listens; only TLS keeps them from changing the answer.
    if not usable or not risk.evaluator.isprintable():
        raise ConfigError("risk.evaluator is the evaluator's URL, by https unless it is on this machine")
    paths = (risk.offer, risk.card, risk.token, risk.authority)
    if not all(path and path.isprintable() for path in paths if path is not None):
        raise ConfigError("risk.offer, risk.card, risk.token and risk.authority are paths of files")
    if not 0.1 <= risk.seconds <= 25:  # a permission holds for thirty
        raise ConfigError("risk.seconds is 0.1 to 25")


def _check_database(url: str) -> None:
    # No message may quote the URL: what is wrong with it may be that it has a password.
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"postgresql", "postgres"} and not parts.fragment and url.isprintable()
        named = parts.password is not None or any(
            "password" in key.lower() for key, _ in parse_qsl(parts.query, keep_blank_values=True)
        )
    except ValueError:
        usable = named = False
    if named:
        raise ConfigError(
            "database has a password in it, which settings and lists of processes would show; put it into "
            "a password file (host:port:database:user:password, mode 600), and name that by "
            "?passfile=/path in the URL or by PGPASSFILE"
        )
    if not usable:
        raise ConfigError(
            "database is the URL of a PostgreSQL database, such as postgresql://consentry@db.hospital.example/city"
        )


def _check_base_url(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, an address with half a bracket
        usable = False
        parts = urlsplit("")
    extra = parts.path or parts.query or parts.fragment or parts.username is not None
    if not usable or extra or not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        raise ConfigError(
            f"base_url {base_url!r} can't be used; write scheme, host and port alone, such as "
            "https://fhir.hospital.example"
        )


def _render(settings: Settings) -> str:
    # JSON strings are TOML basic strings for everything that check() lets through.
    lines = [
        "# This hospital's node; `consentry init` wrote it.",
        f"format = {settings.format}",
        f"msp_id = {json.dumps(settings.msp_id)}",
        f"base_url = {json.dumps(settings.base_url)}",
        f"ledger = {json.dumps(settings.ledger)}",
        f"host = {json.dumps(settings.host)}",
        f"port = {settings.port}",
        f"body_limit = {settings.body_limit}",
        f"memory_limit = {settings.memory_limit}",
    ]
    if settings.profile is not None:
        lines.append(f"profile = {json.dumps(settings.profile, ensure_ascii=False)}")
    if settings.first_block is not None:
        lines.append(f"first_block = {json.dumps(settings.first_block)}")
    if settings.metrics_port is not None:
        lines.append(f"metrics_port = {settings.metrics_port}")
    if settings.database is not None:
        lines.append(f"database = {json.dumps(settings.database, ensure_ascii=False)}")
    for member in settings.members:
        lines += _render_member(member)
    if settings.risk is not None:
        lines += ["", *_render_risk(settings.risk)]
    return "\n".join(lines) + "\n"


def _render_member(member: Member) -> list[str]:
    return [
        "",
        "[[members]]",
        f"msp_id = {json.dumps(member.msp_id)}",
        f"name = {json.dumps(member.name, ensure_ascii=False)}",
        f"organization = {json.dumps(member.organization)}",
    ]


def _render_risk(risk: Risk) -> list[str]:
    texts = {name: getattr(risk, name) for name in ("evaluator", "offer", "card", "token", "parameters")}
    lines = [f"{name} = {json.dumps(text, ensure_ascii=False)}" for name, text in texts.items()]
    if risk.authority is not None:
        lines.append(f"authority = {json.dumps(risk.authority, ensure_ascii=False)}")
    return ["[risk]", *lines, f"seconds = {risk.seconds}"]
