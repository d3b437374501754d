"""`consentry model` and `consentry evaluator`: artefacts by role, and refusals in one line."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import io
import ipaddress
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from analytics.errors import EvaluatorTlsError, WorkerLostError
from analytics.evaluator.client import EvaluatorClient
from exchange.auth.principal import Member
from exchange.cli.errors import run
from exchange.cli.main import build
from exchange.demo.consortium import settings_for
from exchange.demo.process import end, free_port
from exchange.node.folder import ModelFiles, NodeFolder
from exchange.node.identity.accepted_changes import add_member, use_model
from exchange.node.initialise import initialise
from exchange.node.open import open_node
from exchange.node.parts import open_parts
from exchange.node.risk_model import open_model, read_model_files
from exchange.node.settings import ConfigError, NodeSettings, RiskSettings, check
from exchange.risk.scoring import EncryptedModel


@pytest.fixture(autouse=True, scope="module")
def _wide() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        yield


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def consentry(*arguments: str | Path) -> Done:
    """Run the command in this process: its imports take seconds, and here they take them once."""
    given = [str(argument) for argument in arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run(lambda: build(given)(given, standalone_mode=False))
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def refused(*arguments: str | Path) -> str:
    done = consentry(*arguments)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, done.stderr + done.stdout
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def succeeded(*arguments: str | Path) -> str:
    done = consentry(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "diabetes"
    said = succeeded("model", "train", folder, "--trees", "3", "--depth", "2", "--no-pictures")
    assert "AUC" in said
    assert "sex: female" in said
    return folder


@pytest.fixture
def node(tmp_path: Path) -> NodeFolder:
    folder = NodeFolder(tmp_path / "node")
    asyncio.run(initialise(folder, settings_for(8400)))
    return folder


def test_a_model_is_handed_out_by_role_and_no_role_gets_the_others(model: Path, tmp_path: Path) -> None:
    card = json.loads(succeeded("model", "inspect", model, "--json"))
    assert card["model"] in succeeded("model", "inspect", model)
    hospital, evaluator = tmp_path / "hospital", tmp_path / "evaluator"
    succeeded("model", "export", model, hospital, "--role", "hospital")
    succeeded("model", "export", model, evaluator, "--role", "evaluator")
    assert {path.name for path in hospital.iterdir()} == {"risk.offer", "card.json"}
    assert {path.name for path in evaluator.iterdir()} == {"risk.model"}
    assert "trees" in refused("model", "export", model, evaluator, "--role", "hospital")
    assert "another folder" in refused("model", "export", model, hospital, "--role", "evaluator")


def test_mixed_and_missing_models_are_refused(model: Path, tmp_path: Path) -> None:
    assert "model train" in refused("model", "inspect", tmp_path)
    assert "not empty" in refused("model", "train", model)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in model.glob("*.*"):
        (mixed / path.name).write_bytes(path.read_bytes())
    card = json.loads((mixed / "card.json").read_text()) | {"model": "0" * 64}
    (mixed / "card.json").write_text(json.dumps(card))
    assert "several models" in refused("model", "inspect", mixed)
    (mixed / "card.json").write_text("{}")
    assert "no model card" in refused("model", "inspect", mixed)


def test_an_evaluators_client_gets_a_token_of_which_only_the_digest_stays(
    model: Path, tmp_path: Path
) -> None:
    evaluator = tmp_path / "evaluator"
    succeeded("model", "export", model, evaluator, "--role", "evaluator")
    assert "evaluator client" in refused("evaluator", "serve", evaluator)
    token = succeeded("evaluator", "client", evaluator, "city-hospital").strip()
    kept = (evaluator / "clients.json").read_text()
    assert token not in kept
    assert json.loads(kept) == {"city-hospital": hashlib.sha256(token.encode()).hexdigest()}
    assert (evaluator / "clients.json").stat().st_mode & 0o077 == 0
    assert "letters" in refused("evaluator", "client", evaluator, "a b")
    assert "both or neither" in refused("evaluator", "serve", evaluator, "--key", evaluator / "key.pem")
    (evaluator / "clients.json").write_text('{"city-hospital": "secret"}')
    assert "SHA-256" in refused("evaluator", "serve", evaluator)


def test_a_node_is_told_to_use_a_model_once(model: Path, node: NodeFolder, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token\n")
    away = ("--evaluator", "https://evaluator.example:8100", "--token-file", token)
    assert "scores with" in succeeded("model", "use", node.path, model, *away)
    settings = node.load()
    assert settings.risk == RiskSettings(evaluator="https://evaluator.example:8100")
    assert (node.path / "keys" / "evaluator.token").read_text() == "a-token"
    assert (node.path / "keys" / "evaluator.token").stat().st_mode & 0o077 == 0
    assert "a-token" not in node.settings_file.read_text()
    succeeded("model", "use", node.path, model, *away)
    other = ("--evaluator", "https://other.example", "--token-file", token)
    assert "[risk] already" in refused("model", "use", node.path, model, *other)


@pytest.mark.parametrize("authority", [None, "risk/authority.pem"])
def test_settings_with_a_model_survive_being_written(tmp_path: Path, authority: str | None) -> None:
    risk = RiskSettings("http://127.0.0.1:8100", parameters="private", seconds=2.5, authority=authority)
    settings = NodeSettings(**{**_fields(settings_for(8400)), "risk": risk})
    folder = NodeFolder(tmp_path)
    folder.write(settings)
    assert folder.load() == settings


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluator": "http://evaluator.example"},
        {"evaluator": "ftp://127.0.0.1"},
        {"evaluator": "https://"},
        {"evaluator": "https://user@evaluator.example"},
        {"evaluator": "https://evaluator.example:x"},
        {"offer": ""},
        {"token": "a\nb"},
        {"authority": ""},
        {"seconds": 0.0},
        {"seconds": 60.0},
    ],
)
def test_a_model_that_could_not_be_reached_safely_is_refused(changes: dict[str, str | float]) -> None:
    risk = RiskSettings(**({"evaluator": "https://evaluator.example"} | changes))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="risk"):
        check(NodeSettings(**{**_fields(settings_for(8400)), "risk": risk}))


def files_of(model: Path, **changes: Any) -> ModelFiles:
    offer, card = ((model / name).read_bytes() for name in ("risk.offer", "card.json"))
    return ModelFiles(**({"offer": offer, "card": card, "token": "t"} | changes))


@pytest.mark.parametrize(
    "fault", ["cut offer", "no offer", "no card", "another's card", "token", "authority"]
)
def test_a_models_files_that_do_not_fit_are_refused(model: Path, fault: str) -> None:
    good = files_of(model)
    other = json.dumps(json.loads(good.card) | {"model": "0" * 64}).encode()
    changes: dict[str, dict[str, Any]] = {
        "cut offer": {"offer": good.offer[:-1]},
        "no offer": {"offer": b""},
        "no card": {"card": b"{}"},
        "another's card": {"card": other},
        "token": {"token": "two words"},
        "authority": {"authority": b"\xff"},
    }
    with pytest.raises(ConfigError, match="see to"):
        open_model(RiskSettings(evaluator="http://127.0.0.1:1"), files_of(model, **changes[fault]))


Everything = dict[str, bytes | None]


def everything(folder: NodeFolder) -> Everything:
    """Return the files of a node but its databases, which change by being read; and the recorded settings."""
    files: Everything = {
        str(path.relative_to(folder.path)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.path.rglob("*"))
        if ".db" not in path.name
    }
    with closing(sqlite3.connect(folder.records)) as records:
        [(files["recorded"],)] = records.execute("SELECT value FROM recorded_settings")
    return files


REFUSED = {
    "an evaluator without TLS": ({"--evaluator": "http://evaluator.example"}, "risk.evaluator"),
    "no address": ({"--evaluator": "https://"}, "risk.evaluator"),
    "no token": ({"--token-file": "none"}, "holds no token"),
    "an empty token": ({"--token-file": "empty"}, "token"),
    "a token of other letters": ({"--token-file": "latin"}, "holds no token"),
    "no authority": ({"--authority": "none"}, "can't be read"),
    "an authority that is none": ({"--authority": "empty"}, "holds no certificate"),
    "an unknown parameter set": ({"--parameters": "best"}, "the parameter sets"),
    "a folder without a model": ({"MODEL": "nothing"}, "holds no model"),
    "a card alone": ({"MODEL": "card"}, "is no hospital's export"),
    "a cut offer": ({"MODEL": "cut"}, "offer can't be used"),
    "another model's card": ({"MODEL": "mixed"}, "see to [risk]"),
    "a node that is none": ({"NODE": "nothing"}, "so it is no node"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_is_refused_changes_nothing(
    model: Path, node: NodeFolder, tmp_path: Path, case: str
) -> None:
    good = files_of(model)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "token").write_text("a-token\n")
    (tmp_path / "empty").touch()
    (tmp_path / "latin").write_bytes("ümlaut".encode("latin-1"))
    other = json.dumps(json.loads(good.card) | {"model": "0" * 64}).encode()
    for name, offer, card in (
        ("card", None, good.card),
        ("cut", good.offer[:-9], good.card),
        ("mixed", good.offer, other),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_bytes(card)
        if offer is not None:
            (tmp_path / name / "risk.offer").write_bytes(offer)
    changes, said = REFUSED[case]
    given = {"NODE": str(node.path), "MODEL": str(model), "--evaluator": "https://evaluator.example"}
    given |= {"--token-file": "token"} | changes
    places = {
        name: value if name in {"--evaluator", "--parameters"} else str(tmp_path / value)
        for name, value in given.items()
    }
    before = everything(node)
    options = [part for name, value in places.items() if name.startswith("--") for part in (name, value)]
    assert said in refused("model", "use", places["NODE"], places["MODEL"], *options)
    assert everything(node) == before


def test_a_model_records_the_evaluator_and_accepts_no_other_change(
    model: Path, node: NodeFolder, tmp_path: Path
) -> None:
    text = node.settings_file.read_text()
    node.settings_file.write_text(text.replace("http://127.0.0.1:8400", "http://10.0.0.1:8400"))
    (tmp_path / "token").write_text("t")
    away = ("--evaluator", "https://evaluator.example", "--token-file", tmp_path / "token")
    assert "scores with" in succeeded("model", "use", node.path, model, *away)
    with open_parts(node) as parts, pytest.raises(ConfigError, match="base_url is"):
        _ = parts.agreed


BROKEN = {
    "no table": ("risk = 3\n", None),
    "an unknown setting": ('[risk]\nevaluator = "https://e.example"\nsecnods = 3\n', None),
    "an unsafe evaluator": ('[risk]\nevaluator = "http://e.example"\n', None),
    "no evaluator": ("[risk]\n", None),
    "one that is not recorded": ('[risk]\nevaluator = "https://e.example"\n', None),
    "files that are gone": (None, "risk/card.json"),
    "a token that is gone": (None, "keys/evaluator.token"),
    "a table that is gone": ("", None),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_what_is_broken_in_risk_turns_scores_off_and_nothing_else(
    model: Path, node: NodeFolder, case: str
) -> None:
    table, gone = BROKEN[case]
    if case in {"files that are gone", "a token that is gone", "a table that is gone"}:
        text = node.settings_file.read_text()
        use_model(node, RiskSettings("https://evaluator.example"), files_of(model), by="ops")
        if gone is not None:
            (node.path / gone).unlink()
        else:
            node.settings_file.write_text(text)
    elif table is not None:
        text = node.settings_file.read_text()
        first = table if table.startswith("risk =") else ""
        node.settings_file.write_text(first + text + ("" if first else f"\n{table}"))
    async with open_node(node) as opened:
        assert opened.scores_off is not None
        assert "risk" in opened.scores_off
        assert opened.gateway.scoring is None
        assert (await opened.gateway.health.check()).serves
    before = node.settings_file.read_text()
    # Commands that edit the file leave the table alone.
    add_member(node, Member("PineMSP", "Pine", "pine"), by="ops")
    assert before.rstrip() in node.settings_file.read_text() or "PineMSP" in node.settings_file.read_text()


def test_a_patients_bundle_is_scored_and_each_feature_accounted_for(model: Path, tmp_path: Path) -> None:
    def observation(code: str, value: float, unit: str) -> dict[str, object]:
        quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": unit}
        coding = [{"system": "http://loinc.org", "code": code}]
        return {
            "resourceType": "Observation",
            "id": code,
            "status": "final",
            "code": {"coding": coding},
            "effectiveDateTime": "2026-01-01",
            "valueQuantity": quantity,
        }

    resources = [
        {"resourceType": "Patient", "id": "1", "birthDate": "1960-01-01", "gender": "male"},
        observation("39156-5", 33, "kg/m2"),
        observation("56114-2", 1.1, "m"),
        observation("8867-4", 80, "/min"),
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(bundle))
    said = succeeded("model", "score", model, path)
    assert "probability 0." in said
    assert "Observation/39156-5" in said
    assert "not-recorded" in said
    path.write_text(json.dumps(bundle | {"entry": []}))
    assert "0 Patients" in refused("model", "score", model, path)
    path.write_text("{")
    assert "no FHIR Bundle" in refused("model", "score", model, path)


def test_a_table_is_scored_into_one_file(model: Path, tmp_path: Path) -> None:
    names = json.loads((model / "card.json").read_text())["data"]["features"]
    rows = [f"p{n}," + ",".join("" if n % 5 == 4 else str(30 + n) for _ in names) for n in range(6)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join([",".join(["id", *names]), *rows]))
    # By a process of its own: Dask starts others, and they import what the main program is.
    command = [sys.executable, "-m", "exchange.cli", "model", "score", str(model), str(table)]
    command += ["--job", str(tmp_path / "job"), "--workers", "1"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240).stdout
    assert "6 scores" in said
    assert len((tmp_path / "job" / "scores.csv").read_text().splitlines()) == 7
    table.write_text("id,age\np1,4\n")
    assert "lacks the columns" in refused("model", "score", model, table)
    table.write_text(",".join(["id", *names]) + "\np1," + ",".join("x" for _ in names) + "\n")
    assert "line 2" in refused("model", "score", model, table)


class Authority:
    """A CA of its own, and what it issued for this machine: certificate and key as PEM files in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.file, self.certificate, self.key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
        own, issued = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.file.write_bytes(_certificate("authority", own, own, ca=True))
        self.certificate.write_bytes(_certificate("evaluator", issued, own, ca=False))
        pem = issued.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.key.write_bytes(pem)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, ca: bool
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    subject, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, "authority")
    )
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(here, critical=False)
    )
    return made.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_an_evaluator_is_believed_by_the_authority_that_is_named_and_by_no_other(
    model: Path, tmp_path: Path
) -> None:
    known, other = Authority(tmp_path / "known"), Authority(tmp_path / "other")
    evaluator, token, port = tmp_path / "evaluator", tmp_path / "token", free_port()
    succeeded("model", "export", model, evaluator, "--role", "evaluator")
    token.write_text(succeeded("evaluator", "client", evaluator, "city-hospital"))
    command = [sys.executable, "-m", "exchange.cli", "evaluator", "serve", str(evaluator), "--workers", "1"]
    command += ["--port", str(port), "--certificate", str(known.certificate), "--key", str(known.key)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        digest = json.loads((model / "card.json").read_text())["model"]
        url = f"https://127.0.0.1:{port}"
        assert asyncio.run(_models(_using(tmp_path / "a", model, url, token, known.file))) == (digest,)
        for number, authority in enumerate((other.file, None)):
            stranger = _using(tmp_path / f"b{number}", model, url, token, authority)
            with pytest.raises(EvaluatorTlsError):
                asyncio.run(_models(stranger, tries=1))
        spoken = _using(tmp_path / "c", model, f"http://127.0.0.1:{port}", token, None)
        with pytest.raises(WorkerLostError):  # no TLS where the evaluator speaks it
            asyncio.run(_models(spoken, tries=1))
    finally:
        end(process)


def test_an_authority_that_is_no_certificate_is_named(model: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    with pytest.raises(AssertionError, match=r"risk/authority.pem holds no certificate; see to \[risk\]"):
        _using(tmp_path / "node", model, "https://evaluator.example", token, token)


def _using(node: Path, model: Path, url: str, token: Path, authority: Path | None) -> NodeFolder:
    folder = NodeFolder(node)
    asyncio.run(initialise(folder, settings_for(8400)))
    given = () if authority is None else ("--authority", authority)
    succeeded("model", "use", node, model, "--evaluator", url, "--token-file", token, *given)
    return folder


async def _models(folder: NodeFolder, *, tries: int = 200) -> tuple[str, ...]:
    """Return the evaluator's list of models, when it has come up."""
    risk = folder.load().risk
    assert risk is not None
    opened = open_model(risk, read_model_files(folder, risk))
    assert isinstance(opened, EncryptedModel)
    try:
        while True:
            try:
                return await EvaluatorClient(opened._http).models()
            except WorkerLostError:
                tries -= 1
                if not tries:
                    raise
                await asyncio.sleep(0.1)
    finally:
        await opened.close()


def _fields(settings: NodeSettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def test_pictures_that_can_not_be_drawn_are_refused_before_a_model_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.cli.risk.model.find_spec", lambda _: None)
    done = consentry("model", "train", tmp_path / "model", "--pictures")
    assert done.returncode == 1
    assert done.stderr == "error: pictures need altair and vl_convert; install consentry[pictures]\n"
    assert not (tmp_path / "model").exists()


def test_without_what_draws_a_model_is_trained_and_the_pictures_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.cli.risk.model.find_spec", lambda _: None)
    done = consentry("model", "train", tmp_path / "model", "--trees", "2")
    assert done.returncode == 0, done.stderr
    assert "install consentry[pictures]" in done.stdout
    assert (tmp_path / "model" / "card.json").exists()
    assert not (tmp_path / "model" / "pictures").exists()
