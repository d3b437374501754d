"""The settings that say who is who are recorded: a file that means somebody else is found, and not served."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from exchange.auth.principal import Member
from exchange.errors import DamagedError
from exchange.node.checks import check_node
from exchange.node.folder import ModelFiles, NodeFolder
from exchange.node.identity.accepted_changes import accept_settings, add_member, rename_member, use_model
from exchange.node.initialise import initialise
from exchange.node.parts import open_parts
from exchange.node.settings import ConfigError, NodeSettings, RiskSettings

CITY = Member("CityMSP", "City", "city")
LAKE = Member("LakeMSP", "Lake Clinic", "lake-clinic")
RIDGE = Member("RidgeMSP", "Ridge", "ridge")
BLOCK = '\n[[members]]\nmsp_id = "RidgeMSP"\nname = "Ridge"\norganization = "ridge"\n'

Edit = Callable[[str], str]


def swapped(one: str, other: str) -> Edit:
    return lambda text: text.replace(one, "\0").replace(other, one).replace("\0", other)


def replaced(one: str, other: str) -> Edit:
    return lambda text: text.replace(one, other)


GRAVE = {
    "two ids exchanged": (swapped('"lake-clinic"', '"ridge"'), "the organization of LakeMSP is ridge"),
    "another id": (replaced('"ridge"', '"ridge-2"'), "the organization of RidgeMSP is ridge-2"),
    "ids of MSPs exchanged": (swapped('id = "LakeMSP"', 'id = "RidgeMSP"'), "the organization of"),
    "another hospital": (replaced('\nmsp_id = "CityMSP"\nbase', '\nmsp_id = "LakeMSP"\nbase'), "msp_id is"),
    "an id taken over": (replaced('"RidgeMSP"', '"PineMSP"'), "the organization ridge is that of PineMSP"),
    "another address": (replaced("127.0.0.1:8400", "10.0.0.1:8400"), "base_url is http://10.0.0.1:8400"),
    "another zone": (replaced("\nmsp_id", '\nzone = "Europe/Berlin"\nmsp_id'), "zone is Europe/Berlin"),
}
SLIGHT = {
    "a line removed": (replaced(BLOCK, ""), "RidgeMSP is recorded and listed no more"),
    "a name changed": (replaced('"Ridge"', '"Ridge Institute"'), "RidgeMSP is listed as Ridge Institute"),
    "names exchanged": (swapped('"Lake Clinic"', '"Ridge"'), "LakeMSP is listed as Ridge"),
    "a line added": (
        lambda text: text + BLOCK.replace("Ridge", "Pine").replace("ridge", "pine"),
        "PineMSP is listed and not recorded",
    ),
    "another evaluator": (lambda text: text + '\n[risk]\nevaluator = "https://e.example"\n', "[risk] is"),
}


@pytest.fixture
async def folder(tmp_path: Path) -> NodeFolder:
    made = NodeFolder(tmp_path / "node")
    await initialise(made, NodeSettings("CityMSP", "http://127.0.0.1:8400", (CITY, LAKE, RIDGE)))
    return made


def edit(folder: NodeFolder, change: Edit) -> None:
    before = folder.settings_file.read_text()
    assert change(before) != before
    folder.settings_file.write_text(change(before))


def found(folder: NodeFolder) -> str:
    checked = check_node(folder, lambda *_: None)
    return "; ".join(str(part.finding) for part in checked.parts if part.finding is not None)


def members(folder: NodeFolder) -> dict[str, str]:
    with open_parts(folder) as parts:
        assert {one.msp_id for one in parts.agreed.members} == set(parts.members.by_msp)
        return dict(parts.members.names)


@pytest.mark.parametrize(("change", "told"), GRAVE.values(), ids=GRAVE)
def test_a_file_that_means_somebody_else_is_refused(folder: NodeFolder, change: Edit, told: str) -> None:
    assert found(folder) == ""
    edit(folder, change)
    assert told in found(folder)
    with open_parts(folder) as parts, pytest.raises(ConfigError, match="as recorded") as refused:
        _ = parts.tokens
    assert told in str(refused.value)


@pytest.mark.parametrize(("change", "told"), SLIGHT.values(), ids=SLIGHT)
def test_what_is_recorded_holds_and_the_difference_is_named(
    folder: NodeFolder, change: Edit, told: str
) -> None:
    before = members(folder)
    edit(folder, change)
    assert members(folder) == before
    assert told in found(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM recorded_settings",
        "UPDATE recorded_settings SET value = CAST(replace(CAST(value AS TEXT), 'Lake Clinic', 'x') AS BLOB)",
        "UPDATE recorded_settings SET mac = zeroblob(32)",
        "UPDATE recorded_settings SET value = 7",
    ],
)
def test_a_record_changed_in_the_database_is_found(folder: NodeFolder, statement: str) -> None:
    with closing(sqlite3.connect(folder.records)) as connection, connection:
        assert connection.execute(statement).rowcount == 1
    with open_parts(folder) as parts, pytest.raises(DamagedError):
        _ = parts.tokens
    assert "settings: " in found(folder)


def test_changes_by_commands_are_recorded_and_hold(folder: NodeFolder) -> None:
    add_member(folder, Member("PineMSP", "Pine", "pine"))
    rename_member(folder, "LakeMSP", "Lake Medical Center")
    edit(folder, replaced("127.0.0.1:8400", "10.0.0.1:8400"))
    risk = RiskSettings("https://evaluator.example")
    use_model(folder, risk, ModelFiles(b"o", b"c", "t"))
    assert accept_settings(folder) == []
    assert found(folder) == ""
    assert members(folder)["LakeMSP"] == "Lake Medical Center"
    with open_parts(folder) as parts:
        assert parts.tokens.token_url == "http://10.0.0.1:8400/auth/token"
        assert parts.members.names_at(1)["LakeMSP"] == "Lake Clinic"
        assert parts.members.names_at(2**60)["LakeMSP"] == "Lake Medical Center"


def test_accepting_never_accepts_other_members(folder: NodeFolder) -> None:
    edit(folder, swapped('"lake-clinic"', '"ridge"'))
    assert any("the organization of LakeMSP" in text for text in accept_settings(folder))
    with open_parts(folder) as parts, pytest.raises(ConfigError, match="the organization of"):
        _ = parts.tokens


def test_a_line_that_was_removed_is_listed_again_by_the_command(folder: NodeFolder) -> None:
    edit(folder, replaced(BLOCK, ""))
    add_member(folder, RIDGE)
    assert found(folder) == ""


@pytest.mark.parametrize("name", ["Ridge", "RIDGE", "", "two\nlines"])
def test_a_name_of_another_or_of_nobody_is_refused(folder: NodeFolder, name: str) -> None:
    before = folder.settings_file.read_bytes()
    with pytest.raises(ConfigError):
        rename_member(folder, "LakeMSP", name)
    assert folder.settings_file.read_bytes() == before
    assert found(folder) == ""


def test_a_name_that_a_member_gave_up_is_not_another_members(folder: NodeFolder) -> None:
    rename_member(folder, "RidgeMSP", "Hill")
    with pytest.raises(ConfigError, match="is or was the name of RidgeMSP"):
        rename_member(folder, "LakeMSP", "Ridge")
