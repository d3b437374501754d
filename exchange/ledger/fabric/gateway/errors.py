"""Errors between a client and Fabric's Gateway service, one class per stage of a transaction.

```
GatewayError
├── ProfileError           a connection profile, or a file that it names, can't be read
├── IdentityError          the certificate or the key can't be used for signing
├── CallError              a call failed; `code` is gRPC's, `details` what each peer or orderer said
│   ├── EvaluateError      nothing was written
│   ├── EndorseError       nothing was written
│   ├── SubmitError        the ordering service did not accept it (but see `OutcomeUnknownError`)
│   ├── CommitStatusError  the outcome could not be read; the transaction may be committed or not
│   └── EventsError        the stream of events or blocks ended
├── CommitError            the transaction is in a block, marked invalid there: nothing was written
│   └── ReadConflictError  because what it read had changed; a new transaction may succeed
└── OutcomeUnknownError    the deadline passed first; holds the signed transaction, to be settled later
```

`retries.advise` says of a `CallError` whether the same call is worth another try. When the chaincode
itself refused, `CallError.refusal` holds its status and message.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import ClassVar

import grpc
import msgspec
from fabric_protos.gateway.gateway_pb2 import ErrorDetail
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

_TOO_FEW = "failed to collect enough transaction endorsements"
_DETAILS = "grpc-status-details-bin"
_REFUSAL = re.compile(r"chaincode response (\d{3}), (.*)", re.DOTALL)


class Stage(Enum):
    """The step of a transaction that a call belongs to."""

    EVALUATE = "evaluate"
    ENDORSE = "endorse"
    SUBMIT = "submit"
    COMMIT_STATUS = "commit-status"
    EVENTS = "events"


class FailureDetail(msgspec.Struct, frozen=True):
    """The report of one peer or orderer about the failure."""

    address: str
    msp_id: str
    message: str


class Refusal(msgspec.Struct, frozen=True):
    """The chaincode's own error response: a status from 400 on, and its message."""

    status: int
    message: str


class EndorsedTransaction(msgspec.Struct, frozen=True):
    """An endorsed and signed transaction. It can be sent any number of times: its id is valid once.

    `envelope` is the signed `common.Envelope`; `time` is the proposal's, in milliseconds since 1970 UTC;
    `result` is what the chaincode returned.
    """

    tx_id: str
    time: int
    result: bytes
    envelope: bytes


class GatewayError(Exception):
    """Base of everything this package raises."""


class ProfileError(GatewayError):
    """A connection profile, or a file that it names, can't be read."""


class IdentityError(GatewayError):
    """The certificate or the key can't be used for signing."""


class CallError(GatewayError):
    """A call to the Gateway service failed."""

    stage: ClassVar[Stage]

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        details: tuple[FailureDetail, ...] = (),
        tx_id: str = "",
        own: str = "",
    ) -> None:
        said = "; ".join(f"{detail.msp_id} {detail.address}: {detail.message}" for detail in details)
        super().__init__(f"{self.stage.value}: {code.name}: {message}" + (f" [{said}]" if said else ""))
        self.code, self.message, self.details, self.tx_id, self._own = code, message, details, tx_id, own

    @property
    def peers_differ(self) -> bool:
        """Return whether the own peer endorsed and others did not, because they lag behind."""
        asked = bool(self._own) and _TOO_FEW in self.message
        return asked and all(detail.msp_id != self._own for detail in self.details)

    @property
    def refusal(self) -> Refusal | None:
        """Return the chaincode's error response, when it was the chaincode that refused."""
        if self.peers_differ:
            return None
        for text in (*(detail.message for detail in self.details), self.message):
            found = _REFUSAL.search(text)
            if found:
                return Refusal(int(found[1]), found[2])
        return None


class EvaluateError(CallError):
    """A query failed."""

    stage = Stage.EVALUATE


class EndorseError(CallError):
    """Not enough organisations endorsed; nothing was written."""

    stage = Stage.ENDORSE


class SubmitError(CallError):
    """The ordering service did not accept the transaction."""

    stage = Stage.SUBMIT


class CommitStatusError(CallError):
    """The outcome could not be read."""

    stage = Stage.COMMIT_STATUS


class EventsError(CallError):
    """The stream of events or blocks ended."""

    stage = Stage.EVENTS


class CommitError(GatewayError):
    """Block `block` holds the transaction, marked invalid with `code` (a name of `TxValidationCode`)."""

    def __init__(self, tx_id: str, code: str, block: int) -> None:
        super().__init__(f"transaction {tx_id} is invalid in block {block}: {code}")
        self.tx_id, self.code, self.block = tx_id, code, block


class ReadConflictError(CommitError):
    """A key that the transaction read had changed by the time the transaction was ordered."""


class OutcomeUnknownError(GatewayError):
    """The deadline passed before the outcome was known; `GatewayClient.settle` learns it from `endorsed`."""

    def __init__(self, endorsed: EndorsedTransaction) -> None:
        super().__init__(f"transaction {endorsed.tx_id}: the outcome is not known yet")
        self.endorsed = endorsed


_BY_STAGE: dict[Stage, type[CallError]] = {
    kind.stage: kind for kind in (EvaluateError, EndorseError, SubmitError, CommitStatusError, EventsError)
}


def call_error(stage: Stage, failure: grpc.aio.AioRpcError, tx_id: str = "", own: str = "") -> CallError:
    """Return the stage's error for gRPC's, with the details that the peer attached.

    `own` is the MSP id of the client: a Gateway service asks its peer first.
    """
    details: list[FailureDetail] = []
    for key, value in failure.trailing_metadata() or ():
        if key == _DETAILS:
            details += _details(value)
    return _BY_STAGE[stage](failure.code(), failure.details() or "", tuple(details), tx_id, own)


def commit_error(tx_id: str, code: str, block: int) -> CommitError:
    """Return the error for a transaction that was marked invalid."""
    conflict = code in {"MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"}
    return (ReadConflictError if conflict else CommitError)(tx_id, code, block)


def _details(trailer: bytes) -> list[FailureDetail]:
    found = []
    try:
        for packed in Status.FromString(trailer).details:
            detail = ErrorDetail()
            if packed.Unpack(detail):
                found.append(FailureDetail(detail.address, detail.msp_id, detail.message))
    except DecodeError:
        pass  # a proxy's own trailer: the status alone has to do
    return found
