"""The settings that say who is who are recorded: a file that means somebody else is found, and not served."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.auth.identity import KnownMember, NodeIdentity
from exchange.auth.principal import Member, Principal
from exchange.errors import DamagedError
from exchange.fhir.interaction import Interaction
from exchange.node.checks import check_node
from exchange.node.folder import ModelFiles, NodeFolder
from exchange.node.identity.accepted_changes import accept_settings, add_member, rename_member, use_model
from exchange.node.identity.recorded_identity import changes
from exchange.node.initialise import initialise
from exchange.node.open import open_node
from exchange.node.parts import open_parts
from exchange.node.settings import ConfigError, NodeSettings, RiskSettings

CITY = Member("CityMSP", "City", "city")
LAKE = Member("LakeMSP", "Lake Clinic", "lake-clinic")
RIDGE = Member("RidgeMSP", "Ridge", "ridge")
LOCAL = "http://127.0.0.1:8400"
OTHER = "http://10.0.0.1:8400"
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
    await initialise(made, NodeSettings("CityMSP", LOCAL, (CITY, LAKE, RIDGE)))
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
    add_member(folder, Member("PineMSP", "Pine", "pine"), by="ops")
    rename_member(folder, "LakeMSP", "Lake Medical Center", by="ops")
    edit(folder, replaced("127.0.0.1:8400", "10.0.0.1:8400"))
    risk = RiskSettings("https://evaluator.example")
    use_model(folder, risk, ModelFiles(b"o", b"c", "t"), by="ops")
    assert accept_settings(folder, by="ops") == []
    assert found(folder) == ""
    assert members(folder)["LakeMSP"] == "Lake Medical Center"
    with open_parts(folder) as parts:
        assert parts.tokens.token_url == "http://10.0.0.1:8400/auth/token"
        assert parts.members.names_at(1)["LakeMSP"] == "Lake Clinic"
        assert parts.members.names_at(2**60)["LakeMSP"] == "Lake Medical Center"


def test_accepting_never_accepts_other_members(folder: NodeFolder) -> None:
    edit(folder, swapped('"lake-clinic"', '"ridge"'))
    assert any("the organization of LakeMSP" in text for text in accept_settings(folder, by="ops"))
    with open_parts(folder) as parts, pytest.raises(ConfigError, match="the organization of"):
        _ = parts.tokens


def test_a_line_that_was_removed_is_listed_again_by_the_command(folder: NodeFolder) -> None:
    edit(folder, replaced(BLOCK, ""))
    add_member(folder, RIDGE, by="ops")
    assert found(folder) == ""


@pytest.mark.parametrize("name", ["Ridge", "RIDGE", "", "two\nlines"])
def test_a_name_of_another_or_of_nobody_is_refused(folder: NodeFolder, name: str) -> None:
    before = folder.settings_file.read_bytes()
    with pytest.raises(ConfigError):
        rename_member(folder, "LakeMSP", name, by="ops")
    assert folder.settings_file.read_bytes() == before
    assert found(folder) == ""


def test_a_name_that_a_member_gave_up_is_not_another_members(folder: NodeFolder) -> None:
    rename_member(folder, "RidgeMSP", "Hill", by="ops")
    with pytest.raises(ConfigError, match="is or was the name of RidgeMSP"):
        rename_member(folder, "LakeMSP", "Ridge", by="ops")


async def settings_events(folder: NodeFolder) -> list[tuple[str, str]]:
    """Return who changed settings, and the words of it, as the officer sees it in the log, oldest first."""
    officer = Principal.for_officer("CityMSP", "o.reyes")
    wanted = Interaction("search-type", "AuditEvent", parameters=(("_sort", "date"), ("_count", "200")))
    async with open_node(folder) as node:
        found = await node.gateway.interactions.perform(officer, wanted)
    events = [one["resource"] for one in msgspec.json.decode(found.body)["entry"]]
    return [
        (event["agent"][0]["who"]["identifier"]["value"], entity["description"])
        for event in events
        for entity in event["entity"]
        if "settings" in entity.get("description", "")
    ]


async def test_each_change_is_an_entry_with_its_words_and_the_operator(folder: NodeFolder) -> None:
    assert await settings_events(folder) == []
    add_member(folder, Member("PineMSP", "Pine", "pine"), by="ann")
    rename_member(folder, "LakeMSP", "Lake Medical Center", by="bo")
    edit(
        folder, replaced("127.0.0.1:8400", "10.0.0.1:8400")
    )  # what differs gravely can be accepted, and is told
    edit(folder, replaced("\nbase_url", '\nzone = "Europe/Berlin"\nbase_url'))
    accept_settings(folder, by="cy")
    use_model(folder, RiskSettings("https://evaluator.example"), ModelFiles(b"o", b"c", "t"), by="di")
    card = f"model of the card sha256:{hashlib.sha256(b'c').hexdigest()} used"
    risk = (
        '{"authority":null,"card":"risk/card.json",'
        '"evaluator":"https://evaluator.example","offer":"risk/risk.offer"}'
    )
    told = [
        ("ann", "settings changed: member PineMSP listed as Pine, Organization/pine"),
        ("bo", "settings changed: member LakeMSP renamed from Lake Clinic to Lake Medical Center"),
        (
            "cy",
            f"settings changed: base_url from {LOCAL} to {OTHER}; zone from nothing to Europe/Berlin",
        ),
        ("di", f"settings changed: risk from nothing to {risk}; {card}"),
    ]
    assert await settings_events(folder) == told
    # Commands that change nothing leave nothing; a model's files are replaced each time.
    add_member(folder, Member("PineMSP", "Pine", "pine"), by="ed")
    rename_member(folder, "LakeMSP", "Lake Medical Center", by="ed")
    accept_settings(folder, by="ed")
    use_model(folder, RiskSettings("https://evaluator.example"), ModelFiles(b"o", b"c", "t"), by="ed")
    assert await settings_events(folder) == [*told, ("ed", f"settings changed: {card}")]
    assert found(folder) == ""


async def test_a_change_that_can_not_be_logged_is_not_made(folder: NodeFolder) -> None:
    with closing(sqlite3.connect(folder.key_store)) as connection, connection:
        connection.execute("DELETE FROM subject_keys")
    before = folder.settings_file.read_bytes()
    with pytest.raises(DamagedError, match="the keys of the directory are missing"):
        add_member(folder, Member("PineMSP", "Pine", "pine"), by="ops")
    assert folder.settings_file.read_bytes() == before
    assert "PineMSP" not in members(folder)


NAMES = st.text(st.characters(categories=("L", "Nd")), min_size=1, max_size=6)
RISKS = st.none() | st.fixed_dictionaries({"evaluator": NAMES, "authority": st.none() | NAMES})
MEMBERS = st.lists(st.builds(Member, NAMES, NAMES, NAMES), max_size=3, unique_by=lambda one: one.msp_id)


@given(
    st.builds(
        NodeIdentity,
        NAMES,
        NAMES,
        MEMBERS.map(lambda some: tuple(map(KnownMember.new, some))),
        RISKS,
        st.none() | NAMES,
    ),
    st.dictionaries(st.sampled_from(("base_url", "zone", "risk")), NAMES, max_size=3),
    MEMBERS,
    st.data(),
)
def test_the_words_name_all_that_changed_and_are_none_when_nothing_did(
    before: NodeIdentity, fields: dict[str, str], added: list[Member], data: st.DataObject
) -> None:
    values = {name: {"evaluator": text} if name == "risk" else text for name, text in fields.items()}
    after = msgspec.structs.replace(before, **values)
    renamed = data.draw(st.lists(st.sampled_from(before.members or [None]), unique=True))
    for known in filter(None, renamed):
        after = after.with_member(known.renamed(known.current.name + "2", 5))
    for member in added:
        if after.member(member.msp_id) is None:
            after = after.with_member(KnownMember.new(member))
    told = changes(before, after)
    assert bool(told) == (before != after)
    parts = told.split("; ") if told else []
    for name in NodeIdentity.__struct_fields__:
        if name != "members":
            differs = getattr(before, name) != getattr(after, name)
            assert sum(part.startswith(f"{name} from ") for part in parts) == differs
    for known in after.members:
        was = before.member(known.msp_id)
        named = [part for part in parts if part.startswith(f"member {known.msp_id} ")]
        assert bool(named) == (was != known)
        assert all(known.current.name in part for part in named)
        assert all(was is None or was.current.name in part for part in named)
    everything = changes(None, after)
    assert all(known.organization in everything for known in after.members)
    assert all(f"{name} " in everything for name in ("msp_id", "base_url", "zone", "risk"))
