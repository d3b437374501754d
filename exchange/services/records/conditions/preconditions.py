"""Entity tags, and the conditions that a request has on the version that is current (RFC 9110, section 13).

1. Tags are compared as R4 has them: weakly, so `W/"3"`, `"3"` and `3` all name the version 3.
2. `*` stands for any version that is there; a record that was deleted has none.
3. A tag that is none of this server's matches nothing. So an `If-Match` of nothing else fails, and an
   `If-None-Match` of a write that can't be read is refused, since to ignore it would overwrite.
"""

from __future__ import annotations

import email.utils
import re
from typing import Final, Literal

import msgspec

from exchange.errors import BadRequestError, PreconditionError
from exchange.fhir.interaction import Interaction
from exchange.fhir.search.types import intervals

_ANY: Final = "*"
_TAG: Final = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"|(\d+)')
_LONGEST_VERSION: Final = 9

Versions = Literal["*"] | frozenset[int] | None
"""Versions that a header names: any, these, or none because the header is absent."""


def etag(version: int) -> str:
    """Return the weak entity tag of a version: 3 is `W/"3"`."""
    return f'W/"{version}"'


def version_number(text: str) -> int:
    """Return the version that the `vid` of an address names; 0, which no record has, if that is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_VERSION else 0


class Precondition(msgspec.Struct, frozen=True):
    """Demands of a write's `If-Match` and `If-None-Match` on the version that is current."""

    match: Versions = None
    none_match: Versions = None

    def check(self, version: int | None, *, deleted: bool = False) -> None:
        """Check the current version, None where there is none; `deleted` says that it is a deletion.

        Raises:
            PreconditionError: it is not the one that is asked for.
        """
        if self.match is not None and not _names(self.match, version, deleted=deleted):
            raise PreconditionError("the current version is not the one that If-Match names")
        if self.none_match is not None and _names(self.none_match, version, deleted=deleted):
            raise PreconditionError("there is a current version, and If-None-Match excludes it")


UNCONDITIONAL: Final = Precondition()
"""The precondition of a write without one."""


def precondition_of(interaction: Interaction) -> Precondition:
    """Return the precondition of a write.

    Raises:
        BadRequestError: its `If-None-Match` can't be read.
    """
    if not interaction.if_match and not interaction.if_none_match:
        return UNCONDITIONAL
    match, _ = _versions(interaction.if_match)
    none_match, readable = _versions(interaction.if_none_match)
    if not readable:
        raise BadRequestError('If-None-Match is * or a list of entity tags, such as W/"3"')
    return Precondition(match, none_match)


def is_known_already(interaction: Interaction, *, version: int, written: int) -> bool:
    """Check whether a read's sender has this version already, so that it is answered with 304.

    `If-Modified-Since` counts only without an `If-None-Match`. One that can't be read counts nothing, since
    the whole record is never a wrong answer.
    """
    if interaction.if_none_match:
        named, _ = _versions(interaction.if_none_match)
        return _names(named, version, deleted=False)
    since = _moment(interaction.if_modified_since) if interaction.if_modified_since else None
    return since is not None and written // 1000 * 1000 <= since


def _names(versions: Versions, version: int | None, *, deleted: bool) -> bool:
    if version is None or versions is None:
        return False
    return not deleted if versions == _ANY else version in versions


def _versions(text: str) -> tuple[Versions, bool]:
    """Return the versions that a header names, and whether all of it could be read."""
    text = text.strip()
    if not text or text == _ANY:
        return (_ANY if text else None), True
    found: set[int] = set()
    readable = True
    # No tag of this server has a comma; one of another server that has falls in two, and matches nothing.
    for part in filter(None, map(str.strip, text.split(","))):
        tag = _TAG.fullmatch(part)
        readable = readable and tag is not None
        if tag is not None:
            found.add(version_number(tag[1] if tag[1] is not None else tag[2]))
    return frozenset(found), readable


def _moment(text: str) -> int | None:
    """Return an HTTP date, or an instant as an entry of a Bundle has it, in ms since 1970 UTC."""
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    try:
        return intervals.milliseconds(intervals.interval(text)[0]) if "T" in text else None
    except ValueError:
        return None
