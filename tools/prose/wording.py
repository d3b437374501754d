"""The rules of the prose check, applied to one text at a time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.prose.sources import Kind, Prose
from tools.prose.verbs import VERBS

_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_OPENING = frozenset({"What", "Whatever", "Who", "Whom", "Whose"})
_CLAUSE = _OPENING | frozenset(
    {
        "How",
        "If",
        "Nobody",
        "Nothing",
        "So",
        "When",
        "Where",
        "Whether",
        "Which",
        "Whichever",
        "Whoever",
        "Why",
    }
)
_SENTENCE = re.compile(
    r"(?:\A|(?<=[.!?])[\"')*_]*\s+)[\"'(*_]*(?P<first>[A-Z][a-z]+)\b(?P<rest>[^.!?]*[.!?]?)",
)
_BANNED = re.compile(r"\b(whoever|nobody)\b", re.IGNORECASE)
_HEADLESS = re.compile(
    r"\b(?:about|because|by|for|from|if|in|of|on|so|though|to|unless|while|with) who\b",
    re.IGNORECASE,
)
_FINITE = r"(?:is|are|was|were|has|have|had|can|can't|may|must|does|do|did|will|would|cannot|[a-z]+n't)"
_BECAUSE = re.compile(
    r"[,;:]\s+for\s+(?:(?:they|he|she|we|there)\b"
    rf"|it\s+(?:{_FINITE}|[a-z]+s)\b"
    rf"|(?:a|an|all|each|every|its|no|nothing|that|the|their|this)\s+(?:(?!that|which|who|whose|whom|where)[a-z]+\s+)"
    rf"{{0,3}}?{_FINITE}\b"
    r"|(?:the|a|an)\s+[a-z]+[a-rt-z]\s+[a-z]+s\s+(?:the|a|an|it|them|no|its|their)\b)",
)


@dataclass(frozen=True, slots=True)
class Objection:
    """One rule that a text breaks, and the line that breaks it."""

    line: int
    rule: str
    words: str


def objections(prose: Prose) -> Iterator[Objection]:
    """Yield each place of `prose` that breaks a rule."""
    opening = _opening(prose)
    if opening is not None:
        yield opening
    if prose.kind is not Kind.FRAGMENT:
        yield from _sentences(prose, skip_first=opening is not None)
    for pattern, rule in _PATTERNS:
        for found in pattern.finditer(prose.text):
            yield _objection(prose, found.start(), rule)


_PATTERNS = (
    (_BANNED, "name the subject in place of `whoever` or `nobody`"),
    (_HEADLESS, "put a noun before `who`"),
    (_BECAUSE, "say `because` in place of `for`"),
)


def _opening(prose: Prose) -> Objection | None:
    words = _WORD.findall(prose.text.lstrip()[:80])
    first = words[0] if words and prose.text.lstrip().startswith(words[0]) else ""
    if prose.kind is Kind.FUNCTION and first not in VERBS:
        return _objection(prose, 0, "begin a function's docstring with a verb in the imperative")
    if prose.kind is Kind.DEFINITION and first in _CLAUSE:
        return _objection(prose, 0, "say what the thing is: begin with a noun, not with a clause")
    return None


def _sentences(prose: Prose, *, skip_first: bool) -> Iterator[Objection]:
    for found in _SENTENCE.finditer(prose.text):
        if skip_first and found.start("first") == 0:
            continue
        if found["first"] in _OPENING and not found["rest"].rstrip().endswith("?"):
            yield _objection(prose, found.start("first"), f"begin no sentence with `{found['first']}`")


def _objection(prose: Prose, place: int, rule: str) -> Objection:
    line = prose.line + prose.text.count("\n", 0, place)
    words = " ".join(prose.text[place : place + 90].split())
    return Objection(line, rule, words)
