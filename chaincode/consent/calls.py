"""Arguments and results of the consent contract: the published language of its calls.

Each call's argument is one JSON document of the struct named here, and so is its result. Batches hold
at most `BATCH_LIMIT` members.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from chaincode.consent.model import Pair, Terms

BATCH_LIMIT = 500
"""Most pairs or updates in one call."""

HISTORY_LIMIT = 100
"""Most states in one page of a pair's history."""


class Opening(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One pair to open, with the terms that hold by then; the caller becomes its custodian.

    `node` is the fingerprint of the gateway that opens it.
    """

    pair: str
    recipient: str
    subject: Literal["patient", "directory"]
    terms: tuple[Terms, ...] = ()
    credentials: tuple[str, ...] = ()
    node: str = ""


class OpenPairs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `consent:open`."""

    openings: tuple[Opening, ...]


class OpenedPairs(msgspec.Struct, frozen=True):
    """Result of `consent:open`: the outcome of each opening, in order. An open pair stays as it was."""

    outcomes: tuple[Literal["opened", "already-open"], ...]


class TermsUpdate(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """New terms for one pair: they replace the consent of the same id, or join the others.

    `after` is the epoch of the pair that they follow; 0 where they follow any.
    """

    pair: str
    terms: Terms
    after: int = 0


class PublishTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `consent:file`."""

    updates: tuple[TermsUpdate, ...] = msgspec.field(name="filings")


class PublishedTerms(msgspec.Struct, frozen=True):
    """Result of `consent:file`: the epoch that each update gave its pair."""

    epochs: tuple[int, ...]


class RetirePairs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `consent:retire`: pairs of the caller that `node` opened, empty for earlier releases."""

    pairs: tuple[str, ...]
    node: str


class RetiredPairs(msgspec.Struct, frozen=True):
    """Result of `consent:retire`: the outcome of each pair, in order. A retired pair stays as it was."""

    outcomes: tuple[Literal["retired", "already-retired"], ...]


class ReadOpeners(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `consent:openers`: pairs of the caller."""

    pairs: tuple[str, ...]


class PairOpener(msgspec.Struct, frozen=True):
    """The gateway that opened a pair, and when the pair was retired; as in `chaincode.consent.model.Pair`."""

    node: str
    retired: int


class PairOpeners(msgspec.Struct, frozen=True):
    """Result of `consent:openers`: one for each pair, in order; None where no such pair is open."""

    openers: tuple[PairOpener | None, ...]


class PairChange(msgspec.Struct, frozen=True):
    """One pair in the `consent` event, which is a list of these."""

    pair: str
    epoch: int


class ReadPair(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Argument of `consent:read`; the caller is the custodian where none is named."""

    pair: str
    custodian: str = ""


class CurrentPair(msgspec.Struct, frozen=True):
    """Result of `consent:read`; None where no such pair is open."""

    pair: Pair | None


class ReadHistory(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Argument of `consent:history`.

    `bookmark` is the one that the page before gave; `custodian` is as in `ReadPair`.
    """

    pair: str
    limit: int = HISTORY_LIMIT
    bookmark: str = ""
    custodian: str = ""


class PairVersion(msgspec.Struct, frozen=True):
    """One state of a pair, and the transaction that wrote it, at `time` in ms since 1970 UTC."""

    tx: str
    time: int
    pair: Pair


class PairHistory(msgspec.Struct, frozen=True):
    """Result of `consent:history`: the newest first; `bookmark` is empty at the end."""

    versions: tuple[PairVersion, ...]
    bookmark: str
