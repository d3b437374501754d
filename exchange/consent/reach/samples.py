"""Records that stand for all those that lists of labels can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, combinations, product

from chaincode.consent.model import CONFIDENTIALITY, CONFIDENTIALITY_SYSTEM
from chaincode.consent.obligations import RecordFacts
from exchange.consent.hierarchies import SENSITIVITY
from exchange.consent.provisions import ACT_CODE

_CONFIDENTIAL = CONFIDENTIALITY_SYSTEM + "|"
_FEW = 5
"""Of so many labels, every combination is tried; of more, each by itself and all together."""


def few_labels(lists: Iterable[Iterable[str]]) -> bool:
    """Return whether `labelled` yields every combination of the labels in `lists`."""
    return len(_names(lists)) <= _FEW


def labelled(lists: Iterable[Iterable[str]], kind: str = "Basic") -> Iterator[RecordFacts]:
    """Yield records of the type `kind` with labels of `lists`, one that is in none of them, or no label.

    Each stands there with each confidentiality. All of the labels count as sensitivities.
    """
    names = _names(lists)
    strange = next(f"{ACT_CODE}|{code}" for code in SENSITIVITY if f"{ACT_CODE}|{code}" not in names)
    sizes = range(len(names) + 1) if len(names) <= _FEW else (0, 1, len(names))
    stated = chain.from_iterable(combinations(names, size) for size in sizes)
    for some, beside, level in product(stated, ((), (strange,)), ("", *CONFIDENTIALITY)):
        sensitivities = frozenset({*some, *beside})
        yield RecordFacts(
            classes=frozenset({kind}),
            codes=(),
            mentions=frozenset(),
            labels=sensitivities | {_CONFIDENTIAL + level} if level else sensitivities,
            period=None,
            own="",
            links=frozenset(),
            authors=frozenset(),
            sensitivities=sensitivities,
        )


def _names(lists: Iterable[Iterable[str]]) -> list[str]:
    return sorted({label for listed in lists for label in listed if not label.startswith(_CONFIDENTIAL)})
