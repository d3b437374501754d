"""`consentry patient`: codes by which patients get their passkeys."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from exchange.auth.principal import Principal
from exchange.cli.errors import CommandError
from exchange.cli.options import BY, FOLDER, OUT, handed_out, operator_name
from exchange.node.folder import NodeFolder
from exchange.node.parts import NodeParts, open_parts
from exchange.services.sign_in.enrolment_codes import LONGEST_HOURS
from exchange.store.keys import wrapped_keys

app = typer.Typer(help="Let patients sign in to their pages.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Let patients sign in to their pages."""


@app.command("code")
def code(
    folder: Annotated[Path, FOLDER],
    logical_id: Annotated[str, typer.Argument(metavar="ID", help="The Patient's logical id.")],
    hours: Annotated[int, typer.Option(help="Hours until it expires.", min=1, max=LONGEST_HOURS)] = 48,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Remove the patient's passkeys and end the sign-ins first: a device was lost or stolen.",
        ),
    ] = False,
    by: Annotated[str, BY] = "",
    out: Annotated[Path | None, OUT] = None,
) -> None:
    """Print a code with which a patient makes a passkey, once, at the page /patient/code of this node.

    Check who the person is before you hand it out: the code opens the record. A new code replaces the one
    before, and five wrong tries make a code void.
    """
    name = by or operator_name()
    with open_parts(NodeFolder(folder)) as node:
        asyncio.run(_check(node, logical_id))
        with handed_out(out) as hand_out:
            if replace:
                removed = asyncio.run(node.door.passkeys.replace(logical_id, by=name))
                typer.echo(f"removed {removed} passkeys", err=True)
            hand_out(asyncio.run(node.door.codes.issue(logical_id, hours, by=name)))


async def _check(node: NodeParts, patient: str) -> None:
    subject = node.keys.references.subject(patient)
    known = await node.records.read(lambda c: wrapped_keys.find(c, [subject]))
    if not known:
        raise CommandError(
            f"{node.folder.path} has no records of Patient/{patient}; give the logical id of one that it has"
        )
    if await node.tokens.is_over(Principal.for_patient(node.settings.msp_id, patient)):
        raise CommandError(
            f"Patient/{patient} is deceased: own access ends with the life; give a token to a person who "
            "acts for the patient"
        )
