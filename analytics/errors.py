"""All refusals of this package, one class per reason.

```
AnalyticsError
├── UnsupportedModelError       the compiler can't turn this model into rows; says which models it can
├── CapacityError               the model is well-formed but does not fit the parameter set
├── NoUsableDataError           the records hold too little for a score (see `data.feature_values`)
├── DataError                   a table, a bin file or a cohort job is not of the expected form
├── ArtefactError               an artefact that crosses a role boundary is refused
│   ├── DamagedArtefactError    truncated, altered, or not an artefact at all
│   ├── FormatVersionError      written by a release with another format
│   ├── ArtefactMismatchError   intact, but for another model, parameter set, key or request
│   ├── UnfitCiphertextError    intact, but the ciphertext inside has the wrong size, level or form
│   └── ReplayedQueryError      this very query was answered already
├── GarbledAnswerError          the answer decrypts, but its built-in check fails: there is no score
├── UnknownDigestError          the evaluator holds no model or no keys of that digest
├── UnauthenticatedError        the evaluator does not know the client
├── BodyTooLargeError           the request's body is over the limit
├── EvaluatorBusyError          a limit is reached; try again later
├── SpentBudgetError            this client's budget for life is used up; only the owner can help
├── EvaluatorTlsError           TLS to the evaluator fails, so nothing was sent
└── WorkerLostError             the process doing the arithmetic ended; the service goes on
```

No message carries a feature, a score, or anything that depends on a decrypted value.
"""

from __future__ import annotations

from typing import ClassVar


class AnalyticsError(Exception):
    """Base of all refusals. `code` is stable; `status` is the HTTP status of the evaluator's service."""

    code: ClassVar[str] = "analytics"
    status: ClassVar[int] = 500


class UnsupportedModelError(AnalyticsError):
    """The model is of a kind that can't be scored on ciphertext."""

    code, status = "unsupported-model", 422


class CapacityError(AnalyticsError):
    """The model is supported in kind but too large for the parameter set."""

    code, status = "capacity", 422


class DataError(AnalyticsError):
    """A table, a bin file or a cohort job is not of the expected form."""

    code, status = "data", 422


class ArtefactError(AnalyticsError):
    """An artefact that crosses a role boundary is refused before it is used."""

    code, status = "artefact", 400


class DamagedArtefactError(ArtefactError):
    """Truncated, altered, or no artefact at all."""

    code, status = "damaged", 400


class FormatVersionError(ArtefactError):
    """Written by a release with another format."""

    code, status = "version", 400


class ArtefactMismatchError(ArtefactError):
    """Intact, but for another model, parameter set, key or request."""

    code, status = "mismatch", 409


class UnfitCiphertextError(ArtefactError):
    """The ciphertext or key inside has the wrong parameters, size, level or form."""

    code, status = "unfit-ciphertext", 422


class ReplayedQueryError(ArtefactError):
    """This very query was answered already; a client encrypts anew for each request."""

    code, status = "replayed", 409


class GarbledAnswerError(AnalyticsError):
    """The built-in check of a decrypted answer fails, so it holds no score.

    This error stays with the client: telling the evaluator would answer a question about the secret key.
    """

    code, status = "garbled-answer", 502


class UnknownDigestError(AnalyticsError):
    """The evaluator holds no model or no keys of that digest."""

    code, status = "unknown", 404


class EvaluatorBusyError(AnalyticsError):
    """A limit is reached; the same request may succeed later."""

    code, status = "busy", 429


class SpentBudgetError(AnalyticsError):
    """This client's patients for this model are used up for life; the model's owner may raise the limit."""

    code, status = "budget-spent", 403


class WorkerLostError(AnalyticsError):
    """The process that did the arithmetic ended or ran out of time; the request was not answered."""

    code, status = "worker-lost", 503


class EvaluatorTlsError(AnalyticsError):
    """TLS to the evaluator fails: its certificate is not accepted, or it speaks none."""

    code, status = "evaluator-tls", 503


class UnauthenticatedError(AnalyticsError):
    """The evaluator does not know the client."""

    code, status = "unauthenticated", 401


class BodyTooLargeError(AnalyticsError):
    """The request's body is over the evaluator's limit."""

    code, status = "too-large", 413


def error_class(code: str) -> type[AnalyticsError]:
    """Return the class with this code, or the base class for a code that this release does not know.

    NoUsableDataError and EvaluatorTlsError are not among the classes: they are raised and handled on the
    machine with the records.
    """
    return _BY_CODE.get(code, AnalyticsError)


_BY_CODE = {
    kind.code: kind
    for kind in (
        UnsupportedModelError,
        CapacityError,
        DataError,
        ArtefactError,
        DamagedArtefactError,
        FormatVersionError,
        ArtefactMismatchError,
        UnfitCiphertextError,
        ReplayedQueryError,
        GarbledAnswerError,
        UnknownDigestError,
        UnauthenticatedError,
        BodyTooLargeError,
        EvaluatorBusyError,
        SpentBudgetError,
        WorkerLostError,
    )
}
