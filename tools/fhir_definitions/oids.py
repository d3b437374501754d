"""The object identifiers of code systems, as the definitions say."""

from __future__ import annotations

import json
from pathlib import Path

from tools.fhir_definitions.terminology import SOURCES

_OID = "urn:oid:"


def generate(definitions: Path) -> dict[str, bytes]:
    """Return the table of URLs by OID, by its path in the repository, from a folder of R4 definitions.

    Raises:
        ValueError: one OID stands for two code systems.
    """
    urls: dict[str, str] = {}
    for name in (*SOURCES, "v2-tables.json"):
        for entry in json.loads((definitions / name).read_bytes())["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] != "CodeSystem":
                continue
            for identifier in resource.get("identifier", ()):
                value = identifier.get("value", "")
                if not value.startswith(_OID):
                    continue
                if urls.setdefault(value.removeprefix(_OID), resource["url"]) != resource["url"]:
                    raise ValueError(f"{value} stands for two code systems")
    lines = ",\n".join(f"{json.dumps(oid)}: {json.dumps(url)}" for oid, url in sorted(urls.items()))
    return {"exchange/fhir/code_systems.json": f"{{\n{lines}\n}}\n".encode()}
