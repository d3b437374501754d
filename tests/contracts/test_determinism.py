"""Endorsers compare results byte for byte, so contract code may reach for nothing that could differ."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest

import chaincode

ROOT = Path(chaincode.__file__).parent
# The shim talks to the peer; it runs no contract code of its own.
CONTRACTS = sorted(
    path
    for path in ROOT.rglob("*.py")
    if "shim" not in path.relative_to(ROOT).parts and path.name != "__main__.py"
)
ALLOWED = {
    "__future__",
    "chaincode",
    "collections",
    "enum",
    "functools",
    "hashlib",
    "itertools",
    "msgspec",
    "operator",
    "re",
    "types",
    "typing",
}
"""Modules without a clock, randomness, files, network or environment."""
OF_GATEWAYS = {"consent/obligations.py": "imports unicodedata"}
"""The findings in what gateways alone run: releases of Python know more or fewer characters."""
OF_CONTRACTS = {"CONSENT", "names_class"}
"""The names of such a module that contracts use."""

BANNED_CALLS = {
    "hash",
    "id",
    "open",
    "eval",
    "exec",
    "input",
    "print",
    "globals",
    "locals",
    "vars",
    "__import__",
}


def trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in CONTRACTS]


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            names.add(str(node.module).partition(".")[0])
    return names


def is_set(node: ast.AST) -> bool:
    return isinstance(node, ast.Set | ast.SetComp) or (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"set", "frozenset"}
    )


def findings(tree: ast.Module) -> list[str]:
    found = [f"imports {name}" for name in sorted(imported(tree) - ALLOWED)]
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
            found.append(f"line {line}: calls {node.func.id}")
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(f"line {line}: a float")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            found.append(f"line {line}: a division that gives a float")
        if isinstance(node, ast.For | ast.comprehension) and is_set(node.iter):
            found.append(f"line {getattr(node.iter, 'lineno', 0)}: walks a set")
        # A set turned into something with an order must be sorted on the way.
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"list", "tuple", "iter", "next", "enumerate", "zip", "map"}
            and any(map(is_set, node.args))
        ):
            found.append(f"line {line}: gives a set an order")
        if isinstance(node, ast.Starred) and is_set(node.value):
            found.append(f"line {line}: unpacks a set")
    return found


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_contract_code_reaches_for_nothing_that_could_differ(path: Path) -> None:
    known = OF_GATEWAYS.get(path.relative_to(ROOT).as_posix())
    assert findings(ast.parse(path.read_text())) == ([known] if known else [])


def test_contracts_use_nothing_of_the_gateways_part_that_could_differ() -> None:
    used = {
        alias.name
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "chaincode.consent.obligations"
        for alias in node.names
    }
    assert used == OF_CONTRACTS
    [part] = [tree for path, tree in trees() if path.relative_to(ROOT).as_posix() in OF_GATEWAYS]
    [function] = [
        node for node in part.body if isinstance(node, ast.FunctionDef) and node.name == "names_class"
    ]
    called = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    assert called.isdisjoint({"unicodedata", "_plain", "_folded", "_forms"})


@pytest.mark.parametrize(
    "bad",
    [
        "import time",
        "from datetime import datetime",
        "import random",
        "import asyncio",
        "from secrets import token_hex",
        "import os.path",
        "x = hash('a')",
        "x = open('f')",
        "x = 0.5",
        "x = 1 / 2",
        "for x in {1, 2}: pass",
        "x = [y for y in set(z)]",
        "x = tuple({*a, b})",
        "x = [*{1, 2}]",
    ],
)
def test_the_check_finds_what_it_looks_for(bad: str) -> None:
    assert findings(ast.parse(bad))


def test_the_check_lets_ordinary_code_pass() -> None:
    good = "x = tuple(sorted({*a, b}))\nfor y in dict.fromkeys(z): pass\nok = c in {1, 2}"
    assert findings(ast.parse(good)) == []


def test_every_contract_module_is_looked_at() -> None:
    names = {str(path.relative_to(ROOT)) for path in CONTRACTS}
    assert {
        "router.py",
        "access/contract.py",
        "consent/contract.py",
        "policy/contract.py",
        "voting.py",
    } <= names
    assert not list(itertools.filterfalse(Path.is_file, CONTRACTS))
