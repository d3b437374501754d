"""The evaluator's role: turns an encrypted query into an encrypted answer, and can't read either.

1. Models come from their owner, evaluation keys and queries from clients. None of them decrypts anything; a
   SECRET artefact is refused by its kind before it is parsed.
2. Every ciphertext and key is checked for its parameters, size and level before it is used.
3. The sequence of operations depends only on public sizes, never on data (see `row_evaluation`).

This class does the work in the calling process. SEAL may abort on input that it was not written for, so the
service runs it in worker processes (`analytics.evaluator.worker`, `analytics.evaluator.pool`).
"""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter

from cachetools import LRUCache

from analytics.encrypted import seal
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.packing import padded_rows, plan_layout
from analytics.encrypted.bfv.row_evaluation import EncodedProgram, EvaluationKeys, evaluate
from analytics.encrypted.bfv.sanitising import read_zero_key, zero_key_bytes
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.headers import KeysHeader, QueryHeader, read_header
from analytics.encrypted.parameters import BFV_SETS, BfvParameters, bfv_parameters
from analytics.errors import (
    ArtefactMismatchError,
    EvaluatorBusyError,
    UnfitCiphertextError,
    UnknownDigestError,
)

MAX_STEPS = 256
DEFAULT_KEY_MEMORY = 512 << 20
MAX_PATIENTS = 64
_MAX_ENCODED = 16


def key_memory(parameters: BfvParameters, steps: int) -> int:
    """Return the bytes of one client's expanded evaluation keys in the evaluator's memory.

    Each key-switching key has one pair of polynomials per prime but the special one, over all primes.
    """
    limbs = len(parameters.primes)
    pair = 2 * limbs * parameters.ring * 8
    return (steps + 1) * (limbs - 1) * pair + 2 * zero_key_bytes(parameters)


class BfvEvaluator:
    """Models and clients' keys by digest, and `score`.

    `key_memory` bounds the keys, oldest out. Keys of other parameter sets than `sets` are refused, and so
    are their queries.
    """

    def __init__(
        self, *, key_memory: int = DEFAULT_KEY_MEMORY, sets: Collection[str] = tuple(BFV_SETS)
    ) -> None:
        self._sets = sets
        self._models: dict[str, CompiledModel] = {}
        self._encoded: LRUCache[tuple[str, str, int], EncodedProgram] = LRUCache(_MAX_ENCODED)
        self._keys: LRUCache[str, EvaluationKeys] = LRUCache(key_memory, getsizeof=attrgetter("size"))
        self._key_memory = key_memory

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the digests of the stored keys."""
        return tuple(self._keys)

    @property
    def key_bytes(self) -> int:
        """Return the memory of the keys, in bytes."""
        return int(self._keys.currsize)

    def add_model(self, data: bytes) -> str:
        """Register a MODEL and return its digest.

        Raises:
            ArtefactError, UnsupportedModelError: it can't be used.
        """
        model = CompiledModel.read(data)
        self._models[model.digest] = model
        return model.digest

    def add_keys(self, data: bytes) -> str:
        """Check and store a client's KEYS and return their digest. May drop the least recently used ones.

        Raises:
            DamagedArtefactError, ArtefactMismatchError: it is no such artefact, or of another set.
            UnfitCiphertextError: the keys inside are not those that the header states.
            EvaluatorBusyError: they alone are larger than the memory for keys.
        """
        frame = unframe(data, ArtefactKind.KEYS, sections=(2, 3))
        if self._keys.get(frame.digest) is None:
            self._keys[frame.digest] = _read_keys(frame, self._key_memory, self._sets)
        return frame.digest

    def score(self, data: bytes) -> bytes:
        """Return the ANSWER to a QUERY.

        Raises:
            UnknownDigestError: the evaluator does not hold the model or the keys.
            DamagedArtefactError, ArtefactMismatchError, UnfitCiphertextError: the query can't be used.
        """
        frame = unframe(data, ArtefactKind.QUERY, sections=(1,))
        query = read_header(frame, QueryHeader)
        keys = self._keys.get(query.keys)
        if keys is None:
            raise UnknownDigestError("no evaluation keys of that digest are stored; send them again")
        if query.set != keys.parameters.name:
            raise ArtefactMismatchError("the query and its keys are of different parameter sets")
        program = self._encoded_program(query)
        if not keys.steps.issuperset(program.layout.steps):
            raise ArtefactMismatchError("the keys lack rotations that this model needs")
        bfv = seal.bfv_context(keys.parameters)
        ciphertext = bfv.ciphertext(frame.sections[0], primes=bfv.top)
        try:
            answer = evaluate(bfv, program, keys, ciphertext)
        except Exception as error:  # as in `seal.load`
            raise UnfitCiphertextError("SEAL refuses to compute on this query") from error
        given = {"model": query.model, "set": query.set, "query": frame.digest}
        return Frame(ArtefactKind.ANSWER, given, (seal.dump(answer),)).data

    def encode_program(self, model: str, parameters: str, patients: int = 1) -> None:
        """Encode a model's plaintexts before the first query needs them."""
        self._encoded_program(QueryHeader(model, parameters, "", patients))

    def _encoded_program(self, query: QueryHeader) -> EncodedProgram:
        key = (query.model, query.set, query.patients)
        encoded = self._encoded.get(key)
        if encoded is None:
            model = self._models.get(query.model)
            if model is None:
                raise UnknownDigestError("no model of that digest is registered")
            parameters = bfv_parameters(query.set)
            program = model.programs.get(query.set)
            if program is None:
                raise ArtefactMismatchError(f"the model is not offered under {query.set}")
            patients = query.patients
            if not 1 <= patients <= MAX_PATIENTS or patients & (patients - 1):
                raise ArtefactMismatchError(f"a query holds 1 to {MAX_PATIENTS} patients, a power of two")
            rows = padded_rows(len(program.weights))
            layout = plan_layout(rows, model.ensemble.bins.width, parameters, patients=patients)
            encoded = self._encoded[key] = EncodedProgram(program, layout, parameters)
        return encoded


def _read_keys(frame: Frame, limit: int, sets: Collection[str]) -> EvaluationKeys:
    given = read_header(frame, KeysHeader)
    if given.set not in sets:
        raise ArtefactMismatchError(f"this evaluator answers under {', '.join(sets)} alone")
    parameters = bfv_parameters(given.set)
    steps = frozenset(given.steps)
    if not len(steps) == len(given.steps) <= MAX_STEPS or not all(0 <= s < parameters.slots for s in steps):
        raise UnfitCiphertextError("the keys' rotations are out of range")
    size = key_memory(parameters, len(steps))
    if size > limit:
        raise EvaluatorBusyError("these keys are larger than the memory for keys")
    if len(frame.sections) != (3 if parameters.flood_bits else 2):
        raise UnfitCiphertextError("the keys lack a part that the parameter set needs")
    # A compressed part can't be larger than its content, but for a little framing.
    if sum(map(len, frame.sections)) > size + (1 << 16):
        raise UnfitCiphertextError("the keys are larger than their rotations account for")
    bfv = seal.bfv_context(parameters)
    relin = seal.load(seal.RelinKeys(), bfv.context, frame.sections[0])
    galois = seal.load(seal.GaloisKeys(), bfv.context, frame.sections[1])
    if relin.size() != 1 or not relin.has_key(2) or galois.size() != len(steps):
        raise UnfitCiphertextError("the keys are not those that the header states")
    if not all(galois.has_key(seal.galois_element(s, parameters.ring)) for s in steps):
        raise UnfitCiphertextError("the keys are not those that the header states")
    zero = read_zero_key(bfv, frame.sections[2]) if parameters.flood_bits else None
    return EvaluationKeys(relin, galois, zero, steps, parameters, size)
