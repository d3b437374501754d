"""The consents that each pair of one subject should hold, worked out from the records database.

Consents that a pair holds on the ledger count as requested there (`learn`), whether or not a row says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import msgspec

from chaincode.consent.calls import Opening
from chaincode.consent.model import Pair, Terms
from exchange.consent.compile import CompiledConsent, PairContext, terms_id
from exchange.consent.expected_terms import deny_all, expected_terms, may_permit
from exchange.consent.provisions import denies
from exchange.crypto.documents import open_metadata, seal_metadata
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.errors import ForbiddenError
from exchange.store.records.subjects import CompiledRow, PairRow, SubjectSnapshot


def _label(reference: bytes) -> bytes:
    return b"draft" + reference


def seal_consent(keys: SubjectKeys, reference: bytes, version: int, consent: CompiledConsent) -> CompiledRow:
    """Encrypt a compiled consent for the store."""
    sealed = seal_metadata(keys, _label(reference), msgspec.json.encode(consent))
    return CompiledRow(reference, version, sealed)


def open_consent(keys: SubjectKeys, row: CompiledRow) -> CompiledConsent:
    """Return the compiled consent that `seal_consent` encrypted.

    Raises:
        DamagedError: the row does not verify.
    """
    return msgspec.json.decode(open_metadata(keys, _label(row.reference), row.sealed), type=CompiledConsent)


def check_attested(keys: SubjectKeys, before: CompiledRow | None, consent: CompiledConsent) -> None:
    """Refuse `consent` in place of one that the patient gave, unless the patient gives this one too.

    The contract refuses it as well, where a pair holds the patient's.

    Raises:
        ForbiddenError: it is another's.
        DamagedError: the row does not verify.
    """
    if consent.attested == "patient" or before is None:
        return
    if open_consent(keys, before).attested == "patient":
        raise ForbiddenError(
            "the patient gave this consent, and only the patient changes or ends it; file another beside it"
        )


def context_of(
    keys: SubjectKeys, recipient: str, members: Mapping[str, str], *, count: int = 1, admitted: int = 0
) -> PairContext:
    """Return the context in which terms of this subject towards `recipient` are made."""
    salt = PatientSecret(keys.secret).salt(recipient)
    return PairContext(recipient=recipient, salt=salt, members=members, count=count, admitted=admitted)


class DesiredConsents:
    """The state that the pairs of one subject should have on the ledger, as of one snapshot.

    A pair's name follows from the subject's secret and the recipient: no row is asked for it. The pair
    towards `always` is open from the start; `members` as in `PairContext`; `again` has the members that were
    admitted again, with the times in ms since 1970 UTC.

    Raises:
        DamagedError: a consent's row does not verify.
    """

    def __init__(
        self,
        keys: SubjectKeys,
        kind: Literal["patient", "directory"],
        members: Mapping[str, str],
        snapshot: SubjectSnapshot,
        *,
        always: str,
        again: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.keys = keys
        self.snapshot = snapshot
        self._kind = kind
        self._members = members
        self._always = always
        self._again = again
        self._consents = {row.reference: open_consent(keys, row) for row in snapshot.consents}
        self._expected: dict[str, dict[bytes, Terms]] = {}
        self._held: dict[str, frozenset[bytes]] = {}

    def pairs(self) -> list[PairRow]:
        """Return every pair that was opened or begun, or was learnt, and the one that always should be."""
        begun = {row.recipient: row.opened for row in self.snapshot.pairs}
        recipients = dict.fromkeys((*begun, self._always, *self._held))
        return [PairRow(one, self.name(one), opened=begun.get(one, False)) for one in recipients]

    def in_doubt(self) -> list[str]:
        """Return the recipients with pairs that may hold what waits in the outbox, though no row says so.

        Without a row that is every member ever known; with one, each that is not expected to hold all
        consents that changed. A consent that is new and denies nothing narrows no pair.
        """
        waiting = {entry.reference for entry in self.snapshot.waiting} & self._consents.keys()
        changed = {reference for reference in waiting if self._consents[reference].version > 1}
        if not changed and not any(_denies(self._consents[reference]) for reference in waiting):
            return []
        begun = {row.recipient for row in self.snapshot.pairs}
        return [
            recipient
            for recipient in sorted({self._always, *self._members.values(), *begun})
            if recipient not in begun or not changed <= self.expected_terms(recipient).keys()
        ]

    def learn(self, recipient: str, pair: Pair) -> bool:
        """Add what the ledger holds in the pair towards `recipient`; return whether a row lacked it.

        A pair that nothing in the outbox concerns is left alone.
        """
        context = self._context(recipient)
        ids = {terms.id for terms in pair.consents}
        held = frozenset(ref for ref, one in self._consents.items() if terms_id(one, context) in ids)
        waiting = {entry.reference for entry in self.snapshot.waiting}
        if waiting.isdisjoint(held | self.expected_terms(recipient).keys()):
            return False
        self._held[recipient] = held
        self._expected.pop(recipient, None)
        return bool(self.unrequested_pair(recipient) or held - self._requested(recipient))

    def expected_terms(self, recipient: str) -> dict[bytes, Terms]:
        """Return the terms with which the pair towards `recipient` should open, by their references."""
        terms = self._expected.get(recipient)
        if terms is None:
            terms = self._expected[recipient] = self.terms_after(recipient, 0)
        return terms

    def terms_after(self, recipient: str, epoch: int) -> dict[bytes, Terms]:
        """Return the terms that the pair towards `recipient`, now at `epoch`, should hold, by reference."""
        requested = self._requested(recipient) | self._held.get(recipient, frozenset())
        return expected_terms(self._consents, self._context(recipient, count=epoch + 1), requested)

    def cover_after(self, recipient: str, epoch: int) -> dict[bytes, Terms]:
        """Return, as `terms_after` does, those terms that the ledger was asked to put there before."""
        requested = self._requested(recipient)
        terms = self.terms_after(recipient, epoch)
        return {reference: one for reference, one in terms.items() if reference in requested}

    def denies_all(self, recipient: str) -> bool:
        """Return whether the terms towards `recipient` deny it all there is."""
        return deny_all(self.expected_terms(recipient).values(), recipient)

    def admitted(self, recipient: str) -> int:
        """Return when `recipient` was admitted again, in ms since 1970 UTC; 0 if it never left."""
        return 0 if recipient == self._always else self._again.get(recipient, 0)

    def _context(self, recipient: str, *, count: int = 1) -> PairContext:
        admitted = self.admitted(recipient)
        return context_of(self.keys, recipient, self._members, count=count, admitted=admitted)

    def should_open(self, recipient: str, *, now: int) -> bool:
        """Return whether the pair towards `recipient` has a use, or may be open; `now` in ms since 1970 UTC.

        Where its terms permit nothing, opening it would only tell the recipient that the patient is here.
        """
        return (
            recipient == self._always
            or self._kind == "directory"
            or any(row.recipient == recipient for row in self.pairs())
            or may_permit(self.expected_terms(recipient).values(), recipient, now)
        )

    def granted(self) -> list[str]:
        """Return the recipients that are permitted something at any time and have no pair that was begun.

        It is stored, so it must not rest on a clock. Such a pair stays closed until its recipient asks, which
        does not learn of the grant before.
        """
        begun = {row.recipient for row in self.pairs()}
        others = sorted(set(self._members.values()) - begun)
        return [recipient for recipient in others if self.should_open(recipient, now=0)]

    def opening(self, recipient: str, epoch: int = 0) -> Opening:
        """Return the call that opens the pair towards `recipient` with all terms that it should hold.

        `epoch` is that of a pair that was open before its recipient left, 0 for a new one.
        """
        return Opening(
            pair=self.name(recipient),
            recipient=recipient,
            subject=self._kind,
            terms=tuple(self.terms_after(recipient, epoch).values()),
        )

    def unrequested_pair(self, recipient: str) -> Sequence[tuple[bytes, str, str]]:
        """Return the row (subject, recipient, pair) of the pair towards `recipient`, if there is none yet."""
        if any(row.recipient == recipient for row in self.snapshot.pairs):
            return ()
        return ((self.keys.token, recipient, self.name(recipient)),)

    def unrequested(self, recipient: str) -> Sequence[tuple[bytes, str, bytes]]:
        """Return (subject, recipient, reference) of each expected consent that was never requested."""
        new = self.expected_terms(recipient).keys() - self._requested(recipient)
        return [(self.keys.token, recipient, reference) for reference in sorted(new)]

    def name(self, recipient: str) -> str:
        """Return the name of the pair towards `recipient`."""
        return PatientSecret(self.keys.secret).pair(recipient)

    def _requested(self, recipient: str) -> frozenset[bytes]:
        return self.snapshot.requested.get(recipient, frozenset())


def _denies(consent: CompiledConsent) -> bool:
    return consent.status == "active" and denies(consent.root)
