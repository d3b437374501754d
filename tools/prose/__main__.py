"""The command `python -m tools.prose [--count] PATH...`; without a path it reads what `make lint` checks."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.prose.sources import prose_of
from tools.prose.wording import objections

DEFAULT = ("exchange", "chaincode", "analytics", "tools", "compose", "docs", "README.md")
_SUFFIXES = frozenset({".py", ".md"})


def files_under(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that are checked at or below `paths`, in order."""
    for path in paths:
        if path.is_dir():
            found = (each for each in path.rglob("*") if each.suffix in _SUFFIXES)
            yield from sorted(each for each in found if not _is_skipped(each.relative_to(path)))
        elif path.exists():
            yield path
        else:
            message = f"{path}: no such file or folder"
            raise FileNotFoundError(message)


def _is_skipped(path: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    return hidden or path.name.endswith("_generated.py")


def main(arguments: Sequence[str]) -> int:
    """Print each objection, or with `--count` their number by folder; return the exit code."""
    count_only = "--count" in arguments
    paths = [Path(each) for each in arguments if each != "--count"] or [Path(each) for each in DEFAULT]
    total, by_folder = 0, Counter[str]()
    try:
        for path in files_under(paths):
            for prose in prose_of(path):
                for objection in objections(prose):
                    total += 1
                    by_folder[str(path.parent)] += 1
                    if not count_only:
                        sys.stdout.write(f"{path}:{objection.line}: {objection.rule}: {objection.words}\n")
    except FileNotFoundError as error:
        sys.stderr.write(f"error: {error}; name files or folders of this repository\n")
        return 2
    except SyntaxError as error:
        sys.stderr.write(f"error: {error.filename}:{error.lineno}: not valid Python; mend it first\n")
        return 2
    if count_only:
        sys.stdout.writelines(f"{number:5} {folder}\n" for folder, number in sorted(by_folder.items()))
    if total:
        sys.stderr.write(f"prose: {total} objections\n")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
