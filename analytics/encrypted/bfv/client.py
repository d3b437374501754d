"""The hospital's role: holds the secret key, encrypts public bits, reads scores.

A client is made from an OFFER, which is public. Its evaluation keys go to the evaluator once. Each query is
encrypted afresh, so two queries for the same patient have nothing in common.

The evaluator must never learn the result of `open`, nor whether it failed: both answer questions about the
secret key for anyone who can choose the ciphertext.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from analytics.encrypted import seal
from analytics.encrypted.artefacts import EncryptedQuery, ModelOffer
from analytics.encrypted.bfv import sanitising
from analytics.encrypted.field import Ints
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.headers import AnswerHeader, KeysHeader, SecretHeader, read_header
from analytics.encrypted.parameters import bfv_parameters
from analytics.errors import AnalyticsError, ArtefactMismatchError, UnfitCiphertextError


@dataclass(frozen=True)
class Score:
    """A decrypted score. `error` bounds how far `margin` (log-odds) may lie from plaintext XGBoost's."""

    margin: float
    error: float

    @property
    def probability(self) -> float:
        """Return the predicted probability."""
        return float(1 / (1 + np.exp(-self.margin)))


class BfvClient:
    """One secret key for one model and parameter set, with room for `patients` patients a ciphertext."""

    def __init__(self, offer: ModelOffer, parameters: str, patients: int, secret: Any, keys: Frame) -> None:
        self.offer, self.patients = offer, patients
        self.parameters = bfv_parameters(parameters)
        self._bfv = seal.bfv_context(self.parameters)
        self._layout = offer.layout(parameters, patients)
        self._summary = offer.summary(parameters)
        self._secret = secret
        self._encryptor = sealapi.Encryptor(self._bfv.context, secret)
        self._decryptor = sealapi.Decryptor(self._bfv.context, secret)
        self._keys = keys

    @classmethod
    def create(cls, offer: ModelOffer, parameters: str = "fast", *, patients: int = 1) -> BfvClient:
        """Make a client with a new secret key. `patients` is 1 or a power of two.

        Raises:
            ArtefactMismatchError: the model is not offered under these parameters.
            CapacityError: so many patients do not fit one ciphertext.
        """
        layout = offer.layout(parameters, patients)
        chosen = bfv_parameters(parameters)
        context = seal.bfv_context(chosen).context
        generator = sealapi.KeyGenerator(context)
        elements = [seal.galois_element(step, chosen.ring) for step in layout.steps]
        sections = [
            seal.dump(generator.create_relin_keys()),
            seal.dump(generator.create_galois_keys(elements)),
        ]
        secret = generator.secret_key()
        if chosen.flood_bits:
            decryptor = sealapi.Decryptor(context, secret)
            sections.append(sanitising.zero_key(seal.bfv_context(chosen), decryptor))
        keys = Frame(ArtefactKind.KEYS, {"set": parameters, "steps": list(layout.steps)}, tuple(sections))
        return cls(offer, parameters, patients, secret, keys)

    @property
    def keys(self) -> bytes:
        """Return the KEYS artefact for the evaluator."""
        return self._keys.data

    @property
    def keys_digest(self) -> str:
        """Return the name under which the evaluator caches the keys."""
        return self._keys.digest

    def secret(self) -> bytes:
        """Return the SECRET artefact, for the hospital's own vault only."""
        given = {
            "model": self.offer.model,
            "set": self.parameters.name,
            "keys": self.keys_digest,
            "patients": self.patients,
        }
        return Frame(ArtefactKind.SECRET, given, (seal.dump(self._secret),)).data

    @classmethod
    def restore(cls, offer: ModelOffer, secret: bytes, keys: bytes) -> BfvClient:
        """Make the client again from its SECRET and its KEYS.

        Raises:
            ArtefactError: damaged, or they do not belong together.
        """
        frame = unframe(secret, ArtefactKind.SECRET, sections=(1,))
        given = read_header(frame, SecretHeader)
        known = unframe(keys, ArtefactKind.KEYS, sections=(2, 3))
        if given.model != offer.model or given.keys != known.digest:
            raise ArtefactMismatchError("the secret, the keys and the offer do not belong together")
        if read_header(known, KeysHeader).set != given.set:
            raise ArtefactMismatchError("the secret and the keys are of different parameter sets")
        context = seal.bfv_context(bfv_parameters(given.set)).context
        key = seal.load(seal.SecretKey(), context, frame.sections[0])
        return cls(offer, given.set, given.patients, key, known)

    def encrypt(self, table: npt.ArrayLike) -> EncryptedQuery:
        """Encrypt up to `patients` rows of feature values (NaN where missing).

        Raises:
            DataError: a row does not have the offer's features.
        """
        codes = self.offer.bins.codes(table)
        slots = self._layout.place(self.offer.bins.bits(codes))
        serializable = self._encryptor.encrypt_symmetric(self._bfv.encode(slots))
        given = {
            "model": self.offer.model,
            "set": self.parameters.name,
            "keys": self.keys_digest,
            "patients": self.patients,
        }
        frame = Frame(ArtefactKind.QUERY, given, (seal.dump(serializable),))
        return EncryptedQuery(frame.data, frame.digest, len(codes))

    def open(self, query: EncryptedQuery, answer: bytes) -> list[Score]:
        """Decrypt the answer to this query: one score per patient, in the query's order.

        Raises:
            DamagedArtefactError, ArtefactMismatchError: the answer is damaged, or answers another query.
            UnfitCiphertextError: its ciphertext can't be the evaluator's work.
            GarbledAnswerError: it decrypts to noise (wrong keys, tampering).
        """
        return [self.score_of(n) for n in self.integers(query, answer)[: query.patients]]

    def score_of(self, integer: int) -> Score:
        """Return the score that an integer stands for."""
        return Score(integer / self._summary.scale + self._summary.centre, self._summary.error)

    def integers(self, query: EncryptedQuery, answer: bytes) -> list[int]:
        """Return the integer scores behind `open`, one for each patient that fits. Raises as `open` does."""
        frame = unframe(answer, ArtefactKind.ANSWER, sections=(1,))
        given = read_header(frame, AnswerHeader)
        if not hmac.compare_digest(given.query, query.digest):
            raise ArtefactMismatchError("this answers another query")
        if given.model != self.offer.model or given.set != self.parameters.name:
            raise ArtefactMismatchError("this answer is from another model or parameter set")
        ciphertext = self._bfv.ciphertext(frame.sections[0], primes=1)
        try:
            slots = self._decrypt(ciphertext)
        except AnalyticsError:
            raise
        except Exception as error:  # as in `seal.load`
            raise UnfitCiphertextError("the answer can't be decrypted") from error
        return self._layout.collect(slots, self.parameters.plain_modulus)

    def _decrypt(self, answer: seal.Ciphertext) -> Ints:
        if self.parameters.flood_bits:
            return sanitising.read_slots(self._bfv, self._decryptor, answer)
        plaintext = seal.Plaintext()
        self._decryptor.decrypt(answer, plaintext)
        return self._bfv.decode(plaintext)
