"""Checks what is stored against the entries of the writes that stored it.

The entry of each write carries a root over everything that was stored of its subject by then. Going through
the rows in their order, the sum of each subject must come by every root that the ledger has of it, and end
at its newest one, or at that of an entry that still waits. So a row that was put back, removed, renumbered
or cut off at the end is found, whatever else was changed with it. `exchange.crypto.version_sums` defines the
sum.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec
from sqlalchemy import Connection, select

from chaincode.access.model import WRITES, LogEntryValue, Reason
from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.version_sums import NOTHING, WrittenSum, WrittenVersion
from exchange.errors import DamagedError
from exchange.ledger.port import LedgerReader
from exchange.services.writes.recording import ENTRIES, waiting_root
from exchange.store.engine.database import Database
from exchange.store.engine.freshness import Freshness
from exchange.store.keys.wrapped_keys import every_wrapped_key
from exchange.store.log import log_tables
from exchange.store.records import documents, outbox, written
from exchange.store.records.watched import WATCHED
from exchange.verify.reports import CheckedPart, Progress, WrongError, check_part, open_keys, snapshot

_PART = "writes"
_entry = msgspec.json.Decoder(LogEntryValue)

Roots = dict[str, set[bytes]]
"""The roots that the entries of writes carry, by pair."""


class WriteChecks:
    """The check of one node's records against the entries of its writes; it is the custodian `msp_id`.

    `compared` learns the rows that were compared. `others` returns those of the pairs it is given that other
    gateways of the custodian opened.
    """

    def __init__(
        self,
        *,
        msp_id: str,
        records: Database,
        ring: KeyRing,
        others: Callable[[Collection[str]], Collection[str]],
        compared: Freshness | None = None,
    ) -> None:
        self._msp_id = msp_id
        self._others = others
        self._compared = compared
        self._records = records
        self._ring = ring

    def check_against_ledger(self, ledger: LedgerReader, progress: Progress) -> CheckedPart:
        """Check that every root on the ledger is one of the store, and every stored version is under one."""
        roots = self._on_ledger(ledger)
        with snapshot(self._records) as connection:
            return self._checked(connection, roots, progress, ledger)

    def check_against_log(self, entries: Database, progress: Progress) -> CheckedPart:
        """Check that every root in the log is one of the store; the log may be behind its ledger."""
        entry = log_tables.entries.c
        own = (entry.custodian == self._msp_id, entry.action.in_([action.value for action in WRITES]))
        with snapshot(entries) as log:
            roots = self._of(log_tables.records(log, *own))
        with snapshot(self._records) as connection:
            return self._checked(connection, roots, progress, None)

    def _on_ledger(self, ledger: LedgerReader) -> Roots:
        ledger.catch_up()
        return self._of(found.value for found in ledger.entries(None))

    def _of(self, entries: Iterable[bytes]) -> Roots:
        roots: Roots = {}
        for value in entries:
            entry = _entry.decode(value)
            if (
                entry.root
                and entry.action in WRITES
                and entry.custodian == self._msp_id
                and entry.reason == Reason.RECORDED
            ):
                roots.setdefault(entry.pair, set()).add(bytes.fromhex(entry.root))
        return roots

    def _checked(
        self, connection: Connection, roots: Roots, progress: Progress, ledger: LedgerReader | None
    ) -> CheckedPart:
        checked = check_part(
            _PART,
            self._check(connection, roots, ledger),
            progress,
            lambda: documents.count(connection),
        )
        if self._compared is not None:
            self._compared.learn(connection, WATCHED)
        return checked

    def _check(self, connection: Connection, roots: Roots, ledger: LedgerReader | None) -> Iterator[None]:
        subjects = self._subjects(connection, roots)
        for one, owners in documents.every_mark(connection):
            for token in owners:
                if token not in subjects:
                    raise WrongError(f"row {one.sequence}", "belongs to no subject")
                subjects[token].add(one)
            yield
        for subject in subjects.values():
            if subject.roots:
                raise WrongError(subject.place, _TAKEN_BACK)
        self._check_sums(connection, subjects)
        if ledger is not None:
            self._check_ends(connection, subjects, ledger)

    def _subjects(self, connection: Connection, roots: Roots) -> dict[bytes, _Subject]:
        wrapped = every_wrapped_key(connection)
        subjects: dict[bytes, _Subject] = {}
        for token in wrapped:
            try:
                keys = open_keys(self._ring, token, wrapped)
            except (DamagedError, ValueError) as why:
                raise WrongError("subjects", f"a key does not open ({why})") from None
            secret = PatientSecret(keys.secret)
            pair = secret.pair(self._msp_id)
            subjects[token] = _Subject(keys, pair, secret.salt(self._msp_id), roots.pop(pair, set()))
        if roots and (roots.keys() - set(self._others(list(roots)))):
            raise WrongError("subjects", "one is missing of which the ledger has entries of writes")
        return subjects

    def _check_sums(self, connection: Connection, subjects: dict[bytes, _Subject]) -> None:
        stored = written.every_sum(connection)
        is_summed = bool(stored)
        for token, subject in subjects.items():
            found = stored.pop(token, None)
            if found is None:
                # Records of a format before have no sums until the node is opened, and then all have one.
                if subject.known or (subject.sum != NOTHING and is_summed):
                    raise WrongError("written", f"the row of {subject.place} is missing")
                subject.ended = True
            elif found != (subject.sum, subject.root()):
                raise WrongError("written", f"the row of {subject.place} is not what its records come to")
        if stored:
            raise WrongError("written", "a row belongs to no subject")

    def _check_ends(
        self, connection: Connection, subjects: dict[bytes, _Subject], ledger: LedgerReader
    ) -> None:
        waiting = self._waiting(connection, subjects)
        left = {
            subject.pair: subject
            for subject in subjects.values()
            if not subject.ended and subject.root() not in waiting
        }
        if not left:
            return
        late = self._on_ledger(ledger)  # a gateway that is serving may have committed meanwhile
        for pair, subject in left.items():
            if bytes.fromhex(subject.root()) not in late.get(pair, ()):
                raise WrongError(subject.place, "has records that no entry on the ledger speaks of")

    def _waiting(self, connection: Connection, subjects: dict[bytes, _Subject]) -> set[str]:
        table = outbox.outbox.c
        statement = select(table.subject, table.reference, table.sealed).where(table.topic == ENTRIES)
        found = set()
        for token, reference, sealed in connection.execute(statement):
            if token not in subjects:
                raise WrongError("outbox", "an entry that waits belongs to no subject")
            found.add(waiting_root(subjects[token].keys, reference, sealed))
        return found


_TAKEN_BACK = (
    "an entry on the ledger commits to records that are not stored so: some were put back, changed or removed"
)


class _Subject:
    """One subject on the way through the rows: its sum so far, and the roots that it has not come by yet.

    It has `ended` where the sum is at a root of the ledger, or needs none.
    """

    __slots__ = ("ended", "keys", "known", "pair", "place", "roots", "salt", "sum")

    def __init__(self, keys: SubjectKeys, pair: str, salt: bytes, roots: set[bytes]) -> None:
        self.keys, self.pair, self.salt, self.roots = keys, pair, salt, roots
        self.place = f"pair {pair[:12]}"
        self.known = bool(roots)
        self.sum: WrittenSum = NOTHING
        self.ended = not roots

    def root(self) -> str:
        """Return the root of the sum so far."""
        return self.sum.root(self.salt)

    def add(self, one: WrittenVersion) -> None:
        """Add a version, and take note of whether the sum is at a root of the ledger then."""
        self.sum = self.sum.add(self.keys, one)
        self.ended = False
        if self.known:
            root = bytes.fromhex(self.root())
            self.ended = root in self.roots
            self.roots.discard(root)
