"""The settings of one node, as `consentry.toml` holds them, and the rules for them."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from exchange.auth.principal import Member
from exchange.fhir.references import ID
from exchange.runtime.quota import minimum_limit
from exchange.runtime.tls import is_confidential
from exchange.store.engine.format import FORMAT

_LONGEST_NAME = 200
_SHARES = {
    "entries_per_minute": (1_000, 10**9),
    "requests_per_minute": (60, 10**9),
    "unknown_per_minute": (60, 10**9),
    "connections_per_peer": (1, 65_536),
    "keep_alive_seconds": (1, 3_600),
}
"""The least and the most of the settings that share the gateway among its callers."""
_LONGEST_SCORE = 25  # seconds; a permission holds for thirty


class ConfigError(Exception):
    """The node's folder or its settings can't be used; the message names the remedy."""


class RiskSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[risk]`: the model that scores this node's patients, and its evaluator.

    `evaluator` is its base URL, by https unless it is on this machine. `offer`, `card` and `token` are
    files; relative paths start at the node's folder. So is `authority`: the certificates (PEM) that alone
    vouch for the evaluator; without it, those that this machine trusts. `parameters` names the set of
    encryption parameters, and `seconds` bounds one score.
    """

    evaluator: str
    offer: str = "risk/risk.offer"
    card: str = "risk/card.json"
    token: str = "keys/evaluator.token"  # noqa: S105 - a path
    parameters: Literal["fast", "precise", "private"] = "fast"
    seconds: float = 10.0
    authority: str | None = None


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `consentry.toml`.

    `base_url` is the public address of the gateway (scheme, host, port; no path). `members` are all
    hospitals of the consortium, this one included. `body_limit` is in bytes, and so is `memory_limit`,
    which all requests share (`runtime/quota.py`). `entries_per_minute` are the entries of the access log that
    one client may leave (`services/access/allowances.py`).

    `requests_per_minute` are those of one client, `unknown_per_minute` those of one address whose caller is
    not known (`services/access/request_rates.py`).

    `connections_per_peer` come from one address at most, and one without a request is kept for
    `keep_alive_seconds`: longer than a proxy before it keeps its own.

    `metrics_port` is where Prometheus finds `/metrics`, at `metrics_host`; nowhere without it. `access_log`
    has a line of the log written for each request.

    On Fabric, `profile` is the path of the connection profile, and `first_block` the hash of the channel's
    first block as this node found it (64 hexadecimal digits): another channel is refused.

    `database` is the URL of a PostgreSQL database for records and log, as libpq reads it and without a
    password; files in the node's folder without it.

    `zone` is the IANA name of the zone in which the days of consents are meant, such as `Europe/Berlin`;
    without it they are read narrowly (`docs/consent.md`).

    `format` is the node's (`exchange.store.engine.format`); a file that does not say is of the oldest.

    `risk_fault` is no setting: it says why the table `[risk]` of the file can't be used. `risk` is None then.
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
    entries_per_minute: int = 120_000
    requests_per_minute: int = 120_000
    unknown_per_minute: int = 6_000
    connections_per_peer: int = 1_000
    keep_alive_seconds: int = 75
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    access_log: bool = True
    database: str | None = None
    risk: RiskSettings | None = None
    zone: str | None = None
    format: int = FORMAT
    risk_fault: str | None = None

    @property
    def fhir_base(self) -> str:
        """The FHIR base URL, without a trailing slash."""
        return f"{self.base_url}/fhir"

    @property
    def token_url(self) -> str:
        """The token endpoint, which client assertions name as their audience."""
        return f"{self.base_url}/auth/token"

    @property
    def time_zone(self) -> ZoneInfo | None:
        """The zone of the days in consents; None where it is not known."""
        return None if self.zone is None else ZoneInfo(self.zone)

    @property
    def member(self) -> Member:
        """This hospital."""
        return next(member for member in self.members if member.msp_id == self.msp_id)


_MSP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ORGANIZATION = re.compile(ID)
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,255}")
_HASH = re.compile(r"[0-9a-f]{64}")


def check(settings: NodeSettings) -> None:
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
        check_risk(settings.risk)
    _check_zone(settings.zone)
    if _HOST.fullmatch(settings.host) is None:
        raise ConfigError("host is a name or an address of this machine, such as 127.0.0.1")
    if not 0 < settings.port < 65536:
        raise ConfigError("port is 1 to 65535")
    if settings.metrics_port is not None and not 0 < settings.metrics_port < 65536:
        raise ConfigError("metrics_port is 1 to 65535")
    if _HOST.fullmatch(settings.metrics_host) is None:
        raise ConfigError("metrics_host is a name or an address of this machine, such as 127.0.0.1")
    if settings.metrics_port == settings.port:
        raise ConfigError("metrics_port is the port of the API; give the metrics one of their own")
    if not 1024 <= settings.body_limit <= 2**30:
        raise ConfigError("body_limit is 1024 bytes to 1 GiB")
    for name, (fewest, most) in _SHARES.items():
        if not fewest <= getattr(settings, name) <= most:
            raise ConfigError(f"{name} is {fewest} to {most}")
    least = minimum_limit(settings.body_limit)
    if not least <= settings.memory_limit <= 2**40:
        raise ConfigError(
            f"memory_limit is {least} bytes to 1 TiB with this body_limit: one large search has to fit in it"
        )


def _check_zone(zone: str | None) -> None:
    if zone is not None and not is_zone(zone):
        raise ConfigError(f"zone {zone!r} is no time zone; write its IANA name, such as Europe/Berlin")


def is_zone(name: str) -> bool:
    """Return whether `name` is the IANA name of a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _check_members(settings: NodeSettings) -> None:
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


def _check_ledger(settings: NodeSettings) -> None:
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


def check_risk(risk: RiskSettings) -> None:
    """Refuse a table `[risk]` that can't work.

    Raises:
        ConfigError: which of its settings, and what it must be.
    """
    # Ciphertext hides the patient from eavesdroppers; only TLS protects the answer from changes.
    if not is_confidential(risk.evaluator) or not risk.evaluator.isprintable():
        raise ConfigError("risk.evaluator is the evaluator's URL, by https unless it is on this machine")
    paths = (risk.offer, risk.card, risk.token, risk.authority)
    if not all(path and path.isprintable() for path in paths if path is not None):
        raise ConfigError("risk.offer, risk.card, risk.token and risk.authority are paths of files")
    if not 0.1 <= risk.seconds <= _LONGEST_SCORE:
        raise ConfigError(f"risk.seconds is 0.1 to {_LONGEST_SCORE}")


def _check_database(url: str) -> None:
    # No message may quote the URL, which may hold a password.
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
