"""The entries of one Bundle: what each `fullUrl` names, and where a reference from an entry leads.

A `fullUrl` is the identity of its entry, whatever its scheme; the id in the resource is not. By FHIR R4,
"Resolving references in Bundles":

1. A reference that is an entry's `fullUrl` leads to that entry, with or without `/_history/n`: the version is
   one of the other server, and the entry gets one of this server.
2. A relative reference means the server that the `fullUrl` of its own entry lies on. So it leads to the entry
   of that server; without one, it is written out as the absolute URL that it stands for, because a record of
   this server with the same type and id is another one.
3. Beside a `fullUrl` that is on no server (`urn:uuid:...`, or none), a relative reference leads to the one
   entry whose `fullUrl` ends like it, and otherwise to this server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from exchange.errors import InvalidResourceError, Problem
from exchange.fhir.links.relink import LinkKind, relinked
from exchange.fhir.r4.elements import RESOURCE_TYPES
from exchange.fhir.references import ID, TYPE, literal

_VERSION = re.compile(rf"(.+)/_history/{ID}")
_RELATIVE = re.compile(rf"({TYPE})/{ID}")
_ON_A_SERVER = re.compile(rf"(https?://.+)/(({TYPE})/{ID})", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")

_AHEAD = (
    "leads to an entry of this batch that is not stored: a batch's entries stand alone; send a transaction, "
    "or store what is referred to first"
)


def key_of(url: str) -> str:
    """Return one spelling for all ways to write `url`; http and https are the same server."""
    if url[:9].lower() == "urn:uuid:":
        return url.lower()
    written = literal(url, "")
    return "http" + written[5:] if written.startswith("https:") else written


class Entries:
    """The places of the entries of one Bundle, by fullUrl; `base` is this server's FHIR base URL."""

    def __init__(self, full_urls: Sequence[str], *, base: str) -> None:
        self._base = key_of(base)
        self._places: dict[str, str] = {}
        self._known: set[str] = set()
        self._by_end: dict[str, str] = {}
        for url in full_urls:
            key = key_of(url)
            if not url or key in self._known:
                continue
            self._known.add(key)
            if (found := _ON_A_SERVER.fullmatch(key)) is not None:
                self._by_end[found[2]] = "" if found[2] in self._by_end else key

    def place(self, full_url: str, place: str) -> None:
        """Record that the entry of `full_url` is stored at `place`, a relative address."""
        if full_url:
            self._places[key_of(full_url)] = place

    def leave(self, full_url: str) -> None:
        """Record that the entry of `full_url` is not stored after all."""
        self._places.pop(key_of(full_url), None)

    def relinked(self, body: bytes, full_url: str, *, keeps_ids: bool = False) -> bytes:
        """Return `body`, the resource of the entry `full_url`, with its links to entries replaced.

        With `keeps_ids`, the records of the other server have the same ids here, and rule 2 writes nothing
        out.

        Raises:
            InvalidResourceError: a reference leads to an entry that is not stored (`place`).
        """
        root = _root_of(full_url)
        if not self._known and not root:
            return body
        return relinked(body, self._replacing(root, keeps_ids=keeps_ids))

    def elsewhere(self, full_url: str) -> bool:
        """Return whether `full_url` is the address of a record of another server."""
        return self._is_elsewhere(_root_of(full_url))

    def _is_elsewhere(self, root: str) -> bool:
        return bool(root) and key_of(root) != self._base

    def _replacing(self, root: str, *, keeps_ids: bool) -> Callable[[LinkKind, str], str | None]:
        foreign = self._is_elsewhere(root)

        def replace(kind: LinkKind, text: str) -> str | None:
            if not text or text.startswith("#"):
                return None
            versioned = _VERSION.fullmatch(text)
            bare = versioned[1] if versioned is not None else text
            relative = _RELATIVE.fullmatch(bare)
            if relative is not None and relative[1] in RESOURCE_TYPES:
                key = key_of(f"{root}/{bare}") if root else self._by_end.get(bare, "")
            elif _SCHEME.match(bare) is not None:
                key = key_of(bare)
            else:
                return None
            if key in self._places:
                return self._places[key]
            if key in self._known:
                if kind == "reference":
                    raise InvalidResourceError(
                        "an entry refers to another of its batch", problems=[Problem("reference", _AHEAD)]
                    )
                return None
            written_out = kind == "reference" and relative is not None and foreign and not keeps_ids
            return f"{root}/{text}" if written_out else None

        return replace


def _root_of(full_url: str) -> str:
    """Return the base of the server that `full_url` lies on; empty where it is no address of a record."""
    found = _ON_A_SERVER.fullmatch(full_url)
    return found[1] if found is not None and found[3] in RESOURCE_TYPES else ""
