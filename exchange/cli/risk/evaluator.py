"""`consentry evaluator`: the service that scores ciphertext, and the hospitals that may ask it."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.errors import CommandError
from exchange.cli.options import OUT, handed_out
from exchange.runtime.private_files import write_private

app = typer.Typer(help="Score ciphertext; see no features and no scores.", no_args_is_help=True)

_CLIENTS = "clients.json"
_BUDGETS = "patients.db"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FOLDER = typer.Argument(metavar="FOLDER", help="The evaluator's folder: models (*.model) and clients.json.")


@app.command("serve")
def serve(
    folder: Annotated[Path, _FOLDER],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)] = 8100,
    workers: Annotated[int, typer.Option(help="Processes that compute.", min=1, max=64)] = 2,
    patients_a_minute: Annotated[int, typer.Option(help="Patients a minute for each client.", min=1)] = 600,
    patients_a_day: Annotated[
        int, typer.Option(help="Patients a day for each client and model.", min=1)
    ] = 1_000,
    patients_ever: Annotated[
        int, typer.Option(help="Patients for life for each client and model.", min=1)
    ] = 20_000,
    only_private: Annotated[
        bool, typer.Option("--only-private", help="Answer under the parameter set private alone.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="TLS certificate chain, a PEM file.", show_default=False)
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key.", show_default=False)] = None,
) -> None:
    """Serve every model of the folder to the clients in it, until told to end (Ctrl-C or SIGTERM).

    Example: consentry model export ./diabetes ./evaluator --role evaluator
             consentry evaluator client ./evaluator city-hospital && consentry evaluator serve ./evaluator
    """
    from analytics.encrypted.parameters import BFV_SETS  # noqa: PLC0415 - same
    from analytics.errors import AnalyticsError  # noqa: PLC0415 - same
    from analytics.evaluator import app as service  # noqa: PLC0415 - same
    from analytics.evaluator.budgets import PatientLimits  # noqa: PLC0415 - same
    from analytics.evaluator.pool import PoolLimits  # noqa: PLC0415 - seconds that other commands need not wait

    if (certificate is None) is not (key is None):
        raise CommandError("--certificate and --key belong together; give both or neither")
    clients = _read_clients(folder)
    if not clients:
        raise CommandError(f"no hospital is registered yet; run consentry evaluator client {folder} NAME")
    try:
        models = service.read_models(folder)
        settings = service.EvaluatorSettings(
            models,
            clients,
            patients_per_minute=patients_a_minute,
            patients=PatientLimits(patients_a_day, patients_ever),
            budgets=folder / _BUDGETS,
            pool=PoolLimits(workers, sets=("private",) if only_private else tuple(BFV_SETS)),
        )
        print(f"serving {len(models)} models to {', '.join(sorted(clients))} on {host}:{port}", flush=True)
        service.serve(settings, host=host, port=port, certificate=certificate, key=key)
    except AnalyticsError as why:
        raise CommandError(f"{why}; copy model artefacts with `consentry model export`") from None


@app.command("client")
def client(
    folder: Annotated[Path, _FOLDER],
    name: Annotated[str, typer.Argument(help="The hospital's name.")],
    out: Annotated[Path | None, OUT] = None,
) -> None:
    """Register a hospital: hand out its bearer token once, and store the token's digest.

    A second call replaces the token; its counts of patients go on. The name `metrics` stands for a Prometheus
    that reads /metrics and nothing else. A running evaluator learns of a client at its next start.
    """
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder; make it with `consentry model export`")
    if _NAME.fullmatch(name) is None:
        raise CommandError("a name has 1 to 64 letters, digits, '.', '_' and '-'")
    with handed_out(out) as hand_out:
        hand_out(add_client(folder, name))


@app.command("patients")
def patients(folder: Annotated[Path, _FOLDER]) -> None:
    """Show how many patients each hospital has had scored by each model, today and ever."""
    from analytics.evaluator.budgets import PatientBudgets, PatientLimits  # noqa: PLC0415 - as above

    path = folder / _BUDGETS
    if not path.is_file():
        raise CommandError(f"{folder} has counted no patients yet; serve it first")
    for one in PatientBudgets(PatientLimits(), path).all():
        print(f"{one.client}  model {one.model[:12]}  today {one.today}  ever {one.ever}")


def add_client(folder: Path, name: str) -> str:
    """Make a bearer token for the client `name`, put its digest into the folder's list, and return it."""
    token = secrets.token_urlsafe(32)
    clients = _read_clients(folder) | {name: hashlib.sha256(token.encode()).hexdigest()}
    path = folder / _CLIENTS
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_private(beside, json.dumps(clients, indent=1, sort_keys=True).encode() + b"\n")
    beside.replace(path)
    return token


def _read_clients(folder: Path) -> dict[str, str]:
    path = folder / _CLIENTS
    if not path.exists():
        return {}
    try:
        clients = json.loads(path.read_text(encoding="utf-8"))
        sound = all(_NAME.fullmatch(name) and _DIGEST.fullmatch(digest) for name, digest in clients.items())
    except (ValueError, AttributeError, TypeError):
        sound, clients = False, {}
    if not sound:
        raise CommandError(f"{path} is no list of clients with SHA-256 digests; restore or remove it")
    return dict(clients)
