"""The languages of the pages: texts, dates and templates in each of them.

English texts are the keys of the catalogues in `locales/`. A catalogue is read when it is first needed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

LANGUAGES: Final = {"en": "English", "es": "Español"}
"""The languages by code, each with its own name."""

_HERE = Path(__file__).parent


def marked(text: str) -> str:
    """Return a text that is translated later: the catalogues have it."""
    return text


@dataclass(frozen=True, slots=True)
class Language:
    """One language: `text` translates, `templates` has the pages."""

    code: str
    text: Callable[[str], str]
    plural: Callable[[str, str, int], str]
    templates: Environment

    def moment(self, milliseconds: int, zone: tzinfo | None) -> str:
        """Return a time, in ms since 1970 UTC, as a day and a time of day in `zone`, or else in UTC."""
        at = datetime.fromtimestamp(milliseconds / 1000, zone or UTC)
        return f"{format_date(at, 'long', locale=self.code)}, {at:%H:%M}"

    def day(self, text: str) -> str:
        """Return a FHIR date, or the date of a FHIR dateTime, in words; another text as it is."""
        try:
            return format_date(datetime.fromisoformat(text[:10]), "long", locale=self.code)
        except ValueError:
            return text

    def listed(self, words: Sequence[str]) -> str:
        """Return words as an enumeration with "and"."""
        return format_list(list(words), locale=Locale.parse(self.code))

    def render(self, template: str, **values: Any) -> str:
        """Return the page that `template` makes of `values`."""
        return self.templates.get_template(template).render(**values)


@cache
def language(code: str) -> Language:
    """Return the language with that code, one of `LANGUAGES`."""
    translations = _translations(code)
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]  # by i18n
    return Language(code, translations.gettext, translations.ngettext, templates)


def preferred(chosen: str, accepted: str) -> str:
    """Return the code of the language that was `chosen`, or else the best of an `Accept-Language` header."""
    if chosen in LANGUAGES:
        return chosen
    ranked: list[tuple[float, str]] = []
    for part in accepted[:500].split(","):
        name, _, quality = part.strip().partition(";q=")
        code = name.strip().lower().partition("-")[0]
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if code in LANGUAGES and weight > 0:
            ranked.append((-weight, code))
    return min(ranked, key=lambda one: one[0])[1] if ranked else "en"


def _translations(code: str) -> NullTranslations:
    path = _HERE / "locales" / code / "LC_MESSAGES" / "messages.po"
    if code == "en":
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
