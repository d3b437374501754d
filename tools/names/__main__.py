"""The command `python -m tools.names`, called in the folder of the repository."""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tools.names import repeated, survey

PACKAGES = ("exchange", "chaincode", "analytics", "tools")
ROOTS = (*PACKAGES, "compose", "docs", "tests")
MOST_FILES = 12
MOST_LINES = 50


def repeated_classes(packages: Sequence[Path]) -> Iterator[str]:
    """Yield a line for each public class name that a package has twice."""
    for package in packages:
        places: dict[str, list[str]] = defaultdict(list)
        for module in survey.modules(package):
            for found in survey.public_classes(module):
                places[found.name].append(f"{found.path}:{found.line}")
        for name, where in sorted(places.items()):
            if len(where) > 1:
                others = ", ".join(where[1:])
                yield f"{where[0]}: class {name} is also at {others}; give each thing its own name"


def repeated_modules(packages: Sequence[Path], allowed: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each name of several modules that is not `allowed`, or is and stands once."""
    places: dict[str, list[Path]] = defaultdict(list)
    for package in packages:
        for module in survey.modules(package):
            if module.stem != "__init__":
                places[module.stem].append(module)
    for name, where in sorted(places.items()):
        if len(where) > 1 and name not in allowed:
            others = ", ".join(map(str, where[1:]))
            yield f"{where[0]}: a module of this name is also {others}; rename it, or list it with a reason"
    for name in allowed:
        if len(places[name]) < 2:
            yield f"tools/names/repeated.py: no two modules are named {name}; take it off the list"


def crowded_folders(roots: Sequence[Path], allowed: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each crowded folder that is not `allowed`, or is and is not crowded."""
    crowded = set()
    for root in roots:
        for folder in survey.folders(root):
            number = len(survey.files(folder))
            if number > MOST_FILES:
                crowded.add(str(folder))
                if str(folder) not in allowed:
                    yield f"{folder}: {number} files; make rooms of at most {MOST_FILES}"
    for name in sorted(set(allowed) - crowded):
        yield f"tools/names/repeated.py: {name} has no more than {MOST_FILES} files; take it off the list"


def long_functions(packages: Sequence[Path]) -> Iterator[str]:
    """Yield a line for each function that is too long."""
    for package in packages:
        for module in survey.modules(package):
            for found in survey.functions(module):
                if found.lines > MOST_LINES:
                    place = f"{found.path}:{found.line}"
                    yield f"{place}: {found.name} has {found.lines} lines; {MOST_LINES} at most"


def findings(
    *,
    modules: Mapping[str, str] = repeated.MODULES,
    folders: Mapping[str, str] = repeated.FOLDERS,
) -> Iterator[str]:
    """Yield a line for all that is wrong below the current folder."""
    packages = [Path(each) for each in PACKAGES if Path(each).is_dir()]
    roots = [Path(each) for each in ROOTS if Path(each).is_dir()]
    yield from repeated_classes(packages)
    yield from repeated_modules(packages, modules)
    yield from crowded_folders(roots, folders)
    yield from long_functions(packages)


def main(arguments: Sequence[str]) -> int:
    """Print each finding and return the exit code."""
    if arguments and arguments != ["."]:
        sys.stderr.write("error: the names check takes no arguments; call it in the repository's folder\n")
        return 2
    try:
        found = list(findings())
    except SyntaxError as error:
        sys.stderr.write(f"error: {error.filename}:{error.lineno}: not valid Python; mend it first\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in found)
    if found:
        sys.stderr.write(f"names: {len(found)} findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
