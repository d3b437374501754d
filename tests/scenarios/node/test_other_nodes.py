"""A second node of one organisation, after the folder of the first was lost, on the ledger of both."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from chaincode.consent.calls import Opening
from exchange.cli.errors import CommandError
from exchange.cli.node.ledger import nodes, retire
from exchange.cli.node.verify import verify
from exchange.demo.consortium import Demo, build, settings_for
from exchange.demo.nhanes import Participant
from exchange.demo.process import free_port
from exchange.ledger.client import LedgerClient
from exchange.node.checks import check_to_serve
from exchange.node.folder import NodeFolder
from exchange.node.identity.root_key_check import spelt
from exchange.node.keys import NodeKeys
from exchange.node.parts import open_transactions, open_vault
from exchange.vault.file import create_vault
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import CITY, EVERY_LEDGER, LAKE, Site, consent, in_thread, opened

LEDGERS = EVERY_LEDGER


@dataclass
class TwoNodes:
    """The first node with a patient and a record, which Lake Clinic may read, and the second one."""

    first: Demo
    second: Demo
    patient: str
    record: str

    def share_ledger(self, last: Demo, other: Demo) -> None:
        """Have `other` see what `last` did: an embedded ledger is in a node's folder, so it is copied."""
        if last.settings.ledger == "embedded":
            for file in other.folder.path.glob("ledger.db*"):
                file.unlink()
            shutil.copy(last.folder.ledger, other.folder.ledger)


def name_of(demo: Demo) -> str:
    return spelt(NodeKeys(open_vault(demo.folder)).fingerprint)


def reads(site: Site, record: str) -> int:
    return site.lake.get(f"Observation/{record}").status_code


@pytest.fixture(scope="module")
def both(
    new_node: Callable[[], Demo], people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory
) -> TwoNodes:
    first = new_node()
    with opened(first) as (http, _, _):
        site = Site(first, http, people)
        patient = site.new_patient()
        record = str(site.observation(patient)["id"])
        assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
        assert reads(site, record) == 200
    port, path = free_port(), tmp_path_factory.mktemp("second") / "node"
    profile = first.folder.profile(first.settings)
    if profile is None:  # the folder is lost, but for the ledger and the key that signs its blocks
        path.mkdir(mode=0o700)
        making = NodeFolder(path, unfinished=True)
        making.write(settings_for(port))
        making.root_key.parent.mkdir(mode=0o700)
        create_vault(making.root_key)
        shutil.copy(first.folder.node_key, making.node_key)
        shutil.copy(first.folder.ledger, making.ledger)
        making.unfinished.touch(mode=0o600)
    second = in_thread(build(path, port, 1, profile))
    return TwoNodes(first, second, patient, record)


def test_a_second_node_serves_its_own_patients_and_verifies(
    both: TwoNodes, people: tuple[Participant, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(both.second) as (http, _, _):
        site = Site(both.second, http, people)
        assert site.city.get(f"Patient/{both.patient}").status_code == 404
        patient = site.new_patient()
        record = str(site.observation(patient)["id"])
        assert reads(site, record) == 404
        assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
        assert reads(site, record) == 200
    check_to_serve(both.second.folder, both.second.settings)
    capsys.readouterr()
    verify(both.second.folder.path)
    said = capsys.readouterr().out
    [note] = [line for line in said.splitlines() if "another node" in line]
    assert re.search(rf"{name_of(both.first)}, opened \d+ pairs, .*; 0 of them are retired", note)
    assert "consentry ledger retire" in said
    both.share_ledger(both.second, both.first)
    assert findings(both.first.folder) == []
    check_to_serve(both.first.folder, both.first.settings)


def test_the_lost_nodes_pairs_are_retired_by_a_command_that_asks(
    both: TwoNodes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = both.second.folder.path
    lost = name_of(both.first)
    nodes(folder)
    listed = capsys.readouterr().out.splitlines()
    assert listed[0] == f"{name_of(both.second)}  this node"
    assert [line.split()[0] for line in listed[1:]] == [lost]
    for node, yes, problem in (
        (lost, False, "nothing is retired without an answer"),
        (name_of(both.second), True, "that is this node"),
        ("12-34", True, "is no fingerprint"),
        ("unnamed", True, "are not on the ledger"),
        ("0000-0000-0000-0000-0000", True, "are not on the ledger"),
    ):
        with pytest.raises(CommandError, match=problem):
            retire(folder, node, yes=yes)
    capsys.readouterr()
    retire(folder, lost, yes=True, by="root the operator")
    said = capsys.readouterr().out
    assert "Nothing is permitted under them any more" in said
    retired = re.search(r"^retired (\d+) pairs$", said, re.MULTILINE)
    assert retired is not None
    with pytest.raises(CommandError, match="are retired already"):
        retire(folder, lost, yes=True)
    capsys.readouterr()
    verify(folder)
    said = capsys.readouterr().out
    assert f"; {retired[1]} of them are retired" in said
    assert "consentry ledger retire" not in said


def test_the_officer_sees_the_retirement(both: TwoNodes, people: tuple[Participant, ...]) -> None:
    with opened(both.second) as (http, _, _):
        events = Site(both.second, http, people).officer().found("AuditEvent?_count=200")
    [event] = [one for one in events if "pairs retired: " in str(one)]
    assert (event["type"]["code"], event["subtype"][0]["code"]) == ("110113", "110137")
    assert name_of(both.first) in str(event["entity"])
    assert event["agent"][0]["who"]["identifier"]["value"] == "root the operator"


def test_a_node_that_was_not_lost_opens_its_pairs_again_and_goes_on(
    both: TwoNodes, people: tuple[Participant, ...]
) -> None:
    both.share_ledger(both.second, both.first)
    assert findings(both.first.folder) == []
    with opened(both.first) as (http, _, _):
        site = Site(both.first, http, people)
        own = f"Patient/{both.patient}"
        assert [site.city.get(own).status_code for _ in range(2)][1] == 200
        assert [reads(site, both.record) for _ in range(2)] == [404, 200]
        site.observation(both.patient)
        ended = site.patient(both.patient).found("Consent")[0] | {"status": "inactive"}
        assert site.patient(both.patient).put(f"Consent/{ended['id']}", ended).status_code == 200
        assert reads(site, both.record) == 404
    assert findings(both.first.folder) == []


def open_pair(demo: Demo, node: str) -> None:
    async def run() -> None:
        ledger = LedgerClient(open_transactions(demo.folder, demo.settings), node=node)
        await ledger.open_pairs([Opening("5e" * 16, CITY.msp_id, "patient")])
        await ledger.close()

    in_thread(run())


@pytest.mark.parametrize("ledger_kind", ["embedded"], indirect=True, scope="module")
@pytest.mark.parametrize("named", [True, False], ids=["this node's", "an earlier release's"])
def test_a_pair_of_nobody_is_a_finding_until_its_node_is_known_to_be_lost(
    new_node: Callable[[], Demo], named: bool
) -> None:
    demo = new_node()
    open_pair(demo, NodeKeys(open_vault(demo.folder)).name if named else "")
    [found] = findings(demo.folder)
    assert "no row says whose it is" in found
    assert ("consentry ledger nodes" in found) is not named
    with pytest.raises(CommandError, match="are not on the ledger") if named else nullcontext():
        retire(demo.folder.path, "unnamed", yes=True)
    assert len(findings(demo.folder)) == named
