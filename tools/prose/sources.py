"""The prose of a file: docstrings and comments of Python, paragraphs of Markdown, each with its line."""

import ast
import enum
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module | ast.ClassDef
_EXEMPT = re.compile(r"(^|\.)(cached_property|property|setter|overload|fixture)\b")
_INLINE_CODE = re.compile(r"(`+)(?:(?!\1).)+?\1", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_BLOCK = re.compile(r"^\s*(?:[-*+]|\d+\.|>)\s+")
_FENCE = re.compile(r"^\s*(?:```|~~~)")


class Kind(enum.Enum):
    """The place of a text, which decides what rules it has to keep."""

    FUNCTION = "function"
    DEFINITION = "definition"
    COMMENT = "comment"
    PARAGRAPH = "paragraph"
    FRAGMENT = "fragment"


@dataclass(frozen=True, slots=True)
class Prose:
    """One text, without code in it; line breaks of the source are kept."""

    line: int
    kind: Kind
    text: str


def prose_of(path: Path) -> list[Prose]:
    """Return all texts of the Python or Markdown file at `path`."""
    source = path.read_text(encoding="utf-8")
    found = _of_python(source, path) if path.suffix == ".py" else _of_markdown(source)
    return [Prose(prose.line, prose.kind, plain(prose.text)) for prose in found]


def plain(text: str) -> str:
    """Return `text` with code replaced by a word that no rule knows, and links by their words."""
    return _LINK.sub(r"\1", _INLINE_CODE.sub(lambda found: "CODE" + "\n" * found[0].count("\n"), text))


def _of_python(source: str, path: Path) -> Iterator[Prose]:
    tree = ast.parse(source, filename=str(path))
    in_tests = "tests" in path.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            exempt = _is_exempt(node) or (in_tests and node.name.startswith("test"))
            yield from _strings(node, Kind.COMMENT if exempt else Kind.FUNCTION)
        elif isinstance(node, ast.Module | ast.ClassDef):
            yield from _strings(node, Kind.DEFINITION)
    yield from _comments(source)


def _is_exempt(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    special = node.name.startswith("__") and node.name.endswith("__")
    return special or any(_EXEMPT.search(ast.unparse(decorator)) for decorator in node.decorator_list)


def _strings(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Module | ast.ClassDef, kind: Kind
) -> Iterator[Prose]:
    for place, statement in enumerate(node.body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            value = statement.value.value
            if isinstance(value, str):
                yield Prose(statement.lineno, kind if place == 0 else Kind.DEFINITION, value)


def _comments(source: str) -> Iterator[Prose]:
    lines: list[str] = []
    start, last = 0, -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or token.string.startswith(("#!", "# type:", "# noqa")):
            continue
        line, alone = token.start[0], not token.line[: token.start[1]].strip()
        text = token.string.lstrip("# ")
        if lines and alone and line == last + 1:
            lines.append(text)
        else:
            if lines:
                yield Prose(start, Kind.COMMENT, "\n".join(lines))
            start, lines = line, [text]
        last = line if alone else -1
    if lines:
        yield Prose(start, Kind.COMMENT, "\n".join(lines))


def _of_markdown(source: str) -> Iterator[Prose]:
    lines: list[str] = []
    start, fenced = 0, False
    for number, line in enumerate([*source.splitlines(), ""], start=1):
        if _FENCE.match(line):
            fenced = not fenced
        begins = bool(_BLOCK.match(line))
        fragment = line.startswith(("#", "|"))
        if lines and (fenced or begins or fragment or not line.strip() or _FENCE.match(line)):
            yield Prose(start, Kind.PARAGRAPH, "\n".join(lines))
            lines = []
        if fenced or not line.strip() or _FENCE.match(line):
            continue
        if fragment:
            yield from (Prose(number, Kind.FRAGMENT, cell) for cell in _cells(line))
            continue
        if not lines:
            start = number
        lines.append(_BLOCK.sub("", line) if begins else line.strip())


def _cells(line: str) -> list[str]:
    text = line.lstrip("#").strip()
    if not line.startswith("|"):
        return [text]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", text) if cell.strip(" -:")]
