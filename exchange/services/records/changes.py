"""Changes that wait to be written, each with the right to make it, and the result of a write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from exchange.auth.write_right import WriteRight
from exchange.services.records.conditions.preconditions import UNCONDITIONAL, Precondition
from exchange.services.records.prepare import IndexedRecord

WriteOutcome = Literal["created", "updated", "unchanged", "deleted"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record to store under `right`; with `must_exist` it can only replace one that is there.

    With `skip_equal`, a record whose content is that of the current version stays unchanged. With `only_new`,
    a record that is there is not replaced.
    """

    right: WriteRight
    record: IndexedRecord
    precondition: Precondition = UNCONDITIONAL
    skip_equal: bool = False
    must_exist: bool = False
    only_new: bool = False
    keeps_labels: bool = True

    @property
    def resource_type(self) -> str:
        """The type of the record."""
        return self.record.resource_type

    @property
    def logical_id(self) -> str:
        """The logical id of the record."""
        return self.record.logical_id


@dataclass(frozen=True, slots=True)
class Deletion:
    """A record to delete under `right`; one that is not there counts as deleted.

    With `skip_absent` it counts as unchanged.
    """

    right: WriteRight
    resource_type: str
    logical_id: str
    precondition: Precondition = UNCONDITIONAL
    skip_absent: bool = False


RecordChange = Prepared | Deletion


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of one change. `written` is in ms since 1970 UTC; `body` is the version now stored.

    `tx_id` is the ledger's transaction that logged it, empty where nothing changed.
    `notices` tell the author of a consent of its effect.
    """

    resource_type: str
    logical_id: str
    version: int
    written: int
    outcome: WriteOutcome
    body: bytes
    tx_id: str = ""
    notices: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The relative address of the version, or of the record where there is no version."""
        record = f"{self.resource_type}/{self.logical_id}"
        return f"{record}/_history/{self.version}" if self.version else record


def check_rights(changes: Iterable[RecordChange]) -> None:
    """Refuse changes without a right that covers them; no request leads here, only a handler's mistake.

    Raises:
        TypeError: a change has no right, or one for another type or patient.
    """
    for change in changes:
        patients: Sequence[str] | None = change.record.patients if isinstance(change, Prepared) else None
        right = change.right
        if not isinstance(right, WriteRight) or not _covers(right, change.resource_type, patients):
            raise TypeError(f"a change of {change.resource_type} needs the right to write it")


def _covers(right: WriteRight, resource_type: str, patients: Sequence[str] | None) -> bool:
    return right.covers_type(resource_type) if patients is None else right.covers(resource_type, patients)
