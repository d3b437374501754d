"""The `hl7-b2b` extension of an assertion: organisation, purpose of use and user of a request.

A client signs it, which binds the request to one organisation, one purpose of use and, where a person
asks, one user. The codes of known code systems are rewritten to the system URLs that consents name, so
that a rule about a role or a purpose meets a request however the client spelt it.

An emergency (BTG) needs the person who asks. Its reason is the `emergency_reason`, in words, of the
extension `consentry` of the assertion; `services.access.enforcement` demands it of other organisations.

Source: HL7 Security for Scalable Registration, Authentication and Authorization (UDAP), section 5.2.1.1.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from chaincode.consent.model import PURPOSES
from exchange.auth.oauth import OAuthError
from exchange.auth.person_identifiers import npi, stated_identifier
from exchange.fhir.code_systems import canonical, coded, is_known

VERSION: Final = "1"

PURPOSE_SYSTEM: Final = "urn:oid:2.16.840.1.113883.5.8"
"""The code system of purposes of use (v3 ActReason), as the UDAP guide writes it."""

REASON_EXTENSION: Final = "consentry"
"""The extension of an assertion that has the reason of an emergency."""

_LONGEST = 255
_ROLE = re.compile(r"[!-~]{1,256}")
"""The form of a role on the ledger."""


class Context(msgspec.Struct, frozen=True):
    """The extension's content: `user` is empty for a system's own request; `role` is `system|code`.

    `reason` is that of an emergency, in words, and empty for all other purposes. `identifiers` are those of
    the user (`exchange.auth.person_identifiers`).
    """

    organization_id: str
    purpose: str
    user: str
    user_name: str
    role: str
    reason: str = ""
    identifiers: tuple[str, ...] = ()


def lacks_context(extensions: Any) -> bool:
    """Check whether `extensions`, as decoded from JSON, lacks `hl7-b2b`: an assertion of plain SMART."""
    return extensions is None or (isinstance(extensions, dict) and "hl7-b2b" not in extensions)


class _Extension(msgspec.Struct, frozen=True):
    version: Literal["1"]
    organization_id: str
    purpose_of_use: tuple[str, ...]
    subject_id: str = ""
    subject_name: str = ""
    subject_role: str = ""


class _Emergency(msgspec.Struct, frozen=True):
    emergency_reason: str = ""


class _Iua(msgspec.Struct, frozen=True):
    national_provider_identifier: str = ""


class _Extensions(msgspec.Struct, frozen=True):
    b2b: _Extension = msgspec.field(name="hl7-b2b")
    emergency: _Emergency = msgspec.field(name=REASON_EXTENSION, default=_Emergency())
    iua: _Iua = msgspec.field(name="ihe_iua", default=_Iua())


def read_context(extensions: Any) -> Context:
    """Read the context in the `extensions` claim of an assertion, as decoded from JSON.

    Raises:
        OAuthError: `invalid_grant`; the extension is missing, or does not say all that is needed.
    """
    try:
        stated = msgspec.convert(extensions, _Extensions)
    except msgspec.ValidationError:
        message = (
            "the assertion needs extensions.hl7-b2b with version (the string 1), organization_id and"
            " purpose_of_use (an array); subject_id, subject_name and subject_role are strings, and so are"
            " extensions.consentry.emergency_reason and extensions.ihe_iua.national_provider_identifier"
        )
        raise OAuthError("invalid_grant", message) from None
    claims = stated.b2b
    for name in ("organization_id", "subject_id", "subject_name", "subject_role"):
        text: str = getattr(claims, name)
        if len(text) > _LONGEST or not text.isprintable():
            raise OAuthError("invalid_grant", f"hl7-b2b.{name} is too long or not printable")
    if claims.subject_role and not claims.subject_id:
        raise OAuthError("invalid_grant", "hl7-b2b.subject_role needs a subject_id, the user with that role")
    purpose = _purpose(claims.purpose_of_use)
    if purpose == "BTG" and not claims.subject_id:
        raise OAuthError("invalid_grant", "hl7-b2b.purpose_of_use BTG needs a subject_id, the user who asks")
    reason = _reason(stated.emergency.emergency_reason) if purpose == "BTG" else ""
    return Context(
        organization_id=claims.organization_id,
        purpose=purpose,
        user=claims.subject_id,
        user_name=claims.subject_name,
        role=_role(claims.subject_role) if claims.subject_role else "",
        reason=reason,
        identifiers=_identifiers(claims.subject_id, stated.iua.national_provider_identifier),
    )


def _identifiers(user: str, provider: str) -> tuple[str, ...]:
    """Return the identifiers of `user`, with the `provider` identifier that is stated beside it."""
    found = {stated_identifier(user)} - {""}
    if provider:
        number = npi(provider)
        if not number:
            raise OAuthError("invalid_grant", "ihe_iua.national_provider_identifier is no NPI: ten digits")
        if not user:
            message = (
                "ihe_iua.national_provider_identifier needs hl7-b2b.subject_id, the user with that number"
            )
            raise OAuthError("invalid_grant", message)
        found.add(number)
    if len({one.partition("|")[0] for one in found}) != len(found):
        message = "hl7-b2b.subject_id and ihe_iua.national_provider_identifier name two persons"
        raise OAuthError("invalid_grant", message)
    return tuple(sorted(found))


def _reason(stated: str) -> str:
    reason = stated.strip()
    if reason and not any(map(str.isalnum, reason)):
        raise OAuthError("invalid_grant", "extensions.consentry.emergency_reason must be in words")
    if len(reason) > _LONGEST or not reason.isprintable():
        raise OAuthError("invalid_grant", "consentry.emergency_reason is too long or not printable")
    return reason


def _purpose(stated: tuple[str, ...]) -> str:
    if len(stated) != 1:
        raise OAuthError("invalid_grant", "hl7-b2b.purpose_of_use must hold exactly one code")
    system, code = _split(stated[0])
    if system not in ("", canonical(PURPOSE_SYSTEM)) or code not in PURPOSES:
        supported = " ".join(sorted(PURPOSES))
        raise OAuthError("invalid_grant", f"hl7-b2b.purpose_of_use must be one of {supported}")
    return code


def _role(stated: str) -> str:
    system, code = _split(stated)
    if not system or not code:
        raise OAuthError("invalid_grant", "hl7-b2b.subject_role must be a code with its system: system#code")
    if not is_known(system):
        message = "hl7-b2b.subject_role is of a code system that is not known by its OID; write its URL"
        raise OAuthError("invalid_grant", message)
    role = coded(system, code)
    if not _ROLE.fullmatch(role):
        raise OAuthError("invalid_grant", "hl7-b2b.subject_role has spaces or letters beyond ASCII")
    return role


def _split(stated: str) -> tuple[str, str]:
    # `system#code` is the guide's form and `system|code` FHIR's; a code alone has no system.
    for separator in ("|", "#"):
        system, found, code = stated.rpartition(separator)
        if found:
            return canonical(system), code.strip()
    return "", stated
