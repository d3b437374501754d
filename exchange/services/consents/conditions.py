"""The conditions on records behind the obligations of a permission, from the sealed consents."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from cachetools import LRUCache

from chaincode.consent.model import Condition, Provision
from exchange.consent.compile import conditions_of
from exchange.consent.hidden_conditions import find_conditions, hidden_in, show_conditions
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.permit import Permit
from exchange.crypto.pseudonyms import PatientSecret
from exchange.services.consents.expected import open_consent
from exchange.store.engine.database import Database
from exchange.store.records import subjects as store

CACHE_SIZE: Final = 10_000


class SealedConditions:
    """Finds the conditions that stand on the ledger as digests. A digest never changes its meaning."""

    def __init__(self, records: Database, capacity: int = CACHE_SIZE) -> None:
        self._records = records
        self._known: LRUCache[tuple[bytes, str, str], Condition] = LRUCache(capacity)

    async def obligations(
        self, permit: Permit, keys: Mapping[bytes, SubjectKeys]
    ) -> dict[bytes, tuple[Provision, ...]]:
        """Return the obligations of `permit` by subject, with the conditions that they are about.

        An obligation about a condition that no stored consent has refuses every record.

        Raises:
            DamagedError: a consent's row does not verify.
            UnavailableError: the store can't be reached.
        """
        return {
            token: await self._shown(keys[token], permit.recipient, trees)
            for token, trees in permit.obligations.items()
        }

    async def denials(
        self, permit: Permit, keys: Mapping[bytes, SubjectKeys]
    ) -> dict[bytes, dict[bytes, tuple[Provision, ...]]]:
        """Return the denials of `permit` by subject and by the subject in whose pair they stand.

        Conditions and errors are as for `obligations`; `keys` has those of both subjects.
        """
        return {
            token: {
                beside: await self._shown(keys[beside], permit.recipient, trees)
                for beside, trees in groups.items()
                if trees
            }
            for token, groups in permit.denials.items()
        }

    async def _shown(
        self, keys: SubjectKeys, recipient: str, trees: tuple[Provision, ...]
    ) -> tuple[Provision, ...]:
        digests = {digest for tree in trees for digest in hidden_in(tree)}
        if not digests:
            return trees
        names = {digest: (keys.token, recipient, digest) for digest in digests}
        known = {digest: self._known[name] for digest, name in names.items() if name in self._known}
        if len(known) < len(digests):
            known |= await self._stored(keys, recipient, digests - known.keys())
            for digest, condition in known.items():
                self._known[names[digest]] = condition
        return tuple(show_conditions(tree, known) for tree in trees)

    async def _stored(self, keys: SubjectKeys, recipient: str, digests: Set[str]) -> dict[str, Condition]:
        salt = PatientSecret(keys.secret).salt(recipient)
        stored: list[Condition] = []
        for row in await self._records.read(lambda c: store.consents_of(c, keys.token)):
            stored += conditions_of(open_consent(keys, row), salt)
        return find_conditions(stored, digests, salt)
