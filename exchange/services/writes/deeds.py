"""The deeds of one write: one per subject, with the sum and the root of all that is stored of it then.

A deletion of a record that is not there is a deed, too: somebody meant to delete it. It changes no sum, and
commits to none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth.principal import Principal
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.version_sums import NOTHING, WrittenSum, WrittenVersion
from exchange.errors import DamagedError
from exchange.services.writes.recording import Deed
from exchange.store.records import written
from exchange.store.records.documents import NewVersion

LOAD = "load"
"""The name of the bulk load, as if it were an interaction."""

_MOST_NAMED = 50
"""Records that one entry's detail names; the others of a large write are counted there."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A write as it is logged: as `interaction` of the principal `by`, at the custodian `msp_id`."""

    by: Principal
    interaction: str
    msp_id: str


@dataclass(frozen=True, slots=True)
class Made:
    """A version that a write made, what was done by it, its type, and its relative address."""

    version: NewVersion
    action: RecordedAction
    resource_type: str
    place: str


@dataclass(frozen=True, slots=True)
class Missed:
    """A deletion of a record that was not there, its type and address, upon the subjects that it had.

    One that never was is upon the directory.
    """

    subjects: Sequence[bytes]
    resource_type: str
    place: str


def deeds_of(
    connection: Connection,
    made: Sequence[Made],
    missed: Sequence[Missed],
    *,
    first: int,
    keys: Mapping[bytes, SubjectKeys],
    logged: Logged,
) -> list[tuple[SubjectKeys, Deed]]:
    """Add what was `made` to the subjects' sums, and return the deed of each subject, with what it `missed`.

    The versions have the sequences from `first` on. The sums are stored in the transaction of `connection`.

    Raises:
        DamagedError: a stored sum is not the one that was stored.
    """
    by_subject: dict[bytes, list[tuple[int, Made]]] = {}
    for sequence, one in enumerate(made, start=first):
        for token in one.version.subjects:
            by_subject.setdefault(token, []).append((sequence, one))
    not_there: dict[bytes, list[Missed]] = {}
    for gone in missed:
        for token in gone.subjects:
            not_there.setdefault(token, []).append(gone)
    before = written.sums(connection, list(by_subject))
    after: dict[bytes, tuple[WrittenSum, str]] = {}
    deeds: list[tuple[SubjectKeys, Deed]] = []
    for token, its in by_subject.items():
        owner = keys[token]
        salt = PatientSecret(owner.secret).salt(logged.msp_id)
        total, root = before.get(token, (NOTHING, ""))
        if root and total.root(salt) != root:
            raise DamagedError("the sum of a subject's versions does not verify; run `consentry verify`")
        for sequence, one in its:
            total = total.add(owner, written_version(sequence, one.version))
        after[token] = total, total.root(salt)
        missing = not_there.pop(token, ())
        deeds.append((owner, _deed([one for _, one in its], missing, after[token][1], logged)))
    written.put_sums(connection, after, before=before)
    return deeds + [(keys[token], _deed((), its, "", logged)) for token, its in not_there.items()]


def written_version(sequence: int, new: NewVersion) -> WrittenVersion:
    """Return what is committed to of a version that was stored under `sequence`."""
    envelope = new.envelope
    return WrittenVersion(
        sequence, envelope.reference, envelope.version, new.written, new.deleted, envelope.digest
    )


def _deed(made: Sequence[Made], missed: Sequence[Missed], root: str, logged: Logged) -> Deed:
    actions = {one.action for one in made} | ({RecordedAction.DELETE} if missed else set())
    if logged.interaction == LOAD:
        action = RecordedAction.LOAD
    else:  # a transaction that does several things to a patient's records changes them
        action = actions.pop() if len(actions) == 1 else RecordedAction.UPDATE
    all_of: list[Made | Missed] = [*made, *missed]
    target = ",".join(one.place for one in all_of[:_MOST_NAMED])
    if len(all_of) > _MOST_NAMED:
        target += f",and {len(all_of) - _MOST_NAMED} more"
    classes = tuple(sorted({one.resource_type for one in all_of}))
    return Deed(logged.by, action, logged.interaction, target, classes, root)
