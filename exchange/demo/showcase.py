"""The demo as `consentry demo` runs it: a node that is made once and served again, or the tour.

On Fabric the network lies beside the node, in FOLDER-network, and is up as long as the demo is.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from exchange import devnet
from exchange.demo.consortium import CITY, LAKE, Demo, begun_port, build, client_id, is_begun, permit_consent
from exchange.demo.fabric import OPTIONS, profile
from exchange.demo.nhanes import participants
from exchange.demo.tour import tour
from exchange.errors import ExchangeError
from exchange.node.folder import NodeFolder
from exchange.pages.visits import PREFIX, DemoAccount

_MARK = "demo.json"
_TOLD_PEOPLE = 60


class DemoError(ExchangeError):
    """The demo can't go on; the message names the problem, its cause and the remedy."""


def tell(people: int, *, fabric: bool) -> None:
    """Run the tour on a node of its own, which is removed afterwards.

    Raises:
        DemoError: the Fabric network can't be brought up.
        SystemExit: something was not as the story says.
    """
    with tempfile.TemporaryDirectory(prefix="consentry-tour-") as scratch, _naming_network():
        tour(Path(scratch) / "node", people=min(people, _TOLD_PEOPLE), fabric=fabric)


@contextmanager
def prepared(
    folder: Path, *, fabric: bool, people: int, port: int, say: Callable[[str], None]
) -> Iterator[Demo]:
    """Make the demo's node in `folder`, or find it made; on Fabric its network is up inside.

    `say` gets a line for each slow step.

    Raises:
        DemoError: the folder is something else, or the Fabric network can't be brought up.
    """
    with ExitStack() as stack:
        found = _network(stack, folder) if fabric else None
        if not (folder / _MARK).exists():
            _make(folder, people, port, found, say)
        settings = NodeFolder(folder).load()
        if (settings.ledger == "fabric") != fabric:
            raise DemoError(f"{folder} is on another kind of ledger; choose another with --folder")
        yield Demo(NodeFolder(folder), settings)


def _make(folder: Path, people: int, port: int, found: Path | None, say: Callable[[str], None]) -> None:
    node = NodeFolder(folder)
    if folder.exists() and any(folder.iterdir()):
        if not is_begun(node):
            raise DemoError(f"{folder} is not a demo node; choose another with --folder")
        if (folder / "clients").exists():
            say(f"{folder} was left half made; making it anew")
            shutil.rmtree(folder)
        else:
            say(f"{folder} was left half made; going on")
            port = begun_port(node) or port
    say(f"making {folder}: three members, {people} participants of the CDC survey NHANES 2017-2018")
    asyncio.run(build(folder, port, people, found, name="localhost"))  # browsers make passkeys for names
    (folder / _MARK).write_text("{}\n", encoding="utf-8")


def _network(stack: ExitStack, folder: Path) -> Path:
    """Bring the demo's network up until `stack` ends; City Hospital's connection profile."""
    with _naming_network():
        running = stack.enter_context(devnet.up(folder.with_name(f"{folder.name}-network"), OPTIONS))
    return profile(running, CITY)


@contextmanager
def _naming_network() -> Iterator[None]:
    try:
        yield
    except devnet.NetworkError as why:
        raise DemoError(str(why)) from None


def account() -> DemoAccount:
    """Return the patient who signs in to the demo's pages with one click: the first participant."""
    [someone] = participants(1)
    return DemoAccount(str(someone.patient["id"]), "a survey participant")


def explanation(demo: Demo) -> str:
    """Return requests to try on the demo's node, as lines for a shell."""
    base, folder = demo.settings.base_url, demo.folder.path
    [someone] = participants(1)
    patient = someone.patient["id"]
    observation = next(r["id"] for r in someone.records if r["resourceType"] == "Observation")
    consent = msgspec.json.encode(permit_consent(str(patient), LAKE)).decode()
    return f"""
The patient's pages, with an account of the demo that signs in with one click:

  {base}{PREFIX}

What else to try, in another terminal in this folder:

  # a system of another member, Lake Clinic, gets a token for its signed assertion
  LAKE=$(.venv/bin/consentry token client {base} --id {client_id(LAKE)} \\
         --organization {LAKE.msp_id} --key {demo.key_file(LAKE)})

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
"""
