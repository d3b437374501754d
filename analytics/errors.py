"""Everything this room can refuse with, one class per reason.

```
AnalyticsError
├── UnsupportedModelError    the compiler can't turn this model into rows; says what it can
├── CapacityError            the model is well-formed but does not fit the parameter set
├── NoUsableDataError        the patient's records hold too little to score; names what is missing
├── DataError                a table, a bin file or a cohort job is not what it says it is
├── ArtefactError            an artefact that crosses a role boundary is refused
│   ├── DamagedError         truncated, altered, or not an artefact at all
│   ├── VersionError         written by a release with another format
│   ├── MismatchError        whole, but for another model, parameter set, key or request
│   ├── UnfitCiphertextError whole, but the ciphertext inside has the wrong size, level or form
│   └── ReplayedError        this very query was answered already
├── GarbledAnswerError       the answer decrypts, but its built-in check fails: there is no score
├── UnknownError             the evaluator holds no model or no keys of that digest
├── UnauthenticatedError     the evaluator does not know who asks
├── TooLargeError            the request's body is over the limit
├── BusyError                a limit is reached; try again later
└── WorkerLostError          the process doing the arithmetic ended; the service goes on
```

No message carries a feature, a score, or anything that depends on a decrypted value.
"""

from __future__ import annotations

from typing import ClassVar

from analytics.accounts import Account


class AnalyticsError(Exception):
    """Base of all refusals. `code` is stable; `status` is what the evaluator's HTTP service answers."""

    code: ClassVar[str] = "analytics"
    status: ClassVar[int] = 500


class UnsupportedModelError(AnalyticsError):
    """The model is of a kind that can't be scored on ciphertext."""

    code, status = "unsupported-model", 422


class CapacityError(AnalyticsError):
    """The model is supported in kind but too large for the parameter set."""

    code, status = "capacity", 422


class NoUsableDataError(AnalyticsError):
    """There is too little in the records to score.

    `missing` names the features that were not found, and `accounts` say of each
    feature what became of it.
    """

    code, status = "no-usable-data", 422

    def __init__(self, message: str, *, accounts: tuple[Account, ...]) -> None:
        super().__init__(message)
        self.accounts = accounts
        self.missing = tuple(account.feature for account in accounts if account.missing)


class DataError(AnalyticsError):
    """A table, a bin file or a cohort job is not what it says it is."""

    code, status = "data", 422


class ArtefactError(AnalyticsError):
    """Something that crosses a role boundary is refused before it is used."""

    code, status = "artefact", 400


class DamagedError(ArtefactError):
    """Truncated, altered, or no artefact at all."""

    code, status = "damaged", 400


class VersionError(ArtefactError):
    """Written by a release with another format."""

    code, status = "version", 400


class MismatchError(ArtefactError):
    """Whole, but for another model, parameter set, key or request."""

    code, status = "mismatch", 409


class UnfitCiphertextError(ArtefactError):
    """The ciphertext or key inside has the wrong parameters, size, level or form."""

    code, status = "unfit-ciphertext", 422


class ReplayedError(ArtefactError):
    """This very query was answered already; a client encrypts anew for each request."""

    code, status = "replayed", 409


class GarbledAnswerError(AnalyticsError):
    """The built-in check of a decrypted answer fails, so it holds no score.

    This stays with the client: telling the evaluator would answer a question about the secret key.
    """

    code, status = "garbled-answer", 502


class UnknownError(AnalyticsError):
    """The evaluator holds no model or no keys of that digest."""

    code, status = "unknown", 404


class BusyError(AnalyticsError):
    """A limit is reached; the same request may succeed later."""

    code, status = "busy", 429


class WorkerLostError(AnalyticsError):
    """The process that did the arithmetic ended or ran out of time; the request was not answered."""

    code, status = "worker-lost", 503


class UnauthenticatedError(AnalyticsError):
    """The evaluator does not know who asks."""

    code, status = "unauthenticated", 401


class TooLargeError(AnalyticsError):
    """The request's body is over the evaluator's limit."""

    code, status = "too-large", 413


def by_code(code: str) -> type[AnalyticsError]:
    """The class with this code; the base class for a code that this release does not know.

    NoUsableDataError is not among them: it is raised and handled where the records are.
    """
    return _BY_CODE.get(code, AnalyticsError)


_BY_CODE = {
    kind.code: kind
    for kind in (
        UnsupportedModelError,
        CapacityError,
        DataError,
        ArtefactError,
        DamagedError,
        VersionError,
        MismatchError,
        UnfitCiphertextError,
        ReplayedError,
        GarbledAnswerError,
        UnknownError,
        UnauthenticatedError,
        TooLargeError,
        BusyError,
        WorkerLostError,
    )
}
