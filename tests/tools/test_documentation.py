"""The documentation names only what there is: its links lead somewhere, and its paths and modules exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "compose" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("exchange", "chaincode", "analytics", "tools")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#([^)]*))?\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[a-z_]+(?:/[A-Za-z0-9_\-]+)+(?:\.[a-z]+)?/?")
_MODULE = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_0-9]+)+")
_GONE = frozenset({"exchange.core", "exchange.network", "exchange.reading", "exchange.wiring"})


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 \-]", "", title.lower()).replace(" ", "-") for title in titles}


def cited(page: Path, form: re.Pattern[str]) -> Iterator[str]:
    for code in _CODE.findall(page.read_text()):
        for word in code.split():
            if form.fullmatch(word):
                yield word


def is_defined(name: str) -> bool:
    """Check whether a module has this dotted name, or defines a class, function or constant of it."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if not source.exists():
            continue
        text = source.read_text()
        return all(re.search(rf"\b{re.escape(part)}\b", text) for part in parts[count:])
    return False


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_pages_and_their_headings(page: Path) -> None:
    for target, anchor in _LINK.findall(page.read_text()):
        found = page.parent / target
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_paths_and_modules_exist(page: Path) -> None:
    rooms = {path.name for path in (ROOT / "exchange").iterdir() if path.is_dir()}
    first = {*PACKAGES, "tests", "docs", "compose"}
    for path in cited(page, _PATH):
        top = path.partition("/")[0]
        if top in first:
            assert path.replace("/", ".") in _GONE or (ROOT / path).exists(), path
        elif top in rooms and path.endswith((".py", "/")):
            assert (ROOT / "exchange" / path).exists(), path
    for name in cited(page, _MODULE):
        assert name in _GONE or is_defined(name), name


def test_programs_and_tests_cite_pages_that_exist() -> None:
    for folder in (*PACKAGES, "compose", "tests"):
        for source in (ROOT / folder).rglob("*.py"):
            for page in re.findall(r"\bdocs/[A-Za-z0-9_/\-]+\.md\b", source.read_text()):
                assert (ROOT / page).exists(), f"{source.relative_to(ROOT)}: {page}"


def test_operations_has_an_index_of_all_its_pages() -> None:
    folder = ROOT / "docs" / "operations"
    index = (folder / "README.md").read_text()
    for page in folder.rglob("*.md"):
        assert page.name == "README.md" or f"({page.relative_to(folder)})" in index, page


def test_decisions_have_one_form_and_an_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    for record in sorted(folder.glob("0*.md")):
        text = record.read_text()
        number, title = re.match(r"# (\d+)\. (.+)\n", text).groups()  # type: ignore[union-attr]
        assert record.name.startswith(f"{int(number):04d}-"), record
        assert f"| {number} | [{title}]({record.name}) |" in index, record
        assert re.search(r"^- Status: (?:proposed|accepted|superseded)", text, re.MULTILINE), record
        assert re.search(r"^- Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE), record
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert [each for each in headings if each in {"Context", "Decision", "Consequences"}] == [
            "Context",
            "Decision",
            "Consequences",
        ], record
