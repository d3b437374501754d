"""The registry's names for code systems become the table, and the table is of that form."""

from __future__ import annotations

import json
from pathlib import Path

from exchange.fhir.code_systems import canonical, is_recognised
from tools.fhir_definitions.naming_systems import TARGET, names, written

NAMING = """<NamingSystem xmlns="http://hl7.org/fhir"><kind value="{kind}"/>{ids}</NamingSystem>"""
UNIQUE = '<uniqueId><type value="{}"/><value value="{}"/><preferred value="{}"/></uniqueId>'


def registry(folder: Path, *systems: list[tuple[str, str, str]], kind: str = "codesystem") -> Path:
    for n, ids in enumerate(systems):
        text = NAMING.format(kind=kind, ids="".join(UNIQUE.format(*one) for one in ids))
        (folder / f"{kind}-{n}.xml").write_text(text, encoding="utf-8")
    return folder


def test_each_name_leads_to_the_preferred_uri(tmp_path: Path) -> None:
    folder = registry(
        tmp_path,
        [
            ("oid", "2.99.1", "true"),
            ("uri", "http://o.example", "false"),
            ("uri", "http://a.example", "true"),
        ],
    )
    found = names(folder)
    assert found["2.99.1"] == found["http://o.example"] == found["http://a.example"] == "http://a.example"


def test_a_name_of_two_systems_and_names_of_other_things_are_left_out(tmp_path: Path) -> None:
    one = [("oid", "2.99.1", "true"), ("uri", "http://a.example", "true")]
    two = [("oid", "2.99.1", "true"), ("uri", "http://b.example", "true")]
    folder = registry(registry(tmp_path, one, two), [("oid", "2.99.2", "true")], kind="identifier")
    found = names(folder)
    assert found.keys() >= {"http://a.example", "http://b.example"}
    assert not found.keys() & {"2.99.1", "2.99.2"}


def test_an_oid_written_as_a_uri_is_an_oid(tmp_path: Path) -> None:
    folder = registry(tmp_path, [("uri", "urn:oid:2.99.1", "true"), ("uri", "http://a.example", "false")])
    assert names(folder)["2.99.1"] == "http://a.example"


def test_the_table_is_in_its_written_form_and_each_name_is_understood() -> None:
    table = json.loads(TARGET.read_bytes())
    assert TARGET.read_text(encoding="utf-8") == written(table)
    assert len(table) > 600
    for name, uri in table.items():
        assert canonical(name) == canonical(uri)
        assert is_recognised(canonical(name))
