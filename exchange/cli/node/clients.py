"""`consentry client`: the systems of members that may ask for tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import Client, check_key_set_url, fewer_keys, more_keys, new_client, read_key_set
from exchange.cli.errors import CommandError
from exchange.cli.options import BY, FOLDER, operator_name
from exchange.client.system import read_key, write_key
from exchange.node.folder import NodeFolder
from exchange.node.parts import open_parts
from exchange.node.settings import NodeSettings
from exchange.services.auth.key_sets import fetch_key_set
from exchange.services.auth.registered_clients import Change

app = typer.Typer(help="Register the systems that may ask for tokens.", no_args_is_help=True)
_ID = typer.Option("--id", help="The client's id.", show_default=False)
_KeySet = Annotated[
    Path | None, typer.Option(help="A file with its public JSON Web Key Set.", show_default=False)
]
_KeySetUrl = Annotated[
    str, typer.Option(help="The address of its key set, by https, instead of a file.", show_default=False)
]
_Scopes = Annotated[
    list[str] | None,
    typer.Option(
        help="A scope that it may be granted; once for each. Without it another member's system reads "
        "(system/*.rs), and this hospital's own writes as well (system/*.cruds).",
        show_default=False,
    ),
]
_Purposes = Annotated[
    list[str] | None,
    typer.Option(
        help="A purpose of use that it may state, such as TREAT; once for each. The first is that of "
        "assertions without one (plain SMART). All but PATRQT without it.",
        show_default=False,
    ),
]
_READS, _WRITES = "system/*.rs", "system/*.cruds"


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
    client_id: Annotated[str, _ID],
    organization: Annotated[
        str, typer.Option(help="The MSP id of the member that runs the system.", show_default=False)
    ],
    jwks: _KeySet = None,
    jwks_url: _KeySetUrl = "",
    name: Annotated[str, typer.Option(help="A display name; the id without it.")] = "",
    scope: _Scopes = None,
    purpose: _Purposes = None,
    by: Annotated[str, BY] = "",
) -> None:
    """Register a member's system with its public keys, and print what it needs to connect.

    A running gateway knows it at once.

    Example: consentry client register ./node --id lake-ehr --organization LakeMSP --jwks lake.jwks
    """
    if (jwks is None) is not bool(jwks_url):
        raise CommandError("a client has a key set or the address of one; give --jwks or --jwks-url")
    with open_parts(NodeFolder(folder)) as node:
        own = organization == node.settings.msp_id
        client = new_client(
            client_id=client_id,
            name=name or client_id,
            organization=organization,
            jwks=b"" if jwks is None else _read(jwks),
            jwks_url=jwks_url,
            allowed=scope or [_WRITES if own else _READS],
            created=time.time_ns() // 1_000_000,
            purpose=" ".join(purpose or ()),
        )
        if jwks_url:
            asyncio.run(fetch_key_set(jwks_url))  # an address that gives no keys is refused now
        asyncio.run(node.tokens.clients.register(client, by=by or operator_name()))
        print(f"registered {client_id} of {organization} for {' '.join(client.scopes)}")
        print("\n".join(_to_connect(node.agreed, client)))


@app.command("list")
def list_clients(folder: Annotated[Path, FOLDER]) -> None:
    """List the registered clients."""
    with open_parts(NodeFolder(folder)) as node:
        clients = asyncio.run(node.tokens.clients.registered())
    for client in clients:
        print(
            f"{client.client_id}\t{client.organization}\t{_state(client)}\t{' '.join(client.scopes)}\t"
            f"{_purposes(client)}"
        )


@app.command("show")
def show(folder: Annotated[Path, FOLDER], client_id: Annotated[str, _ID]) -> None:
    """Show a client: its state, its keys, and what its system needs to connect."""
    with open_parts(NodeFolder(folder)) as node:
        client = asyncio.run(node.tokens.clients.one(client_id))
        print(f"client_id      {client.client_id} ({client.name}), {_state(client)}")
        print("\n".join(_to_connect(node.agreed, client)))


@app.command("keys")
def keys(
    folder: Annotated[Path, FOLDER],
    client_id: Annotated[str, _ID],
    add: Annotated[
        Path | None,
        typer.Option(help="A file with a key set, to hold beside the old ones.", show_default=False),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="The kid of a key that holds no more.", show_default=False)
    ] = None,
    jwks_url: _KeySetUrl = "",
    by: Annotated[str, BY] = "",
) -> None:
    """List or change the keys of a client: add the new key, let the system sign with it, remove the old one.

    Tokens of a key that was removed end within seconds. The keys at an address change without a call: the
    gateway asks it again for a key that it does not know, and every five minutes.

    Example: consentry client keys ./node --id lake-ehr --add new.jwks
    """
    if jwks_url and (add is not None or remove):
        raise CommandError("--jwks-url replaces all keys; leave --add and --remove out")
    with open_parts(NodeFolder(folder)) as node:
        clients = node.tokens.clients
        if add is None and not remove and not jwks_url:
            client = asyncio.run(clients.one(client_id))
        else:
            wanted = _published(jwks_url) if jwks_url else _rotated(add, remove or [])
            client = asyncio.run(clients.change(client_id, wanted, by=by or operator_name()))
    print("\n".join(_keys(client)))


@app.command("disable")
def disable(
    folder: Annotated[Path, FOLDER],
    client_id: Annotated[str, _ID],
    by: Annotated[str, BY] = "",
) -> None:
    """Disable a client: it gets no more tokens, and those it has end within seconds; `enable` undoes it."""
    with open_parts(NodeFolder(folder)) as node:
        asyncio.run(node.tokens.clients.disable(client_id, by=by or operator_name()))
    print(f"disabled {client_id}")


@app.command("enable")
def enable(
    folder: Annotated[Path, FOLDER],
    client_id: Annotated[str, _ID],
    by: Annotated[str, BY] = "",
) -> None:
    """Let a disabled client ask for tokens again, with the keys and scopes that it had."""
    with open_parts(NodeFolder(folder)) as node:
        asyncio.run(node.tokens.clients.enable(client_id, by=by or operator_name()))
    print(f"enabled {client_id}")


def _published(url: str) -> Change:
    check_key_set_url(url)
    asyncio.run(fetch_key_set(url))  # an address that gives no keys is refused now
    return lambda client: msgspec.structs.replace(client, keys=(), jwks_url=url)


def _rotated(add: Path | None, remove: list[str]) -> Change:
    added = () if add is None else read_key_set(_read(add))

    def wanted(client: Client) -> Client:
        held = msgspec.structs.replace(client, keys=more_keys(client, added), jwks_url="")
        return msgspec.structs.replace(held, keys=fewer_keys(held, remove))

    return wanted


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as why:
        raise CommandError(f"{path} can't be read ({why.strerror}); give the client's key set") from None


def _state(client: Client) -> str:
    return "active" if client.disabled is None else "disabled"


def _purposes(client: Client) -> str:
    return client.purpose or "any but PATRQT"


def _to_connect(settings: NodeSettings, client: Client) -> Iterator[str]:
    """Yield the lines that the client's system has to know (`docs/connecting.md`)."""
    own = {member.msp_id: member.organization for member in settings.members}
    organization = own.get(client.organization)
    yield f"FHIR           {settings.fhir_base}"
    yield f"tokens         {settings.token_url} (aud of the assertion)"
    named = f" or Organization/{organization}" if organization else ""
    yield f"organization   {client.organization}{named} (organization_id)"
    yield f"this hospital  {settings.msp_id}, Organization/{settings.member.organization}"
    yield f"scopes         {' '.join(client.scopes)}"
    yield f"purposes       {_purposes(client)}"
    yield from _keys(client)


def _keys(client: Client) -> Iterator[str]:
    if client.jwks_url:
        yield f"keys           those at {client.jwks_url}"
    for one in client.keys:
        yield f"key            kid {one['kid']}, {one['alg']}"
