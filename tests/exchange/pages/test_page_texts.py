"""The languages of the pages are complete, and dates and lists are in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

import exchange.pages
from exchange.pages.texts import LANGUAGES, language, preferred

PAGES = Path(exchange.pages.__file__).parent
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
TRANSLATED = sorted(set(LANGUAGES) - {"en"})
_NAMED = re.compile(r"%\((\w+)\)s")
_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_TAGS = re.compile(r"<[^>]*>|[a-z-]+=\"[^\"]*\"|&[a-z]+;")


def used() -> set[str]:
    """Return every text that a page or a program marks for translation."""
    keywords = {"marked": None, "_": None, "gettext": None}
    found = extract_from_dir(PAGES, METHODS, keywords=keywords)
    return {message for _, _, message, _, _ in found if isinstance(message, str)}


def catalogue(code: str) -> Catalog:
    with (PAGES / "locales" / code / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=code)


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_text_is_missing_and_none_is_left_over(code: str) -> None:
    known = {message.id: message.string for message in catalogue(code) if message.id}
    assert len(used()) > 150
    assert used() - known.keys() == set()
    assert known.keys() - used() == set()
    assert [one for one, text in known.items() if not text] == []
    assert not any(message.fuzzy for message in catalogue(code))


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_has_the_same_names_in_it(code: str) -> None:
    for message in catalogue(code):
        assert set(_NAMED.findall(str(message.id))) == set(_NAMED.findall(str(message.string)))


def test_no_template_has_words_outside_of_a_translation() -> None:
    for template in (PAGES / "templates").iterdir():
        rest = _TAGS.sub(" ", _CODE.sub("", template.read_text(encoding="utf-8")))
        assert re.findall(r"[A-Za-z]{3,}", rest) == [], template.name


@pytest.mark.parametrize(
    ("chosen", "accepted", "code"),
    [
        ("", "", "en"),
        ("", "es", "es"),
        ("", "es-MX,es;q=0.9,en;q=0.8", "es"),
        ("", "de,en;q=0.5,es;q=0.7", "es"),
        ("", "es;q=0, en", "en"),
        ("", "fr", "en"),
        ("en", "es", "en"),
        ("xx", "es", "es"),
        ("", "es;q=x, en;q=0.1", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_best_of_those_accepted(
    chosen: str, accepted: str, code: str
) -> None:
    assert preferred(chosen, accepted) == code


@given(st.text(max_size=50), st.text(max_size=200))
def test_any_header_gives_a_language(chosen: str, accepted: str) -> None:
    assert preferred(chosen, accepted) in LANGUAGES


def test_dates_and_lists_are_words() -> None:
    moment = int(datetime(2026, 3, 2, 15, 4, tzinfo=UTC).timestamp() * 1000)
    assert language("en").moment(moment, None) == "March 2, 2026, 15:04"
    assert language("es").moment(moment, None) == "2 de marzo de 2026, 15:04"
    assert language("es").day("2026-03-02T15:04:00Z") == "2 de marzo de 2026"
    assert language("en").day("2026") == "2026"
    assert language("en").listed(["a", "b", "c"]) == "a, b, and c"
    assert language("es").listed(["a", "b"]) == "a y b"
    assert language("en").listed([]) == ""


def test_templates_escape_by_default() -> None:
    for code in LANGUAGES:
        assert language(code).templates.autoescape is True
