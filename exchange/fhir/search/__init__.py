"""Search over ciphertext, the part that needs no key: records to terms, and requests to look-ups of terms.

`terms` returns the terms by which a record can be found. `parse` returns, for a request, the terms to look
up and their combination. The store sees neither: `exchange.crypto.index_tokens` turns both into keyed tokens.
`comparison_of` compares opened records where the terms are cut; `sort_values` and `sort_by_values` put them
in the order of `_sort`. `capability` lists the parameters that `parse` accepts.
`docs/leakage.md` describes how much a reader of the database learns from the tokens.
"""

from __future__ import annotations

from exchange.fhir.search.extract import Term, terms
from exchange.fhir.search.on_record import Comparison, comparison_of
from exchange.fhir.search.order import SortValues, sort_by_values, sort_values
from exchange.fhir.search.parameters import table
from exchange.fhir.search.parse import elements_named, is_light, parse
from exchange.fhir.search.query import Alternative, Clause, Query, Sort, Union

__all__ = [
    "Alternative",
    "Clause",
    "Comparison",
    "Query",
    "Sort",
    "SortValues",
    "Term",
    "Union",
    "capability",
    "comparison_of",
    "elements_named",
    "is_light",
    "parse",
    "sort_by_values",
    "sort_values",
    "terms",
]


def capability(resource_type: str) -> list[tuple[str, str]]:
    """Return name and type of each search parameter of `resource_type`, for a CapabilityStatement."""
    return [(code, parameter.type) for code, parameter in sorted(table(resource_type).parameters.items())]
