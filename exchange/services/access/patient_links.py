"""The records of one person: Patients that link to one another, as a merge of two numbers leaves them.

1. R4 has `Patient.link` for other records of the same actual patient, whatever the link's type. A link counts
   from either side, and through others: the current Patients that links join are one person.
2. The links are taken from the subjects of stored Patients, which their ciphertext is bound to. There is no
   table beside them that could contradict them, and nothing to repair after a crash.
3. A person has at most `MOST_NUMBERS` records; a link beyond is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from exchange.auth.principal import Principal
from exchange.crypto.references import References
from exchange.errors import TooCostlyError
from exchange.store.engine.database import Database
from exchange.store.records import documents

MOST_NUMBERS: Final = 16
"""Records of one person that are judged together."""


class PatientLinks:
    """The Patients of one node that are one person, by the tokens of their subjects."""

    def __init__(self, references: References, records: Database) -> None:
        self._references = references
        self._records = records
        self.lock: Final = asyncio.Lock()
        """Held from before a Patient is written until it is learnt, so that versions are learnt in order."""
        self._linked: dict[bytes, tuple[bytes, ...]] = {}
        self._beside: dict[bytes, set[bytes]] = {}

    async def load(self) -> None:
        """Read the links of all stored Patients; call it before any request.

        Raises:
            UnavailableError: the store can't be reached.
        """
        kind = self._references.of_type("Patient")
        for reference, subjects in await self._records.read(lambda c: documents.joint(c, kind)):
            self._put(reference, subjects)

    def others(self, token: bytes) -> tuple[bytes, ...]:
        """Return the other subjects that are the person of `token`, sorted.

        Raises:
            TooCostlyError: they are more than can be judged together.
        """
        if token not in self._beside:
            return ()
        found = self._joined(token)
        if len(found) > MOST_NUMBERS:
            raise TooCostlyError(f"links join more than {MOST_NUMBERS} Patients; remove some of them")
        return tuple(sorted(found - {token}))

    def of(self, principal: Principal) -> tuple[bytes, ...]:
        """Return the subjects that a patient's token stands for: its own, and those linked to it.

        A person who acts for the patient acts for the one number alone.
        """
        own = self._references.subject(principal.patient)
        return (own,) if principal.is_proxy else (own, *self.others(own))

    def covers(self, principal: Principal, subjects: Collection[bytes]) -> bool:
        """Return whether a record of `subjects` is of the patient that `principal` stands for alone.

        A record that is of other numbers of the patient as well counts for each of them.
        """
        own = self._references.subject(principal.patient)
        if principal.is_proxy and own not in subjects:
            return False
        return bool(subjects) and {own, *self.others(own)}.issuperset(subjects)

    def joins_too_many(self, subjects: Sequence[bytes]) -> bool:
        """Return whether a Patient of `subjects` would join more records than can be judged together."""
        found: set[bytes] = set()
        for token in subjects:
            found |= self._joined(token)
        return len(found) > MOST_NUMBERS

    def learn(self, made: Iterable[tuple[bytes, Sequence[bytes]]]) -> frozenset[bytes]:
        """Take over the subjects of stored Patients, by reference; return those whose person has changed.

        A Patient that was deleted has none.
        """
        changed: set[bytes] = set()
        for reference, subjects in made:
            before = self._linked.get(reference, ())
            now = tuple(subjects) if len(subjects) > 1 else ()
            if set(before) != set(now):
                changed |= self._around(before)
                self._put(reference, now)
                changed |= self._around(now)
        return frozenset(changed)

    def _put(self, reference: bytes, subjects: Sequence[bytes]) -> None:
        before = self._linked.pop(reference, ())
        if subjects:
            self._linked[reference] = tuple(subjects)
        for token in {*before, *subjects}:
            held = self._beside.setdefault(token, set())
            held.discard(reference)
            if token in subjects:
                held.add(reference)
            if not held:
                del self._beside[token]

    def _around(self, subjects: Sequence[bytes]) -> set[bytes]:
        return self._joined(subjects[0]) if subjects else set()

    def _joined(self, token: bytes) -> set[bytes]:
        found, waiting = {token}, [token]
        while waiting:
            for reference in self._beside.get(waiting.pop(), ()):
                new = set(self._linked[reference]) - found
                found |= new
                waiting.extend(new)
        return found
