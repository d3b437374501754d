"""The names check: each rule finds what breaks it in a small repository, and nothing else."""

from pathlib import Path

import pytest

from tools.names.__main__ import findings, main


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that is in order, and the folder that the check is called in."""
    for package in ("exchange", "chaincode", "analytics", "tests"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "exchange" / "block.py").write_text("class Block:\n    class Header:\n        pass\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(**lists: dict[str, str]) -> list[str]:
    return list(findings(modules=lists.get("modules", {}), folders=lists.get("folders", {})))


def test_a_repository_in_order_has_no_findings(repository: Path) -> None:
    assert found() == []


@pytest.mark.parametrize(
    "body", ["class Block: ...", "class Other:\n    class Block: ...", "if X:\n    class Block: ..."]
)
def test_a_public_class_stands_once_in_a_package(repository: Path, body: str) -> None:
    (repository / "exchange" / "chain.py").write_text(body)
    (line,) = found()
    assert line.startswith("exchange/block.py:1: class Block is also at exchange/chain.py:")


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("chaincode/chain.py", "class Block: ..."),
        ("exchange/chain.py", "class _Block: ..."),
        ("exchange/chain.py", "def make():\n    class Block: ..."),
        ("exchange/chain_generated.py", "class Block: ..."),
    ],
)
def test_another_package_or_a_private_class_may_have_its_name(
    repository: Path, place: str, body: str
) -> None:
    (repository / place).write_text(body)
    assert found() == []


def test_a_module_name_stands_once_unless_it_is_listed(repository: Path) -> None:
    (repository / "analytics" / "block.py").write_text("")
    (line,) = found()
    assert line.startswith("exchange/block.py: a module of this name is also analytics/block.py")
    assert found(modules={"block": "a reason"}) == []


def test_a_list_names_only_what_repeats(repository: Path) -> None:
    (line,) = found(modules={"block": "a reason"})
    assert "no two modules are named block" in line
    (line,) = found(folders={"exchange": "a reason"})
    assert "exchange has no more than 12 files" in line


@pytest.mark.parametrize("folder", ["exchange", "tests"])
def test_a_folder_has_a_dozen_files_beside_its_init(repository: Path, folder: str) -> None:
    place = repository / folder
    for number in range(12 - len(list(place.glob("[!_]*.py")))):
        (place / f"{folder}{number}.json").write_text("")
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "block.pyc").write_text("")
    (place / "below").mkdir()
    (place / "below" / "one_more.py").write_text("")
    assert found() == []
    (place / "a_thirteenth.py").write_text("")
    (line,) = found()
    assert line.startswith(f"{folder}: 13 files")
    assert found(folders={folder: "a reason"}) == []


def test_a_function_has_fifty_lines(repository: Path) -> None:
    place = repository / "analytics" / "long.py"
    place.write_text("@decorator\ndef long():\n" + "    call()\n" * 49)
    assert found() == []
    place.write_text("class Long:\n    async def long(self):\n" + "        call()\n" * 50)
    (line,) = found()
    assert line == "analytics/long.py:2: long has 51 lines; 50 at most"


def test_the_command_prints_findings_and_ends_with_one(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.names.repeated.MODULES", {})
    (repository / "exchange" / "chain.py").write_text("class Block: ...")
    assert main([]) == 1
    assert "class Block is also at" in capsys.readouterr().out
    assert main(["exchange"]) == 2
    assert "takes no arguments" in capsys.readouterr().err


def test_the_command_names_a_module_that_is_not_python(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "exchange" / "chain.py").write_text("class :")
    assert main([]) == 2
    assert capsys.readouterr().err == "error: exchange/chain.py:1: not valid Python; mend it first\n"
