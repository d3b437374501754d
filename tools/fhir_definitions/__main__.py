"""Write what is generated: `python -m tools.fhir_definitions [--check] [--definitions FOLDER]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.fhir_definitions import oids, search_parameters, structures

REPOSITORY = Path(__file__).parents[2]
DEFINITIONS = Path(__file__).parent / "node_modules" / "@medplum" / "definitions" / "dist" / "fhir" / "r4"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when everything is written or, with `--check`, already as the definitions say."""
    parser = argparse.ArgumentParser(prog="python -m tools.fhir_definitions", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the output differs")
    parser.add_argument("--definitions", type=Path, default=DEFINITIONS, help="folder of R4 definitions")
    options = parser.parse_args(arguments)
    if not options.definitions.is_dir():
        parser.error(f"no definitions at {options.definitions}: run `npm ci` in {Path(__file__).parent}")
    differing = []
    for part in (structures, search_parameters, oids):
        for name, content in part.generate(options.definitions).items():
            path = REPOSITORY / name
            if path.is_file() and path.read_bytes() == content:
                continue
            differing.append(name)
            if not options.check:
                path.write_bytes(content)
    for name in differing:
        sys.stdout.write(f"{name} {'differs' if options.check else 'written'}\n")
    return 1 if differing and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
