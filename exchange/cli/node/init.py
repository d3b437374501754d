"""`consentry init`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from exchange.auth.principal import Member
from exchange.cli.errors import CommandError
from exchange.cli.options import FOLDER, Ledger
from exchange.node.folder import NodeFolder
from exchange.node.identity.root_key_check import spelt
from exchange.node.initialise import initialise, survey_channel
from exchange.node.keys import NodeKeys
from exchange.node.parts import open_vault
from exchange.node.settings import NodeSettings, check, is_zone

_Msp = Annotated[
    str | None, typer.Option(help="This hospital's MSP id; a profile has it.", show_default=False)
]
_Others = Annotated[
    list[str] | None,
    typer.Option(
        help="Another member, as MSP=NAME; once for each. On Fabric, only its name.", show_default=False
    ),
]
_Profile = Annotated[Path | None, typer.Option(help="The Fabric connection profile.", show_default=False)]
_BaseUrl = Annotated[str | None, typer.Option(help="The public address; http://127.0.0.1:PORT without it.")]
_Zone = Annotated[
    str | None,
    typer.Option(
        help="The zone of the days in consents (IANA name); without it this machine's, unless that is UTC.",
        show_default=False,
    ),
]
_DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="A PostgreSQL URL without a password; files in FOLDER without it.", show_default=False),
]


def init(
    folder: Annotated[Path, FOLDER],
    name: Annotated[str, typer.Option(help="This hospital's name.", show_default=False)],
    msp: _Msp = None,
    member: _Others = None,
    ledger: Annotated[
        Ledger, typer.Option(help="A ledger of its own, or a Fabric channel.")
    ] = Ledger.EMBEDDED,
    profile: _Profile = None,
    base_url: _BaseUrl = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8400,
    database: _DatabaseUrl = None,
    zone: _Zone = None,
) -> None:
    """Make a new node: keys, and on a ledger of its own or on a new channel the founding policy.

    Example: consentry init ./node --msp CityMSP --name "City Hospital" --member "LakeMSP=Lake Clinic"
    On Fabric: consentry init ./node --name "City Hospital" --ledger fabric --profile ./profile.json
    """
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is a file; choose a new folder")
    found = _consortium(ledger, profile, msp, _names(member or []))
    members = [Member.named(one, title) for one, title in ((found.msp_id, name), *found.others.items())]
    settings = NodeSettings(
        msp_id=found.msp_id,
        base_url=(base_url or f"http://{host}:{port}").rstrip("/"),
        members=tuple(members),
        ledger=ledger.value,
        profile=None if profile is None else str(profile.absolute()),
        first_block=found.first_block,
        host=host,
        port=port,
        database=database,
        zone=zone or _machine_zone(),
    )
    check(settings)
    made = NodeFolder(folder)
    asyncio.run(initialise(made, settings))
    print("\n".join(_told(made, settings)))


def _told(made: NodeFolder, settings: NodeSettings) -> Iterator[str]:
    """Yield what the operator, and those who connect, have to know of a new node."""
    folder = made.path
    yield f"made {folder}: {settings.member.name} ({settings.msp_id}), {len(settings.members)} members"
    yield f"FHIR           {settings.fhir_base}"
    yield f"tokens         {settings.token_url}"
    for one in settings.members:
        yield f"member         {one.msp_id}, Organization/{one.organization}, {one.name}"
    yield f"root key       fingerprint {spelt(NodeKeys(open_vault(made)).fingerprint)}"
    yield f"back up {folder}/keys apart from the rest: without these keys no record opens again"
    if settings.zone is None:
        yield "zone: not known, so days in consents are read narrowly; give --zone, or UTC if it is meant"
    yield f"next: consentry client register {folder} ..., then consentry serve {folder}"


@dataclass(frozen=True, slots=True)
class _Consortium:
    """This hospital's MSP id, the other members' names by MSP id, and the channel's first block on Fabric."""

    msp_id: str
    others: dict[str, str]
    first_block: str | None = None


def _consortium(ledger: Ledger, profile: Path | None, msp: str | None, names: dict[str, str]) -> _Consortium:
    if ledger is Ledger.FABRIC:
        return _on_fabric(profile, msp, names)
    if profile is not None:
        raise CommandError("--profile is for a node on Fabric; add --ledger fabric, or leave it out")
    if msp is None:
        raise CommandError("a ledger of its own needs this hospital's MSP id; give --msp")
    return _Consortium(msp, names)


def _on_fabric(profile: Path | None, msp: str | None, names: dict[str, str]) -> _Consortium:
    """Return the consortium as the channel has it, with the names that were given."""
    if profile is None:
        raise CommandError("a node on Fabric needs the connection profile of its peer; give --profile")
    channel = asyncio.run(survey_channel(profile))
    if msp not in {None, channel.msp_id}:
        raise CommandError(f"--msp {msp} is not {channel.msp_id}, the MSP id in the profile; leave --msp out")
    strange = next((other for other in names if other not in channel.members), None)
    if strange is not None:
        raise CommandError(
            f"--member {strange} is not on the channel; its members are {', '.join(channel.members)}"
        )
    others = {other: names.get(other, other) for other in channel.members if other != channel.msp_id}
    return _Consortium(channel.msp_id, others, channel.first_block)


def _machine_zone() -> str | None:
    """Return the IANA name of this machine's zone; None where it has none, or UTC, which says nothing."""
    linked = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    name = os.environ.get("TZ", "").removeprefix(":") or linked
    universal = {"UTC", "UCT", "Zulu", "Universal", "Greenwich"}
    return name if is_zone(name) and name.removeprefix("Etc/") not in universal else None


def _names(given: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for text in given:
        other, separator, title = text.partition("=")
        if not separator or not other or not title:
            raise CommandError(f"--member {text!r} is not MSP=NAME; write for example LakeMSP='Lake Clinic'")
        if other in names:
            raise CommandError(f"--member {other} is given twice; give each member once")
        names[other] = title
    return names
