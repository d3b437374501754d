"""`consentry load` names every fault, however many there are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from exchange.cli.node.load import load
from exchange.demo.consortium import settings_for
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise


def test_every_fault_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asyncio.run(initialise(NodeFolder(tmp_path / "node"), settings_for(8400)))
    lines = [json.dumps({"resourceType": "Patient", "id": f"p{n}", "gender": "x"}) for n in range(50)]
    (tmp_path / "p.ndjson").write_text("\n".join(lines))
    with pytest.raises(SystemExit):
        load(tmp_path / "node", [tmp_path / "p.ndjson"])
    said = capsys.readouterr()
    places = [line.split(": ")[1].rpartition(":")[2] for line in said.err.splitlines() if "p.ndjson:" in line]
    assert places == [str(number) for number in range(1, 51)]
    assert "50 faults" in said.out
