"""The hospital's role: holds the secret key, encrypts public bits, reads scores.

A client is made from an OFFER, which is public. Its evaluation keys go to the evaluator once. Each query is
encrypted afresh, so two queries for the same patient have nothing in common.

Never tell the evaluator what came out of `open`, and not whether it failed: both answer questions about the
secret key to someone who can choose the ciphertext.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from analytics.encrypted import seal
from analytics.encrypted.artefacts import AnswerHeader, KeysHeader, Offer, header, parameter_set
from analytics.encrypted.framing import Frame, Kind, unframe
from analytics.errors import MismatchError, UnfitCiphertextError


@dataclass(frozen=True)
class Score:
    """A decrypted score. `error` bounds how far `margin` (log-odds) may lie from plaintext XGBoost's."""

    margin: float
    error: float

    @property
    def probability(self) -> float:
        """The predicted probability."""
        return float(1 / (1 + np.exp(-self.margin)))


@dataclass(frozen=True)
class Query:
    """An encrypted question. `data` goes to the evaluator; `digest` is its commitment for the log."""

    data: bytes = field(repr=False)
    digest: str
    patients: int


class _SecretHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    set: str
    keys: str
    patients: int


class Client:
    """One secret key for one model and parameter set, with room for `patients` patients a ciphertext."""

    def __init__(self, offer: Offer, parameters: str, patients: int, secret: Any, keys: Frame) -> None:
        self.offer, self.patients = offer, patients
        self.parameters = parameter_set(parameters)
        self._bfv = seal.bfv(self.parameters)
        self._layout = offer.layout(parameters, patients)
        self._terms = offer.terms(parameters)
        self._secret = secret
        self._encryptor = sealapi.Encryptor(self._bfv.context, secret)
        self._decryptor = sealapi.Decryptor(self._bfv.context, secret)
        self._keys = keys

    @classmethod
    def create(cls, offer: Offer, parameters: str = "fast", *, patients: int = 1) -> Client:
        """A client with a new secret key. `patients` is 1 or a power of two.

        Raises:
            MismatchError: the model is not offered under these parameters.
            CapacityError: so many patients do not fit one ciphertext.
        """
        layout = offer.layout(parameters, patients)
        chosen = parameter_set(parameters)
        context = seal.bfv(chosen).context
        generator = sealapi.KeyGenerator(context)
        elements = [seal.galois_element(step, chosen.ring) for step in layout.steps]
        sections = [
            seal.dump(generator.create_relin_keys()),
            seal.dump(generator.create_galois_keys(elements)),
        ]
        if chosen.flood_bits:
            public = seal.PublicKey()
            generator.create_public_key(public)
            sections.append(seal.dump(public))
        keys = Frame(Kind.KEYS, {"set": parameters, "steps": list(layout.steps)}, tuple(sections))
        return cls(offer, parameters, patients, generator.secret_key(), keys)

    @property
    def keys(self) -> bytes:
        """The KEYS artefact for the evaluator."""
        return self._keys.data

    @property
    def keys_digest(self) -> str:
        """The name under which the evaluator caches the keys."""
        return self._keys.digest

    def secret(self) -> bytes:
        """The SECRET artefact, for the hospital's own vault and nobody else."""
        given = {
            "model": self.offer.model,
            "set": self.parameters.name,
            "keys": self.keys_digest,
            "patients": self.patients,
        }
        return Frame(Kind.SECRET, given, (seal.dump(self._secret),)).data

    @classmethod
    def restore(cls, offer: Offer, secret: bytes, keys: bytes) -> Client:
        """The client again, from its SECRET and its KEYS.

        Raises:
            ArtefactError: damaged, or they do not belong together.
        """
        frame = unframe(secret, Kind.SECRET, sections=(1,))
        given = header(frame, _SecretHeader)
        known = unframe(keys, Kind.KEYS, sections=(2, 3))
        if given.model != offer.model or given.keys != known.digest:
            raise MismatchError("the secret, the keys and the offer do not belong together")
        if header(known, KeysHeader).set != given.set:
            raise MismatchError("the secret and the keys are of different parameter sets")
        context = seal.bfv(parameter_set(given.set)).context
        key = seal.load(seal.SecretKey(), context, frame.sections[0])
        return cls(offer, given.set, given.patients, key, known)

    def encrypt(self, table: npt.ArrayLike) -> Query:
        """Encrypt up to `patients` rows of feature values (NaN where missing).

        Raises:
            DataError: the row does not have the offer's features.
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
        frame = Frame(Kind.QUERY, given, (seal.dump(serializable),))
        return Query(frame.data, frame.digest, len(codes))

    def open(self, query: Query, answer: bytes) -> list[Score]:
        """Decrypt the answer to this query: one score per patient, in the query's order.

        Raises:
            DamagedError, MismatchError: the answer is broken, or answers something else.
            UnfitCiphertextError: its ciphertext is not one the evaluator could have made.
            GarbledAnswerError: it decrypts to noise (wrong keys, tampering).
        """
        integers = self.integers(query, answer)
        terms = self._terms
        return [Score(n / terms.scale + terms.centre, terms.error) for n in integers[: query.patients]]

    def integers(self, query: Query, answer: bytes) -> list[int]:
        """The integer scores behind `open`, for tests of exactness. Raises as `open` does."""
        frame = unframe(answer, Kind.ANSWER, sections=(1,))
        given = header(frame, AnswerHeader)
        if not hmac.compare_digest(given.query, query.digest):
            raise MismatchError("this answers another query")
        if given.model != self.offer.model or given.set != self.parameters.name:
            raise MismatchError("this answer is from another model or parameter set")
        ciphertext = self._bfv.ciphertext(frame.sections[0], primes=1)
        plaintext = seal.Plaintext()
        try:
            self._decryptor.decrypt(ciphertext, plaintext)
        except (RuntimeError, ValueError) as error:
            raise UnfitCiphertextError("the answer can't be decrypted") from error
        return self._layout.collect(self._bfv.decode(plaintext), self.parameters.plain_modulus)
