"""Known answers: patients that never were, with their scores, by which a hospital finds other trees.

The model's owner draws them for each hospital and puts them into that hospital's offer. The evaluator must
not have them. Each query holds a real patient and a known one, in random order. Both are evaluated by the
same rows, and the ciphertext does not show which is which, so an evaluator with other rows is found where
they differ on the known patient.

This proves less than a proof of the computation would. The known patients are drawn evenly over the public
bins: rows that differ from the model's only where no such patient is are not found, and one that answers
wrongly in a single slot is missed in half of its tries. Nothing is proved of an answer already given.

The digests of the compiled programs are there too. An evaluator states those that it loaded, so that a file
that was mixed up or altered is found before the first score; one that lies is found by its answers alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from analytics.data.binning import Bins, Floats
from analytics.errors import DamagedArtefactError

if TYPE_CHECKING:
    from analytics.encrypted.artefacts import CompiledModel

KNOWN_PATIENTS: Final = 64
_MISSING_SHARE: Final = 0.15


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    codes: list[list[int | None]]
    answers: dict[str, list[int]]
    programs: dict[str, str]


@dataclass(frozen=True)
class KnownAnswers:
    """Bin codes of shape (patients, features), NaN where missing, and by parameter set the integer scores.

    `programs` are the SHA-256 of the compiled programs, by parameter set.
    """

    codes: Floats
    answers: Mapping[str, tuple[int, ...]]
    programs: Mapping[str, str]

    @classmethod
    def draw(cls, model: CompiledModel, patients: int = KNOWN_PATIENTS) -> KnownAnswers:
        """Draw patients for one hospital, by the operating system's randomness."""
        bins = model.ensemble.bins
        rng = np.random.default_rng(secrets.randbits(256))
        columns = [rng.integers(0, len(edges) + 1, patients).astype(np.float64) for edges in bins.edges]
        codes = np.column_stack(columns)
        codes[(rng.random(codes.shape) < _MISSING_SHARE) & np.asarray(bins.missing)] = np.nan
        bits = bins.bits(codes)
        answers = {name: tuple(map(int, p.integers(bits))) for name, p in model.programs.items()}
        return cls(codes, answers, model.program_digests)

    @cached_property
    def data(self) -> bytes:
        """Return the section of an OFFER."""
        codes = [[None if np.isnan(x) else int(x) for x in row] for row in self.codes]
        answers = {name: list(found) for name, found in self.answers.items()}
        return msgspec.json.encode(_Section(codes, answers, dict(self.programs)), order="sorted")

    @classmethod
    def read(cls, data: bytes, bins: Bins, sets: Mapping[str, Any]) -> KnownAnswers:
        """Read the section of an OFFER with these bins and parameter sets.

        Raises:
            DamagedArtefactError: it does not fit them.
        """
        try:
            given = msgspec.json.decode(data, type=_Section)
        except msgspec.MsgspecError:
            raise DamagedArtefactError("the offer's known answers can't be read") from None
        rows, width = len(given.codes), len(bins.features)
        sound = rows > 0 and all(len(row) == width for row in given.codes)
        sound = sound and given.answers.keys() == given.programs.keys() == sets.keys()
        sound = sound and all(len(found) == rows for found in given.answers.values())
        sound = sound and all(_fits(row, bins) for row in given.codes)
        if not sound:
            raise DamagedArtefactError("the offer's known answers do not fit its bins and sets")
        codes = np.asarray([[np.nan if x is None else x for x in row] for row in given.codes], np.float64)
        answers = {name: tuple(found) for name, found in given.answers.items()}
        return cls(codes, answers, given.programs)

    def one(self, bins: Bins, name: str) -> tuple[list[float], int]:
        """Return the feature values of a known patient, chosen at random, and its integer score in a set."""
        chosen = secrets.randbelow(len(self.codes))
        values = [_value(code, edges) for code, edges in zip(self.codes[chosen], bins.edges, strict=True)]
        return values, self.answers[name][chosen]


def _fits(row: list[int | None], bins: Bins) -> bool:
    return all(
        missing if code is None else 0 <= code <= len(edges)
        for code, edges, missing in zip(row, bins.edges, bins.missing, strict=True)
    )


def _value(code: float, edges: tuple[float, ...]) -> float:
    """Return a value with this code: the number of edges at or below it."""
    if np.isnan(code) or not edges:
        return float("nan") if np.isnan(code) else 0.0
    return edges[int(code) - 1] if code else float(np.nextafter(edges[0], -np.inf))
