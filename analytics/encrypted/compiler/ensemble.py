"""An XGBoost model read into trees over the public bits, or refused with the reason.

Supported: `gbtree` with objective `binary:logistic`, trees of depth at most 4, numeric splits, trained on
the codes of the given bins (`model.training` writes the bins' digest into the model, and it must match).
Every field of the JSON is read, or is listed here as one that no prediction depends on; a model with any
other is refused. So is one that early stopping left with more rounds than its best: XGBoost itself predicts
with all rounds or with the best ones, depending on the interface.

The comparison in XGBoost is `code < threshold`, in float32, and a missing value follows the node's default
direction. Codes are integers, so a threshold c means `code <= ceil(c) - 1`. XGBoost may split above the
last edge ("present goes left, missing right") or below the first; both are preserved exactly.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from analytics.data.binning import Bins, Floats
from analytics.errors import UnsupportedModelError

MAX_DEPTH = 4
BINS_ATTRIBUTE = "consentry_bins"
"""The booster attribute that names the digest of the bins a model was trained on."""

SUPPORTED = (
    "supported are gbtree models with objective binary:logistic, trees of depth 1 to "
    f"{MAX_DEPTH}, numeric splits, trained on the codes of these bins"
)


class Decision(NamedTuple):
    """The boolean "goes left": the code is at most `edge`, or it is missing and `default_left` is set.

    `edge` is -1 where no present value goes left, and the number of edges where all do.
    """

    feature: int
    edge: int
    default_left: bool


class Branch(NamedTuple):
    """One decision on the way to a leaf, and its side."""

    decision: Decision
    left: bool


DecisionPath = tuple[Branch, ...]


class Split(NamedTuple):
    """An inner node. `left` and `right` are nodes or leaf values."""

    decision: Decision
    left: Node
    right: Node


Node = Split | float

_NOTES = frozenset({BINS_ATTRIBUTE, "best_iteration", "best_score"})
_FIELDS: Mapping[str, frozenset[str]] = {
    "": frozenset({"learner", "version"}),
    "learner": frozenset(
        {
            "attributes",
            "feature_names",
            "feature_types",
            "gradient_booster",
            "learner_model_param",
            "objective",
        }
    ),
    "learner.attributes": _NOTES,
    "learner.gradient_booster": frozenset({"model", "name"}),
    "learner.gradient_booster.model": frozenset(
        {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"}
    ),
    "learner.gradient_booster.model.gbtree_model_param": frozenset({"num_parallel_tree", "num_trees"}),
    "learner.learner_model_param": frozenset(
        {"base_score", "boost_from_average", "num_class", "num_feature", "num_target"}
    ),
    "learner.objective": frozenset({"name", "reg_loss_param"}),
    "learner.objective.reg_loss_param": frozenset({"scale_pos_weight"}),
}
"""A model's fields. `reg_loss_param`, `boost_from_average` and `best_score` are of training."""
_TREE_FIELDS = frozenset(
    {
        "base_weights",
        "categories",
        "categories_nodes",
        "categories_segments",
        "categories_sizes",
        "default_left",
        "id",
        "left_children",
        "loss_changes",
        "parents",
        "right_children",
        "split_conditions",
        "split_indices",
        "split_type",
        "sum_hessian",
        "tree_param",
    }
)
"""The fields of a tree. `base_weights`, `loss_changes`, `sum_hessian`, `id` and `parents` are of training."""
_TREE_PARAMETERS = frozenset({"num_deleted", "num_feature", "num_nodes", "size_leaf_vector"})
_NUMERIC = frozenset({"float", "int", "q", "i"})


@dataclass(frozen=True)
class AffineForm:
    """`constant + sum of coefficient * column`, with integer coefficients."""

    constant: int
    terms: Mapping[int, int]


@dataclass(frozen=True)
class TreeEnsemble:
    """Trees over public bits; the margin (log-odds) is `base` plus one leaf of every tree.

    `digest` is SHA-256 over the model's canonical JSON: the name under which it is registered.
    """

    bins: Bins
    base: float
    trees: tuple[Node, ...]
    digest: str

    @property
    def depth(self) -> int:
        """Return the deepest tree's depth, without decisions that can go one way only."""
        return max((depth(tree) for tree in self.trees), default=0)

    def affine(self, decision: Decision) -> AffineForm:
        """Return the decision as an affine form over the columns of the bins."""
        absent = self.bins.missing_column(decision.feature)
        if decision.edge < 0:
            return AffineForm(0, {absent: 1} if absent is not None and decision.default_left else {})
        if decision.edge >= len(self.bins.edges[decision.feature]):
            return AffineForm(1, {absent: -1} if absent is not None and not decision.default_left else {})
        terms = {self.bins.column(decision.feature, decision.edge): 1}
        if absent is not None and decision.default_left:
            terms[absent] = 1
        return AffineForm(0, terms)

    def branch(self, branch: Branch) -> AffineForm:
        """Return the decision as an affine form, or one minus the decision for a branch to the right."""
        form = self.affine(branch.decision)
        if branch.left:
            return form
        return AffineForm(1 - form.constant, {column: -x for column, x in form.terms.items()})

    def margins(self, codes: Floats) -> Floats:
        """Return the margins of rows of bin codes by walking the trees: the reference for compiled rows."""
        return np.asarray([self.base + math.fsum(_walk(t, row) for t in self.trees) for row in codes])


def leaves(node: Node, path: DecisionPath = ()) -> Iterator[tuple[DecisionPath, float]]:
    """Yield every leaf below a node with the decisions that lead to it."""
    if isinstance(node, Split):
        yield from leaves(node.left, (*path, Branch(node.decision, left=True)))
        yield from leaves(node.right, (*path, Branch(node.decision, left=False)))
    else:
        yield path, node


def depth(node: Node) -> int:
    """Return the number of decisions on the longest path below a node."""
    return 1 + max(depth(node.left), depth(node.right)) if isinstance(node, Split) else 0


def _walk(node: Node, row: Floats) -> float:
    while isinstance(node, Split):
        code = row[node.decision.feature]
        left = node.decision.default_left if np.isnan(code) else code <= node.decision.edge
        node = node.left if left else node.right
    return node


def read_ensemble(model: bytes, bins: Bins) -> TreeEnsemble:
    """Read XGBoost's JSON (`Booster.save_raw("json")`) and check every assumption of the compiler.

    Raises:
        UnsupportedModelError: the model is of another kind; the message says which models are supported.
    """
    try:
        document = json.loads(model)
        learner = document["learner"]
        booster = learner["gradient_booster"]
        _check_kind(learner, booster)
        _check_bins(learner, bins)
        _check_fields(document)
        _check_rounds(learner["attributes"], booster["model"])
        trees = booster["model"]["trees"]
        base = _base_margin(learner["learner_model_param"]["base_score"])
        nodes = tuple(_TreeReader(tree, bins).node(0, {}) for tree in trees)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise UnsupportedModelError(f"not an XGBoost model in JSON; {SUPPORTED}") from error
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    ensemble = TreeEnsemble(bins, base, nodes, hashlib.sha256(canonical.encode()).hexdigest())
    if ensemble.depth > MAX_DEPTH:
        raise UnsupportedModelError(f"a tree has depth {ensemble.depth}; {SUPPORTED}")
    return ensemble


def _check_kind(learner: dict[str, Any], booster: dict[str, Any]) -> None:
    name = booster.get("name")
    if name != "gbtree":
        raise UnsupportedModelError(f"the booster is {name}; {SUPPORTED}")
    parameters = learner["learner_model_param"]
    if int(parameters.get("num_class", "0")) > 1 or int(parameters.get("num_target", "1")) > 1:
        raise UnsupportedModelError(f"the model has several classes or targets; {SUPPORTED}")
    objective = learner["objective"]["name"]
    if objective != "binary:logistic":
        raise UnsupportedModelError(f"the objective is {objective}; {SUPPORTED}")


def _check_bins(learner: dict[str, Any], bins: Bins) -> None:
    stated = learner.get("attributes", {}).get(BINS_ATTRIBUTE)
    if stated != bins.digest:
        raise UnsupportedModelError(f"the model was not trained on these bins; {SUPPORTED}")
    if tuple(learner.get("feature_names") or ()) != bins.features:
        raise UnsupportedModelError(f"the model's features are not those of the bins; {SUPPORTED}")


def _check_fields(document: dict[str, Any]) -> None:
    """Refuse fields that the compiler does not know, and known ones with a meaning that it does not read."""
    for path, known in _FIELDS.items():
        at: Any = document
        for name in path.split(".") if path else ():
            at = at.get(name, {})
        _check_known(at, known, path)
    learner = document["learner"]
    model = learner["gradient_booster"]["model"]
    if not set(learner.get("feature_types") or ()) <= _NUMERIC:
        raise UnsupportedModelError(f"a feature is not numeric; {SUPPORTED}")
    if any(model.get("cats", {}).values()):
        raise UnsupportedModelError(f"the model has categories; {SUPPORTED}")
    for tree in model["trees"]:
        _check_known(tree, _TREE_FIELDS, "tree")
        _check_known(tree["tree_param"], _TREE_PARAMETERS, "tree.tree_param")
        if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
            raise UnsupportedModelError(f"a leaf has several values; {SUPPORTED}")


def _check_known(found: dict[str, Any], known: frozenset[str], path: str) -> None:
    if unknown := sorted(set(found) - known):
        name = ".".join(filter(None, (path, unknown[0])))
        raise UnsupportedModelError(f"the compiler does not read {name[:80]}; {SUPPORTED}")


def _check_rounds(attributes: dict[str, str], model: dict[str, Any]) -> None:
    """Refuse a model whose rounds, trees and best round do not agree."""
    trees, starts = len(model["trees"]), model["iteration_indptr"]
    stated = int(model["gbtree_model_param"]["num_trees"])
    if stated != trees or starts[0] != 0 or starts[-1] != trees or starts != sorted(starts):
        raise UnsupportedModelError(f"the model's rounds do not account for its trees; {SUPPORTED}")
    if any(model["tree_info"]) or len(model["tree_info"]) != trees:
        raise UnsupportedModelError(f"the model has several classes or targets; {SUPPORTED}")
    best = attributes.get("best_iteration")
    if best is not None and int(best) != len(starts) - 2:
        raise UnsupportedModelError(
            f"early stopping found round {int(best)} of {len(starts) - 1} to be the best; cut the model with "
            f"booster[: booster.best_iteration + 1] and compile that; {SUPPORTED}"
        )


def _base_margin(text: str) -> float:
    # XGBoost 3 writes a list of one, earlier releases a number; both are probabilities.
    probability = float(text.strip("[]"))
    if not 0 < probability < 1:
        raise UnsupportedModelError(f"the base score is not a probability; {SUPPORTED}")
    return math.log(probability / (1 - probability))


class _TreeReader:
    """One tree of the JSON, read into nodes; decisions that can go one way only are resolved."""

    def __init__(self, tree: dict[str, Any], bins: Bins) -> None:
        self.left, self.right = tree["left_children"], tree["right_children"]
        self.features, self.conditions = tree["split_indices"], tree["split_conditions"]
        self.defaults = tree["default_left"]
        self.bins = bins
        if any(tree.get("split_type", ())) or tree.get("categories_nodes"):
            raise UnsupportedModelError(f"a split is categorical; {SUPPORTED}")

    def node(self, index: int, known: dict[Decision, bool]) -> Node:
        if self.left[index] == -1:
            value = float(self.conditions[index])
            if not math.isfinite(value):
                raise UnsupportedModelError(f"a leaf is not finite; {SUPPORTED}")
            return value
        decision = self._decision(index)
        decided = self._always(decision)
        if decided is None:
            decided = known.get(decision)
        if decided is not None:
            return self.node((self.left if decided else self.right)[index], known)
        return Split(
            decision,
            self.node(self.left[index], {**known, decision: True}),
            self.node(self.right[index], {**known, decision: False}),
        )

    def _decision(self, index: int) -> Decision:
        feature = int(self.features[index])
        threshold = float(np.float32(self.conditions[index]))
        edges = len(self.bins.edges[feature])
        edge = min(max(math.ceil(threshold) - 1, -1), edges)
        # Without a missing bit the default direction can't be taken; one form lets nodes merge.
        return Decision(feature, edge, bool(self.defaults[index]) and self.bins.missing[feature])

    def _always(self, decision: Decision) -> bool | None:
        """Return the outcome of a decision that has only one, else None."""
        absent_left = decision.default_left
        absent_right = self.bins.missing[decision.feature] and not decision.default_left
        if decision.edge < 0 and not absent_left:
            return False
        if decision.edge >= len(self.bins.edges[decision.feature]) and not absent_right:
            return True
        return None
