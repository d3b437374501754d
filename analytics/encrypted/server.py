"""The evaluator's role: turns an encrypted question into an encrypted answer, and can't read either.

What it is given: models (from their owner), evaluation keys and queries (from clients). Nothing it is
given decrypts anything; a SECRET artefact is refused by kind before it is parsed. Every ciphertext and key
is checked for its parameters, size and level before it is used. Which operations run depends only on
public sizes, never on data.

This class does the work in the calling process. SEAL may abort on input it was not written for, so
the service runs it in worker processes (`worker`, `pool`).
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from cachetools import LRUCache
from tenseal import sealapi

from analytics.encrypted import seal
from analytics.encrypted.artefacts import KeysHeader, Model, QueryHeader, header, parameter_set
from analytics.encrypted.field import Ints
from analytics.encrypted.framing import Frame, Kind, unframe
from analytics.encrypted.packing import Layout, padded_rows, plan
from analytics.encrypted.parameters import ParameterSet
from analytics.encrypted.rows import Program
from analytics.errors import BusyError, MismatchError, UnfitCiphertextError, UnknownError

MAX_STEPS = 256
DEFAULT_KEY_MEMORY = 512 << 20
_MAX_PATIENTS = 64
_MAX_PREPARED = 16


@dataclass(frozen=True)
class _Keys:
    relin: seal.RelinKeys
    galois: seal.GaloisKeys
    encryptor: sealapi.Encryptor | None
    steps: frozenset[int]
    parameters: ParameterSet
    size: int


def key_memory(parameters: ParameterSet, steps: int) -> int:
    """Bytes that one client's expanded evaluation keys take in the evaluator's memory.

    Each key-switching key has one pair of polynomials per prime but the special one, over all primes.
    """
    limbs = len(parameters.primes)
    pair = 2 * limbs * parameters.ring * 8
    return (steps + 1) * (limbs - 1) * pair + (pair if parameters.flood_bits else 0)


class _Prepared:
    """A program with its plaintexts encoded for one layout: everything that does not depend on a query."""

    def __init__(self, program: Program, layout: Layout, parameters: ParameterSet) -> None:
        bfv = seal.bfv(parameters)
        self.layout, self.program = layout, program
        rows = layout.rows
        self.offsets, self.kappas = [], []
        self.diagonals: list[list[seal.Plaintext]] = []
        for shard in range(layout.shards):
            part = slice(shard * rows, (shard + 1) * rows)
            weights, offsets, kappas = (
                _pad(a[part], rows) for a in (program.weights, program.offsets, program.kappas)
            )
            self.diagonals.append([_ntt(bfv, layout.diagonal(weights, j)) for j in range(layout.diagonals)])
            self.offsets.append(bfv.encode(layout.per_row(offsets)))
            self.kappas.append(bfv.encode(layout.per_row(-kappas % program.modulus)))


def _pad(array: Ints, rows: int) -> Ints:
    out = np.zeros((rows, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def _ntt(bfv: seal.Bfv, slots: Ints) -> seal.Plaintext:
    out = seal.Plaintext()
    bfv.evaluator.transform_to_ntt(bfv.encode(slots), bfv.ids[bfv.top], out)
    return out


class Evaluator:
    """Models and clients' keys by digest, and `score`. Keys are kept up to `key_memory` bytes, oldest out."""

    def __init__(self, *, key_memory: int = DEFAULT_KEY_MEMORY) -> None:
        self._models: dict[str, Model] = {}
        self._prepared: LRUCache[tuple[str, str, int], _Prepared] = LRUCache(_MAX_PREPARED)
        self._keys: LRUCache[str, _Keys] = LRUCache(key_memory, getsizeof=attrgetter("size"))
        self._key_memory = key_memory

    @property
    def keys(self) -> tuple[str, ...]:
        """Digests of the keys held."""
        return tuple(self._keys)

    @property
    def key_bytes(self) -> int:
        """Memory that the held keys take."""
        return int(self._keys.currsize)

    def add_model(self, data: bytes) -> str:
        """Register a MODEL; its digest.

        Raises:
            ArtefactError, UnsupportedModelError: it can't be used.
        """
        model = Model.read(data)
        self._models[model.digest] = model
        return model.digest

    def add_keys(self, data: bytes) -> str:
        """Check and keep a client's KEYS; their digest. May put the least recently used ones out.

        Raises:
            DamagedError, MismatchError: it is no such artefact.
            UnfitCiphertextError: the keys inside are not those that the header states.
            BusyError: they alone are larger than the memory for keys.
        """
        frame = unframe(data, Kind.KEYS, sections=(2, 3))
        if self._keys.get(frame.digest) is None:
            self._keys[frame.digest] = _read_keys(frame, self._key_memory)
        return frame.digest

    def score(self, data: bytes) -> bytes:
        """The ANSWER to a QUERY.

        Raises:
            UnknownError: the model or the keys are not here.
            DamagedError, MismatchError, UnfitCiphertextError: the query can't be used.
        """
        frame = unframe(data, Kind.QUERY, sections=(1,))
        query = header(frame, QueryHeader)
        keys = self._keys.get(query.keys)
        if keys is None:
            raise UnknownError("no evaluation keys of that digest are held; send them again")
        if query.set != keys.parameters.name:
            raise MismatchError("the query and its keys are of different parameter sets")
        prepared = self._prepare(query)
        if not keys.steps.issuperset(prepared.layout.steps):
            raise MismatchError("the keys lack rotations that this model needs")
        bfv = seal.bfv(keys.parameters)
        ciphertext = bfv.ciphertext(frame.sections[0], primes=bfv.top)
        try:
            answer = evaluate(bfv, prepared, keys, ciphertext)
        except (RuntimeError, ValueError) as error:
            raise UnfitCiphertextError("SEAL refuses to compute on this query") from error
        given = {"model": query.model, "set": query.set, "query": frame.digest}
        return Frame(Kind.ANSWER, given, (seal.dump(answer),)).data

    def prepare(self, model: str, parameters: str, patients: int = 1) -> None:
        """Encode a model's plaintexts before the first query needs them."""
        self._prepare(QueryHeader(model, parameters, "", patients))

    def _prepare(self, query: QueryHeader) -> _Prepared:
        key = (query.model, query.set, query.patients)
        prepared = self._prepared.get(key)
        if prepared is None:
            model = self._models.get(query.model)
            if model is None:
                raise UnknownError("no model of that digest is registered")
            parameters = parameter_set(query.set)
            program = model.programs.get(query.set)
            if program is None:
                raise MismatchError(f"the model is not offered under {query.set}")
            patients = query.patients
            if not 1 <= patients <= _MAX_PATIENTS or patients & (patients - 1):
                raise MismatchError(f"a query holds 1 to {_MAX_PATIENTS} patients, a power of two")
            rows = padded_rows(len(program.weights))
            layout = plan(rows, model.ensemble.bins.width, parameters, patients=patients)
            prepared = self._prepared[key] = _Prepared(program, layout, parameters)
        return prepared


def _read_keys(frame: Frame, limit: int) -> _Keys:
    given = header(frame, KeysHeader)
    parameters = parameter_set(given.set)
    steps = frozenset(given.steps)
    if not len(steps) == len(given.steps) <= MAX_STEPS or not all(0 <= s < parameters.slots for s in steps):
        raise UnfitCiphertextError("the keys' rotations are out of range")
    size = key_memory(parameters, len(steps))
    if size > limit:
        raise BusyError("these keys are larger than the memory for keys")
    if len(frame.sections) != (3 if parameters.flood_bits else 2):
        raise UnfitCiphertextError("the keys lack a part that the parameter set needs")
    # A compressed part can't be larger than what it unpacks to, but for a little framing.
    if sum(map(len, frame.sections)) > size + (1 << 16):
        raise UnfitCiphertextError("the keys are larger than their rotations account for")
    bfv = seal.bfv(parameters)
    relin = seal.load(seal.RelinKeys(), bfv.context, frame.sections[0])
    galois = seal.load(seal.GaloisKeys(), bfv.context, frame.sections[1])
    if relin.size() != 1 or not relin.has_key(2) or galois.size() != len(steps):
        raise UnfitCiphertextError("the keys are not those that the header states")
    if not all(galois.has_key(seal.galois_element(s, parameters.ring)) for s in steps):
        raise UnfitCiphertextError("the keys are not those that the header states")
    encryptor = None
    if parameters.flood_bits:
        public = seal.load(seal.PublicKey(), bfv.context, frame.sections[2])
        encryptor = sealapi.Encryptor(bfv.context, public)
    return _Keys(relin, galois, encryptor, steps, parameters, size)


def evaluate(bfv: seal.Bfv, prepared: _Prepared, keys: _Keys, ciphertext: seal.Ciphertext) -> seal.Ciphertext:
    """Rows, squares, sum over shards, flooding, mask: the answer at the last level."""
    babies = _babies(bfv, prepared.layout, keys, ciphertext)
    total: seal.Ciphertext | None = None
    for shard in range(prepared.layout.shards):
        linear = _rows(bfv, prepared, keys, babies, shard)
        squared = _squares(bfv, prepared, keys, linear, shard)
        if total is None:
            total = squared
        else:
            bfv.evaluator.add_inplace(total, squared)
    assert total is not None  # noqa: S101 - a layout has at least one shard
    return _finish(bfv, prepared, keys, total)


def _babies(bfv: seal.Bfv, layout: Layout, keys: _Keys, ciphertext: seal.Ciphertext) -> list[seal.Ciphertext]:
    out = []
    for step in range(layout.babies):
        rotated, transformed = seal.Ciphertext(), seal.Ciphertext()
        if step:
            bfv.evaluator.rotate_rows(ciphertext, step, keys.galois, rotated)
        bfv.evaluator.transform_to_ntt(rotated if step else ciphertext, transformed)
        out.append(transformed)
    return out


def _rows(
    bfv: seal.Bfv, prepared: _Prepared, keys: _Keys, babies: list[seal.Ciphertext], shard: int
) -> seal.Ciphertext:
    """`weights @ x + offsets` of one shard, in every block."""
    evaluator, layout = bfv.evaluator, prepared.layout
    folds = (*layout.folds, *((0,) if layout.wide else ()))
    # What is squared once needs fewer primes than came, and a rotation's time goes with their number.
    single = bfv.parameters.only
    few = bfv.ids[single.primes if prepared.program.squarings == 1 else bfv.top]
    late = single.late if prepared.program.squarings == 1 else 0
    total: seal.Ciphertext | None = None
    product = seal.Ciphertext()
    for start in range(0, layout.diagonals, layout.babies):
        giant = seal.Ciphertext()
        for j in range(start, min(start + layout.babies, layout.diagonals)):
            plaintext = prepared.diagonals[shard][j]
            if j == start:
                evaluator.multiply_plain(babies[0], plaintext, giant)
            else:
                evaluator.multiply_plain(babies[j - start], plaintext, product)
                evaluator.add_inplace(giant, product)
        evaluator.transform_from_ntt_inplace(giant)
        if late > len(folds):
            evaluator.mod_switch_to_inplace(giant, few)
        if start:
            evaluator.rotate_rows_inplace(giant, start, keys.galois)
        if total is None:
            total = giant
        else:
            evaluator.add_inplace(total, giant)
    assert total is not None  # noqa: S101 - a layout has at least one diagonal
    rotated = seal.Ciphertext()
    for left, step in zip(range(len(folds), 0, -1), folds, strict=True):
        if left == late:
            evaluator.mod_switch_to_inplace(total, few)
        if step:
            evaluator.rotate_rows(total, step, keys.galois, rotated)
        else:
            evaluator.rotate_columns(total, keys.galois, rotated)
        evaluator.add_inplace(total, rotated)
    evaluator.mod_switch_to_inplace(total, few)
    evaluator.add_plain_inplace(total, prepared.offsets[shard])
    return total


def _squares(
    bfv: seal.Bfv, prepared: _Prepared, keys: _Keys, value: seal.Ciphertext, shard: int
) -> seal.Ciphertext:
    """w^2, or (w^2 - kappa)^2, not yet relinearised: shards are added first, so that is done once."""
    evaluator = bfv.evaluator
    evaluator.square_inplace(value)
    if prepared.program.squarings == 2:
        before_second = bfv.parameters.levels[0]
        evaluator.relinearize_inplace(value, keys.relin)
        evaluator.add_plain_inplace(value, prepared.kappas[shard])
        evaluator.mod_switch_to_inplace(value, bfv.ids[before_second])
        evaluator.square_inplace(value)
    return value


def _finish(bfv: seal.Bfv, prepared: _Prepared, keys: _Keys, value: seal.Ciphertext) -> seal.Ciphertext:
    evaluator, parameters = bfv.evaluator, bfv.parameters
    last = parameters.levels[1]
    if value.coeff_modulus_size() > last:
        evaluator.mod_switch_to_inplace(value, bfv.ids[last])
    evaluator.relinearize_inplace(value, keys.relin)
    if keys.encryptor is not None:
        zero = seal.Ciphertext()
        keys.encryptor.encrypt_zero(bfv.ids[last], zero)
        evaluator.add_inplace(value, zero)
        evaluator.add_inplace(value, bfv.noise(parameters.flood_bits, primes=last))
    evaluator.mod_switch_to_inplace(value, bfv.ids[1])
    mask = prepared.layout.mask(prepared.program.constant, parameters.plain_modulus)
    evaluator.add_plain_inplace(value, bfv.encode(mask))
    return value
