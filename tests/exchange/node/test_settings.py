"""Settings come back as they were written, and what can't work is refused in one line that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.auth.principal import Member
from exchange.node.folder import NodeFolder
from exchange.node.settings import ConfigError, NodeSettings, check

CITY, LAKE = Member("CityMSP", "City Hospital", "city"), Member("LakeMSP", 'Łąka "Clinic" \\ 湖', "lake")
GOOD = NodeSettings("CityMSP", "http://127.0.0.1:8400", (CITY, LAKE))
FABRIC = msgspec.structs.replace(
    GOOD, ledger="fabric", profile="/etc/łąka/profile.json", first_block="0f" * 32
)


@pytest.mark.parametrize(
    "settings",
    [
        GOOD,
        msgspec.structs.replace(GOOD, host="::1", port=1, base_url="https://fhir.hospital.example"),
        msgspec.structs.replace(GOOD, base_url="http://[::1]:8400", body_limit=1024, metrics_port=9400),
        msgspec.structs.replace(GOOD, zone="America/Argentina/Buenos_Aires"),
        FABRIC,
    ],
)
def test_settings_come_back_as_they_were_written(tmp_path: Path, settings: NodeSettings) -> None:
    folder = NodeFolder(tmp_path)
    folder.write(settings)
    assert folder.load() == settings
    assert settings.member == CITY
    with pytest.raises(ConfigError, match="is a node already"):
        folder.write(settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"msp_id": "RidgeMSP"}, "is not among the members"),
        ({"members": (CITY, Member("CityMSP", "Other", "other"))}, "the same msp_id"),
        ({"members": (CITY, Member("LakeMSP", "Other", "city"))}, "the same organization id"),
        ({"members": (CITY, Member("Lake MSP", "Lake", "lake"))}, "write letters, digits"),
        ({"members": (CITY, Member("", "Lake", "lake"))}, "write letters, digits"),
        ({"members": (CITY, Member("LakeMSP", "", "lake"))}, "the name of LakeMSP can't be used"),
        ({"members": (CITY, Member("LakeMSP", "a\nb", "lake"))}, "the name of LakeMSP can't be used"),
        ({"members": (CITY, Member("LakeMSP", "\udcff", "lake"))}, "the name of LakeMSP can't be used"),
        ({"members": (CITY, Member("LakeMSP", "x\x7f", "lake"))}, "the name of LakeMSP can't be used"),
        ({"members": (CITY, Member("LakeMSP", "Lake", "la/ke"))}, "the organization id"),
        *(
            ({"zone": name}, "is no time zone")
            for name in ("", "CET/Berlin", "Europe", "../UTC", "+02:00", "Europe/Berlin\0")
        ),
        *(({"base_url": url}, "base_url") for url in (
            "", "127.0.0.1:8400", "ftp://x", "http://", "http://h:x", "http://h:0", "http://h/fhir", "http://h?x",
            "http://h#x", "http://u@h", "http://a b", "http://[::1", "http://\U0001f600",
        )),
        ({"profile": "/etc/profile.json"}, "belong to a node on Fabric"),
        ({"first_block": "0f" * 32}, "belong to a node on Fabric"),
        ({"ledger": "fabric"}, "needs the path of its connection profile"),
        ({"ledger": "fabric", "profile": "a\nb"}, "needs the path of its connection profile"),
        ({"ledger": "fabric", "profile": "p"}, "64 hexadecimal digits"),
        ({"ledger": "fabric", "profile": "p", "first_block": "0F" * 32}, "64 hexadecimal digits"),
        ({"port": 0}, "port is 1 to 65535"),
        ({"port": 65536}, "port is 1 to 65535"),
        ({"host": ""}, "host is"),
        ({"host": "a b"}, "host is"),
        ({"body_limit": 1023}, "body_limit"),
        ({"metrics_port": 0}, "metrics_port"),
        ({"entries_per_minute": 999}, "entries_per_minute"),
        ({"requests_per_minute": 59}, "requests_per_minute"),
        ({"unknown_per_minute": 59}, "unknown_per_minute"),
        ({"connections_per_peer": 0}, "connections_per_peer"),
        ({"keep_alive_seconds": 3_601}, "keep_alive_seconds"),
        ({"metrics_host": "a b"}, "metrics_host"),
        ({"metrics_port": 8400}, "one of their own"),
        ({"body_limit": 2**31}, "body_limit"),
        ({"memory_limit": 128 * 2**20}, "memory_limit is 167772160 bytes to 1 TiB with this body_limit"),
        ({"body_limit": 2**26}, "memory_limit"),
        ({"memory_limit": 2**41}, "memory_limit"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    settings = msgspec.structs.replace(GOOD, **changes)
    with pytest.raises(ConfigError, match=said):
        check(settings)
    with pytest.raises(ConfigError):
        NodeFolder(tmp_path).write(settings)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing required field `msp_id`"),
        ("msp_id = ", "mend that line"),
        ("msp_id = 3", "mend that line"),
        ('msp_id = "C"\nsecret = 1', "mend that line"),
        ("\xff", "mend that line"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    folder = NodeFolder(tmp_path)
    folder.settings_file.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=said) as refused:
        folder.load()
    assert str(folder.settings_file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_node_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file", tmp_path):
        with pytest.raises(ConfigError, match="it is no node; make one with `consentry init`"):
            NodeFolder(path).load()


def test_a_missing_database_is_named(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path)
    for path in (folder.ledger, folder.records, folder.log):
        with pytest.raises(ConfigError, match=f"{path.name} is missing; restore it"):
            folder.check_files(GOOD)
        path.touch()
        with pytest.raises(ConfigError, match=f"{path.name} is empty; restore it"):
            folder.check_files(GOOD)
        path.write_bytes(b"SQLite format 3\0")
    folder.check_files(GOOD)
    folder.ledger.unlink()
    folder.check_files(FABRIC)
