"""The JSON headers of all artefacts, one class per kind, and their check."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from analytics.encrypted.framing import Frame
from analytics.errors import DamagedArtefactError

Header = TypeVar("Header", bound=msgspec.Struct)


class ProgramSummary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public numbers of a program: enough to place the bits and to read the integer score."""

    rows: int
    squarings: int
    scale: float
    centre: float
    error: float


class OfferHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of an OFFER."""

    model: str
    bins: dict[str, Any]
    sets: dict[str, ProgramSummary]
    cohort_depth: int


class ProgramHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of a `RowProgram`; the arrays are in the section of the same position."""

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
    """Header of BFV KEYS: sections are relinearisation keys, Galois keys and, if needed, a zero key."""

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


class SecretHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of a SECRET, which stays with the client."""

    model: str
    set: str
    keys: str
    patients: int


class ColumnsHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of COLUMNS; one section per column of the bins."""

    model: str
    set: str
    keys: str


class MarginsHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of MARGINS."""

    model: str
    query: str


class CkksKeysHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of CKKS KEYS: relinearisation keys only."""

    set: str


def read_header(frame: Frame, kind: type[Header]) -> Header:
    """Read a frame's header as its type.

    Raises:
        DamagedArtefactError: a field is missing, unknown or of the wrong type.
    """
    try:
        return msgspec.convert(frame.header, kind)
    except msgspec.ValidationError as error:
        raise DamagedArtefactError(f"the artefact's header is not a {kind.__name__}") from error
