"""The artefacts that model owner, evaluator and client exchange, read and checked in one place.

```
model owner --MODEL--> evaluator      CompiledModel: trees and rows
model owner --OFFER--> client         ModelOffer: bins, scale, layout sizes; public but for known answers
client ------KEYS----> evaluator      evaluation keys, named by their digest
client ------QUERY---> evaluator      ciphertext; names model, parameter set and keys
evaluator ---ANSWER--> client         ciphertext; names the query that it answers
```
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from analytics.data.binning import Bins
from analytics.encrypted.bfv.packing import SlotLayout, padded_rows, plan_layout
from analytics.encrypted.compiler.ensemble import TreeEnsemble, read_ensemble
from analytics.encrypted.compiler.row_program import RowProgram, compile_rows
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.headers import ModelHeader, OfferHeader, ProgramHeader, ProgramSummary, read_header
from analytics.encrypted.known_answers import KnownAnswers
from analytics.encrypted.parameters import BFV_SETS, bfv_parameters
from analytics.errors import ArtefactMismatchError, DamagedArtefactError, DataError


@dataclass(frozen=True)
class EncryptedQuery:
    """An encrypted query. `data` goes to the evaluator; `digest` is its commitment for the log."""

    data: bytes = field(repr=False)
    digest: str
    patients: int


@dataclass(frozen=True)
class ModelOffer:
    """The public side of a model: enough to encrypt a query and to read the answer.

    `known` are one hospital's known answers, which the evaluator must not have.
    """

    model: str
    bins: Bins
    sets: Mapping[str, ProgramSummary]
    cohort_depth: int
    known: KnownAnswers | None = None

    @cached_property
    def frame(self) -> Frame:
        """Return the OFFER artefact."""
        sets = {name: msgspec.to_builtins(summary) for name, summary in self.sets.items()}
        return Frame(
            ArtefactKind.OFFER,
            {
                "model": self.model,
                "bins": self.bins.to_json(),
                "sets": sets,
                "cohort_depth": self.cohort_depth,
            },
            () if self.known is None else (self.known.data,),
        )

    @classmethod
    def read(cls, data: bytes) -> ModelOffer:
        """Read an OFFER.

        Raises:
            ArtefactError: it is not one.
        """
        frame = unframe(data, ArtefactKind.OFFER, sections=(0, 1))
        given = read_header(frame, OfferHeader)
        for name, summary in given.sets.items():
            bfv_parameters(name)
            if not (0 < summary.rows <= 1 << 16 and summary.squarings in {1, 2} and summary.scale > 0):
                raise DamagedArtefactError("the offer's numbers are out of range")
        bins = _bins(given.bins)
        known = KnownAnswers.read(frame.sections[0], bins, given.sets) if frame.sections else None
        return cls(given.model, bins, given.sets, given.cohort_depth, known)

    def summary(self, name: str) -> ProgramSummary:
        """Return the public numbers of the program for a parameter set.

        Raises:
            ArtefactMismatchError: the model is not offered under it.
        """
        if name not in self.sets:
            raise ArtefactMismatchError(f"the model is not offered under {name}")
        return self.sets[name]

    def layout(self, name: str, patients: int = 1) -> SlotLayout:
        """Return the places of bits and rows, for one patient or several in a ciphertext."""
        return plan_layout(self.summary(name).rows, self.bins.width, bfv_parameters(name), patients=patients)


@dataclass(frozen=True)
class CompiledModel:
    """The private side of a model: XGBoost's JSON, its ensemble, and one program per parameter set."""

    xgboost: bytes
    ensemble: TreeEnsemble
    programs: Mapping[str, RowProgram]

    @property
    def digest(self) -> str:
        """Return the model's name."""
        return self.ensemble.digest

    @classmethod
    def compile(cls, xgboost: bytes, bins: Bins, sets: Sequence[str] = tuple(BFV_SETS)) -> CompiledModel:
        """Compile XGBoost's JSON for the given parameter sets.

        Raises:
            UnsupportedModelError: a model of this kind can't be scored.
            CapacityError: the model is too large for a set.
        """
        ensemble = read_ensemble(xgboost, bins)
        by_modulus: dict[int, RowProgram] = {}
        programs: dict[str, RowProgram] = {}
        for name in sets:
            parameters = bfv_parameters(name)
            modulus = parameters.plain_modulus
            if modulus not in by_modulus:
                by_modulus[modulus] = compile_rows(ensemble, modulus)
            programs[name] = by_modulus[modulus]
            plan_layout(padded_rows(len(programs[name].weights)), bins.width, parameters)
        canonical = json.dumps(json.loads(xgboost), sort_keys=True, separators=(",", ":")).encode()
        return cls(canonical, ensemble, programs)

    @cached_property
    def offer(self) -> ModelOffer:
        """Return the public side of the model."""
        sets = {
            name: ProgramSummary(padded_rows(len(p.weights)), p.squarings, p.scale, p.centre, p.error)
            for name, p in self.programs.items()
        }
        return ModelOffer(self.digest, self.ensemble.bins, sets, self.ensemble.depth)

    def offer_for_hospital(self) -> ModelOffer:
        """Return the offer with known answers that are drawn for one hospital alone."""
        return replace(self.offer, known=KnownAnswers.draw(self))

    @cached_property
    def program_digests(self) -> dict[str, str]:
        """Return the SHA-256 of each compiled program, numbers and arrays, by parameter set."""
        headers, sections = self.frame.header["programs"], self.frame.sections[1:]
        found = {}
        for header, section in zip(headers, sections, strict=True):
            numbers = msgspec.json.encode(header, order="sorted")
            found[header["set"]] = hashlib.sha256(numbers + b"\0" + section).hexdigest()
        return found

    @cached_property
    def frame(self) -> Frame:
        """Return the MODEL artefact."""
        headers = [
            {
                "set": name,
                "rows": len(p.weights),
                **{
                    f: getattr(p, f)
                    for f in ("squarings", "constant", "scale", "centre", "low", "high", "error")
                },
            }
            for name, p in self.programs.items()
        ]
        sections = [
            b"".join(np.asarray(a, "<u4").tobytes() for a in (p.weights, p.offsets, p.kappas))
            for p in self.programs.values()
        ]
        bins = self.ensemble.bins.to_json()
        return Frame(
            ArtefactKind.MODEL,
            {"model": self.digest, "bins": bins, "programs": headers},
            (self.xgboost, *sections),
        )

    @classmethod
    def read(cls, data: bytes) -> CompiledModel:
        """Read a MODEL.

        Raises:
            ArtefactError: it is not one.
            UnsupportedModelError: the XGBoost model in it is not supported.
        """
        frame = unframe(data, ArtefactKind.MODEL, sections=range(2, 2 + len(BFV_SETS)))
        given = read_header(frame, ModelHeader)
        bins = _bins(given.bins)
        ensemble = read_ensemble(frame.sections[0], bins)
        if ensemble.digest != given.model:
            raise ArtefactMismatchError("the model artefact names another model than it holds")
        if len(given.programs) != len(frame.sections) - 1:
            raise DamagedArtefactError("the model artefact lacks a program")
        programs = {
            p.set: _program(p, section, bins.width)
            for p, section in zip(given.programs, frame.sections[1:], strict=True)
        }
        return cls(frame.sections[0], ensemble, programs)


def _program(given: ProgramHeader, section: bytes, columns: int) -> RowProgram:
    modulus = bfv_parameters(given.set).plain_modulus
    rows = given.rows
    if not 0 <= rows <= 1 << 16 or len(section) != 4 * rows * (columns + 2):
        raise DamagedArtefactError("the program's arrays do not have the stated size")
    flat = np.frombuffer(section, "<u4").astype(np.int64)
    if (flat >= modulus).any() or given.squarings not in {1, 2} or given.scale <= 0:
        raise DamagedArtefactError("the program's numbers are out of range")
    weights = flat[: rows * columns].reshape(rows, columns)
    offsets, kappas = flat[rows * columns :].reshape(2, rows)
    return RowProgram(
        modulus,
        given.squarings,
        weights,
        offsets,
        kappas,
        given.constant,
        given.scale,
        given.centre,
        given.low,
        given.high,
        given.error,
    )


def _bins(value: Any) -> Bins:
    try:
        return Bins.from_json(value)
    except DataError as error:
        raise DamagedArtefactError("the artefact's bins can't be read") from error
