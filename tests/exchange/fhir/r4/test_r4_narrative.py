"""Narratives hold basic formatting and nothing that acts."""

from __future__ import annotations

import pytest

from exchange.fhir.r4.rules.narrative import is_basic, is_said

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def div(content: str) -> str:
    return f"<div {XHTML}>{content}</div>"


@pytest.mark.parametrize(
    "content",
    [
        "plain",
        "<p>a<br/>b &lt; c &amp; d&nbsp;&eacute;&#233;</p>",
        '<table border="1" class="grid"><thead><tr><th colspan="2">a</th></tr></thead><tbody/></table>',
        '<a href="Patient/1" title="t">x</a><a name="here"/>',
        '<a href="https://example.org/?javascript:">x</a>',
        '<img src="data:image/png;base64,AAAA" alt="a"/><img src="#contained"/>',
        '<p style="color: red" xml:lang="en" lang="en">a</p>',
        "<!-- note --><![CDATA[a < b]]>",
        f"<p {XHTML}>a</p>",
    ],
)
def test_basic_formatting_is_accepted(content: str) -> None:
    assert is_basic(div(content))


@pytest.mark.parametrize(
    "content",
    [
        "<script>a()</script>",
        "<SCRIPT>a()</SCRIPT>",
        '<p onclick="a()">x</p>',
        '<a href="javascript:a()">x</a>',
        '<a href=" java&#10;script:a()">x</a>',
        '<a href="&#1;JavaScript:a()">x</a>',
        '<a href="vbscript:a">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<img src="data:image/svg+xml,x"/>',
        '<p style="width: expression(a())">x</p>',
        '<p style="behavior:url(a)">x</p>',
        "<form><input/></form>",
        '<iframe src="https://example.org"/>',
        '<object data="x"/>',
        "<svg/>",
        '<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">x</h:script>',
        '<link rel="stylesheet" href="x"/>',
        "<style>p{}</style>",
        '<base href="x"/>',
        "<?xml-stylesheet href='x'?>",
        "&unheard;",
        "<p>",
        "a < b",
        "<b><i>x</b></i>",
    ],
)
def test_what_acts_or_is_not_well_formed_is_refused(content: str) -> None:
    assert not is_basic(div(content))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "<div>no namespace</div>",
        f"<p {XHTML}>not a div</p>",
        f"<div {XHTML}>a</div><div {XHTML}>b</div>",
        '<!DOCTYPE div [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + div("&b;"),
        '<!DOCTYPE div SYSTEM "file:///etc/passwd">' + div("a"),
        '<div xmlns="urn:other">a</div>',
    ],
)
def test_a_narrative_is_one_xhtml_div(text: str) -> None:
    assert not is_basic(text)


def test_deep_markup_is_judged_without_overflow() -> None:
    assert is_basic(div("<b>" * 20_000 + "x" + "</b>" * 20_000))


@pytest.mark.parametrize(
    ("content", "said"),
    [("a", True), ('<img src="#a"/>', True), ("", False), (" <p>\n</p> ", False), ("<hr/>", False)],
)
def test_a_narrative_says_something(content: str, said: bool) -> None:
    assert is_said(div(content)) is said
