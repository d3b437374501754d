"""`consentry network`: a Fabric network of plain processes in one folder, for development and tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from exchange import devnet
from exchange.cli.errors import CommandError

app = typer.Typer(
    help="A Fabric network of plain processes, for development and tests.", no_args_is_help=True
)
_FOLDER = typer.Argument(metavar="FOLDER", help="The network's folder.", show_default=False)
_MEBIBYTE = 1024 * 1024


@app.command("up")
def up(
    folder: Annotated[Path, _FOLDER],
    organisations: Annotated[
        int | None, typer.Option(help="Hospitals, each with a peer and a chaincode; 3.")
    ] = None,
    orderers: Annotated[int | None, typer.Option(help="1, or 3 of which one may fail; 1.")] = None,
    channel: Annotated[str | None, typer.Option(help="The channel's name; consentry.")] = None,
    max_message_count: Annotated[int | None, typer.Option(help="Transactions that close a block; 1.")] = None,
    batch_timeout: Annotated[
        str | None, typer.Option(help="Time that an orderer waits for more, such as 250ms.")
    ] = None,
    first_port: Annotated[
        int | None, typer.Option(help="The first of consecutive ports; without it, free ones are used.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="Of Fabric's programs; warning.")] = None,
) -> None:
    """Bring a network up: build it in a new folder, start stopped processes in an old one.

    Fabric's programs come from FABRIC_BIN or PATH, their sample configuration from FABRIC_CFG_PATH or the
    config/ beside them; nothing is downloaded. Options are for a new folder, and hold from then on.

    Example: consentry network up ./network --organisations 3
    """
    given = {
        "organisations": organisations,
        "orderers": orderers,
        "channel": channel,
        "max_message_count": max_message_count,
        "batch_timeout": batch_timeout,
        "first_port": first_port,
        "log_level": log_level,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    with _told():
        running = devnet.up(folder, devnet.Options(**chosen) if chosen else None)  # type: ignore[arg-type]
    _show(running.status())
    profiles = sorted(running.folder.profiles.glob("*.json"))
    print(f"channel {running.topology.options.channel} is up; connection profiles:")
    for profile in profiles:
        print(f"  {profile}")
    print(f"next: consentry init NODE --name NAME --ledger fabric --profile {profiles[0]}")


@app.command("down")
def down(folder: Annotated[Path, _FOLDER]) -> None:
    """End the network's processes; the data stay, and `up` goes on with them."""
    with _told():
        devnet.down(folder)
    print(f"{folder} is down")


@app.command("status")
def status(folder: Annotated[Path, _FOLDER]) -> None:
    """Show every process; exit code 1 if one does not run."""
    with _told():
        found = devnet.status(folder)
    _show(found)
    idle = [process.name for process in found if process.state != "running"]
    if idle:
        raise CommandError(
            f"{', '.join(idle)} not running: consentry network up {folder} starts what stopped"
        )


@app.command("reset")
def reset(folder: Annotated[Path, _FOLDER]) -> None:
    """End the network's processes and remove its folder, with everything on its ledger."""
    with _told():
        devnet.reset(folder)
    print(f"{folder} is gone")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except devnet.NetworkError as why:
        raise CommandError(str(why)) from None


def _show(processes: list[devnet.ProcessStatus]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("process", "address", "state", "pid", "MiB"):
        table.add_column(title, justify="right" if title in {"pid", "MiB"} else "left")
    for one in processes:
        memory = f"{one.memory / _MEBIBYTE:.0f}" if one.pid else ""
        table.add_row(one.name, one.address, one.state, str(one.pid or ""), memory)
    Console().print(table)
    print(f"logs are in {processes[0].log.parent}")
