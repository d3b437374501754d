"""The errors of the gateway, and the one table from code to HTTP status and OperationOutcome.

```
ExchangeError
├── BadRequestError          400  the request can't be understood
├── InvalidResourceError     422  the body is not valid FHIR R4 (carries every problem with its path)
├── UnauthenticatedError     401  no token, or an invalid one
├── ForbiddenError           403  the token's scope does not cover this
├── NotFoundError            404  nothing here that you may read
├── NotSupportedError        404  no interaction that this server supports is at the address
├── MethodNotAllowedError    405  the address supports other methods (Allow names them)
├── GoneError                410  the record was deleted, and you may know that
├── ConflictError            409  the request does not fit what is stored
├── PreconditionError        412  If-Match or a conditional request does not hold
├── TooLargeError            413  the body is over the limit
├── UnsupportedMediaError    415  the body's media type is not one of FHIR's JSON types
├── TooCostlyError           422  the request would touch more than the limits allow
├── UnscorableError          422  too little is recorded for a risk score (says what is missing)
├── TooManyRequestsError     429  the client asks too often; nothing was released
├── ThrottledError           503  other requests use all the memory there is; nothing was released
├── UnavailableError         503  ledger, store or evaluator can't be reached; nothing was released
├── DamagedError             503  stored data does not verify; nothing was released
└── FormatError              503  stored data is of another release's format; nothing was released
```

No message may carry PHI: messages name elements, parameters and codes, never values from records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a body: a FHIRPath-like `path` (`Patient.name[0].given`), and a message."""

    path: str
    message: str
    code: str = "structure"


class ExchangeError(Exception):
    """Base of all refusals. `code` is a FHIR issue-type code; `problems` become OperationOutcome issues.

    `tx_id` names the ledger transaction that holds the refusal, where there is one. `change` is the position
    of the change that is refused, among those to be written together.
    """

    code: ClassVar[str] = "processing"
    status: ClassVar[int] = 500
    change: int | None = None

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), tx_id: str = "") -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.tx_id = tx_id


class BadRequestError(ExchangeError):
    """The request can't be understood."""

    code, status = "invalid", 400


class InvalidResourceError(ExchangeError):
    """The body is JSON but not valid FHIR R4."""

    code, status = "structure", 422


class UnauthenticatedError(ExchangeError):
    """No token, or an invalid one."""

    code, status = "login", 401


class ForbiddenError(ExchangeError):
    """The token's scope, or the client's role, does not cover this."""

    code, status = "forbidden", 403


class NotFoundError(ExchangeError):
    """The record does not exist or is hidden from the requester; both get the same answer."""

    code, status = "not-found", 404


class NotSupportedError(ExchangeError):
    """No interaction that this server supports is at the address, whether or not FHIR has one there."""

    code, status = "not-supported", 404


class MethodNotAllowedError(ExchangeError):
    """The address supports other methods; `allow` names them."""

    code, status = "not-supported", 405

    def __init__(
        self, message: str, *, problems: Sequence[Problem] = (), tx_id: str = "", allow: Sequence[str] = ()
    ) -> None:
        super().__init__(message, problems=problems, tx_id=tx_id)
        self.allow = tuple(allow)


class GoneError(ExchangeError):
    """The record was deleted, and the requester may know that."""

    code, status = "deleted", 410


class ConflictError(ExchangeError):
    """The request does not fit what is stored."""

    code, status = "conflict", 409


class PreconditionError(ExchangeError):
    """`If-Match` or a conditional request does not hold."""

    code, status = "conflict", 412


class TooLargeError(ExchangeError):
    """The body is over the limit."""

    code, status = "too-long", 413


class UnsupportedMediaError(ExchangeError):
    """The body's media type is not one of FHIR's JSON types."""

    code, status = "not-supported", 415


class TooCostlyError(ExchangeError):
    """The request would touch more than the limits allow."""

    code, status = "too-costly", 422


class UnscorableError(ExchangeError):
    """Too little is recorded for a risk score; the problems name the features that are missing."""

    code, status = "business-rule", 422


class TooManyRequestsError(ExchangeError):
    """The client asks more often than is its share; the answer's `Retry-After` has `retry_after` seconds."""

    code, status = "throttled", 429

    def __init__(
        self, message: str, *, problems: Sequence[Problem] = (), tx_id: str = "", retry_after: int = 1
    ) -> None:
        super().__init__(message, problems=problems, tx_id=tx_id)
        self.retry_after = retry_after


class ThrottledError(ExchangeError):
    """Other requests use all the memory that there is for them.

    Nothing was stored or released. The answer carries `Retry-After`.
    """

    code, status = "throttled", 503


class UnavailableError(ExchangeError):
    """The ledger, the store or the evaluator can't be reached, or does not answer with anything usable.

    Nothing was released. The answer carries `Retry-After`.
    """

    code, status = "transient", 503


class DamagedError(ExchangeError):
    """Stored data does not verify; nothing was released."""

    code, status = "exception", 503


class FormatError(ExchangeError):
    """Stored data is of the format of an older or a newer release; nothing was released."""

    code, status = "exception", 503
