"""`consentry member`: the members that this node knows, and other settings that say who is who."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.errors import CommandError
from exchange.cli.options import BY, FOLDER, operator_name
from exchange.node.folder import NodeFolder
from exchange.node.identity.accepted_changes import accept_settings, rename_member
from exchange.node.parts import open_parts

app = typer.Typer(
    help="Show and change who is who: the members' names, this gateway's address, its evaluator.",
    no_args_is_help=True,
)


@app.command("list")
def list_members(folder: Annotated[Path, FOLDER]) -> None:
    """List every member that this node knows or once knew, with the names that each had."""
    with open_parts(NodeFolder(folder)) as parts:
        members = parts.recorded.members
    for known in members:
        names = [known.names[0].name, *(f"{one.name} since {_day(one.since)}" for one in known.names[1:])]
        print(f"{known.msp_id}\tOrganization/{known.organization}\t{'; '.join(names)}")


@app.command("rename")
def rename(
    folder: Annotated[Path, FOLDER],
    member: Annotated[str, typer.Argument(metavar="MSP=NAME", help="The member, and its new name.")],
    by: Annotated[str, BY] = "",
) -> None:
    """Give a member another name, from now on: entries of before go on showing the name that it had.

    A running gateway knows the name within ten seconds. The Organization's id stays: consents name it.
    """
    msp_id, separator, name = member.partition("=")
    if not separator or not msp_id or not name:
        raise CommandError(f"{member!r} is not MSP=NAME; write for example LakeMSP='Lake Medical Center'")
    rename_member(NodeFolder(folder), msp_id, name, by=by or operator_name())
    print(f"{msp_id} is {name} from now on")


@app.command("accept")
def accept(folder: Annotated[Path, FOLDER], by: Annotated[str, BY] = "") -> None:
    """Record base_url and [risk] as consentry.toml has them now, after a change of them that is meant.

    A gateway that is running needs a new start.
    """
    left = accept_settings(NodeFolder(folder), by=by or operator_name())
    print("base_url, zone and [risk] are recorded as consentry.toml has them")
    for text in left:
        print(f"  differs still: {text}")


def _day(since: int) -> str:
    return datetime.fromtimestamp(since / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
