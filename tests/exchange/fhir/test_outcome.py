"""OperationOutcome: every refusal has a status, a code of FHIR's, and says nothing it was not told."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from exchange.errors import ExchangeError, InvalidResourceError, NotFoundError, Problem
from exchange.fhir.outcome import ALL_CLEAR, outcome, refusal, validation

# Value set issue-type of FHIR R4 (http://hl7.org/fhir/R4/valueset-issue-type.html).
ISSUE_TYPES = {
    *("invalid", "structure", "required", "value", "invariant"),
    *("security", "login", "unknown", "expired", "forbidden", "suppressed"),
    *("processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long"),
    *("code-invalid", "extension", "too-costly", "business-rule", "conflict"),
    *("transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"),
    "informational",
}


def errors(root: type[ExchangeError] = ExchangeError) -> list[type[ExchangeError]]:
    """Return the tree of `exchange.errors`; other rooms add children, which inherit the rest."""
    found = [root, *(error for child in root.__subclasses__() for error in errors(child))]
    return [error for error in found if error.__module__ == ExchangeError.__module__]


def issues(body: bytes) -> list[dict[str, Any]]:
    told = json.loads(body)
    assert told["resourceType"] == "OperationOutcome"
    found: list[dict[str, Any]] = told["issue"]
    return found


@pytest.mark.parametrize("error", errors())
def test_every_refusal_has_a_status_and_a_code_of_the_value_set(error: type[ExchangeError]) -> None:
    assert 400 <= error.status <= 599
    assert error.code in ISSUE_TYPES
    assert issues(outcome(error("told")))[0]["code"] == error.code


def test_every_refusal_below_the_base_says_its_own_status() -> None:
    assert all("status" in vars(error) and "code" in vars(error) for error in errors())


def test_a_message_becomes_one_error() -> None:
    assert issues(outcome(NotFoundError("nothing here"))) == [
        {"severity": "error", "code": "not-found", "diagnostics": "nothing here"}
    ]


def test_problems_become_issues_with_their_paths_in_order() -> None:
    problems = [Problem("Patient.name[0]", "is wrong"), Problem("", "is missing", "required")]
    assert issues(outcome(InvalidResourceError("invalid", problems=problems))) == [
        {
            "severity": "error",
            "code": "structure",
            "diagnostics": "is wrong",
            "expression": ["Patient.name[0]"],
        },
        {"severity": "error", "code": "required", "diagnostics": "is missing"},
    ]


def test_very_many_problems_are_cut_and_the_rest_is_counted() -> None:
    problems = [Problem("Bundle", f"problem {n}") for n in range(1000)]
    told = issues(outcome(InvalidResourceError("invalid", problems=problems)))
    assert len(told) == 101
    assert told[-1]["code"] == "incomplete"
    assert "900" in told[-1]["diagnostics"]


def test_a_validation_that_found_nothing_says_so() -> None:
    [issue] = issues(validation())
    assert issue == {"severity": "information", "code": "informational", "diagnostics": ALL_CLEAR}


def test_a_validation_lists_errors_before_warnings() -> None:
    told = issues(validation([Problem("Patient", "wrong")], [Problem("Patient", "odd", "business-rule")]))
    assert [issue["severity"] for issue in told] == ["error", "warning"]


def test_a_refusal_of_the_http_layer_is_one_error() -> None:
    assert issues(refusal("throttled", "wait"))[0]["code"] == "throttled"


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "x" * 100_000])
def test_no_message_and_no_path_can_break_an_outcome(text: str) -> None:
    [issue] = issues(outcome(InvalidResourceError("invalid", problems=[Problem(text, text)])))
    assert issue["diagnostics"]
    assert len(issue["diagnostics"]) <= 1000


def test_the_slow_models_are_imported_with_the_first_outcome_only() -> None:
    probe = "import sys, exchange.fhir.outcome; sys.exit('fhir.resources' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False, timeout=60).returncode == 0
