"""Checking and indexing of bodies: from bytes as received to a record that can be sealed and found. No I/O.

Needs only the two index keys, so worker processes can do it as well as the gateway itself.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from exchange.auth.person_identifiers import identifiers_in
from exchange.consent.compile import CompiledConsent, compile_consent
from exchange.consent.persons import named_persons, problems_of_persons
from exchange.crypto.index_tokens import TokenKeys
from exchange.crypto.references import References
from exchange.errors import BadRequestError, ForbiddenError, InvalidResourceError, Problem
from exchange.fhir import r4, search
from exchange.fhir.compartment import patients_of
from exchange.fhir.references import ID
from exchange.fhir.resource_bytes import OBSERVATION_VALUES, with_extension
from exchange.fhir.subjects import unplaced
from exchange.store.records.documents import pack

MOST_PATIENTS = 8
"""Patients that one record may concern; their keys together seal it."""

FILED_BY: Final = "urn:consentry:filed-by"
"""The extension of a stored Consent that says who filed it: its patient, or the organization."""

LOG_TYPE: Final = "AuditEvent"
"""The type that is read from the ledger and never stored."""
LEDGER_ALONE: Final = "the access log is written by the ledger alone"

_MOST_OWNERS = 5_000
"""Patients with cached tokens, about 300 bytes each."""

_ID = re.compile(rf"{ID}\Z")
_ASSIGNED = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


class IndexedRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A body that was checked and indexed, and waits for the right to be stored and for a version number.

    `subjects` are the store tokens of `patients`, in the same order; a record without a patient has the
    directory for its one subject. `tokens` are packed (`exchange.store.records.documents.pack`). `draft` is
    the consent that a Consent was compiled to; `persons` are the path, type and id of each
    person that it names, who must be stored here. `identifiers` are those of a Practitioner
    (`exchange.auth.person_identifiers`).
    """

    resource_type: str
    logical_id: str
    body: bytes
    patients: tuple[str, ...]
    subjects: tuple[bytes, ...]
    tokens: bytes
    draft: CompiledConsent | None = None
    persons: tuple[tuple[str, str, str], ...] = ()
    identifiers: tuple[str, ...] = ()


def new_id() -> str:
    """Return a logical id for a new record: a random UUID, which discloses nothing about the patient."""
    return str(uuid.uuid4())


def is_assigned(logical_id: str) -> bool:
    """Check whether an id has the form of those that `new_id` makes."""
    return _ASSIGNED.match(logical_id) is not None


class Indexer:
    """Prepares bodies for one custodian, and counts the processor seconds spent on checking and on indexing.

    `base` is the FHIR base URL: references under it are this server's own. `members` maps the names that
    a consent may give a member to its MSP id. `zone` is that of the days in consents, None where it is not
    known.
    """

    def __init__(
        self,
        *,
        base: str,
        members: Mapping[str, str],
        references: References,
        token_keys: TokenKeys,
        zone: ZoneInfo | None,
    ) -> None:
        self.base = base
        self._zone = zone
        self.members = members
        self._references = references
        self._token_keys = token_keys
        # Nearly every record of a load needs these again: the tokens of its type and of its patients.
        self._types: dict[str, bytes] = {}
        self._owners: dict[str, tuple[bytes, bytes]] = {}
        self.seconds_checking = 0.0
        self.seconds_indexing = 0.0

    def index(
        self, body: bytes, *, resource_type: str, logical_id: str | None, patient: str = ""
    ) -> IndexedRecord:
        """Check and index `body`; `logical_id` is the URL's, or None to have one assigned. No I/O.

        A Consent is that of `patient`, or of the organization where there is none.

        Raises:
            BadRequestError: the body is no JSON, its type or id differs from the URL's.
            ForbiddenError: the type is never stored, or a Consent is another patient's.
            InvalidResourceError: it is not valid R4, would not mean what it says, names a patient who is not
                here, or is a consent that this exchange can't enforce.
        """
        if resource_type == LOG_TYPE:
            raise ForbiddenError(LEDGER_ALONE)
        started = time.thread_time()
        resource = r4.check(body, expected=resource_type).resource
        checked = time.thread_time()
        self.seconds_checking += checked - started
        _check_kept_promises(resource_type, resource)
        logical_id = _identified(resource, logical_id)
        patients = self._patients(resource_type, resource)
        draft: CompiledConsent | None = None
        persons: tuple[tuple[str, str, str], ...] = ()
        if resource_type == "Consent":
            draft, persons = self._draft(resource, patients, patient)
            body = with_extension(body, FILED_BY, draft.attested)
        owners = [self._owner(one) for one in patients or ("",)]
        tokens = self._token_keys.tokens(resource_type, search.terms(resource_type, resource, base=self.base))
        tokens.append(self._type(resource_type))
        tokens.extend(compartment for _, compartment in owners)
        self.seconds_indexing += time.thread_time() - checked
        subjects = tuple(subject for subject, _ in owners)
        return IndexedRecord(
            resource_type,
            logical_id,
            body,
            patients or ("",),
            subjects,
            pack(tokens),
            draft,
            persons,
            identifiers_in(resource.get("identifier", ())) if resource_type == "Practitioner" else (),
        )

    def _patients(self, resource_type: str, resource: dict[str, Any]) -> tuple[str, ...]:
        patients = patients_of(resource_type, resource, base=self.base)
        if len(patients) > MOST_PATIENTS:
            problem = Problem(resource_type, f"concerns more than {MOST_PATIENTS} patients")
            raise InvalidResourceError("the record concerns too many patients", problems=[problem])
        strangers = unplaced(resource_type, resource, placed=bool(patients), base=self.base)
        if strangers:
            raise InvalidResourceError(
                "the record names a patient without a Patient on this server", problems=strangers
            )
        return patients

    def _type(self, resource_type: str) -> bytes:
        if resource_type not in self._types:
            self._types[resource_type] = self._references.of_type(resource_type)
        return self._types[resource_type]

    def _owner(self, patient: str) -> tuple[bytes, bytes]:
        """Return the subject token of `patient`, or the directory's for none, and its compartment's token."""
        known = self._owners.get(patient)
        if known is None:
            subject = self._references.subject(patient) if patient else self._references.directory
            known = subject, self._references.compartment(subject)
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            self._owners[patient] = known
        return known

    def _draft(
        self, resource: dict[str, Any], patients: tuple[str, ...], patient: str
    ) -> tuple[CompiledConsent, tuple[tuple[str, str, str], ...]]:
        if len(patients) != 1:
            problem = Problem("Consent.patient", "must name one patient of this server", "value")
            raise InvalidResourceError("a consent belongs to one patient", problems=[problem])
        if patient and patients[0] != patient:
            raise ForbiddenError("a patient writes no one else's consents")
        draft = compile_consent(
            resource,
            version=1,
            attested="patient" if patient else "organization",
            now=_now(),
            members=self.members,
            base=self.base,
            zone=self._zone,
        )
        if draft.status != "active":
            return draft, ()
        wrong = problems_of_persons(resource, self.base, patient=patients[0], sender=patient)
        if wrong:
            raise InvalidResourceError("the consent can't be enforced as it is", problems=wrong)
        named = [one for one in named_persons(resource, self.base) if one[1] != "Patient"]
        return draft, tuple(named)


def _check_kept_promises(resource_type: str, resource: dict[str, Any]) -> None:
    """Refuse what is valid and would not mean what its sender thinks: a part of a record, a Subscription.

    Raises:
        InvalidResourceError: it is one of these.
    """
    tags = resource.get("meta", {}).get("tag", ())
    if any(tag.get("code") == "SUBSETTED" and tag.get("system") == OBSERVATION_VALUES for tag in tags):
        message = "SUBSETTED: a part of a record can't replace the whole of it; read it without _elements"
        problem = Problem(f"{resource_type}.meta.tag", message, "business-rule")
        raise InvalidResourceError("the body is only a part of a record", problems=[problem])
    if resource_type == "Subscription" and resource.get("status") in {"requested", "active"}:
        message = "subscriptions are not delivered here; only off and error can be stored"
        problem = Problem("Subscription.status", message, "not-supported")
        raise InvalidResourceError("the subscription would never fire", problems=[problem])


def _identified(resource: dict[str, Any], logical_id: str | None) -> str:
    """Set and return the id of `resource`: `logical_id`, which the body must agree with, or a new one."""
    if logical_id is None:
        logical_id = new_id()
    elif resource.get("id") != logical_id:
        raise BadRequestError("the body's id is not the one in the URL")
    if not _ID.match(logical_id):
        raise BadRequestError("an id has 1 to 64 letters, digits, '-' or '.'")
    resource["id"] = logical_id
    return logical_id


def _now() -> int:
    return time.time_ns() // 1_000_000
