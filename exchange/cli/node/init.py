"""`consentry init`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from exchange.auth.principal import Member
from exchange.cli.errors import CommandError
from exchange.cli.options import FOLDER, Ledger
from exchange.node.open import consortium, initialise
from exchange.node.settings import Folder, Settings, check


def init(
    folder: Annotated[Path, FOLDER],
    name: Annotated[str, typer.Option(help="This hospital's name.", show_default=False)],
    msp: Annotated[
        str | None, typer.Option(help="This hospital's MSP id; a profile has it.", show_default=False)
    ] = None,
    member: Annotated[
        list[str] | None,
        typer.Option(
            help="Another member, as MSP=NAME; once for each. On Fabric, only its name.", show_default=False
        ),
    ] = None,
    ledger: Annotated[Ledger, typer.Option(help="A ledger of its own, or a Fabric channel.")] = (
        Ledger.EMBEDDED
    ),
    profile: Annotated[
        Path | None, typer.Option(help="The Fabric connection profile.", show_default=False)
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="The public address; http://127.0.0.1:PORT without it.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8400,
    database: Annotated[
        str | None,
        typer.Option(
            help="A PostgreSQL URL without a password; files in FOLDER without it.", show_default=False
        ),
    ] = None,
) -> None:
    """Make a new node: keys, and on a ledger of its own or on a new channel the founding policy.

    Example: consentry init ./node --msp CityMSP --name "City Hospital" --member "LakeMSP=Lake Clinic"
    On Fabric: consentry init ./node --name "City Hospital" --ledger fabric --profile ./profile.json
    """
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is a file; choose a new folder")
    names = _names(member or [])
    first_block = None
    if ledger is Ledger.FABRIC:
        if profile is None:
            raise CommandError("a node on Fabric needs the connection profile of its peer; give --profile")
        found, first_block, known = asyncio.run(consortium(profile))
        if msp not in {None, found.msp_id}:
            raise CommandError(f"--msp {msp} is not {found.msp_id}, whose profile this is; leave --msp out")
        msp = found.msp_id
        strange = next((other for other in names if other not in known), None)
        if strange is not None:
            raise CommandError(
                f"--member {strange} is not on the channel; its members are {', '.join(known)}"
            )
        names = {other: names.get(other, other) for other in known if other != msp}
    elif profile is not None:
        raise CommandError("--profile is for a node on Fabric; add --ledger fabric, or leave it out")
    if msp is None:
        raise CommandError("a ledger of its own needs this hospital's MSP id; give --msp")
    members = [Member.named(one, title) for one, title in ((msp, name), *names.items())]
    settings = Settings(
        msp_id=msp,
        base_url=(base_url or f"http://{host}:{port}").rstrip("/"),
        members=tuple(members),
        ledger=ledger.value,
        profile=None if profile is None else str(profile.absolute()),
        first_block=first_block,
        host=host,
        port=port,
        database=database,
    )
    check(settings)
    asyncio.run(initialise(Folder(folder), settings))
    print(f"made {folder}: {name} ({msp}), {len(members)} members")
    print(f"back up {folder}/keys apart from the rest: without root.key no record opens again")
    print(f"next: consentry client register {folder} ..., then consentry serve {folder}")


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
