"""The status of patients as the index of the records tells it; no document is opened for that."""

from __future__ import annotations

from sqlalchemy import Connection

from exchange.crypto.index_tokens import TokenKeys
from exchange.crypto.references import References
from exchange.fhir import search
from exchange.store.records import documents

_DECEASED = [
    term
    for term in search.terms("Patient", {"resourceType": "Patient", "deceasedBoolean": True})
    if term.parameter == "deceased"
]


class PatientStatus:
    """Looks patients up by the search tokens of their records."""

    def __init__(self, references: References, token_keys: TokenKeys) -> None:
        self._references = references
        self._deceased = frozenset(token_keys.tokens("Patient", _DECEASED))

    def is_deceased(self, connection: Connection, patient: str) -> bool:
        """Return whether the current Patient with that logical id says that the patient is deceased."""
        reference = self._references.record("Patient", patient)
        return bool(self._deceased & documents.tokens_of(connection, reference))
