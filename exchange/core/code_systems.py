"""One spelling for each code system, so that a rule meets what it is about however either was written.

OIDs become URLs by the official definitions, and for systems that HL7 does not define by the table of FHIR
R4. Earlier forms of HL7's own URLs become the present one. What stays an OID is known to nobody here: it
may be any code system.

Source: https://hl7.org/fhir/R4/terminologies-systems.html; CodeSystem identifiers of the R4 definitions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

_OID: Final = "urn:oid:"
_EXTERNAL: Final = {
    "1.0.3166.1.2.2": "urn:iso:std:iso:3166",
    "1.2.840.10008.2.16.4": "http://dicom.nema.org/resources/ontology/DCM",
    "2.16.840.1.113883.12.292": "http://hl7.org/fhir/sid/cvx",
    "2.16.840.1.113883.4.642.4.439": "http://terminology.hl7.org/CodeSystem/practitioner-role",
    "2.16.840.1.113883.4.9": "http://fdasis.nlm.nih.gov",
    "2.16.840.1.113883.6.1": "http://loinc.org",
    "2.16.840.1.113883.6.101": "http://nucc.org/provider-taxonomy",
    "2.16.840.1.113883.6.103": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.104": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.12": "http://www.ama-assn.org/go/cpt",
    "2.16.840.1.113883.6.209": "http://hl7.org/fhir/ndfrt",
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.42": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.69": "http://hl7.org/fhir/sid/ndc",
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.6.8": "http://unitsofmeasure.org",
    "2.16.840.1.113883.6.88": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "2.16.840.1.113883.6.90": "http://hl7.org/fhir/sid/icd-10-cm",
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
}
_DEFINED: dict[str, str] = msgspec.json.decode(Path(__file__).with_name("code_systems.json").read_bytes())
_URLS = _DEFINED | _EXTERNAL
_KNOWN = frozenset(_URLS.values())
_CASELESS = frozenset(
    {
        "http://loinc.org",
        *(f"http://hl7.org/fhir/sid/{name}" for name in ("icd-9-cm", "icd-10", "icd-10-cm")),
    }
)
"""Systems that tell no codes apart by case; in all others `a` and `A` are two codes."""

_DIGITS = re.compile(r"[0-2](?:\.[0-9]+)+")
_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"
_FORMER = (
    (re.compile(r"http://(?:www\.)?hl7\.org/fhir/v3/(?:vs/)?([^/]+)"), "v3-"),
    (re.compile(r"http://(?:www\.)?hl7\.org/fhir/v2/([^/]+)"), "v2-"),
    (re.compile(r"http://(?:www\.)?hl7\.org/fhir/(?:CodeSystem/)?([^/]+)"), ""),
)
_SNOMED: Final = "http://snomed.info/sct"


@lru_cache(maxsize=4096)
def canonical(system: str) -> str:
    """The one spelling of `system` that terms, facts and requests use."""
    text = system.strip().partition("|")[0].strip()
    if text[: len(_OID)].lower() == _OID:
        text = text[len(_OID) :].strip()
    if _DIGITS.fullmatch(text):
        return _URLS.get(text, _OID + text)
    return _url(text)


def is_known(system: str) -> bool:
    """Whether a canonical `system` says which it is; an OID without a URL may be any under another name."""
    return not system.startswith(_OID)


def coded(system: str, code: str) -> str:
    """`system|code` in the one spelling of both; a code keeps its case where the system has case."""
    url = canonical(system)
    code = code.strip()
    return f"{url}|{code.upper() if url in _CASELESS else code}"


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if parts.scheme.lower() not in ("http", "https"):
        return text
    path = parts.path.rstrip("/")
    written = f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"
    plain = f"http://{parts.netloc.lower()}{path}"
    for candidate in (written, plain, *(_present(plain))):
        if candidate in _KNOWN:
            return candidate
    if plain.startswith(f"{_SNOMED}/"):  # an edition or a version of it
        return _SNOMED
    return written


def _present(url: str) -> list[str]:
    return [f"{_TERMINOLOGY}{prefix}{match[1]}" for form, prefix in _FORMER if (match := form.fullmatch(url))]
