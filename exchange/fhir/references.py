"""FHIR ids and references: their patterns, and one spelling for each reference to the same record.

Sources: https://hl7.org/fhir/R4/datatypes.html#id;
https://hl7.org/fhir/R4/references.html#literal; RFC 3986, section 6.2.
"""

from __future__ import annotations

import re
from functools import lru_cache
from posixpath import normpath
from urllib.parse import SplitResult, unquote, urlsplit

ID = r"[A-Za-z0-9\-.]{1,64}"
"""The pattern of a FHIR id, for use within other patterns."""

TYPE = r"[A-Z][A-Za-z]+"
"""The pattern of the name of a resource type."""

_PLAIN = re.compile(r"[A-Za-z]+/[A-Za-z0-9\-]+")
_LONGEST_CACHED = 2048
_PORTS = {"http": 80, "https": 443}


def literal(reference: str, base: str) -> str:
    """Return `reference` without its version, relative if it lies under `base`, this server's FHIR base URL.

    A URL counts as under `base` (which may be empty) however its scheme, host, port and escapes are
    written. Any other URL comes back in the same spelling for all ways to write it.
    """
    reference = reference.partition("/_history/")[0]
    if "://" not in reference:
        return reference
    if base and reference.startswith(base + "/") and _PLAIN.fullmatch(reference, len(base) + 1):
        return reference[len(base) + 1 :]
    # Longer texts than any address are not cached: a few of them would fill the memory.
    written = (_normal if len(reference) <= _LONGEST_CACHED else _normal.__wrapped__)(reference)
    if base and written.startswith(_normal(base) + "/"):
        return written[len(_normal(base)) + 1 :]
    return written


@lru_cache(maxsize=1024)
def _normal(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host = _host(parts)
    except ValueError:  # a port that is no number, an address with half a bracket
        return url
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or parts.query or parts.fragment:
        return url
    path = normpath("/" + unquote(parts.path).strip("/"))
    return f"{scheme}://{host}{path}".rstrip("/")


def _host(parts: SplitResult) -> str:
    host, port = (parts.hostname or "").rstrip("."), parts.port
    if ":" in host:
        host = f"[{host}]"
    return host if port in (None, _PORTS.get(parts.scheme.lower())) else f"{host}:{port}"
