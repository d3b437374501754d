"""The other names of code systems that HL7 does not define itself.

`python -m tools.fhir_definitions.naming_systems FOLDER` reads the NamingSystem resources of HL7
Terminology in and below a folder: `input/sourceOfTruth/external` of https://github.com/HL7/UTG. They are
no part of the R4 definitions, so what is made of them is written when somebody asks for it.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree  # a checkout of HL7's own, chosen by the developer

TARGET = Path(__file__).parents[2] / "exchange" / "fhir" / "external_systems.json"
_FHIR = "{http://hl7.org/fhir}"
_R4 = {
    "1.0.3166.1.2.2": "urn:iso:std:iso:3166",
    "1.2.840.10008.2.16.4": "http://dicom.nema.org/resources/ontology/DCM",
    "2.16.840.1.113883.6.104": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.42": "http://hl7.org/fhir/sid/icd-9-cm",
}
"""Additions and exceptions from the table of FHIR R4 (terminologies-systems.html)."""


def names(folder: Path) -> dict[str, str]:
    """Return the URI of a code system by each of its other names: OIDs, without a prefix, and former URIs.

    A name that stands for two is left out: it is ambiguous.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path in folder.rglob("*.xml"):
        resource = ElementTree.parse(path).getroot()  # noqa: S314 - see the import
        if resource.tag != f"{_FHIR}NamingSystem" or _value(resource, "kind") != "codesystem":
            continue
        stated = list(_unique_ids(resource))
        uris = [value for kind, value, _ in stated if kind == "uri"]
        preferred = [value for kind, value, is_preferred in stated if kind == "uri" and is_preferred]
        if not uris:
            continue
        uri = (preferred or uris)[0]
        for kind, value, _ in stated:
            if kind in ("oid", "uri"):
                found[value].add(uri)
    return {name: min(uris) for name, uris in sorted(found.items()) if len(uris) == 1} | _R4


def _unique_ids(resource: ElementTree.Element) -> Iterator[tuple[str, str, bool]]:
    for one in resource.findall(f"{_FHIR}uniqueId"):
        value = _value(one, "value").strip().removeprefix("urn:oid:")
        kind = "oid" if value[:1] in "012" else _value(one, "type")
        yield (
            kind,
            value if kind == "oid" else _value(one, "value").strip(),
            _value(one, "preferred") == "true",
        )


def _value(element: ElementTree.Element, name: str) -> str:
    child = element.find(f"{_FHIR}{name}")
    return "" if child is None else child.get("value", "")


def written(table: dict[str, str]) -> str:
    """Return the text of the file that holds `table`."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(uri)}" for name, uri in sorted(table.items()))
    return f"{{\n{lines}\n}}\n"


if __name__ == "__main__":
    TARGET.write_text(written(names(Path(sys.argv[1]))), encoding="utf-8")
