"""Search over ciphertext, the part that needs no key: records to terms, and requests to look-ups of terms.

`terms` says what a record can be found by. `parse` says, for a request, which terms to look up and how to
combine them. The store sees neither: `exchange.crypto.index_tokens` turns both into keyed tokens.
`ordered` puts opened records in the order that was asked for. `capability` lists what `parse` accepts.
`docs/leakage.md` tells what the tokens let a reader of the database learn.
"""

from __future__ import annotations

from exchange.fhir.search.extract import Term, terms
from exchange.fhir.search.order import ordered
from exchange.fhir.search.parameters import table
from exchange.fhir.search.parse import parse
from exchange.fhir.search.query import Alternative, Clause, Query, Sort, Union

__all__ = [
    "Alternative",
    "Clause",
    "Query",
    "Sort",
    "Term",
    "Union",
    "capability",
    "ordered",
    "parse",
    "terms",
]


def capability(resource_type: str) -> list[tuple[str, str]]:
    """Name and type of each search parameter that `resource_type` supports, for a CapabilityStatement."""
    return [(code, parameter.type) for code, parameter in sorted(table(resource_type).parameters.items())]
