"""Members of the consortium, and the principal behind an access token."""

from __future__ import annotations

import re
import secrets
from enum import StrEnum

import msgspec

NO_ASSERTION = "0" * 64
"""The evidence of a principal without a signed assertion."""


class Member(msgspec.Struct, frozen=True):
    """A hospital of the consortium: its MSP id, its name, and its Organization resource's id."""

    msp_id: str
    name: str
    organization: str

    @classmethod
    def named(cls, msp_id: str, name: str) -> Member:
        """Return the hospital; its resource's id is made of its name, or else of its MSP id."""
        return cls(msp_id, name, _slug(name) or _slug(msp_id))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64]


class Kind(StrEnum):
    """The sort of principal that a token stands for; the services decide the rights of each."""

    SYSTEM = "system"
    PATIENT = "patient"
    OFFICER = "officer"


class Principal(msgspec.Struct, frozen=True, omit_defaults=True):
    """The party behind an access token, as established when the token was issued.

    `organization` is an MSP id; `user`, `user_name` and `role` (`system|code`) come from the signed
    assertion's B2B extension; `purpose` is one PurposeOfUse code; `evidence` is the SHA-256 of that
    assertion in hexadecimal; `patient` is the logical id a patient's token is bound to; `reason` is that of
    an emergency (BTG), in the requester's words. `identifiers` are those that are stated of the user
    (`exchange.auth.person_identifiers`).
    """

    kind: Kind
    client_id: str
    organization: str
    purpose: str
    scopes: tuple[str, ...]
    evidence: str
    user: str
    user_name: str = ""
    role: str = ""
    patient: str = ""
    reason: str = ""
    identifiers: tuple[str, ...] = ()

    @classmethod
    def for_patient(cls, msp_id: str, patient: str) -> Principal:
        """Return the principal of the patient with the logical id `patient`, signed in at `msp_id`'s gateway.

        It reads the patient's own records and log, and writes the patient's consents.
        """
        return cls(
            kind=Kind.PATIENT,
            client_id=f"patient-{secrets.token_hex(8)}",
            organization=msp_id,
            purpose="PATRQT",
            scopes=("patient/*.rs", "patient/Consent.cruds"),
            evidence=NO_ASSERTION,
            user=f"Patient/{patient}",
            patient=patient,
        )

    @classmethod
    def for_related(cls, msp_id: str, related: str, patient: str) -> Principal:
        """Return the principal of the RelatedPerson with the logical id `related`, who acts for `patient`.

        It reads the patient's records and log, and writes nothing: what the patient says stays the patient's.
        """
        return cls(
            kind=Kind.PATIENT,
            client_id=f"related-{secrets.token_hex(8)}",
            organization=msp_id,
            purpose="PATRQT",
            scopes=("patient/*.rs",),
            evidence=NO_ASSERTION,
            user=f"RelatedPerson/{related}",
            patient=patient,
        )

    @property
    def is_proxy(self) -> bool:
        """Whether this is a person who acts for the patient, under a name of her own."""
        return self.kind is Kind.PATIENT and self.user.startswith("RelatedPerson/")

    @classmethod
    def for_officer(cls, msp_id: str, user: str) -> Principal:
        """Return the principal of the compliance officer `user` of `msp_id`, with access to the log alone."""
        return cls(
            kind=Kind.OFFICER,
            client_id=f"officer-{secrets.token_hex(8)}",
            organization=msp_id,
            purpose="HOPERAT",
            scopes=("user/AuditEvent.rs",),
            evidence=NO_ASSERTION,
            user=user,
        )

    @classmethod
    def for_operator(cls, msp_id: str, name: str) -> Principal:
        """Return the principal of `msp_id`'s own command `name`; it is logged like any other."""
        return cls(
            kind=Kind.SYSTEM,
            client_id=name,
            organization=msp_id,
            purpose="HOPERAT",
            scopes=("system/*.cruds",),
            evidence=NO_ASSERTION,
            user=name,
        )
