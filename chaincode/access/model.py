"""The language of access: the request, the ledger's decision, and the log entry of both.

Fields are append-only: new ones have a default, old ones keep their name and meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import msgspec

from chaincode.consent.model import Provision

LINKED_LIMIT = 31
"""Most pairs of other records of the same patient in one request."""

KNOWN_AS_LIMIT = 8
"""Most identifiers of a requester."""

BATCH_LIMIT = 500
"""Most requests in one `authorize` call, and most events in one `record` call."""


class Action(StrEnum):
    """The action that the requester asks for; `CONSENT_ACTION` maps each to a FHIR consent action."""

    READ = "read"
    SEARCH = "search"
    HISTORY = "history"
    EXPORT = "export"
    SCORE = "score"
    TRAIN = "train"
    LOG = "log"


CONSENT_ACTION: Mapping[str, str] = {
    Action.READ: "access",
    Action.SEARCH: "access",
    Action.HISTORY: "access",
    Action.EXPORT: "collect",
    Action.SCORE: "use",
    Action.TRAIN: "use",
    Action.LOG: "access",
}


class RecordedAction(StrEnum):
    """The action of an entry that records what the custodian's own gateway did, without a decision.

    The first group are changes of records (IHE BALP: create, update, delete; a consent is one by its class),
    with the baseline of what was stored before changes were logged. The second are events of the gateway's
    identities (ISO 27789: user management, authentication).
    """

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    LOAD = "load"
    BASELINE = "baseline"

    LOGIN_REFUSED = "login-refused"
    CODE_ISSUED = "code-issued"
    TOKEN_ISSUED = "token-issued"  # noqa: S105 - an action
    TOKEN_ENDED = "token-ended"  # noqa: S105 - an action
    CLIENT_REGISTERED = "client-added"
    CLIENT_CHANGED = "client-changed"
    CLIENT_DISABLED = "client-disabled"
    SETTINGS_CHANGED = "settings-changed"
    PAIRS_RETIRED = "pairs-retired"


WRITES = frozenset(
    {
        RecordedAction.CREATE,
        RecordedAction.UPDATE,
        RecordedAction.DELETE,
        RecordedAction.LOAD,
        RecordedAction.BASELINE,
    }
)
"""The recorded actions that change records; their entries carry a `root`, but for what came to nothing."""


class Reason(StrEnum):
    """The reason of a decision. Stable: log entries carry these for ever."""

    CONSENT = "consent"
    POLICY = "policy"
    NO_CONSENT = "no-consent"
    PAIR_NOT_OPEN = "pair-not-open"
    REFUSED = "refused-by-patient"
    UNREADABLE = "terms-not-understood"
    UNKNOWN_CODE = "unknown-code"
    NO_POLICY = "no-policy"
    NOT_A_MEMBER = "not-a-member"
    WRONG_PARTY = "wrong-party"
    NO_SCORE = "no-such-score"
    RECORDED = "recorded"


class ScoreResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of a score that was permitted before: the entry that permitted it, and two commitments.

    `tx`, `time` (ms since 1970 UTC) and `n` name that entry, of the same pair. `input` and `output` commit
    to the features and to the answer that is shown, salted for the pair: they disclose nothing, and two
    patients with equal features differ.
    """

    tx: str
    time: int
    n: int
    input: str
    output: str


class LinkedPair(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The pair of another record of the same patient, with the requester's names in it.

    `role`, `person` and `known_as` are as in `AccessRequest`, under the salt of that pair.
    """

    pair: str
    role: str = ""
    person: str = ""
    known_as: tuple[str, ...] = ()


class AccessRequest(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One recipient's request for one patient's records.

    `user` and `person` are the same human under two salts: `user` names the entry, `person` is compared
    with the actors of provisions, as `role` is (`chaincode.roles`). `person_open` says that other names may
    be that human's too, and `known_as` has the identifiers that are stated, as in
    `chaincode.consent.model.Actor`. `classes` are the resource types asked for, empty for all. `digest`
    commits to the request as it was made and `evidence` to the client's signed assertion, both salted.

    A score names its `model` by digest. It is asked for twice: before a record is read, and, with the
    `result`, before any part of the answer is shown (`chaincode.access.scores`).

    `right` says that a patient asks for records, consents or log of her own, or an officer for the log; the
    policy alone decides on these.

    `linked` are the pairs of other records of the same patient, towards the same recipient: what these deny
    is denied here too, and what they permit has no bearing.
    """

    pair: str
    recipient: str
    purpose: str
    action: str
    user: str
    digest: str
    evidence: str
    role: str = ""
    person: str = ""
    classes: tuple[str, ...] = ()
    person_open: bool = False
    model: str = ""
    result: ScoreResult | None = None
    right: Literal["", "patient", "officer"] = ""
    known_as: tuple[str, ...] = ()
    linked: tuple[LinkedPair, ...] = ()


class RecordedEvent(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that the custodian's own gateway did, under the custodian's own pair of the subject.

    `user`, `digest`, `evidence`, `role` and `classes` are as in `AccessRequest`. `root` is a salted
    commitment to every version that is stored of the subject after a write. `count` is the number of
    things that were concerned, 0 where it is not told. `refused` says that it was tried and not done.
    """

    pair: str
    purpose: str
    action: str
    user: str
    digest: str
    evidence: str
    role: str = ""
    classes: tuple[str, ...] = ()
    root: str = ""
    count: int = 0
    refused: bool = False


class _DecisionBase(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="outcome"):
    reason: str
    basis: str = ""
    basis_version: int = 0
    epoch: int = 0


class Permitted(_DecisionBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="permit"):
    """The decision that permits a request.

    `basis` is the consent (its id in this pair, with its version) or the policy rule (its id, with the
    policy's version) that it rests on. `obligations` are the conditions left to check on each record: a
    record may be released when no tree in it denies the record and at least one permits it
    (`chaincode.consent.obligations`). Without any, every record may be released.

    `denials` are trees of which only the denials count: the first group is of this pair, one more follows for
    each linked pair, in the order of the request. A record that any of them denies may not be released. There
    is no group at all where none of them can deny.

    A decision that rests on terms with periods holds `until` the first of them begins or ends, in ms since
    1970 UTC.
    """

    obligations: tuple[Provision, ...]
    until: int | None = None
    denials: tuple[tuple[Provision, ...], ...] = ()

    @property
    def outcome(self) -> Literal["permit"]:
        """Return the outcome as log entries have it."""
        return "permit"


class Denied(_DecisionBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="deny"):
    """The decision that denies a request; `basis` as for `Permitted`, empty where it rests on none."""

    @property
    def outcome(self) -> Literal["deny"]:
        """Return the outcome as log entries have it."""
        return "deny"


Decision = Permitted | Denied
"""The answer to one request; in JSON, `outcome` distinguishes the two."""


class LogEntryValue(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An entry of the access log as the ledger stores it; its position is in the key of its page."""

    pair: str
    custodian: str
    recipient: str
    purpose: str
    action: str
    user: str
    digest: str
    evidence: str
    outcome: Literal["permit", "deny"]
    reason: str
    role: str = ""
    classes: tuple[str, ...] = ()
    basis: str = ""
    basis_version: int = 0
    epoch: int = 0
    schema: int = 1  # as in chaincode.consent.model
    model: str = ""
    result: ScoreResult | None = None
    root: str = ""
    count: int = 0


class LogEntry(LogEntryValue, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of the access log: number `n` of the transaction `tx`, at `time` in ms since 1970 UTC."""

    time: int
    tx: str
    n: int
