"""Records that a change names and that must be stored here: its patients, and the persons of a consent.

A RelatedPerson in a consent is one of the consent's patient.

One rule for every way to write. Where a record belongs to a patient, the Patient is stored here, or is stored
by the same write. It is looked up when a record is created and when it gets another patient: an update of one
that has the patient already, such as the end of a consent, is taken even after the Patient was deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from exchange.consent.persons import not_here
from exchange.crypto.references import References
from exchange.errors import InvalidResourceError, Problem
from exchange.fhir.compartment import paths_of
from exchange.services.records.changes import Prepared, RecordChange
from exchange.services.records.prepare import Indexer
from exchange.store.records import documents
from exchange.store.records.documents import StoredVersion

_CONSENT = "the consent can't be enforced as it is"
_RECORD = "the record names a patient without a Patient on this server"
_NO_PATIENT = "names a patient who is not stored here; store the Patient first, or in the same Bundle"

_Place = tuple[str, str]


class NamedRecords:
    """The look-up of what the changes of one write name; references are read as `indexer` reads them."""

    def __init__(self, references: References, indexer: Indexer) -> None:
        self._references = references
        self._indexer = indexer

    def exist(self, connection: Connection, places: Collection[_Place]) -> set[_Place]:
        """Return those of `places`, type and id, that have a current record."""
        references = {self._references.record(*place): place for place in places}
        found = documents.current(connection, list(references), bodies=False)
        return {references[reference] for reference, stored in found.items() if not stored.deleted}

    def _subjects(
        self, connection: Connection, places: Collection[_Place]
    ) -> dict[_Place, tuple[bytes, ...]]:
        references = {self._references.record(*place): place for place in places}
        found = documents.current(connection, list(references), bodies=False)
        return {references[reference]: stored.subjects for reference, stored in found.items()}

    def check(
        self,
        connection: Connection,
        changes: Sequence[RecordChange],
        current: Mapping[bytes, StoredVersion],
    ) -> None:
        """Refuse changes that name a record which is neither stored nor among them.

        `current` are the versions that the changes replace, by reference.

        Raises:
            InvalidResourceError: one does; `change` is its position, and the problems name its elements.
        """
        new = {
            (change.resource_type, change.logical_id) for change in changes if isinstance(change, Prepared)
        }
        named: dict[int, set[_Place]] = {}
        for position, change in enumerate(changes):
            if isinstance(change, Prepared) and (places := set(self._named(change, current)) - new):
                named[position] = places
        if not named:
            return
        gone = {
            (change.resource_type, change.logical_id)
            for change in changes
            if not isinstance(change, Prepared)
        }
        there = self.exist(connection, set().union(*named.values())) - gone
        related = {place for places in named.values() for place in places if place[0] == "RelatedPerson"}
        patients = self._subjects(connection, related)
        for position, places in named.items():
            change = changes[position]
            own = change.record.subjects if isinstance(change, Prepared) else ()
            missing = {one for one in places if one not in there or patients.get(one, own) != own}
            if missing:
                self.refuse(change, position, missing)

    def refuse(self, change: RecordChange, position: int, missing: Collection[_Place]) -> None:
        """Raise the refusal of the change at `position`, which names the `missing` records."""
        if not isinstance(change, Prepared):
            raise TypeError("a deletion names no other record")
        problems = [not_here(path) for path, kind, name in change.record.persons if (kind, name) in missing]
        message = _CONSENT if problems else _RECORD
        resource = msgspec.json.decode(change.record.body)
        for kind, name in sorted(missing):
            if kind == "Patient":
                paths = paths_of(change.resource_type, resource, name, base=self._indexer.base)
                problems += [Problem(path, _NO_PATIENT, "not-found") for path in paths]
        refused = InvalidResourceError(message, problems=problems)
        refused.change = position
        raise refused

    def _named(self, change: Prepared, current: Mapping[bytes, StoredVersion]) -> Iterator[_Place]:
        record = change.record
        for _, kind, name in record.persons:
            yield kind, name
        before = current.get(self._references.record(change.resource_type, change.logical_id))
        kept = before.subjects if before is not None and not before.deleted else ()
        for patient, subject in zip(record.patients, record.subjects, strict=True):
            if patient and subject not in kept:
                yield "Patient", patient
