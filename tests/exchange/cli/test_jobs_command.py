"""The operator lists and cancels jobs, also of a node that is being served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from exchange.auth.principal import Member
from exchange.cli.node.jobs import cancel, list_jobs
from exchange.errors import NotFoundError
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.open import open_node
from exchange.node.settings import NodeSettings

CITY = Member("CityMSP", "City Hospital", "city-hospital")


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    folder = NodeFolder(tmp_path / "node")
    asyncio.run(initialise(folder, NodeSettings("CityMSP", "http://127.0.0.1:8400", (CITY,))))
    return folder


def listed(folder: NodeFolder, capsys: pytest.CaptureFixture[str]) -> list[str]:
    list_jobs(folder.path)
    [line] = capsys.readouterr().out.splitlines()
    return line.split("\t")


def test_jobs_are_listed_and_cancelled(folder: NodeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    job, kind, state, progress, when = listed(folder, capsys)
    assert (kind, state, progress) == ("remove-expired", "queued", "0")
    assert when.startswith("due 20")
    cancel(folder.path, job)
    assert capsys.readouterr().out == f"cancelled {job}\n"
    assert listed(folder, capsys)[2] == "cancelled"
    with pytest.raises(NotFoundError, match="consentry jobs list"):
        cancel(folder.path, job)


def test_a_node_runs_its_jobs_and_queues_a_cancelled_one_again_when_it_opens(
    folder: NodeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    cancel(folder.path, listed(folder, capsys)[0])
    capsys.readouterr()

    async def serve() -> list[str]:
        async with open_node(folder), asyncio.timeout(30):
            while not (line := await asyncio.to_thread(listed, folder, capsys))[4].startswith("due 20"):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
            return line

    assert asyncio.run(serve())[2] == "queued"
