"""Keyed tokens that stand for references, subjects and compartments in the database.

Without the index key a token can't be traced to its patient or record, and no guess can be tested.
"""

from __future__ import annotations

from exchange.crypto.index_tokens import TOKEN_BYTES, KeyedHash


class References:
    """Tokens (16 bytes each) under one tenant's index key of 32 bytes."""

    def __init__(self, index_key: bytes) -> None:
        self._digest = KeyedHash(index_key).digest
        self.directory = self._token(b"directory", "")
        """The subject of records without a patient."""

    def _token(self, kind: bytes, text: str) -> bytes:
        return self._digest(b"consentry/reference/1\0%b\0%b" % (kind, text.encode()))[:TOKEN_BYTES]

    def record(self, resource_type: str, logical_id: str) -> bytes:
        """Return the token of the record `resource_type/logical_id`."""
        return self._token(b"record", f"{resource_type}/{logical_id}")

    def subject(self, patient: str) -> bytes:
        """Return the token of the patient with logical id `patient` as a subject."""
        return self._token(b"subject", patient)

    def of_type(self, resource_type: str) -> bytes:
        """Return the search token of every current record of a type."""
        return self._token(b"type", resource_type)

    def compartment(self, subject: bytes) -> bytes:
        """Return the search token of every current record in a subject's compartment."""
        return self._token(b"compartment", subject.hex())

    def log_term(self, text: str) -> bytes:
        """Return the token of a text by which entries of the access log are found."""
        return self._token(b"log", text)

    def unknown_subject(self) -> bytes:
        """Return the token of a subject that does not exist, for requests that concern none."""
        return self._token(b"nobody", "")
