"""The part of SEAL that Consentry uses, typed, with foreign errors wrapped: contexts, load and dump.

`tenseal.sealapi` is TenSEAL's direct binding of Microsoft SEAL 4. (TenSEAL's own tensors rotate once per
column, which is hundreds of times slower here.) Three of its properties are not obvious:

- Objects are saved to and loaded from paths only. A memory-backed file (`memfd_create`) serves as the
  path, so that no key and no ciphertext touches a disk.
- `encrypt_symmetric`, `create_relin_keys` and `create_galois_keys` with one argument less return a
  "serializable" object, whose random half is replaced by its seed: half the bytes to send.
- `create_galois_keys` expects Galois elements (3^step modulo 2N), not steps.

`load` checks the bytes against the context: parameters, sizes and the range of every coefficient. SEAL
was not written for hostile input, though, so bytes from others are loaded in worker processes only.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from tenseal import sealapi
from tenseal.sealapi import Ciphertext, GaloisKeys, Plaintext, PublicKey, RelinKeys, SecretKey

from analytics.encrypted.field import Ints
from analytics.encrypted.parameters import RING, SCALE_BITS, TARGET_BITS, BfvParameters, CkksParameters
from analytics.errors import UnfitCiphertextError

__all__ = [
    "BfvContext",
    "Ciphertext",
    "CkksContext",
    "GaloisKeys",
    "Plaintext",
    "PublicKey",
    "RelinKeys",
    "SecretKey",
    "bfv_context",
    "ckks_context",
    "dump",
    "galois_element",
    "levels",
    "load",
]

_HEADER = struct.Struct("<HBBBBHQ")
_CIPHERTEXT = struct.Struct("<32sBQQQdQ")
_PLAINTEXT = struct.Struct("<32sQd")
_SEAL_MAGIC = 0xA15E

Unsigned = npt.NDArray[np.uint64]


class _Loadable(Protocol):
    def load(self, context: Any, path: str) -> None: ...


Loadable = TypeVar("Loadable", bound=_Loadable)


def dump(value: Any) -> bytes:
    """Return SEAL's compressed bytes of a key, ciphertext or serializable object."""
    descriptor = os.memfd_create("seal")
    try:
        value.save(f"/proc/self/fd/{descriptor}")
        size = os.lseek(descriptor, 0, os.SEEK_END)
        return os.pread(descriptor, size, 0)
    finally:
        os.close(descriptor)


def load(empty: Loadable, context: Any, data: bytes) -> Loadable:
    """Fill an empty SEAL object from bytes, after SEAL's own checks against the context.

    Raises:
        UnfitCiphertextError: the bytes are not such an object for these parameters.
    """
    descriptor = os.memfd_create("seal")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        empty.load(context, f"/proc/self/fd/{descriptor}")
    except Exception as error:  # SEAL's exceptions become a dozen of Python's, IndexError among them
        raise UnfitCiphertextError("SEAL refuses these bytes for these parameters") from error
    finally:
        os.close(descriptor)
    return empty


class BfvContext:
    """A BFV context with its evaluator and encoder.

    `ids[n]` names the level at which n primes are left; `moduli` are the primes of a query.
    """

    def __init__(self, parameters: BfvParameters) -> None:
        settings = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.BFV)
        settings.set_poly_modulus_degree(parameters.ring)
        settings.set_coeff_modulus(sealapi.CoeffModulus.Create(parameters.ring, list(parameters.primes)))
        settings.set_plain_modulus(parameters.plain_modulus)
        # The last argument makes SEAL itself refuse parameters outside its 128-bit table.
        self.context = sealapi.SEALContext(settings, True, sealapi.SEC_LEVEL_TYPE.TC128)  # noqa: FBT003 - positional in the binding
        if not self.context.parameters_set():
            raise ValueError(f"{parameters.name}: {self.context.parameters_error_message()}")
        self.parameters = parameters
        self.evaluator = sealapi.Evaluator(self.context)
        self.encoder = sealapi.BatchEncoder(self.context)
        self.ids = levels(self.context)
        self.top = len(parameters.primes) - 1
        self.moduli = [m.value() for m in self.context.first_context_data().parms().coeff_modulus()]

    def encode(self, slots: Ints) -> Plaintext:
        """Encode one value per slot, N values in [0, t)."""
        out = Plaintext()
        self.encoder.encode(slots.tolist(), out)
        return out

    def decode(self, plaintext: Plaintext) -> Ints:
        """Return the N slot values in (-t/2, t/2]."""
        return np.asarray(self.encoder.decode_int64(plaintext), np.int64)

    def ciphertext(self, data: bytes, *, primes: int) -> Ciphertext:
        """Load a two-part ciphertext of the given level in coefficient form.

        Raises:
            UnfitCiphertextError: it is of another size, level, form or context.
        """
        out = load(Ciphertext(), self.context, data)
        if out.size() != 2 or out.parms_id() != self.ids[primes] or out.is_ntt_form():
            raise UnfitCiphertextError("the ciphertext has the wrong size, level or form")
        return out

    def ciphertext_of(self, parts: Unsigned) -> Ciphertext:
        """Return the ciphertext of given residues, of shape (2, primes, N), in coefficient form.

        SEAL has no such call, so the object is written in SEAL's own serialised form and loaded.

        Raises:
            UnfitCiphertextError: a residue is not below its prime.
        """
        _, primes, ring = parts.shape
        array = _seal_object(struct.pack("<Q", parts.size) + parts.astype("<u8").tobytes())
        identity = struct.pack("<4Q", *self.ids[primes])
        fields = _CIPHERTEXT.pack(identity, 0, 2, ring, primes, 1.0, 1)
        return load(Ciphertext(), self.context, _seal_object(fields + array))

    def polynomial(self, coefficients: Ints) -> Plaintext:
        """Return the plaintext with these coefficients, each in [0, t)."""
        count = len(coefficients)
        array = _seal_object(struct.pack("<Q", count) + coefficients.astype("<u8").tobytes())
        fields = _PLAINTEXT.pack(bytes(32), count, 1.0)
        return load(Plaintext(), self.context, _seal_object(fields + array))


@lru_cache(maxsize=8)
def bfv_context(parameters: BfvParameters) -> BfvContext:
    """Return the context of a parameter set, made once per process (a few milliseconds each)."""
    return BfvContext(parameters)


class CkksContext:
    """A CKKS context. `ids[n]` names the level at which n primes are left; `moduli` are the primes."""

    def __init__(self, parameters: CkksParameters) -> None:
        settings = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.CKKS)
        settings.set_poly_modulus_degree(RING)
        settings.set_coeff_modulus(sealapi.CoeffModulus.Create(RING, list(parameters.primes)))
        self.context = sealapi.SEALContext(settings, True, sealapi.SEC_LEVEL_TYPE.TC128)  # noqa: FBT003 - positional in the binding
        if not self.context.parameters_set():
            raise ValueError(f"{parameters.name}: {self.context.parameters_error_message()}")
        self.parameters = parameters
        self.evaluator = sealapi.Evaluator(self.context)
        self.encoder = sealapi.CKKSEncoder(self.context)
        self.ids = levels(self.context)
        self.top = len(parameters.primes) - 1
        self.moduli = [m.value() for m in self.context.first_context_data().parms().coeff_modulus()]
        self.scale = 2.0**SCALE_BITS
        self.target = 2.0**TARGET_BITS

    def encode(self, value: float | list[float], scale: float, primes: int) -> Any:
        """Encode one number for all slots, or a number for each, at a scale and level."""
        out = Plaintext()
        self.encoder.encode(value, self.ids[primes], scale, out)
        return out


@lru_cache(maxsize=2)
def ckks_context(parameters: CkksParameters) -> CkksContext:
    """Return the context of a parameter set, made once per process."""
    return CkksContext(parameters)


def galois_element(step: int, ring: int) -> int:
    """Return the Galois element of a rotation within batch rows by `step`; step 0 swaps the two rows."""
    return pow(3, step, 2 * ring) if step else 2 * ring - 1


def levels(context: Any) -> dict[int, Any]:
    """Return SEAL's identifiers of a context's levels by the number of primes left."""
    out: dict[int, Any] = {}
    data = context.first_context_data()
    while True:
        out[len(data.parms().coeff_modulus())] = data.parms_id()
        if data.parms_id() == context.last_parms_id():
            return out
        data = data.next_context_data()


def _seal_object(payload: bytes) -> bytes:
    """Put SEAL's 16-byte header before an uncompressed object."""
    return (
        _HEADER.pack(_SEAL_MAGIC, _HEADER.size, 4, _seal_minor(), 0, 0, _HEADER.size + len(payload)) + payload
    )


@lru_cache(maxsize=1)
def _seal_minor() -> int:
    settings = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.BFV)
    return dump(settings)[4]
