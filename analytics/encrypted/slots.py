"""Scoring thousands of patients at once: CKKS with one slot per patient and one ciphertext per column.

Parameters (ring 8192, 4096 slots, at most 218 bits with the special prime, so 128 bits of
security by SEAL's table):

| for depth | coefficient modulus | rescalings |
| --------- | ------------------- | ---------- |
| 1, 2      | 54, 46 + 54         | 1          |
| 3, 4      | 60, 44, 42 + 60     | 2          |

Bits are encrypted at scale 2^36. Coefficients are scaled so that products need no rescaling of their own;
see `slots_server`. Margins of up to +-30 fit; a model with a wider range is refused. CKKS is approximate:
margins differ from plaintext by about 1e-5. The bits are exact zeros and ones up to that noise, so no
comparison is approximated.

A CKKS decryption holds noise that depends on the secret key (Li and Micciancio 2021). So what leaves the
client is rounded to `DECIMALS`, well above the noise, and never goes back to the evaluator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from tenseal import sealapi

from analytics.encrypted import seal

RING: Final = 8192
SLOTS: Final = RING // 2
SCALE_BITS: Final = 36
TARGET_BITS: Final = 92
"""Scale of the sum of all terms before the last rescaling; it leaves coefficients 2^20 at least."""
LARGEST_MARGIN: Final = 30.0
DECIMALS: Final = 4
"""Margins are rounded to this many decimals on the client before anything else sees them."""


@dataclass(frozen=True)
class SlotSet:
    """CKKS parameters; the last prime is the special one that only keys use."""

    name: str
    primes: tuple[int, ...]


SHALLOW: Final = SlotSet("cohort-2", (54, 46, 54))
DEEP: Final = SlotSet("cohort-4v2", (60, 44, 42, 60))
SLOT_SETS: Final = {s.name: s for s in (SHALLOW, DEEP)}


def slot_set(depth: int) -> SlotSet:
    """The parameters for an ensemble of this depth."""
    return SHALLOW if depth <= 2 else DEEP


class ColumnsHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of COLUMNS; one section per column of the bins."""

    model: str
    set: str
    keys: str


class MarginsHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of MARGINS."""

    model: str
    query: str


class SlotKeysHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of KEYS for cohorts: relinearisation keys only."""

    set: str


class Ckks:
    """A CKKS context. `ids[n]` names the level at which n primes are left; `moduli` are the primes."""

    def __init__(self, parameters: SlotSet) -> None:
        settings = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.CKKS)
        settings.set_poly_modulus_degree(RING)
        settings.set_coeff_modulus(sealapi.CoeffModulus.Create(RING, list(parameters.primes)))
        self.context = sealapi.SEALContext(settings, True, sealapi.SEC_LEVEL_TYPE.TC128)  # noqa: FBT003 - positional in the binding
        if not self.context.parameters_set():
            raise ValueError(f"{parameters.name}: {self.context.parameters_error_message()}")
        self.parameters = parameters
        self.evaluator = sealapi.Evaluator(self.context)
        self.encoder = sealapi.CKKSEncoder(self.context)
        self.ids = seal.levels(self.context)
        self.top = len(parameters.primes) - 1
        self.moduli = [m.value() for m in self.context.first_context_data().parms().coeff_modulus()]
        self.scale = 2.0**SCALE_BITS
        self.target = 2.0**TARGET_BITS

    def encode(self, value: float | list[float], scale: float, primes: int) -> Any:
        """A plaintext of one number for all slots, or of a number for each, at a scale and level."""
        out = seal.Plaintext()
        self.encoder.encode(value, self.ids[primes], scale, out)
        return out


@lru_cache(maxsize=2)
def ckks(parameters: SlotSet) -> Ckks:
    """The context of a parameter set, made once per process."""
    return Ckks(parameters)
