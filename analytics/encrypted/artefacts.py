"""What the three roles hand each other, read and checked in one place.

```
model owner --MODEL--> evaluator      Model: trees and rows
model owner --OFFER--> client         Offer: bins, scale, layout sizes; public
client ------KEYS----> evaluator      evaluation keys, named by their digest
client ------QUERY---> evaluator      ciphertext; names model, parameter set and keys
evaluator ---ANSWER--> client         ciphertext; names the query it answers
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import msgspec
import numpy as np

from analytics.binning import Bins
from analytics.encrypted import ensemble as ensembles
from analytics.encrypted.framing import Frame, Kind, unframe
from analytics.encrypted.packing import Layout, padded_rows, plan
from analytics.encrypted.parameters import SETS, ParameterSet
from analytics.encrypted.rows import Program, compile_rows
from analytics.errors import DamagedError, DataError, MismatchError

Header = TypeVar("Header", bound=msgspec.Struct)


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client must know of a program: how to place bits and how to read the integer."""

    rows: int
    squarings: int
    scale: float
    centre: float
    error: float


class OfferHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of an OFFER."""

    model: str
    bins: dict[str, Any]
    sets: dict[str, Terms]
    cohort_depth: int


class ProgramHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of a `Program`; the arrays are in the section of the same position."""

    set: str
    rows: int
    squarings: int
    constant: int
    scale: float
    centre: float
    low: float
    high: float
    error: float


class ModelHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of a MODEL; section 0 is XGBoost's JSON, then one section per program."""

    model: str
    bins: dict[str, Any]
    programs: list[ProgramHeader]


class KeysHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of KEYS: sections are the relinearisation keys, the Galois keys and, if needed, a public key."""

    set: str
    steps: list[int]


class QueryHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of a QUERY: one ciphertext for up to `patients` patients."""

    model: str
    set: str
    keys: str
    patients: int


class AnswerHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of an ANSWER."""

    model: str
    set: str
    query: str


def header(frame: Frame, kind: type[Header]) -> Header:
    """A frame's header as its type.

    Raises:
        DamagedError: a field is missing, unknown or of the wrong type.
    """
    try:
        return msgspec.convert(frame.header, kind)
    except msgspec.ValidationError as error:
        raise DamagedError(f"the artefact's header is not a {kind.__name__}") from error


def parameter_set(name: str) -> ParameterSet:
    """The parameter set of that name.

    Raises:
        MismatchError: there is none.
    """
    if name not in SETS:
        raise MismatchError(f"unknown parameter set; known are {', '.join(SETS)}")
    return SETS[name]


@dataclass(frozen=True)
class Offer:
    """The public side of a model: what a client needs to ask and to understand the answer."""

    model: str
    bins: Bins
    sets: Mapping[str, Terms]
    cohort_depth: int

    @cached_property
    def frame(self) -> Frame:
        """The OFFER artefact."""
        sets = {name: msgspec.to_builtins(terms) for name, terms in self.sets.items()}
        return Frame(
            Kind.OFFER,
            {
                "model": self.model,
                "bins": self.bins.to_json(),
                "sets": sets,
                "cohort_depth": self.cohort_depth,
            },
            (),
        )

    @classmethod
    def read(cls, data: bytes) -> Offer:
        """Read an OFFER.

        Raises:
            ArtefactError: it is not one.
        """
        given = header(unframe(data, Kind.OFFER, sections=(0,)), OfferHeader)
        for name, terms in given.sets.items():
            parameter_set(name)
            if not (0 < terms.rows <= 1 << 16 and terms.squarings in {1, 2} and terms.scale > 0):
                raise DamagedError("the offer's numbers are out of range")
        return cls(given.model, _bins(given.bins), given.sets, given.cohort_depth)

    def terms(self, name: str) -> Terms:
        """The terms under a parameter set.

        Raises:
            MismatchError: the model is not offered under it.
        """
        if name not in self.sets:
            raise MismatchError(f"the model is not offered under {name}")
        return self.sets[name]

    def layout(self, name: str, patients: int = 1) -> Layout:
        """Where bits and rows sit, for one patient or several in a ciphertext."""
        return plan(self.terms(name).rows, self.bins.width, parameter_set(name), patients=patients)


@dataclass(frozen=True)
class Model:
    """The private side of a model: XGBoost's JSON, its ensemble, and one program per parameter set."""

    xgboost: bytes
    ensemble: ensembles.Ensemble
    programs: Mapping[str, Program]

    @property
    def digest(self) -> str:
        """The model's name."""
        return self.ensemble.digest

    @classmethod
    def compile(cls, xgboost: bytes, bins: Bins, sets: Sequence[str] = tuple(SETS)) -> Model:
        """Compile XGBoost's JSON for the given parameter sets.

        Raises:
            UnsupportedModelError: a model of this kind can't be scored.
            CapacityError: the model is too large for a set.
        """
        ensemble = ensembles.read(xgboost, bins)
        by_modulus: dict[int, Program] = {}
        programs: dict[str, Program] = {}
        for name in sets:
            parameters = parameter_set(name)
            modulus = parameters.plain_modulus
            if modulus not in by_modulus:
                by_modulus[modulus] = compile_rows(ensemble, modulus)
            programs[name] = by_modulus[modulus]
            plan(padded_rows(len(programs[name].weights)), bins.width, parameters)
        canonical = json.dumps(json.loads(xgboost), sort_keys=True, separators=(",", ":")).encode()
        return cls(canonical, ensemble, programs)

    @cached_property
    def offer(self) -> Offer:
        """What may be published of the model."""
        sets = {
            name: Terms(padded_rows(len(p.weights)), p.squarings, p.scale, p.centre, p.error)
            for name, p in self.programs.items()
        }
        return Offer(self.digest, self.ensemble.bins, sets, self.ensemble.depth)

    @cached_property
    def frame(self) -> Frame:
        """The MODEL artefact."""
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
            Kind.MODEL,
            {"model": self.digest, "bins": bins, "programs": headers},
            (self.xgboost, *sections),
        )

    @classmethod
    def read(cls, data: bytes) -> Model:
        """Read a MODEL.

        Raises:
            ArtefactError: it is not one.
            UnsupportedModelError: the XGBoost model in it is not supported.
        """
        frame = unframe(data, Kind.MODEL, sections=range(2, 2 + len(SETS)))
        given = header(frame, ModelHeader)
        bins = _bins(given.bins)
        ensemble = ensembles.read(frame.sections[0], bins)
        if ensemble.digest != given.model:
            raise MismatchError("the model artefact names another model than it holds")
        if len(given.programs) != len(frame.sections) - 1:
            raise DamagedError("the model artefact lacks a program")
        programs = {
            p.set: _program(p, section, bins.width)
            for p, section in zip(given.programs, frame.sections[1:], strict=True)
        }
        return cls(frame.sections[0], ensemble, programs)


def _program(given: ProgramHeader, section: bytes, columns: int) -> Program:
    modulus = parameter_set(given.set).plain_modulus
    rows = given.rows
    if not 0 <= rows <= 1 << 16 or len(section) != 4 * rows * (columns + 2):
        raise DamagedError("the program's arrays do not have the stated size")
    flat = np.frombuffer(section, "<u4").astype(np.int64)
    if (flat >= modulus).any() or given.squarings not in {1, 2} or given.scale <= 0:
        raise DamagedError("the program's numbers are out of range")
    weights = flat[: rows * columns].reshape(rows, columns)
    offsets, kappas = flat[rows * columns :].reshape(2, rows)
    return Program(
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
        raise DamagedError("the artefact's bins can't be read") from error
