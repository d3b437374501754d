"""The keys of one node: every derivation from the vault's root key, named once.

A purpose is a label of the derivation, so it never changes: under another one no record is found, no token
is known and no page link opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property

from exchange.crypto.cursors import Cursors
from exchange.crypto.index_tokens import TokenKeys
from exchange.crypto.job_seal import JobSeal
from exchange.crypto.keys import KeyRing
from exchange.crypto.operator_seal import OperatorSeal
from exchange.crypto.references import References
from exchange.vault.port import Vault


class KeyPurpose(StrEnum):
    """The uses of the keys that are derived from the root."""

    REFERENCES = "references"
    SEARCH_TOKENS = "search-tokens"
    OPERATOR = "operator"
    CURSORS = "cursors"
    JOBS = "jobs"
    FINGERPRINT = "fingerprint"


class NodeKeys:
    """The parts of a node that hold a key; each is made on first use, and then cached."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @cached_property
    def fingerprint(self) -> bytes:
        """The check value of the root key (10 bytes), which tells nothing about it."""
        return self._vault.derive(KeyPurpose.FINGERPRINT)[:10]

    @property
    def name(self) -> str:
        """The node's name on the ledger: the fingerprint in 20 hexadecimal digits."""
        return self.fingerprint.hex()

    def epochs(self) -> Mapping[int, bytes]:
        """Return the check value of each epoch key by its number."""
        return self._vault.epochs()

    @cached_property
    def ring(self) -> KeyRing:
        """Makes and opens the keys of subjects."""
        return KeyRing(self._vault)

    @cached_property
    def references(self) -> References:
        """Names records, subjects and compartments towards the database."""
        return References(self._vault.derive(KeyPurpose.REFERENCES))

    @cached_property
    def search_tokens(self) -> TokenKeys:
        """Names search terms towards the database."""
        return TokenKeys(self._vault.derive(KeyPurpose.SEARCH_TOKENS))

    @cached_property
    def operator_seal(self) -> OperatorSeal:
        """Vouches for registered clients, and seals tokens."""
        return OperatorSeal(self._vault.derive(KeyPurpose.OPERATOR))

    @cached_property
    def cursors(self) -> Cursors:
        """Seals the links to next pages."""
        return Cursors(self._vault.derive(KeyPurpose.CURSORS))

    @cached_property
    def job_seal(self) -> JobSeal:
        """Seals the parameters and cursors of jobs."""
        return JobSeal(self._vault.derive(KeyPurpose.JOBS))
