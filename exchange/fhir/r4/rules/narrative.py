"""Validation of narratives: basic formatting, nothing active, nothing fetched by stealth.

Source: txt-1 and txt-2, https://hl7.org/fhir/R4/narrative.html#Narrative. The elements are those of HTML 4.0
chapters 7 to 11 (without 9.4) and 15, `a` and `img`. The check parses the div as XML and refuses what it does
not know, a document type declaration or processing instruction included; named entities of XHTML are let
through.
"""

from __future__ import annotations

import re
from html.entities import name2codepoint
from xml.parsers import expat

_XHTML = "http://www.w3.org/1999/xhtml"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTS = _words(
    "a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em"
    " h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q samp small span strong sub sup table tbody td tfoot th"
    " thead tr tt ul var"
)
_COMMON = _words("class dir id lang style title xml:lang xml:space accesskey tabindex")
_COLUMN = _words("align char charoff span valign width")
_ROW = _words("align char charoff valign")
_CELL = _words("abbr align axis char charoff colspan headers nowrap rowspan scope valign width")
_OWN = {
    "a": _words("charset coords href hreflang name rel rev shape type"),
    "area": _words("alt coords href nohref shape"),
    "blockquote": _words("cite"),
    "col": _COLUMN,
    "colgroup": _COLUMN,
    "img": _words("align alt border height ismap longdesc src usemap width"),
    "map": _words("name"),
    "q": _words("cite"),
    "table": _words("align border cellpadding cellspacing frame rules summary width"),
    "tbody": _ROW,
    "td": _CELL,
    "tfoot": _ROW,
    "th": _CELL,
    "thead": _ROW,
    "tr": _ROW,
}
_ADDRESSES = _words("cite href longdesc src usemap")
_SCRIPT = re.compile(r"(?i)(?:java|vb)script:")
_HIDDEN = re.compile(r"[\x00-\x20]+")
"""Characters that browsers drop from an address before they parse its scheme."""
_DATA = re.compile(r"(?i)\s*data:(?!\s*image/(?:png|jpeg|gif|bmp|webp)\s*[;,])")
_ACTIVE_STYLE = re.compile(r"(?i)expression\s*\(|behavior\s*:|-moz-binding|script\s*:")


class _RefusedError(Exception):
    """The narrative holds something that a narrative may not hold."""


def is_basic(div: str) -> bool:
    """Return whether a narrative is one well-formed XHTML div of basic formatting (txt-1)."""
    parser = expat.ParserCreate()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if name not in _ELEMENTS or (depth == 1 and (name != "div" or attributes.get("xmlns") != _XHTML)):
            raise _RefusedError
        for key, value in attributes.items():
            _attribute(name, key, value)

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def entity(name: str, is_parameter: int) -> None:
        if is_parameter or name not in name2codepoint:
            raise _RefusedError

    def refuse(*_: object) -> None:
        raise _RefusedError

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.SkippedEntityHandler = entity
    parser.StartDoctypeDeclHandler = refuse
    parser.ProcessingInstructionHandler = refuse
    # Without an (empty) foreign DTD, expat treats a named entity such as &nbsp; as an error.
    parser.UseForeignDTD()
    parser.ExternalEntityRefHandler = lambda *_: 1
    try:
        parser.Parse(div, True)  # noqa: FBT003 - expat takes it by position alone
    except (expat.ExpatError, _RefusedError):
        return False
    return True


def _attribute(element: str, key: str, value: str) -> None:
    if key == "xmlns":
        if value != _XHTML:
            raise _RefusedError
        return
    if key not in _COMMON and key not in _OWN.get(element, ()):
        raise _RefusedError
    if key in _ADDRESSES and (_SCRIPT.match(_HIDDEN.sub("", value)) or _DATA.match(value)):
        raise _RefusedError
    if key == "style" and _ACTIVE_STYLE.search(value):
        raise _RefusedError


_MARKUP = re.compile(r"<(?!img\b)[^<>]*>|\s+")


def is_said(div: str) -> bool:
    """Return whether a narrative says something: text that is not white space, or an image (txt-2)."""
    return _MARKUP.sub("", div) != ""
