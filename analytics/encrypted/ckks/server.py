"""The evaluator's role for cohorts: scores encrypted columns with one model.

The checks are those of `bfv.server`: every column and key for its parameters, size, level and scale before
it is used; the arithmetic is in `polynomial_evaluation`.
"""

from __future__ import annotations

from cachetools import LRUCache

from analytics.encrypted import seal
from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.ckks.polynomial_evaluation import PolynomialEvaluation
from analytics.encrypted.compiler.bounds import interval
from analytics.encrypted.compiler.ensemble import leaves
from analytics.encrypted.compiler.polynomial import factor_ensemble
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.headers import CkksKeysHeader, ColumnsHeader, read_header
from analytics.encrypted.parameters import CKKS_SETS, LARGEST_MARGIN, ckks_parameters
from analytics.errors import (
    ArtefactMismatchError,
    CapacityError,
    UnfitCiphertextError,
    UnknownDigestError,
)

_MAX_KEYS = 64


class CkksEvaluator:
    """Scores COLUMNS with one model; stores the relinearisation keys of the latest 64 clients."""

    def __init__(self, model: bytes) -> None:
        """Read a MODEL.

        Raises:
            ArtefactError: it is not one.
            CapacityError: its margins may leave the range that CKKS is set up for.
        """
        read = CompiledModel.read(model)
        self.model = read.digest
        self._ensemble = read.ensemble
        self._set = ckks_parameters(read.ensemble.depth)
        self._ckks = seal.ckks_context(self._set)
        groups = [list(leaves(tree)) for tree in read.ensemble.trees]
        low, high = (read.ensemble.base + x for x in interval(groups, read.ensemble.bins))
        if max(-low, high) > LARGEST_MARGIN:
            raise CapacityError(f"the model's margins may exceed {LARGEST_MARGIN}")
        if read.ensemble.depth == 0:
            raise CapacityError("the model does not depend on any feature")
        self._polynomial = factor_ensemble(read.ensemble)
        self._keys: LRUCache[str, seal.RelinKeys] = LRUCache(_MAX_KEYS)

    def add_keys(self, data: bytes) -> str:
        """Check and store a client's KEYS and return their digest.

        Raises:
            ArtefactError: they are not keys for this model's parameters.
        """
        frame = unframe(data, ArtefactKind.KEYS, sections=(1,))
        if CKKS_SETS.get(read_header(frame, CkksKeysHeader).set) != self._set:
            raise ArtefactMismatchError("the keys are for other parameters")
        keys = seal.load(seal.RelinKeys(), self._ckks.context, frame.sections[0])
        if keys.size() != 1 or not keys.has_key(2):
            raise UnfitCiphertextError("these are no relinearisation keys")
        self._keys[frame.digest] = keys
        return frame.digest

    def score(self, data: bytes) -> bytes:
        """Return the MARGINS for COLUMNS.

        Raises:
            UnknownDigestError: the evaluator does not hold the keys.
            ArtefactError: the query can't be used.
        """
        frame = unframe(data, ArtefactKind.COLUMNS, sections=(self._ensemble.bins.width,))
        query = read_header(frame, ColumnsHeader)
        if query.model != self.model or query.set != self._set.name:
            raise ArtefactMismatchError("the query is for another model or other parameters")
        keys = self._keys.get(query.keys)
        if keys is None:
            raise UnknownDigestError("no evaluation keys of that digest are stored; send them again")
        evaluation = PolynomialEvaluation(self._ckks, self._ensemble, keys, frame.sections)
        try:
            answer = evaluation.evaluate(self._polynomial)
        except (RuntimeError, ValueError) as error:
            raise UnfitCiphertextError("SEAL refuses to compute on this query") from error
        given = {"model": self.model, "query": frame.digest}
        return Frame(ArtefactKind.MARGINS, given, (seal.dump(answer),)).data
