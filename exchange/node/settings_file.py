"""`consentry.toml`: read strictly, made once, and changed so that an operator's comments stay.

Rules:
- a file of more than `LARGEST_FILE` bytes is refused before it is parsed;
- the standard library reads (its messages name line and column), tomlkit writes (it preserves comments);
- a change replaces the file in one step: a reader sees the old one or the new one, also after a crash;
- a table `[risk]` that can't be used is told in `risk_fault`, and hinders nothing but scores;
- a new text is parsed before it is written: where it would not give the intended settings, the file stays.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from exchange.auth.principal import Member
from exchange.node.settings import ConfigError, NodeSettings, RiskSettings, check, check_risk
from exchange.store.engine.format import FORMAT, OLDEST, check_format

LARGEST_FILE = 1024 * 1024
"""Bytes; a consortium of thousands fits in."""


def read(path: Path) -> NodeSettings:
    """Return the settings in the file at `path`.

    Raises:
        ConfigError: there is none, or it can't be used.
        FormatError: a newer release made it.
    """
    settings = _parse(path, _text(path))
    check(settings)
    return settings


def create(path: Path, settings: NodeSettings) -> None:
    """Write `settings` to a new file at `path`, all of it or nothing.

    Raises:
        ConfigError: they can't be used, or there is such a file already.
    """
    check(settings)
    if path.exists():
        raise ConfigError(f"{path.parent} is a node already; choose another folder")
    for partial in path.parent.glob(f".{path.name}.*"):  # of a process that was killed while it wrote
        partial.unlink(missing_ok=True)
    _put(path, _render(settings), old=None)


def add_member(path: Path, member: Member) -> None:
    """List one more member in the file at `path`.

    Raises:
        ConfigError: the member can't be used beside the others, or is listed already.
    """
    settings = read(path)
    wanted = msgspec.structs.replace(settings, members=(*settings.members, member))

    def append(document: tomlkit.TOMLDocument) -> str:
        members = document["members"]
        if isinstance(members, AoT):
            table = _table(member)
            if list(document)[-1] != "members":
                table.add(tomlkit.nl())
            members.append(table)
        else:  # an array of inline tables, as an operator may have written it
            members.append(_given(member))
        return tomlkit.dumps(document)

    _change(path, wanted, append)


def check_member(path: Path, member: Member) -> None:
    """Refuse a member that the file at `path` could not list beside the others.

    Raises:
        ConfigError: what is wrong with it.
    """
    settings = read(path)
    others = tuple(one for one in settings.members if one.msp_id != member.msp_id)
    check(msgspec.structs.replace(settings, members=(*others, member)))


def check_name(path: Path, msp_id: str, name: str) -> None:
    """Refuse a name that a member could not have in the file at `path`.

    Raises:
        ConfigError: what is wrong with it, or that the file lists no such member.
    """
    check(_renamed(read(path), msp_id, name))


def rename_member(path: Path, msp_id: str, name: str) -> None:
    """Give a member in the file at `path` another name.

    Raises:
        ConfigError: the file lists no such member, or can't be changed.
    """

    def rename(document: tomlkit.TOMLDocument) -> str:
        members: Any = document["members"]
        for table in members:
            if table["msp_id"] == msp_id:
                table["name"] = name
        return tomlkit.dumps(document)

    _change(path, _renamed(read(path), msp_id, name), rename)


def _renamed(settings: NodeSettings, msp_id: str, name: str) -> NodeSettings:
    members = {one.msp_id: one for one in settings.members}
    if msp_id not in members:
        raise ConfigError(f"consentry.toml lists no {msp_id}; list it by `consentry policy name`")
    members[msp_id] = msgspec.structs.replace(members[msp_id], name=name)
    return msgspec.structs.replace(settings, members=tuple(members.values()))


def addable(path: Path, risk: RiskSettings) -> NodeSettings:
    """Return the settings in the file at `path`, which `risk` can be added to.

    Raises:
        ConfigError: it can't be used, or they name another model or evaluator already.
    """
    settings = read(path)
    check(msgspec.structs.replace(settings, risk=risk))
    if settings.risk_fault is not None or settings.risk not in {None, risk}:
        raise ConfigError(f"{path} has a table [risk] already; edit or remove it first")
    return settings


def set_risk(path: Path, risk: RiskSettings) -> None:
    """Add the table `[risk]` to the file at `path`; one that says the same stays as it is.

    Raises:
        ConfigError: as for `addable`.
    """
    settings = addable(path, risk)
    if settings.risk is None:
        wanted = msgspec.structs.replace(settings, risk=risk)
        _change(path, wanted, lambda document: tomlkit.dumps(document.add("risk", _table(risk))))


def set_format(path: Path, number: int) -> None:
    """Write the node's format into the file at `path`.

    Raises:
        ConfigError: the file can't be used.
    """
    wanted = msgspec.structs.replace(read(path), format=number)

    def put_first(document: tomlkit.TOMLDocument) -> str:
        if "format" in document:
            document["format"] = number
            return tomlkit.dumps(document)
        above = takewhile(lambda part: part[0] is None, document.body)  # comments and blank lines
        at = sum(len(part.as_string()) for _, part in above)
        text = tomlkit.dumps(document)
        return f"{text[:at]}format = {number}\n{text[at:]}"

    _change(path, wanted, put_first)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(
            f"{path.parent} has no {path.name}, so it is no node; make one with `consentry init`"
        ) from None
    except OSError as why:
        raise ConfigError(
            f"{path} can't be read ({why.strerror}); run as the user that owns the node"
        ) from None
    if len(data) > LARGEST_FILE:
        raise ConfigError(f"{path} has more than {LARGEST_FILE} bytes; it holds settings and nothing else")
    try:
        return data.decode()
    except UnicodeDecodeError as why:
        raise ConfigError(f"{path} can't be used: {why}; mend that line") from None


def _parse(path: Path, text: str) -> NodeSettings:
    try:
        raw = tomllib.loads(text)
        number = raw.setdefault("format", OLDEST)
        if isinstance(number, int) and number > FORMAT:  # before anything else in them is read
            check_format(number)
        risk, fault = _risk(raw.pop("risk", None))
        settings = msgspec.convert(raw, NodeSettings)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as why:
        raise ConfigError(f"{path} can't be used: {why}; mend that line") from None
    if settings.risk_fault is not None:
        raise ConfigError(f"{path} can't be used: risk_fault is no setting; remove that line")
    return msgspec.structs.replace(settings, risk=risk, risk_fault=fault)


def _risk(table: object) -> tuple[RiskSettings | None, str | None]:
    """Return the table `[risk]`, or why it can't be used; neither where there is none."""
    if table is None:
        return None, None
    try:
        risk = msgspec.convert(table, RiskSettings)
        check_risk(risk)
    except (msgspec.ValidationError, ConfigError) as why:
        return None, f"[risk] can't be used ({why}); mend it, or take it out"
    return risk, None


def _change(path: Path, wanted: NodeSettings, edit: Callable[[tomlkit.TOMLDocument], str]) -> None:
    check(wanted)
    try:
        text = edit(tomlkit.parse(_text(path)))
        sound = len(text.encode()) <= LARGEST_FILE and _parse(path, text) == wanted
    except (TOMLKitError, ConfigError, AttributeError, TypeError, RecursionError):
        sound, text = False, ""
    if not sound:
        raise ConfigError(f"{path} can't be changed as it is written; make this change by hand")
    found = path.resolve()
    _put(found, text, old=found.stat())


def _put(path: Path, text: str, *, old: os.stat_result | None) -> None:
    """Put `text` in place of the file, with the owner and the mode of the `old` one where there is one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)  # a killed process had the same number
    try:
        with beside.open("x", encoding="utf-8") as file:
            if old is not None:
                os.fchmod(file.fileno(), old.st_mode & 0o777)
                if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _render(settings: NodeSettings) -> str:
    document = tomlkit.document()
    document.add(tomlkit.comment("This hospital's node; `consentry init` wrote it."))
    document.add("format", settings.format)
    for name, value in _given(settings).items():
        if name not in {"format", "members", "risk"}:
            document.add(name, value)
    document.add(tomlkit.nl())
    members = tomlkit.aot()
    for n, member in enumerate(settings.members, start=1):
        table = _table(member)
        if n < len(settings.members) or settings.risk is not None:
            table.add(tomlkit.nl())
        members.append(table)
    document.add("members", members)
    if settings.risk is not None:
        document.add("risk", _table(settings.risk))
    return tomlkit.dumps(document)


def _table(value: Member | RiskSettings) -> tomlkit.items.Table:
    table = tomlkit.table()
    table.update(_given(value))
    return table


def _given(value: msgspec.Struct) -> dict[str, Any]:
    """Return the fields that hold something: TOML has no null."""
    fields: dict[str, Any] = msgspec.to_builtins(value)
    return {name: one for name, one in fields.items() if one is not None}
