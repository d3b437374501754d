"""`consentry token`: access tokens for people who have no pages yet, and for trying out a client."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Annotated

import httpx
import typer

from exchange.auth.principal import Kind, Principal
from exchange.cli.errors import CommandError
from exchange.cli.node.clients import tokens
from exchange.cli.options import FOLDER
from exchange.client.system import SystemClient, read_key
from exchange.crypto.references import References
from exchange.node.formats import check_formats
from exchange.node.settings import Folder
from exchange.store.engine.database import Database
from exchange.store.records import subjects
from exchange.store.records.tables import metadata
from exchange.vault.file import FileVault

app = typer.Typer(
    help="Print an access token: a patient's, an officer's, or the one a client gets.", no_args_is_help=True
)
_MINUTES = typer.Option(help="How long it holds.", min=1, max=720)
_NO_ASSERTION = "0" * 64


@app.command("patient")
def patient(
    folder: Annotated[Path, FOLDER],
    logical_id: Annotated[str, typer.Argument(metavar="ID", help="The Patient's logical id.")],
    minutes: Annotated[int, _MINUTES] = 60,
) -> None:
    """A patient's token: reads the patient's own records and log, writes the patient's consents."""
    folder_ = Folder(folder)
    asyncio.run(_check_known(folder_, logical_id))
    principal = Principal(
        kind=Kind.PATIENT,
        client_id=f"patient-{secrets.token_hex(8)}",
        organization=folder_.load().msp_id,
        purpose="PATRQT",
        scopes=("patient/*.rs", "patient/Consent.cruds"),
        evidence=_NO_ASSERTION,
        user=f"Patient/{logical_id}",
        patient=logical_id,
    )
    print(asyncio.run(_issue(folder_, principal, minutes)))


async def _check_known(folder: Folder, patient: str) -> None:
    # Whoever has records here, be it without a Patient among them: also those have a log to read.
    settings = folder.load()
    folder.check_files(settings)
    check_formats(folder, settings)
    subject = References(FileVault(folder.root_key).derive("references")).subject(patient)
    records = Database(folder.places(settings)[0], metadata, durable=True)
    try:
        known = await records.read(lambda c: subjects.wrapped_keys(c, [subject]))
    finally:
        records.close()
    if not known:
        raise CommandError(
            f"{folder.path} has no records of Patient/{patient}; give the logical id of one that it has"
        )


@app.command("officer")
def officer(
    folder: Annotated[Path, FOLDER],
    user: Annotated[str, typer.Argument(help="The officer's user name; it stands in the log.")],
    minutes: Annotated[int, _MINUTES] = 60,
) -> None:
    """A compliance officer's token: reads the access log, and each reading is logged."""
    folder_ = Folder(folder)
    principal = Principal(
        kind=Kind.OFFICER,
        client_id=f"officer-{secrets.token_hex(8)}",
        organization=folder_.load().msp_id,
        purpose="HOPERAT",
        scopes=("user/AuditEvent.rs",),
        evidence=_NO_ASSERTION,
        user=user,
    )
    print(asyncio.run(_issue(folder_, principal, minutes)))


async def _issue(folder: Folder, principal: Principal, minutes: int) -> str:
    service, records = tokens(folder)
    try:
        return await service.issue_local(principal, minutes * 60)
    finally:
        records.close()


@app.command("client")
def client(
    url: Annotated[str, typer.Argument(help="The gateway's address, such as http://127.0.0.1:8400.")],
    client_id: Annotated[str, typer.Option("--id", help="The client's id.", show_default=False)],
    organization: Annotated[str, typer.Option(help="Its MSP id.", show_default=False)],
    key: Annotated[Path, typer.Option(help="The client's private key, a PEM file.", show_default=False)],
    purpose: Annotated[str, typer.Option(help="The purpose of use.")] = "TREAT",
    user: Annotated[str, typer.Option(help="The user on whose behalf it asks.")] = "",
) -> None:
    """The token that a client gets from a running gateway for its signed assertion (SMART)."""
    asking = SystemClient(url.rstrip("/"), client_id, organization, read_key(key), purpose=purpose, user=user)
    with httpx.Client(timeout=30) as http:
        try:
            print(asking.token(http))
        except (KeyError, ValueError):  # an answer of success that is no token response
            raise CommandError(f"{url} answers, but not as a gateway does; check the address") from None
