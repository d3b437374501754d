"""`consentry client`: the systems of members that may ask for tokens."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import new_client
from exchange.cli.errors import CommandError
from exchange.cli.options import BY, FOLDER, operator_name
from exchange.client.system import read_key, write_key
from exchange.node.folder import NodeFolder
from exchange.node.parts import open_parts

app = typer.Typer(help="Register the systems that may ask for tokens.", no_args_is_help=True)


@app.command("key")
def key(
    path: Annotated[Path, typer.Argument(help="The file to write the private key to (a new one).")],
) -> None:
    """Make a P-384 key for a client, and print its public key set (for `client register --jwks`)."""
    if path.exists():
        raise CommandError(f"{path} exists; choose a new file")
    write_key(path, ec.generate_private_key(ec.SECP384R1()))
    print(msgspec.json.encode({"keys": [public_jwk(read_key(path))]}).decode())


@app.command("register")
def register(
    folder: Annotated[Path, FOLDER],
    client_id: Annotated[str, typer.Option("--id", help="The client's id.", show_default=False)],
    organization: Annotated[
        str, typer.Option(help="The MSP id of the member that runs the system.", show_default=False)
    ],
    jwks: Annotated[Path, typer.Option(help="A file with its public JSON Web Key Set.", show_default=False)],
    name: Annotated[str, typer.Option(help="A display name; the id without it.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="A scope that it may be granted.")] = None,
    purpose: Annotated[
        list[str] | None,
        typer.Option(
            help="A purpose of use that it may state, such as TREAT; once for each. The first is that of "
            "assertions without one (plain SMART). All but PATRQT without it.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[str, BY] = "",
) -> None:
    """Register a member's system with its public keys; a running gateway knows it at once.

    Example: consentry client register ./node --id lake-ehr --organization LakeMSP --jwks lake.jwks
    """
    try:
        keys = jwks.read_bytes()
    except OSError as why:
        raise CommandError(f"{jwks} can't be read ({why.strerror}); give the client's key set") from None
    client = new_client(
        client_id=client_id,
        name=name or client_id,
        organization=organization,
        jwks=keys,
        allowed=scope or ["system/*.cruds"],
        created=time.time_ns() // 1_000_000,
        purpose=" ".join(purpose or ()),
    )
    with open_parts(NodeFolder(folder)) as node:
        asyncio.run(node.tokens.register(client, by=by or operator_name()))
    print(f"registered {client_id} of {organization} for {' '.join(client.scopes)}")


@app.command("list")
def list_clients(folder: Annotated[Path, FOLDER]) -> None:
    """List the registered clients."""
    with open_parts(NodeFolder(folder)) as node:
        clients = asyncio.run(node.tokens.registered())
    for client in clients:
        state = "disabled" if client.disabled else "active"
        purposes = client.purpose or "any but PATRQT"
        print(f"{client.client_id}\t{client.organization}\t{state}\t{' '.join(client.scopes)}\t{purposes}")


@app.command("disable")
def disable(
    folder: Annotated[Path, FOLDER],
    client_id: Annotated[str, typer.Option("--id", help="The client's id.", show_default=False)],
    by: Annotated[str, BY] = "",
) -> None:
    """Disable a client: it gets no more tokens, and those it has end within seconds."""
    with open_parts(NodeFolder(folder)) as node:
        asyncio.run(node.tokens.disable(client_id, by=by or operator_name()))
    print(f"disabled {client_id}")
