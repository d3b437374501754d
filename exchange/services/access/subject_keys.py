"""Subjects' keys on demand: from the cache, from the store, or new for a patient without any."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.store.engine.database import Database
from exchange.store.keys import wrapped_keys


class SubjectKeyStore:
    """Finds the keys of subjects by their tokens: opened from cache or store, or created."""

    def __init__(self, ring: KeyRing, records: Database) -> None:
        self._ring = ring
        self._records = records

    async def find(self, tokens: Sequence[bytes]) -> dict[bytes, SubjectKeys]:
        """Return the keys of those of `tokens` that are subjects here."""
        found, missing = self._cached(tokens)
        if missing:
            wrapped = await self._records.read(lambda c: wrapped_keys.find(c, missing))
            found |= {token: self._ring.open(token, sealed) for token, sealed in wrapped.items()}
        return found

    def find_within(self, connection: Connection, tokens: Sequence[bytes]) -> dict[bytes, SubjectKeys]:
        """Return what `find` does, in the transaction of `connection`."""
        found, missing = self._cached(tokens)
        wrapped = wrapped_keys.find(connection, missing) if missing else {}
        return found | {token: self._ring.open(token, sealed) for token, sealed in wrapped.items()}

    async def read_anew(self, tokens: Sequence[bytes], instead: bytes) -> dict[bytes, SubjectKeys]:
        """Return the keys of `tokens`, read and unwrapped whether or not they are cached.

        A token of no subject takes as long as one of a subject: for each such token the keys of `instead`
        are unwrapped once more. They are not in the answer.
        """
        wrapped = await self._records.read(lambda c: wrapped_keys.find(c, [*tokens, instead]))
        found: dict[bytes, SubjectKeys] = {}
        for token in tokens:
            if token in wrapped:
                found[token] = self._ring.open(token, wrapped[token])
            else:
                self._ring.open(instead, wrapped[instead])
        return found

    async def ensure(self, names: Mapping[bytes, str]) -> dict[bytes, SubjectKeys]:
        """Return the keys of all tokens in `names`; a new one becomes a subject with that logical id."""
        found = await self.find(list(names))
        missing = {token: name for token, name in names.items() if token not in found}
        if missing:
            wrapped = await self._records.write(lambda c: self._create(c, missing))
            found |= {token: self._ring.open(token, sealed) for token, sealed in wrapped.items()}
        return found

    def _cached(self, tokens: Sequence[bytes]) -> tuple[dict[bytes, SubjectKeys], list[bytes]]:
        found: dict[bytes, SubjectKeys] = {}
        missing: list[bytes] = []
        for token in dict.fromkeys(tokens):
            keys = self._ring.cached(token)
            if keys is None:
                missing.append(token)
            else:
                found[token] = keys
        return found, missing

    def _create(self, connection: Connection, names: Mapping[bytes, str]) -> dict[bytes, bytes]:
        # Inside the write transaction: another request may have created some of them meanwhile.
        wrapped = wrapped_keys.find(connection, list(names))
        new = [
            (token, self._ring.create(token, name)) for token, name in names.items() if token not in wrapped
        ]
        now = time.time_ns() // 1_000_000
        if new:
            wrapped_keys.add_subjects(connection, [(token, sealed, now) for token, sealed in new])
        return wrapped | dict(new)
