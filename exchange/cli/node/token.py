"""`consentry token`: access tokens for patients and officers, and for trying out a client."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer

from exchange.auth.principal import Principal
from exchange.cli.errors import CommandError
from exchange.cli.options import BY, FOLDER, OUT, handed_out, operator_name
from exchange.client.system import SystemClient, read_key
from exchange.node.folder import NodeFolder
from exchange.node.parts import NodeParts, open_parts
from exchange.store.keys import wrapped_keys
from exchange.store.records import documents

app = typer.Typer(help="Print an access token, list those of persons, revoke them.", no_args_is_help=True)
_MINUTES = typer.Option(help="Minutes until it expires.", min=1, max=720)


@app.command("patient")
def patient(
    folder: Annotated[Path, FOLDER],
    logical_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The Patient's logical id, or RelatedPerson/ID of one who acts for it."
        ),
    ],
    minutes: Annotated[int, _MINUTES] = 60,
    by: Annotated[str, BY] = "",
    out: Annotated[Path | None, OUT] = None,
) -> None:
    """Print the token of a patient, or of a RelatedPerson who acts for one.

    A patient's token reads the patient's records and log, and writes the patient's consents. That of a
    RelatedPerson reads them in that person's name, as long as its record is active and in its period, and
    writes nothing.
    """
    with open_parts(NodeFolder(folder)) as node:
        kind, _, related = logical_id.partition("/")
        if kind == "RelatedPerson" and related:
            principal = Principal.for_related(
                node.settings.msp_id, related, asyncio.run(_acts_for(node, related))
            )
        else:
            principal = Principal.for_patient(node.settings.msp_id, logical_id)
        with handed_out(out) as hand_out:
            hand_out(asyncio.run(_issue_to_patient(node, principal, minutes, by or operator_name())))


async def _acts_for(node: NodeParts, related: str) -> str:
    """Return the logical id of the patient whose RelatedPerson that is.

    Raises:
        CommandError: there is none, or it is another record's.
    """
    reference = node.keys.references.record("RelatedPerson", related)
    stored = await node.records.read(lambda c: documents.current(c, [reference], bodies=False))
    if reference not in stored or stored[reference].deleted or len(stored[reference].subjects) != 1:
        raise CommandError(
            f"{node.folder.path} has no RelatedPerson/{related} of a patient; store one with the patient, "
            "the relationship and the period"
        )
    [subject] = stored[reference].subjects
    wrapped = await node.records.read(lambda c: wrapped_keys.find(c, [subject]))
    name = node.keys.ring.open(subject, wrapped[subject]).name
    if not name:
        raise CommandError(f"RelatedPerson/{related} names no patient of this node; let it name one")
    return name


async def _issue_to_patient(node: NodeParts, principal: Principal, minutes: int, by: str) -> str:
    # Any subject of records, also without a stored Patient: these subjects have a log too.
    subject = node.keys.references.subject(principal.patient)
    known = await node.records.read(lambda c: wrapped_keys.find(c, [subject]))
    if not known:
        raise CommandError(
            f"{node.folder.path} has no records of Patient/{principal.patient}; "
            "give the logical id of one that it has"
        )
    return await node.tokens.issue_local(principal, minutes * 60, by=by)


@app.command("officer")
def officer(
    folder: Annotated[Path, FOLDER],
    user: Annotated[str, typer.Argument(help="The officer's user name, for the log.")],
    minutes: Annotated[int, _MINUTES] = 60,
    by: Annotated[str, BY] = "",
    out: Annotated[Path | None, OUT] = None,
) -> None:
    """Print a compliance officer's token: it reads the access log, and each reading is logged."""
    with open_parts(NodeFolder(folder)) as node:
        principal = Principal.for_officer(node.settings.msp_id, user)
        with handed_out(out) as hand_out:
            hand_out(asyncio.run(node.tokens.issue_local(principal, minutes * 60, by=by or operator_name())))


@app.command("list")
def list_tokens(folder: Annotated[Path, FOLDER]) -> None:
    """List the tokens that persons hold: the id that the log shows, whose, issued by whom, and until when."""
    with open_parts(NodeFolder(folder)) as node:
        held = asyncio.run(node.tokens.held())
    for one in held:
        holder = one.holder
        times = f"{_moment(holder.issued)}\tuntil {_moment(one.expires)}"
        print(f"{one.name}\t{holder.kind.value}\t{holder.user}\tby {holder.by or 'unknown'}\t{times}")


@app.command("revoke")
def revoke(
    folder: Annotated[Path, FOLDER],
    whose: Annotated[
        str,
        typer.Argument(
            metavar="WHOSE", help="A person (o.reyes, Patient/7), the token's id, or a client's id."
        ),
    ],
    by: Annotated[str, BY] = "",
) -> None:
    """Revoke every token of a person or a client; a running gateway refuses them within a second.

    A client gets new ones, until `consentry client disable`.
    """
    with open_parts(NodeFolder(folder)) as node:
        ended = asyncio.run(node.tokens.end(whose, by=by or operator_name()))
    if not ended:
        raise CommandError(f"{whose} holds no token; `consentry token list` shows those of persons")
    print(f"revoked {ended} of {whose}")


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@app.command("client")
def client(
    url: Annotated[str, typer.Argument(help="The gateway's address, such as http://127.0.0.1:8400.")],
    client_id: Annotated[str, typer.Option("--id", help="The client's id.", show_default=False)],
    organization: Annotated[str, typer.Option(help="Its MSP id.", show_default=False)],
    key: Annotated[Path, typer.Option(help="The client's private key, a PEM file.", show_default=False)],
    purpose: Annotated[str, typer.Option(help="The purpose of use.")] = "TREAT",
    user: Annotated[str, typer.Option(help="The user that the client acts for.")] = "",
    reason: Annotated[str, typer.Option(help="The reason of an emergency (BTG), in words.")] = "",
    out: Annotated[Path | None, OUT] = None,
) -> None:
    """Print the token that a client gets from a running gateway for its signed assertion (SMART)."""
    asking = SystemClient(
        url.rstrip("/"), client_id, organization, read_key(key), purpose=purpose, user=user, reason=reason
    )
    with handed_out(out) as hand_out, httpx.Client(timeout=30) as http:
        try:
            hand_out(asking.token(http))
        except (KeyError, ValueError):  # an answer of success that is no token response
            raise CommandError(f"{url} answers, but not as a gateway does; check the address") from None
