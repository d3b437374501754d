"""The hospital's role for cohorts: encrypts columns of up to 4096 patients, reads their margins."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from analytics.data.binning import Floats
from analytics.encrypted import seal
from analytics.encrypted.artefacts import EncryptedQuery, ModelOffer
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.headers import MarginsHeader, read_header
from analytics.encrypted.parameters import DECIMALS, LARGEST_MARGIN, SLOTS, ckks_parameters
from analytics.errors import ArtefactMismatchError, DataError, GarbledAnswerError, UnfitCiphertextError

_SPARE = 8
"""Spare slots: in every query they hold the same patient, with no bit set."""

CAPACITY = SLOTS - _SPARE
"""Patients per query."""


class CkksClient:
    """One secret key for scoring cohorts with one model. The key lives as long as the object."""

    def __init__(self, offer: ModelOffer) -> None:
        self.offer = offer
        self._set = ckks_parameters(offer.cohort_depth)
        self._ckks = seal.ckks_context(self._set)
        generator = sealapi.KeyGenerator(self._ckks.context)
        secret: Any = generator.secret_key()
        self._encryptor = sealapi.Encryptor(self._ckks.context, secret)
        self._decryptor = sealapi.Decryptor(self._ckks.context, secret)
        relin = seal.dump(generator.create_relin_keys())
        self._keys = Frame(ArtefactKind.KEYS, {"set": self._set.name}, (relin,))
        self._empty: float | None = None

    @property
    def keys(self) -> bytes:
        """Return the KEYS artefact for the evaluator."""
        return self._keys.data

    def encrypt(self, table: npt.ArrayLike) -> EncryptedQuery:
        """Encrypt up to `CAPACITY` rows of feature values (NaN where missing).

        Raises:
            DataError: too many rows, or a row does not have the offer's features.
        """
        codes = self.offer.bins.codes(table)
        if not 1 <= len(codes) <= CAPACITY:
            raise DataError(f"a cohort query holds 1 to {CAPACITY} patients")
        bits = np.zeros((SLOTS, self.offer.bins.width))
        bits[: len(codes)] = self.offer.bins.bits(codes)
        sections = tuple(self._column(bits[:, j].tolist()) for j in range(bits.shape[1]))
        given = {"model": self.offer.model, "set": self._set.name, "keys": self._keys.digest}
        frame = Frame(ArtefactKind.COLUMNS, given, sections)
        return EncryptedQuery(frame.data, frame.digest, len(codes))

    def _column(self, values: list[float]) -> bytes:
        plaintext = self._ckks.encode(values, self._ckks.scale, self._ckks.top)
        return seal.dump(self._encryptor.encrypt_symmetric(plaintext))

    def open(self, query: EncryptedQuery, answer: bytes) -> Floats:
        """Decrypt the margins of the query's patients, rounded, in its order.

        Raises:
            DamagedArtefactError, ArtefactMismatchError: the answer is damaged, or answers another query.
            UnfitCiphertextError: its ciphertext can't be the evaluator's work.
            GarbledAnswerError: it decrypts to noise.
        """
        frame = unframe(answer, ArtefactKind.MARGINS, sections=(1,))
        given = read_header(frame, MarginsHeader)
        if given.query != query.digest or given.model != self.offer.model:
            raise ArtefactMismatchError("this answers another query")
        ciphertext = seal.load(seal.Ciphertext(), self._ckks.context, frame.sections[0])
        if ciphertext.size() != 2 or ciphertext.parms_id() != self._ckks.ids[1]:
            raise UnfitCiphertextError("the answer has the wrong size or level")
        plaintext = seal.Plaintext()
        try:
            self._decryptor.decrypt(ciphertext, plaintext)
            values = np.asarray(self._ckks.encoder.decode_complex(plaintext))
        except (RuntimeError, ValueError) as error:
            raise UnfitCiphertextError("the answer can't be decrypted") from error
        return self._margins(values)[: query.patients]

    def _margins(self, values: npt.NDArray[np.complex128]) -> Floats:
        # An honest answer is real and in range, and the empty slots hold one value, the same each time.
        # Changing a coefficient of the polynomial other than the constant one makes it complex.
        spare = values.real[-_SPARE:]
        tolerance = 10.0**-DECIMALS
        if self._empty is None:
            self._empty = float(spare[0])
        if (
            not np.isfinite(values).all()
            or np.abs(values.imag).max() > tolerance
            or np.abs(values.real).max() > LARGEST_MARGIN + 1
            or np.abs(spare - self._empty).max() > tolerance
        ):
            raise GarbledAnswerError("the answer fails its check; no margins can be read from it")
        out: Floats = np.round(values.real, DECIMALS)
        return out
