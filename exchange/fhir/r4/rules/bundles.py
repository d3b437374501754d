"""Invariants of the resources that hold resources: Bundle and Parameters
(https://hl7.org/fhir/R4/bundle.html).
"""

from __future__ import annotations

from typing import Any

from exchange.fhir.r4.rules.invariant import Invariant, count, distinct, has, is_text

_WITH_REQUEST = frozenset({"batch", "transaction", "history"})
_WITH_RESPONSE = frozenset({"batch-response", "transaction-response", "history"})


def _entries(it: Any) -> Any:
    return it.entry or ()


def _versioned_urls(it: Any) -> list[tuple[str, object]]:
    return [
        (entry.fullUrl, entry.resource.json.get("meta", {}).get("versionId") if entry.resource else None)
        for entry in _entries(it)
        if is_text(entry.fullUrl)
    ]


def _starts_with(it: Any, resource_type: str) -> bool:
    first = next(iter(_entries(it)), None)
    return bool(first and first.resource and first.resource.json["resourceType"] == resource_type)


RULES: dict[str, tuple[Invariant, ...]] = {
    "Bundle": (
        Invariant(
            "bdl-1", lambda it: not has(it.total) or it.type in {"searchset", "history"}, "no total", "total"
        ),
        Invariant(
            "bdl-2",
            lambda it: it.type == "searchset" or not any(has(entry.search) for entry in _entries(it)),
            "search in an entry only in a searchset",
            "entry",
        ),
        Invariant(
            "bdl-3",
            lambda it: all(has(entry.request) == (it.type in _WITH_REQUEST) for entry in _entries(it)),
            "a request in each entry of a batch, transaction or history, and in no other",
            "entry",
        ),
        Invariant(
            "bdl-4",
            lambda it: all(has(entry.response) == (it.type in _WITH_RESPONSE) for entry in _entries(it)),
            "a response in each entry of a batch response, transaction response or history, and in no other",
            "entry",
        ),
        Invariant(
            "bdl-7",
            lambda it: it.type == "history" or distinct(_versioned_urls(it)),
            "fullUrls that differ, or versions that do",
            "entry",
        ),
        Invariant(
            "bdl-9",
            lambda it: (
                it.type != "document" or bool(it.identifier and it.identifier.system and it.identifier.value)
            ),
            "an identifier with system and value for a document",
            "identifier",
        ),
        Invariant(
            "bdl-10", lambda it: it.type != "document" or is_text(it.timestamp), "a timestamp for a document"
        ),
        Invariant(
            "bdl-11",
            lambda it: it.type != "document" or _starts_with(it, "Composition"),
            "a Composition first in a document",
            "entry",
        ),
        Invariant(
            "bdl-12",
            lambda it: it.type != "message" or _starts_with(it, "MessageHeader"),
            "a MessageHeader first in a message",
            "entry",
        ),
    ),
    "Bundle.entry": (
        Invariant(
            "bdl-5",
            lambda it: count(it.resource, it.request, it.response) > 0,
            "a resource, unless there is a request or response",
        ),
        Invariant(
            "bdl-8",
            lambda it: not is_text(it.fullUrl) or "/_history/" not in it.fullUrl,
            "a fullUrl without a version",
            "fullUrl",
        ),
    ),
    "Parameters.parameter": (
        Invariant(
            "inv-1",
            lambda it: count(it.value, it.resource, it.part) == 1,
            "exactly one of value[x], resource and part",
        ),
    ),
}
