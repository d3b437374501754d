"""OperationOutcome bodies: the answers to refused requests and to `$validate`.

They hold only messages, codes and element paths of this program, never a value from a request. The models
are imported with the first outcome, because the import lasts half a second that a command or a test
without outcomes does not have to wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from exchange.errors import ExchangeError, Problem

MEDIA_TYPE = "application/fhir+json"

ALL_CLEAR = "No problems were found"
"""Diagnostics of the outcome of a validation without problems."""

_MOST_ISSUES = 100
_LONGEST = 1000


def outcome(error: ExchangeError) -> bytes:
    """Return the OperationOutcome for `error`: an issue for each of its problems, or one for its message."""
    if not error.problems:
        return refusal(error.code, str(error))
    return _render(_issue("error", p.code, p.message, p.path) for p in error.problems)


def refusal(code: str, message: str) -> bytes:
    """Return an OperationOutcome of one error with the issue-type `code`, for the HTTP layer's refusals."""
    return _render([_issue("error", code, message)])


def warning(code: str, message: str) -> bytes:
    """Return an OperationOutcome of one warning, for an answer that is right but incomplete."""
    return _render([_issue("warning", code, message)])


def validation(errors: Sequence[Problem] = (), warnings: Sequence[Problem] = ()) -> bytes:
    """Return the answer to `$validate`: the errors, then the warnings, or one informational all-clear."""
    found = [_issue("error", p.code, p.message, p.path) for p in errors]
    found += [_issue("warning", p.code, p.message, p.path) for p in warnings]
    return _render(found or [_issue("information", "informational", ALL_CLEAR)])


def noticed(notices: Sequence[str]) -> bytes:
    """Return the warnings about a Consent that was stored."""
    return validation(warnings=[Problem("Consent", notice, "informational") for notice in notices])


def _issue(severity: str, code: str, message: str, path: str = "") -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": severity,
        "code": code,
        "diagnostics": _text(message) or "no details",
    }
    if path:
        issue["expression"] = [_text(path)]
    return issue


def _text(text: str) -> str:
    # A refusal must not itself fail, so any text is shortened and encoded.
    return text[:_LONGEST].encode(errors="replace").decode()


def _render(issues: Iterable[dict[str, Any]]) -> bytes:
    from fhir.resources.R4B.operationoutcome import OperationOutcome  # noqa: PLC0415 - see the module's docstring

    shown = list(issues)
    if len(shown) > _MOST_ISSUES:
        more = f"{len(shown) - _MOST_ISSUES} more problems are not shown"
        shown = [*shown[:_MOST_ISSUES], _issue("information", "incomplete", more)]
    rendered: str = OperationOutcome.model_validate({"issue": shown}).model_dump_json()
    return rendered.encode()
