"""What the consent and policy contracts take and give back: the published language of their calls.

Each call's argument is one JSON document of the struct named here, and so is its result. Batches hold
at most `BATCH_LIMIT` members.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from chaincode.consent.model import Pair, Policy, Terms

BATCH_LIMIT = 500
"""Most pairs or filings in one call."""

HISTORY_LIMIT = 100
"""Most states in one page of a pair's history."""


class Opening(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One pair to open, with the terms that hold by then; the caller becomes its custodian."""

    pair: str
    recipient: str
    subject: Literal["patient", "directory"]
    terms: tuple[Terms, ...] = ()
    credentials: tuple[str, ...] = ()


class OpenPairs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `consent:open`."""

    openings: tuple[Opening, ...]


class OpenedPairs(msgspec.Struct, frozen=True):
    """Result of `consent:open`: what became of each opening, in order. An open pair stays as it was."""

    outcomes: tuple[Literal["opened", "already-open"], ...]


class Filing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New terms for one pair: they replace the consent of the same id, or join the others."""

    pair: str
    terms: Terms


class FileTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `consent:file`."""

    filings: tuple[Filing, ...]


class FiledTerms(msgspec.Struct, frozen=True):
    """Result of `consent:file`: each filing's pair has this epoch now."""

    epochs: tuple[int, ...]


class Change(msgspec.Struct, frozen=True):
    """One pair in the `consent` event, which is a list of these."""

    pair: str
    epoch: int


class ReadPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `consent:read`."""

    pair: str


class HeldPair(msgspec.Struct, frozen=True):
    """Result of `consent:read`; None where no such pair is open."""

    pair: Pair | None


class ReadHistory(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Argument of `consent:history`. `bookmark` is the one that the page before gave."""

    pair: str
    limit: int = HISTORY_LIMIT
    bookmark: str = ""


class PairVersion(msgspec.Struct, frozen=True):
    """One state of a pair, and the transaction that wrote it, at `time` in ms since 1970 UTC."""

    tx: str
    time: int
    pair: Pair


class PairHistory(msgspec.Struct, frozen=True):
    """Result of `consent:history`: the newest first; `bookmark` is empty at the end."""

    versions: tuple[PairVersion, ...]
    bookmark: str


class SetPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `policy:found` and `policy:propose`."""

    policy: Policy


class ApprovePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `policy:approve`: the SHA-256 of the proposed policy's canonical bytes."""

    digest: str


class WithdrawPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `policy:withdraw`: the digest of the proposal that the caller approved."""

    digest: str


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy that waits for a majority; `approvals` are the voters that agree, sorted."""

    policy: Policy
    approvals: tuple[str, ...]


class PolicyStanding(msgspec.Struct, frozen=True):
    """Result of the calls that set a policy, and the `policy` event: where that policy stands."""

    digest: str
    version: int
    approvals: tuple[str, ...]
    adopted: bool


class ReadPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `policy:read`."""


class HeldPolicy(msgspec.Struct, frozen=True):
    """Result of `policy:read`: the policy in force, and those that wait, by digest."""

    policy: Policy | None
    proposals: dict[str, Proposal]
