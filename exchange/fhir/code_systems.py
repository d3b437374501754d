"""The canonical form of code systems, so that a rule matches a record in whatever form both were written.

OIDs become URLs by the official definitions of R4 (`code_systems.json`), and for systems that HL7 does not
define by its registry of their names (`external_systems.json`, which has their former URLs too). Earlier
forms of HL7's own URLs become the present one. An OID without a URL is unknown: it may be any code
system.

Source: CodeSystem identifiers of the R4 definitions; NamingSystems of HL7 Terminology;
https://hl7.org/fhir/R4/terminologies-systems.html.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

_OID: Final = "urn:oid:"


def _table(name: str) -> dict[str, str]:
    return msgspec.json.decode(Path(__file__).with_name(name).read_bytes(), type=dict[str, str])


def _address(url: str) -> str:
    """Return a web address without scheme, `www.` and slash at the end, to compare addresses by."""
    parts = urlsplit(url)
    host = parts.netloc.lower().removeprefix("www.")
    rest = f"?{parts.query}" if parts.query else ""
    return f"//{host}{parts.path.rstrip('/')}{rest}{'#' if parts.fragment else ''}{parts.fragment}"


def _names() -> Mapping[str, str]:
    defined, external = _table("code_systems.json"), _table("external_systems.json")
    names = external | {name: external.get(url, url) for name, url in defined.items()}
    for url in list(names.values()):
        names.setdefault(url, external.get(url, url))
    for name, url in list(names.items()):
        if name.startswith("http"):
            names.setdefault(_address(name), url)
    return names


_NAMES = _names()
_RECOGNISED = frozenset(_NAMES.values())
_CASELESS = frozenset(
    {
        *("http://loinc.org", "http://nucc.org/provider-taxonomy", "http://www.whocc.no/atc"),
        *("http://www.ama-assn.org/go/cpt", "http://fdasis.nlm.nih.gov"),
        *(f"http://www.cms.gov/Medicare/Coding/{name}" for name in ("ICD10", "HCPCSReleaseCodeSets")),
        *(f"http://hl7.org/fhir/sid/{name}" for name in ("icd-9-cm", "icd-10", "icd-10-cm", "icf-nl")),
    }
)
"""Systems that tell no codes apart by case; in all others `a` and `A` are two codes."""

_LONGEST_CACHED = 2048
_DIGITS = re.compile(r"[0-2](?:\.[0-9]+)+")
_FORMER = (
    (re.compile(r"//hl7\.org/fhir/v3/(?:vs/)?([^/]+)"), "v3-"),
    (re.compile(r"//hl7\.org/fhir/v2/([^/]+)"), "v2-"),
    (re.compile(r"//hl7\.org/fhir/(?:CodeSystem/)?([^/]+)"), ""),
)
_SNOMED: Final = "http://snomed.info/sct"


def canonical(system: str) -> str:
    """Return the canonical form of `system`, which terms, facts and requests use."""
    # Longer texts than any name are not cached: a few of them would fill the memory.
    return _canonical(system) if len(system) <= _LONGEST_CACHED else _canonical.__wrapped__(system)


@lru_cache(maxsize=4096)
def _canonical(system: str) -> str:
    if not system.isascii():  # full width and zero width write the same name
        plain = unicodedata.normalize("NFKC", system)
        system = "".join(one for one in plain if unicodedata.category(one) != "Cf")
    text = system.strip().partition("|")[0].strip()
    if text[: len(_OID)].lower() == _OID:
        text = text[len(_OID) :].strip()
    if _DIGITS.fullmatch(text):
        return _NAMES.get(text, _OID + text)
    return _NAMES.get(text) or _url(text)


def is_known(system: str) -> bool:
    """Return whether a canonical `system` is known; an OID without a URL may be any system."""
    return not system.startswith(_OID)


def is_recognised(system: str) -> bool:
    """Return whether HL7 defines or names a canonical `system`; any other may be one of those misspelt."""
    return system in _RECOGNISED


def coded(system: str, code: str) -> str:
    """Return the canonical `system|code`; a code keeps its case where the system has case."""
    url = canonical(system)
    code = code.strip()
    return f"{url}|{code.upper() if url in _CASELESS else code}"


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        address = _address(text)
    except ValueError:
        return text
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        return text
    if address.startswith(f"{_address(_SNOMED)}/"):  # an edition or a version of it
        return _SNOMED
    for name in (address, *_present(address)):
        if name in _NAMES:
            return _NAMES[name]
    return f"{scheme}:{address}"


def _present(address: str) -> list[str]:
    return [
        f"//terminology.hl7.org/CodeSystem/{prefix}{match[1]}"
        for form, prefix in _FORMER
        if (match := form.fullmatch(address))
    ]
