"""The officer's queue on a real node: read from the log, explained by the records, and logged."""

from __future__ import annotations

import asyncio
import json
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import msgspec
import pytest

from exchange.auth.principal import NO_ASSERTION, Kind, Member, Principal
from exchange.cli.errors import run
from exchange.cli.main import build
from exchange.errors import ForbiddenError
from exchange.fhir.interaction import parse
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.open import Node, open_node
from exchange.node.settings import NodeSettings
from exchange.runtime.quota import Reservation, UnboundedQuota
from exchange.services.access.releases import Exchange

CITY, LAKE = Member("CityMSP", "City", "city"), Member("LakeMSP", "Lake Clinic", "lake-clinic")
TREATS, SNOOPS, OFFICER = "Practitioner/treats", "Practitioner/snoops", "o.reyes"
WARD = {"reference": "Location/ward"}


def practitioner(name: str) -> dict[str, Any]:
    return {"resourceType": "Practitioner", "id": name, "name": [{"family": name, "given": ["A"]}]}


def heart_rate(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"of-{patient}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{patient}"},
    }


RECORDS: list[dict[str, Any]] = [
    {"resourceType": "Location", "id": "ward", "name": "Ward"},
    practitioner("treats"),
    practitioner("snoops"),
    {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": {"reference": TREATS},
        "location": [WARD],
    },
    {"resourceType": "Patient", "id": "here", "name": [{"family": "Here"}]},
    {"resourceType": "Patient", "id": "away", "name": [{"family": "Away"}]},
    {"resourceType": "Patient", "id": "apart", "name": [{"family": "Apart"}]},
    *(heart_rate(patient) for patient in ("here", "away", "apart")),
    {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/here"},
        "period": {"start": "2026-01-01"},
        "location": [{"location": WARD}],
    },
]


def clinician(user: str) -> Principal:
    return Principal(
        kind=Kind.SYSTEM,
        client_id="ehr",
        organization="CityMSP",
        purpose="TREAT",
        scopes=("system/*.rs",),
        evidence=NO_ASSERTION,
        user=user,
        user_name=f"A. {user.rpartition('/')[2]}",
    )


async def asked(node: Node, principal: Principal, path: str, query: str = "") -> Any:
    with Reservation(UnboundedQuota("test")), Exchange():
        answer = await node.gateway.interactions.perform(principal, parse("GET", path, query))
    return msgspec.json.decode(answer.body)


async def readers(node: Node, patient: str) -> list[tuple[str, str]]:
    """Return user and interaction of each entry that the patient sees."""
    bundle = await asked(node, Principal.for_patient("CityMSP", patient), "AuditEvent", "_count=100")
    events = [entry["resource"] for entry in bundle["entry"]]
    return [
        (event["agent"][0]["who"]["identifier"]["value"], event["subtype"][0]["code"])
        for event in events
        if event["action"] in {"R", "E"}
    ]


async def made(folder: NodeFolder) -> None:
    await initialise(folder, NodeSettings("CityMSP", "http://127.0.0.1:8400", (CITY, LAKE)))
    async with open_node(folder) as node:
        for resource in RECORDS:
            right = node.gateway.rights.grant(node.system("test"), resource["resourceType"])
            body = msgspec.json.encode(resource)
            change = await node.gateway.writing.prepare(right, body, logical_id=resource["id"])
            await node.gateway.writing.write([change], by=node.system("test"), interaction="update")
        await asked(node, clinician(TREATS), "Observation/of-here")
        await asked(node, clinician(SNOOPS), "Observation/of-away")
        await asked(node, clinician(SNOOPS), "Observation/of-away")
        await asked(node, node.system("ehr"), "Observation/of-apart")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> NodeFolder:
    found = NodeFolder(tmp_path_factory.mktemp("review") / "node")
    asyncio.run(made(found))
    return found


def command(*arguments: str) -> str:
    printed = StringIO()
    with redirect_stdout(printed):
        run(lambda: build(arguments)(list(arguments), standalone_mode=False))
    return printed.getvalue()


def test_the_unexplained_access_is_shown_and_its_reading_is_logged(folder: NodeFolder) -> None:
    printed = command("review", str(folder.path), "--officer", OFFICER, "--since", "2026-01-01")
    assert f"{SNOOPS} (A. snoops) of CityMSP, Patient/away, TREAT" in printed
    assert "never treated: " in printed
    assert TREATS not in printed
    assert "1 to look at, of 3 accesses of people; every entry names its user" in printed

    async def check() -> None:
        async with open_node(folder) as node:
            # Both patients of an access had their records opened; one of them is shown to the officer.
            for patient in ("here", "away"):
                assert ("consentry-review", "operation") in await readers(node, patient)
            assert (OFFICER, "operation") in await readers(node, "away")
            assert (OFFICER, "operation") not in await readers(node, "here")
            assert {user for user, _ in await readers(node, "apart")} == {"ehr", "Patient/apart"}

    asyncio.run(check())
    command("verify", str(folder.path), "--replay")


def test_as_json_it_has_scores_signals_and_explanations(folder: NodeFolder) -> None:
    report = json.loads(
        command("review", str(folder.path), "--officer", OFFICER, "--since", "2026-01-01", "--json")
    )
    [item] = report["queue"]
    assert (report["reviewed"], report["unnamed"], item["accesses"]) == (3, 0, 2)
    assert item["assessment"]["access"]["user"] == SNOOPS
    assert item["assessment"]["flagged"]
    assert [one["detector"] for one in item["assessment"]["signals"]] == ["never treated"]
    assert item["assessment"]["explanation"] is None


def test_what_was_before_is_not_shown(folder: NodeFolder) -> None:
    report = json.loads(
        command("review", str(folder.path), "--officer", OFFICER, "--since", "2999-01-01", "--json")
    )
    assert (report["queue"], report["reviewed"]) == ([], 0)


def test_none_but_the_hospitals_officers_have_a_queue(folder: NodeFolder) -> None:
    async def check() -> None:
        async with open_node(folder) as node:
            others = (
                clinician(TREATS),
                node.system("ehr"),
                Principal.for_patient("CityMSP", "here"),
                Principal.for_officer("LakeMSP", OFFICER),
            )
            for principal in others:
                with pytest.raises(ForbiddenError):
                    await node.review.queue(principal, 0, most=10)

    asyncio.run(check())


def test_a_day_that_is_none_is_named(folder: NodeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command("review", str(folder.path), "--officer", OFFICER, "--since", "yesterday")
    assert "is no day; write it such as 2026-11-01" in capsys.readouterr().err
