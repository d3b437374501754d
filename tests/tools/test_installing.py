"""The page on installing: the wheel works in a fresh environment, the unit is one, a backup is restored."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(ini|sh backup|sh restore)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS: dict[str, str] = dict(_BLOCK.findall(PAGE))


def called(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, command)),
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`consentry` as the wheel installs it, in an environment that has the dependencies from here."""
    pytest.importorskip("setuptools", reason="the wheel is built by setuptools")
    folder = tmp_path_factory.mktemp("installed")
    listed = called("git", "-C", ROOT, "ls-files", "-z").stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "compose/")):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "source" / name)
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    wheels = folder / "wheels"
    called(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", wheels, folder / "source")
    [wheel] = wheels.glob("consentry-*.whl")
    place = folder / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    packages = place / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    target = ("--target", packages, "--no-deps", "--no-index", "--disable-pip-version-check")
    called(sys.executable, "-m", "pip", "install", *target, wheel)
    (packages / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith(("tests/", "tools/", "compose/"))]
    script = place / "consentry"
    script.write_text(
        f"#!{place}/bin/python\nimport exchange\nassert exchange.__file__.startswith({str(packages)!r})\n"
        "from exchange.cli.main import main\nif __name__ == '__main__':\n    main()\n"
    )
    script.chmod(0o755)
    return script


def test_the_wheel_makes_a_node_and_its_backup_is_restored(program: Path, tmp_path: Path) -> None:
    assert "nodes of format" in called(program, "--version").stdout
    places = {name: str(tmp_path / name.lower()) for name in ("NODE", "BACKUP", "KEYS")}
    made = called(program, "init", places["NODE"], "--msp", "CityMSP", "--name", "City Hospital")
    assert "fingerprint" in made.stdout
    record = tmp_path / "p.json"
    record.write_text('{"resourceType":"Patient","id":"p1"}')
    called(program, "load", places["NODE"], record)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    called("sh", "-e", "-c", BLOCKS["sh backup"], PATH=path, **places)
    assert not any(
        "key" in name for name in called("tar", "-tf", tmp_path / "backup" / "node.tar").stdout.split()
    )
    shutil.rmtree(places["NODE"])
    said = called("sh", "-e", "-c", BLOCKS["sh restore"], PATH=path, **places)
    assert "nothing is wrong" in said.stdout
    assert called(program, "token", "patient", places["NODE"], "p1").stdout.startswith("cst_")
    assert [one for one in (tmp_path / "node").rglob("*") if one.stat().st_mode & 0o077] == []


def test_the_unit_is_one(tmp_path: Path) -> None:
    checker = shutil.which("systemd-analyze")
    if checker is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "consentry.service"
    program = tmp_path / "consentry"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit.write_text(BLOCKS["ini"].replace("/opt/consentry/venv/bin/consentry", str(program)))
    done = subprocess.run(
        [checker, "verify", "--man=no", str(unit)], check=False, capture_output=True, text=True, timeout=60
    )
    assert [line for line in done.stderr.splitlines() if "consentry.service" in line] == []
