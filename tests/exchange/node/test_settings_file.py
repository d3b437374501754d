"""A command that changes the settings keeps the rest as the operator wrote it, or changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from exchange.auth.principal import Member
from exchange.node import settings_file
from exchange.node.folder import NodeFolder
from exchange.node.settings import ConfigError, RiskSettings
from exchange.store.engine.format import FORMAT

RIDGE = Member("RidgeMSP", "Ridge", "ridge")
RISK = RiskSettings("https://evaluator.example", authority="risk/authority.pem", seconds=3.0)
WRITTEN = """\
# our node; ask o.reyes before you change it
format = NUMBER
msp_id = 'CityMSP'   # as on the channel
base_url = "https://fhir.city.example"
memory_limit = 268_435_456  # 256 MiB

[[members]]
msp_id = "CityMSP"
name = "City \\u0141\\u0105ka"
organization = "city"

# since 2025
[[members]]
msp_id = "LakeMSP"
name = "Lake"
organization = "lake"
""".replace("NUMBER", str(FORMAT))
INLINE = """\
format = NUMBER
msp_id = "CityMSP"
base_url = "http://127.0.0.1:8400"
members = [
    { msp_id = "CityMSP", name = "City", organization = "city" },  # us
]
port = 8400
""".replace("NUMBER", str(FORMAT))


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    folder = NodeFolder(tmp_path)
    folder.settings_file.write_text(WRITTEN, encoding="utf-8")
    return folder


def test_a_member_is_added_and_comments_stay(folder: NodeFolder) -> None:
    before = folder.load()
    folder.add_member(RIDGE)
    text = folder.settings_file.read_text(encoding="utf-8")
    assert text.startswith(WRITTEN)
    assert folder.load() == msgspec.structs.replace(before, members=(*before.members, RIDGE))


def test_a_model_and_a_member_are_added_in_either_order(folder: NodeFolder) -> None:
    settings_file.set_risk(folder.settings_file, RISK)
    folder.add_member(RIDGE)
    folder.add_member(Member("PineMSP", "Pine", "pine"))
    settings_file.set_risk(folder.settings_file, RISK)  # idempotent
    found = folder.load()
    assert found.risk == RISK
    assert [member.msp_id for member in found.members] == ["CityMSP", "LakeMSP", "RidgeMSP", "PineMSP"]
    text = folder.settings_file.read_text(encoding="utf-8")
    assert [line for line in WRITTEN.splitlines() if line not in text.splitlines()] == []
    assert "\n\n[risk]\n" in text
    with pytest.raises(ConfigError, match=r"a table \[risk\] already"):
        settings_file.set_risk(folder.settings_file, RiskSettings("https://other.example"))


def test_members_in_an_array_get_one_more(folder: NodeFolder) -> None:
    folder.settings_file.write_text(INLINE)
    folder.add_member(RIDGE)
    assert folder.load().members[1:] == (RIDGE,)
    assert "# us" in folder.settings_file.read_text()


@pytest.mark.parametrize(
    "member", [Member("LakeMSP", "Other", "other"), Member("PineMSP", "", "pine"), Member("P", "x", "lake")]
)
def test_a_member_that_can_not_be_added_changes_nothing(folder: NodeFolder, member: Member) -> None:
    with pytest.raises(ConfigError):
        folder.add_member(member)
    assert folder.settings_file.read_text() == WRITTEN


def test_the_file_keeps_its_mode_and_is_replaced_as_a_whole(folder: NodeFolder) -> None:
    folder.settings_file.chmod(0o640)
    old = folder.settings_file.open(encoding="utf-8")
    with old:
        folder.add_member(RIDGE)
        assert old.read() == WRITTEN  # a reader has the old file as it was
    assert folder.settings_file.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in folder.path.iterdir()] == ["consentry.toml"]


def test_a_link_to_the_settings_stays_a_link(folder: NodeFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "etc" / "city.toml"
    elsewhere.parent.mkdir()
    folder.settings_file.rename(elsewhere)
    folder.settings_file.symlink_to(elsewhere)
    folder.add_member(RIDGE)
    assert folder.settings_file.is_symlink()
    assert RIDGE in folder.load().members


def test_a_write_that_fails_leaves_the_file_as_it_was(
    folder: NodeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.add_member(RIDGE)
    assert folder.settings_file.read_text() == WRITTEN
    assert [file.name for file in folder.path.iterdir()] == ["consentry.toml"]


def test_a_large_file_is_refused_before_it_is_read(folder: NodeFolder) -> None:
    with folder.settings_file.open("a") as file:
        file.write("#" * settings_file.LARGEST_FILE)
    with pytest.raises(ConfigError, match="more than 1048576 bytes"):
        folder.load()


def test_a_change_that_makes_the_file_too_large_is_left_to_the_operator(folder: NodeFolder) -> None:
    with folder.settings_file.open("a") as file:
        file.write("#" * (settings_file.LARGEST_FILE - len(WRITTEN.encode())))
    before = folder.settings_file.read_bytes()
    with pytest.raises(ConfigError, match="make this change by hand"):
        folder.add_member(RIDGE)
    assert folder.settings_file.read_bytes() == before


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "{a=" * 100_000, "[" * 100_000])
def test_deep_nesting_is_refused(folder: NodeFolder, text: str) -> None:
    folder.settings_file.write_text(text)
    with pytest.raises(ConfigError, match="mend that line"):
        folder.load()
