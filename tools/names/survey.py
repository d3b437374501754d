"""The survey of a repository: its modules, public classes, functions and folders."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Definition:
    """A class or function, and its place."""

    name: str
    path: Path
    line: int
    lines: int


def modules(package: Path) -> Iterator[Path]:
    """Yield the modules at or below `package` in order, generated ones left out."""
    for path in sorted(package.rglob("*.py")):
        if not path.name.endswith("_generated.py"):
            yield path


def public_classes(module: Path) -> Iterator[Definition]:
    """Yield the public classes of `module`, those within other classes included."""
    yield from _classes(_parsed(module), module)


def functions(module: Path) -> Iterator[Definition]:
    """Yield all functions and methods of `module`."""
    for node in ast.walk(_parsed(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _definition(node, module)


def files(folder: Path) -> list[Path]:
    """Return the files that stand in `folder` itself and count for its size."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file()
        and path.name != "__init__.py"
        and not path.name.startswith(".")
        and path.suffix != ".pyc"
    ]


def folders(root: Path) -> Iterator[Path]:
    """Yield `root` and all folders below it, hidden ones and caches left out."""
    yield root
    for path in sorted(root.iterdir()):
        if path.is_dir() and not path.name.startswith(".") and path.name != "__pycache__":
            yield from folders(path)


def _parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def _classes(body: ast.Module | ast.ClassDef | ast.If, module: Path) -> Iterator[Definition]:
    for node in body.body:
        if isinstance(node, ast.ClassDef):
            if not node.name.startswith("_"):
                yield _definition(node, module)
            yield from _classes(node, module)
        elif isinstance(node, ast.If):
            yield from _classes(node, module)


def _definition(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, module: Path) -> Definition:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    return Definition(node.name, module, node.lineno, lines)
