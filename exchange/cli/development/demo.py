"""`consentry demo`: a node with real people's data in one command, or its whole story without a person."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from exchange import devnet
from exchange.cli.errors import CommandError
from exchange.cli.node.serve import serve
from exchange.cli.options import Ledger
from exchange.demo.consortium import CITY, LAKE, Demo, build, client_id, permit_consent
from exchange.demo.fabric import OPTIONS, profile
from exchange.demo.nhanes import participants
from exchange.demo.tour import tour
from exchange.node.folder import NodeFolder

_MARK = "demo.json"


def demo(
    folder: Annotated[
        Path | None, typer.Option(help="Where to make the node; demo-node, or demo-fabric.")
    ] = None,
    ledger: Annotated[
        Ledger, typer.Option(help="A ledger in a file, or a Fabric network brought up beside the node.")
    ] = Ledger.EMBEDDED,
    people: Annotated[int, typer.Option(help="How many survey participants to load.", min=1)] = 1200,
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8400,
    tell: Annotated[
        bool,
        typer.Option("--tour", help="Tell the whole story over HTTP and end; fails at the first surprise."),
    ] = False,
) -> None:
    """A running node of a three-member consortium with real, public-domain health data (CDC NHANES).

    A second call serves the node that the first one made; remove the folder to start afresh. On Fabric the
    network lies in FOLDER-network and ends with the demo; `consentry network reset` removes it.
    """
    fabric = ledger is Ledger.FABRIC
    if tell:
        with tempfile.TemporaryDirectory(prefix="consentry-tour-") as scratch:
            try:
                tour(Path(scratch) / "node", people=min(people, 60), fabric=fabric)
            except devnet.NetworkError as why:
                raise CommandError(str(why)) from None
        return
    folder = folder or Path("demo-fabric" if fabric else "demo-node")
    with ExitStack() as stack:
        found = _network(stack, folder) if fabric else None
        _demo(folder, people, port, found)


def _network(stack: ExitStack, folder: Path) -> Path:
    """Bring the demo's network up until `stack` ends; City Hospital's connection profile."""
    try:
        running = stack.enter_context(devnet.up(folder.with_name(f"{folder.name}-network"), OPTIONS))
    except devnet.NetworkError as why:
        raise CommandError(str(why)) from None
    return profile(running, CITY)


def _demo(folder: Path, people: int, port: int, found: Path | None) -> None:
    if not (folder / _MARK).exists():
        if folder.exists() and any(folder.iterdir()):
            if not (folder / "consentry.toml").exists() or not (folder / "clients").exists():
                raise CommandError(f"{folder} is not a demo node; choose another with --folder")
            print(f"{folder} was left half made; making it anew")
            shutil.rmtree(folder)
        print(f"making {folder}: three members, {people} participants of the CDC survey NHANES 2017-2018")
        asyncio.run(build(folder, port, people, found))
        (folder / _MARK).write_text("{}\n", encoding="utf-8")
    settings = NodeFolder(folder).load()
    if (settings.ledger == "fabric") != (found is not None):
        raise CommandError(f"{folder} is on another kind of ledger; choose another with --folder")
    if settings.port != port:
        print(f"this node listens on port {settings.port}")
    _explain(Demo(NodeFolder(folder), settings))
    serve(folder)


def _explain(made: Demo) -> None:
    base, folder = made.settings.base_url, made.folder.path
    [someone] = participants(1)
    patient = someone.patient["id"]
    observation = next(r["id"] for r in someone.records if r["resourceType"] == "Observation")
    consent = msgspec.json.encode(permit_consent(str(patient), LAKE)).decode()
    print(
        f"""
What to try, in another terminal in this folder:

  # a system of another member, Lake Clinic, gets a token for its signed assertion
  LAKE=$(.venv/bin/consentry token client {base} --id {client_id(LAKE)} \\
         --organization {LAKE.msp_id} --key {made.key_file(LAKE)})

  # it asks for a measurement: refused (404), and the refusal is on the ledger (X-Consentry-Tx)
  curl -si -H "Authorization: Bearer $LAKE" {base}/fhir/Observation/{observation}

  # the patient permits Lake Clinic to read for treatment
  PATIENT=$(.venv/bin/consentry token patient {folder} {patient})
  curl -si -H "Authorization: Bearer $PATIENT" -H "Content-Type: application/fhir+json" \\
       {base}/fhir/Consent -d '{consent}'

  # the same request again: permitted, with the transaction that decided and logged it
  curl -si -H "Authorization: Bearer $LAKE" {base}/fhir/Observation/{observation}
  curl -s -H "Authorization: Bearer $LAKE" '{base}/fhir/Observation?patient={patient}&_count=3'

  # who saw what: the patient's view, and the compliance officer's
  curl -s -H "Authorization: Bearer $PATIENT" {base}/fhir/AuditEvent
  OFFICER=$(.venv/bin/consentry token officer {folder} o.reyes)
  curl -s -H "Authorization: Bearer $OFFICER" '{base}/fhir/AuditEvent?outcome=4'

  # recompute every block, entry and document
  .venv/bin/consentry verify {folder}
""",
        flush=True,
    )
