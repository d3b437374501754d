"""The words that a function's docstring may begin with: imperatives, in British spelling, one a line."""

from pathlib import Path

VERBS = frozenset(Path(__file__).with_name("verbs.txt").read_text(encoding="utf-8").split())
