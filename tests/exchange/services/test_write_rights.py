"""The right to write: one module makes it, no write goes without, and a handler that forgets is told."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.auth.principal import Kind, Principal
from exchange.auth.write_right import WriteRight, take_write_right_issuer
from exchange.errors import ForbiddenError
from exchange.services.records.changes import Deletion, Prepared, check_rights
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.prepare import IndexedRecord
from exchange.services.records.write_rights import WriteRights, for_loading, for_scoring

ROOT = Path(__file__).parents[3]
RIGHTS = WriteRights(msp_id="CityMSP")


BY = Principal.for_operator("CityMSP", "tests")


def principal(kind: Kind = Kind.SYSTEM, *, organization: str = "CityMSP", patient: str = "") -> Principal:
    return Principal(kind, "client", organization, "TREAT", (), "0" * 64, user="", patient=patient)


def record(resource_type: str = "Observation", *patients: str) -> IndexedRecord:
    return IndexedRecord(resource_type, "1", b"{}", patients or ("p",), (b"0" * 16,), b"")


def test_the_custodians_systems_write_every_type_but_the_log() -> None:
    assert RIGHTS.grant(principal(), "Observation").covers_type("Observation")
    with pytest.raises(ForbiddenError, match="ledger alone"):
        RIGHTS.grant(principal(), "AuditEvent")


def test_a_patient_writes_the_own_consents_and_nothing_else() -> None:
    patient = principal(Kind.PATIENT, patient="p")
    right = RIGHTS.grant(patient, "Consent")
    assert right.covers("Consent", ["p"])
    assert not right.covers("Consent", ["q"])
    assert not right.covers("Consent", ["p", "q"])
    assert not right.covers("Observation", ["p"])
    with pytest.raises(ForbiddenError):
        RIGHTS.grant(patient, "Observation")


@pytest.mark.parametrize(
    "other",
    [principal(organization="LakeMSP"), principal(Kind.OFFICER), principal(Kind.OFFICER, patient="p")],
)
def test_no_other_principal_writes(other: Principal) -> None:
    for resource_type in ("Consent", "Observation"):
        with pytest.raises(ForbiddenError):
            RIGHTS.grant(other, resource_type)


def test_a_right_can_not_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="write_rights alone"):
        WriteRight()
    with pytest.raises(RuntimeError, match="has been taken"):
        take_write_right_issuer()


def test_whoever_takes_the_issuer_first_stops_the_rights_from_loading() -> None:
    script = (
        "from exchange.auth.write_right import take_write_right_issuer as take\ntake()\n"
        "try:\n    import exchange.services.records.write_rights\n"
        "except RuntimeError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def _users(name: str) -> Iterator[str]:
    for path in sorted((ROOT / "exchange").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = (
            node.id if isinstance(node, ast.Name) else getattr(node, "attr", "") for node in ast.walk(tree)
        )
        if name in names:
            yield str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("take_write_right_issuer", "exchange/services/records/write_rights.py"),
        ("_write_right_issuer", "exchange/auth/write_right.py"),
        ("for_loading", "exchange/load/load.py"),
        ("for_scoring", "exchange/services/scoring.py"),
        ("for_introducing_members", "exchange/services/membership.py"),
    ],
)
def test_each_right_without_a_principal_has_one_place(name: str, module: str) -> None:
    assert list(_users(name)) == [module]


class _Anything:
    """Passes for a right without being one."""

    def covers_type(self, _resource_type: str) -> bool:
        return True

    covers = covers_type


@pytest.mark.parametrize(
    "change",
    [
        Prepared(for_scoring(), record("Observation")),
        Prepared(RIGHTS.grant(principal(Kind.PATIENT, patient="q"), "Consent"), record("Consent", "p")),
        Prepared(None, record()),  # type: ignore[arg-type]
        Prepared(_Anything(), record()),  # type: ignore[arg-type]
        Deletion(for_scoring(), "Observation", "1"),
        Deletion(None, "Observation", "1"),  # type: ignore[arg-type]
    ],
)
async def test_nothing_is_written_without_a_right_that_covers_it(change: Any) -> None:
    with pytest.raises(TypeError, match="needs the right"):
        check_rights([Prepared(for_loading(), record()), change])
    nowhere: Any = None
    writing = RecordWriter(
        references=nowhere,
        indexer=nowhere,
        records=nowhere,
        keys=nowhere,
        links=nowhere,
        pairs=nowhere,
        practitioners=nowhere,
        recording=nowhere,
    )
    with pytest.raises(TypeError, match="needs the right"):
        await writing.write([change], by=BY, interaction="create")


FORGETFUL = """
from exchange.auth.principal import Principal
from exchange.services.records.changes import Deletion, Prepared
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.prepare import IndexedRecord

async def handle(writing: RecordWriter, record: IndexedRecord, body: bytes, by: Principal) -> None:
    await writing.prepare(body, logical_id=None)
    await writing.prepare(None, body, logical_id=None)
    await writing.write([record], by=by, interaction="create")
    await writing.write([Prepared(record)], by=by, interaction="create")
    await writing.write([Prepared(None, record)], by=by, interaction="create")
    await writing.write([Deletion("Patient", "1")], by=by, interaction="create")
"""


def test_a_handler_that_forgets_the_right_does_not_type_check(tmp_path: Path) -> None:
    forgetful = tmp_path / "forgetful.py"
    forgetful.write_text(FORGETFUL, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary"]
    command += ["--cache-dir", str(tmp_path / "cache"), str(forgetful)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = [line for line in done.stdout.splitlines() if "forgetful.py" in line and ": error:" in line]
    lines = {int(line.split(":")[1]) for line in told}
    first = FORGETFUL.splitlines().index("    await writing.prepare(body, logical_id=None)") + 1
    assert lines == set(range(first, first + 6)), done.stdout


async def test_a_handler_that_forgets_the_right_does_not_run() -> None:
    scope: dict[str, Any] = {}
    exec(FORGETFUL, scope)
    nowhere: Any = None
    writing = RecordWriter(
        references=nowhere,
        indexer=nowhere,
        records=nowhere,
        keys=nowhere,
        links=nowhere,
        pairs=nowhere,
        practitioners=nowhere,
        recording=nowhere,
    )
    with pytest.raises(TypeError, match="argument"):
        await scope["handle"](writing, record(), b"{}", BY)
