"""What the pairs of one subject should hold, from what is stored, and which pairs are known to be open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from cachetools import FIFOCache

from chaincode.consent.calls import Opening
from chaincode.consent.model import Terms
from exchange.consent.compile import ConsentDraft, PairContext
from exchange.consent.expected_terms import may_permit, terms_held
from exchange.crypto.documents import open_side, seal_side
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.store.records.subjects import DraftRow, PairRow, Standing

_REMEMBERED = 50_000


def _label(reference: bytes) -> bytes:
    return b"draft" + reference


def seal_draft(keys: SubjectKeys, reference: bytes, version: int, draft: ConsentDraft) -> DraftRow:
    """A compiled consent as the store keeps it."""
    sealed = seal_side(keys, _label(reference), msgspec.json.encode(draft))
    return DraftRow(reference, version, sealed)


def open_draft(keys: SubjectKeys, row: DraftRow) -> ConsentDraft:
    """The compiled consent that `seal_draft` sealed.

    Raises:
        DamagedError: the row does not verify.
    """
    return msgspec.json.decode(open_side(keys, _label(row.reference), row.sealed), type=ConsentDraft)


def context_of(keys: SubjectKeys, recipient: str, members: Mapping[str, str]) -> PairContext:
    """What terms of this subject towards `recipient` are made with."""
    return PairContext(recipient=recipient, salt=PatientSecret(keys.secret).salt(recipient), members=members)


class Holdings:
    """What each pair of one subject should hold, as of one moment.

    The pair towards `always` is open from the start; `members` as in `PairContext`.

    Raises:
        DamagedError: a consent's row does not verify.
    """

    def __init__(
        self,
        keys: SubjectKeys,
        kind: Literal["patient", "directory"],
        members: Mapping[str, str],
        standing: Standing,
        *,
        always: str,
    ) -> None:
        self.keys = keys
        self.standing = standing
        self._kind = kind
        self._members = members
        self._always = always
        self._drafts = {row.reference: open_draft(keys, row) for row in standing.drafts}
        self._held: dict[str, dict[bytes, Terms]] = {}

    def pairs(self) -> list[PairRow]:
        """Every pair that was opened or begun, and the one that always should be."""
        rows = list(self.standing.pairs)
        if all(row.recipient != self._always for row in rows):
            rows.append(PairRow(self._always, self._name(self._always), opened=False))
        return rows

    def held(self, recipient: str) -> dict[bytes, Terms]:
        """The terms that the pair towards `recipient` should hold, by the reference of their consent."""
        held = self._held.get(recipient)
        if held is None:
            noted = self.standing.noted.get(recipient, frozenset())
            held = terms_held(self._drafts, context_of(self.keys, recipient, self._members), noted)
            self._held[recipient] = held
        return held

    def should_open(self, recipient: str, *, now: int) -> bool:
        """Whether the pair towards `recipient` has a use, or may be open; `now` in ms since 1970 UTC.

        Where its terms permit nothing, opening it would only tell the recipient that the patient is here.
        """
        return (
            recipient == self._always
            or self._kind == "directory"
            or any(row.recipient == recipient for row in self.standing.pairs)
            or may_permit(self.held(recipient).values(), recipient, now)
        )

    def granted(self, *, now: int) -> list[str]:
        """The recipients to whom there is something to permit, and whose pair was never begun.

        It stays closed until they ask: nobody learns sooner that there is something to ask for.
        """
        begun = {row.recipient for row in self.pairs()}
        others = sorted(set(self._members.values()) - begun)
        return [recipient for recipient in others if self.should_open(recipient, now=now)]

    def opening(self, recipient: str) -> Opening:
        """The pair towards `recipient`, to be opened with all that it should hold."""
        return Opening(
            pair=self._name(recipient),
            recipient=recipient,
            subject=self._kind,
            terms=tuple(self.held(recipient).values()),
        )

    def unnoted_pair(self, recipient: str) -> Sequence[tuple[bytes, str, str]]:
        """The row (subject, recipient, pair) of the pair towards `recipient`, if there is none yet."""
        if any(row.recipient == recipient for row in self.standing.pairs):
            return ()
        return ((self.keys.token, recipient, self._name(recipient)),)

    def unnoted(self, recipient: str) -> Sequence[tuple[bytes, str, bytes]]:
        """(subject, recipient, reference) of what the pair should hold and was never asked to."""
        new = self.held(recipient).keys() - self.standing.noted.get(recipient, frozenset())
        return [(self.keys.token, recipient, reference) for reference in sorted(new)]

    def _name(self, recipient: str) -> str:
        return PatientSecret(self.keys.secret).pair(recipient)


class KnownPairs:
    """Which pairs are open, and which should not be, as far as it was found out lately.

    A pair that is open stays so. One that is closed may open when a consent of its subject changes, or the
    policy does: `changes` counts how often what was closed was forgotten.
    """

    def __init__(self, capacity: int = _REMEMBERED) -> None:
        self._open: FIFOCache[tuple[bytes, str], None] = FIFOCache(capacity)
        self._closed: FIFOCache[bytes, set[str]] = FIFOCache(capacity)
        self.changes = 0

    def state(self, token: bytes, recipient: str) -> bool | None:
        """Whether the pair is open; None if that is not known."""
        if (token, recipient) in self._open:
            return True
        return False if recipient in self._closed.get(token, ()) else None

    def set_open(self, token: bytes, recipient: str) -> None:
        """Remember that the ledger has confirmed the pair."""
        self._open[token, recipient] = None

    def set_closed(self, token: bytes, recipient: str) -> None:
        """Remember that there is nothing to open the pair for."""
        self._closed.setdefault(token, set()).add(recipient)

    def forget_closed(self, token: bytes | None = None) -> None:
        """Forget what was closed, of one subject or of all."""
        self.changes += 1
        if token is None:
            self._closed.clear()
        else:
            self._closed.pop(token, None)
