"""Brings records of a format before under entries: each subject's sum, and one entry that commits to it.

It is done once, when a migrated node is opened for the first time: the sums and the entries that wait are one
transaction, so a crash leaves all of it or nothing.
"""

from __future__ import annotations

from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth.principal import Principal
from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.version_sums import NOTHING, WrittenSum
from exchange.services.writes.recording import Deed, PlannedEntry, Recording
from exchange.store.engine.database import Database
from exchange.store.keys import wrapped_keys
from exchange.store.records import documents, written


async def adopt_stored(records: Database, ring: KeyRing, recording: Recording) -> int:
    """Sum up what is stored, if that was never done, and log it; return for how many subjects.

    Raises:
        DamagedError: a subject's key does not open.
        UnavailableError: the store can't be reached, or the entries are left to the outbox.
    """
    if not await records.read(_is_needed):
        return 0
    principal = Principal.for_operator(recording.msp_id, "consentry-migrate")

    def work(connection: Connection) -> list[PlannedEntry]:
        if not _is_needed(connection):
            return []
        wrapped = wrapped_keys.every_wrapped_key(connection)
        keys = {token: ring.open(token, sealed) for token, sealed in wrapped.items()}
        sums = dict.fromkeys(keys, NOTHING)
        for one, owners in documents.every_mark(connection):
            for token in owners:
                sums[token] = sums[token].add(keys[token], one)
        rows = {
            token: (total, total.root(PatientSecret(keys[token].secret).salt(recording.msp_id)))
            for token, total in sums.items()
            if total != NOTHING
        }
        written.put_sums(connection, rows, before={})
        return recording.plan(connection, [_baseline(keys[token], rows[token], principal) for token in rows])

    planned = await records.write(work)
    await recording.ready([one.keys for one in planned])
    await recording.record(planned)
    return len(planned)


def _is_needed(connection: Connection) -> bool:
    return not written.is_summed(connection) and documents.count(connection) > 0


def _baseline(
    keys: SubjectKeys, row: tuple[WrittenSum, str], principal: Principal
) -> tuple[SubjectKeys, Deed]:
    total, root = row
    target = f"{total.versions} versions that were stored before writes were logged"
    return keys, Deed(principal, RecordedAction.BASELINE, "baseline", target, root=root)
