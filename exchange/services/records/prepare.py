"""From a body as received to what can be sealed and found: checked, owned, tokenised. No I/O.

Needs only the two index keys, so worker processes can do it as well as the gateway itself.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from exchange.auth.principal import Kind, Principal
from exchange.consent.compile import CompiledConsent, compile_consent
from exchange.crypto.index_tokens import TokenKeys
from exchange.crypto.references import References
from exchange.errors import BadRequestError, ForbiddenError, InvalidResourceError, Problem
from exchange.fhir import r4, search
from exchange.fhir.compartment import patients_of
from exchange.fhir.references import ID
from exchange.fhir.subjects import unplaced
from exchange.store.records.documents import pack

MOST_PATIENTS = 8
"""Patients that one record may concern; their keys together seal it."""

_MOST_OWNERS = 5_000
"""Patients whose tokens are kept, about 300 bytes each."""

_ID = re.compile(rf"{ID}\Z")


class Prepared(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A body that was checked and indexed, and waits for a version number.

    `subjects` are the store tokens of `patients`, in the same order; a record without a patient has the
    directory for its one subject. `tokens` are packed (`exchange.store.records.documents.pack`). With
    `must_exist` it can only replace a record that is there.
    """

    resource_type: str
    logical_id: str
    body: bytes
    patients: tuple[str, ...]
    subjects: tuple[bytes, ...]
    tokens: bytes
    draft: CompiledConsent | None = None
    if_match: int | None = None
    skip_equal: bool = False
    must_exist: bool = False


def new_id() -> str:
    """A logical id for a new record: a random UUID, which tells nothing about the patient."""
    return str(uuid.uuid4())


class Indexer:
    """Prepares bodies for one custodian, and counts the processor seconds spent on checking and on indexing.

    `base` is the FHIR base URL: references under it are this server's own. `members` maps the names that
    a consent may give a member to its MSP id.
    """

    def __init__(
        self,
        *,
        msp_id: str,
        base: str,
        members: Mapping[str, str],
        references: References,
        token_keys: TokenKeys,
    ) -> None:
        self._msp_id = msp_id
        self._base = base
        self._members = members
        self._references = references
        self._token_keys = token_keys
        # What is derived again for nearly every record of a load: tokens of types, and of whose a record is.
        self._types: dict[str, bytes] = {}
        self._owners: dict[str, tuple[bytes, bytes]] = {}
        self.seconds_checking = 0.0
        self.seconds_indexing = 0.0

    def allow(self, principal: Principal, resource_type: str) -> None:
        """Refuse a principal that may not write this type at all.

        Raises:
            ForbiddenError: another organisation's client, an officer, or a patient writing other types.
        """
        if resource_type == "AuditEvent":
            raise ForbiddenError("the access log is written by the ledger alone")
        if principal.kind is Kind.SYSTEM and principal.organization == self._msp_id:
            return
        if principal.kind is Kind.PATIENT and resource_type == "Consent":
            return
        raise ForbiddenError("only the custodian's own clients write here; patients write their consents")

    def prepare(
        self,
        principal: Principal,
        body: bytes,
        *,
        resource_type: str,
        logical_id: str | None,
        if_match: int | None = None,
        skip_equal: bool = False,
        replaces: bool = False,
    ) -> Prepared:
        """Check and index `body`; `logical_id` is the URL's, or None to have one assigned. No I/O.

        `replaces` says that the sender chose the id. A patient may not choose the id of a new record: the
        refusal of one that is taken would tell that somebody has it.

        Raises:
            BadRequestError: the body is no JSON, its type or id differs from the URL's.
            InvalidResourceError: it is not valid R4, names a patient who is not here, or is a consent that
                this exchange can't enforce.
        """
        self.allow(principal, resource_type)
        started = time.thread_time()
        resource = r4.check(body, expected=resource_type).resource
        checked = time.thread_time()
        self.seconds_checking += checked - started
        if logical_id is None:
            logical_id = new_id()
        elif resource.get("id") != logical_id:
            raise BadRequestError("the body's id is not the one in the URL")
        if not _ID.match(logical_id):
            raise BadRequestError("an id has 1 to 64 letters, digits, '-' or '.'")
        resource["id"] = logical_id
        patients = patients_of(resource_type, resource, base=self._base)
        if len(patients) > MOST_PATIENTS:
            problem = Problem(resource_type, f"concerns more than {MOST_PATIENTS} patients")
            raise InvalidResourceError("the record concerns too many patients", problems=[problem])
        strangers = unplaced(resource_type, resource, placed=bool(patients), base=self._base)
        if strangers:
            raise InvalidResourceError("the record names a patient who is not here", problems=strangers)
        draft = None
        if resource_type == "Consent":
            draft = self._draft(principal, resource, patients)
        owners = [self._owner(patient) for patient in patients or ("",)]
        tokens = self._token_keys.tokens(
            resource_type, search.terms(resource_type, resource, base=self._base)
        )
        tokens.append(self._type(resource_type))
        tokens.extend(compartment for _, compartment in owners)
        self.seconds_indexing += time.thread_time() - checked
        return Prepared(
            resource_type,
            logical_id,
            body,
            patients or ("",),
            tuple(subject for subject, _ in owners),
            pack(tokens),
            draft,
            if_match,
            skip_equal,
            must_exist=replaces and principal.kind is Kind.PATIENT,
        )

    def _type(self, resource_type: str) -> bytes:
        if resource_type not in self._types:
            self._types[resource_type] = self._references.of_type(resource_type)
        return self._types[resource_type]

    def _owner(self, patient: str) -> tuple[bytes, bytes]:
        """The subject token of `patient`, or of the directory for none, and the token of its compartment."""
        known = self._owners.get(patient)
        if known is None:
            subject = self._references.subject(patient) if patient else self._references.directory
            known = subject, self._references.compartment(subject)
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            self._owners[patient] = known
        return known

    def _draft(
        self, principal: Principal, resource: dict[str, Any], patients: tuple[str, ...]
    ) -> CompiledConsent:
        if len(patients) != 1:
            problem = Problem("Consent.patient", "must name one patient of this server", "value")
            raise InvalidResourceError("a consent belongs to one patient", problems=[problem])
        by_patient = principal.kind is Kind.PATIENT
        if by_patient and patients[0] != principal.patient:
            raise ForbiddenError("a patient writes no one else's consents")
        return compile_consent(
            resource,
            version=1,
            attested="patient" if by_patient else "organization",
            now=_now(),
            members=self._members,
            base=self._base,
        )


def _now() -> int:
    return time.time_ns() // 1_000_000
