"""`consentry token`: access tokens for patients and officers, and for trying out a client."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import httpx
import typer

from exchange.auth.principal import Principal
from exchange.cli.errors import CommandError
from exchange.cli.options import FOLDER
from exchange.client.system import SystemClient, read_key
from exchange.node.folder import NodeFolder
from exchange.node.parts import NodeParts, open_parts
from exchange.store.records import subjects

app = typer.Typer(
    help="Print an access token: a patient's, an officer's, or the one a client gets.", no_args_is_help=True
)
_MINUTES = typer.Option(help="Minutes until it expires.", min=1, max=720)


@app.command("patient")
def patient(
    folder: Annotated[Path, FOLDER],
    logical_id: Annotated[str, typer.Argument(metavar="ID", help="The Patient's logical id.")],
    minutes: Annotated[int, _MINUTES] = 60,
) -> None:
    """Print a patient's token: it reads the patient's records and log, and writes the patient's consents."""
    with open_parts(NodeFolder(folder)) as node:
        principal = Principal.for_patient(node.settings.msp_id, logical_id)
        print(asyncio.run(_issue_to_patient(node, principal, minutes)))


async def _issue_to_patient(node: NodeParts, principal: Principal, minutes: int) -> str:
    # Any subject of records, also without a stored Patient: these subjects have a log too.
    subject = node.keys.references.subject(principal.patient)
    known = await node.records.read(lambda c: subjects.wrapped_keys(c, [subject]))
    if not known:
        raise CommandError(
            f"{node.folder.path} has no records of Patient/{principal.patient}; "
            "give the logical id of one that it has"
        )
    return await node.tokens.issue_local(principal, minutes * 60)


@app.command("officer")
def officer(
    folder: Annotated[Path, FOLDER],
    user: Annotated[str, typer.Argument(help="The officer's user name, for the log.")],
    minutes: Annotated[int, _MINUTES] = 60,
) -> None:
    """Print a compliance officer's token: it reads the access log, and each reading is logged."""
    with open_parts(NodeFolder(folder)) as node:
        principal = Principal.for_officer(node.settings.msp_id, user)
        print(asyncio.run(node.tokens.issue_local(principal, minutes * 60)))


@app.command("client")
def client(
    url: Annotated[str, typer.Argument(help="The gateway's address, such as http://127.0.0.1:8400.")],
    client_id: Annotated[str, typer.Option("--id", help="The client's id.", show_default=False)],
    organization: Annotated[str, typer.Option(help="Its MSP id.", show_default=False)],
    key: Annotated[Path, typer.Option(help="The client's private key, a PEM file.", show_default=False)],
    purpose: Annotated[str, typer.Option(help="The purpose of use.")] = "TREAT",
    user: Annotated[str, typer.Option(help="The user that the client acts for.")] = "",
) -> None:
    """Print the token that a client gets from a running gateway for its signed assertion (SMART)."""
    asking = SystemClient(url.rstrip("/"), client_id, organization, read_key(key), purpose=purpose, user=user)
    with httpx.Client(timeout=30) as http:
        try:
            print(asking.token(http))
        except (KeyError, ValueError):  # an answer of success that is no token response
            raise CommandError(f"{url} answers, but not as a gateway does; check the address") from None
