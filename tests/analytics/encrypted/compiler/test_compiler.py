"""The compiler against XGBoost, and its algebra against its definition."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.data.binning import Bins
from analytics.encrypted.compiler.bounds import interval
from analytics.encrypted.compiler.ensemble import (
    BINS_ATTRIBUTE,
    Decision,
    Node,
    Split,
    TreeEnsemble,
    leaves,
    read_ensemble,
)
from analytics.encrypted.compiler.polynomial import factor_ensemble, monomials
from analytics.encrypted.compiler.quadratic import as_squares
from analytics.encrypted.compiler.row_program import compile_rows
from analytics.encrypted.field import Field
from analytics.errors import CapacityError, UnsupportedModelError

T17, T20 = 114689, 1032193
BINS = Bins(("a", "b", "c"), ((0.5, 1.5, 2.5), (0.5,), (0.5, 1.5)), (True, True, False))


def all_codes(bins: Bins) -> np.ndarray:
    """Return every input that bins can tell apart."""
    axes = [
        [*range(len(e) + 1), *([math.nan] if m else [])]
        for e, m in zip(bins.edges, bins.missing, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes)).astype(float)


CODES = all_codes(BINS)


@dataclass(frozen=True)
class Forest:
    trees: tuple[Node, ...]
    base: float


def nodes(depth: int) -> st.SearchStrategy[Node]:
    values = st.floats(-3, 3, width=32) | st.sampled_from([0.0, 1.0])
    if depth == 0:
        return values
    # Edges below the first and above the last bin are decisions that may go one way only.
    decisions = st.builds(Decision, st.integers(0, 2), st.integers(-1, 3), st.booleans())
    below = nodes(depth - 1)
    return values | st.builds(Split, decisions, below, below)


def forests(max_depth: int) -> st.SearchStrategy[Forest]:
    trees = st.lists(nodes(max_depth), min_size=1, max_size=6).flatmap(
        lambda made: st.lists(st.sampled_from(made), max_size=2).map(lambda again: (*made, *again))
    )
    return st.builds(Forest, trees, st.floats(-2, 2))


@cache
def template() -> str:
    """Return XGBoost's JSON around the trees."""
    matrix = xgb.DMatrix(CODES, np.arange(len(CODES)) % 2, feature_names=list(BINS.features))
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 1}, matrix, 1)
    booster.set_attr(**{BINS_ATTRIBUTE: BINS.digest})
    return bytes(booster.save_raw("json")).decode()


def as_xgboost(forest: Forest) -> bytes:
    """Return the forest in XGBoost's JSON."""
    document = json.loads(template())
    learner = document["learner"]
    learner["learner_model_param"]["base_score"] = f"[{1 / (1 + math.exp(-forest.base))!r}]"
    model = learner["gradient_booster"]["model"]
    model["trees"] = [as_tree(tree, i, model["trees"][0]) for i, tree in enumerate(forest.trees)]
    model["gbtree_model_param"]["num_trees"] = str(len(forest.trees))
    model["tree_info"] = [0] * len(forest.trees)
    model["iteration_indptr"] = list(range(len(forest.trees) + 1))
    return json.dumps(document).encode()


def as_tree(root: Node, number: int, like: dict[str, Any]) -> dict[str, Any]:
    made: list[dict[str, Any]] = []

    def add(node: Node, parent: int) -> int:
        index = len(made)
        entry = {"parent": parent, "left": -1, "right": -1, "feature": 0, "default": 0, "condition": 0.0}
        made.append(entry)
        if isinstance(node, Split):
            entry |= {
                "feature": node.decision.feature,
                "default": int(node.decision.default_left),
                "condition": node.decision.edge + 0.5,
            }
            made[index] = entry
            entry["left"], entry["right"] = add(node.left, index), add(node.right, index)
        else:
            entry["condition"] = float(np.float32(node))
        return index

    add(root, 2147483647)
    columns = {
        "parents": "parent",
        "left_children": "left",
        "right_children": "right",
        "split_indices": "feature",
        "default_left": "default",
        "split_conditions": "condition",
    }
    zero = [0.0] * len(made)
    out = {**like, **{name: [entry[key] for entry in made] for name, key in columns.items()}}
    out |= {"base_weights": zero, "loss_changes": zero, "sum_hessian": zero, "split_type": [0] * len(made)}
    out |= {"id": number, "tree_param": {**like["tree_param"], "num_nodes": str(len(made))}}
    return out


def predict(raw: bytes) -> np.ndarray:
    booster = xgb.Booster()
    booster.load_model(bytearray(raw))
    matrix = xgb.DMatrix(CODES, feature_names=list(BINS.features))
    return np.asarray(booster.predict(matrix, output_margin=True), np.float64)


@settings(deadline=None, max_examples=60)
@given(forests(4))
def test_any_ensemble_is_read_as_xgboost_predicts_it(forest: Forest) -> None:
    raw = as_xgboost(forest)
    ensemble = read_ensemble(raw, BINS)
    expected = predict(raw)
    np.testing.assert_allclose(ensemble.margins(CODES), expected, atol=2e-5)


@settings(deadline=None, max_examples=40)
@given(forests(4), st.sampled_from([T17, T20]))
def test_any_ensemble_compiles_to_rows_within_the_stated_error_of_xgboost(
    forest: Forest, modulus: int
) -> None:
    raw = as_xgboost(forest)
    program = compile_rows(read_ensemble(raw, BINS), modulus)
    expected = predict(raw)
    difference = np.abs(program.margins(BINS.bits(CODES)) - expected).max()
    assert difference <= program.error
    assert program.low - 1e-4 <= expected.min()
    assert expected.max() <= program.high + 1e-4


def goes_left(decision: Decision) -> np.ndarray:
    code = CODES[:, decision.feature]
    return np.where(np.isnan(code), decision.default_left, code <= decision.edge)


@settings(deadline=None, max_examples=40)
@given(forests(4))
def test_the_polynomial_of_decisions_equals_the_trees(forest: Forest) -> None:
    ensemble = read_ensemble(as_xgboost(forest), BINS)
    truth = {decision: goes_left(decision) for monomial in monomials(ensemble) for decision in monomial}

    def linear(form: Any) -> np.ndarray:
        return form.constant + sum(x * truth[k] for k, x in form.terms.items())

    got = linear(factor_ensemble(ensemble).linear) + np.zeros(len(CODES))
    for prefix, part in factor_ensemble(ensemble).prefixes.items():
        inner = linear(part.linear) + sum(truth[b] * linear(f) for b, f in part.products.items())
        got = got + np.prod([truth[k] for k in prefix], axis=0) * inner
    np.testing.assert_allclose(got, ensemble.margins(CODES), atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(forests(4), st.sampled_from([1, 3, 20, 400]))
def test_bounds_hold_for_every_input_and_are_exact_when_the_search_ends(forest: Forest, limit: int) -> None:
    ensemble = read_ensemble(as_xgboost(forest), BINS)
    groups = [list(leaves(t)) for t in ensemble.trees]
    low, high = (ensemble.base + x for x in interval(groups, BINS, limit=limit))
    margins = ensemble.margins(CODES)
    assert low <= margins.min() + 1e-9
    assert high >= margins.max() - 1e-9
    if limit == 400:
        assert high == pytest.approx(margins.max(), abs=1e-9)
        assert low == pytest.approx(margins.min(), abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 6), st.randoms(use_true_random=False), st.sampled_from([17, 97, T17]))
def test_any_quadratic_form_is_rank_many_squares_or_one_more(n: int, random: Any, modulus: int) -> None:
    form = np.zeros((n, n), np.int64)
    for i in range(n):
        for j in range(i + 1):
            form[i, j] = form[j, i] = random.choice([0, 0, 1, random.randrange(modulus)])
    rows = as_squares(form, Field(modulus))
    np.testing.assert_array_equal(rows.T @ rows % modulus, form % modulus)
    assert len(rows) <= rank(form, modulus) + 1


def rank(matrix: np.ndarray, modulus: int) -> int:
    rest, found = [[int(x) % modulus for x in row] for row in matrix], 0
    for column in range(len(matrix)):
        pivot = next((r for r in range(found, len(rest)) if rest[r][column]), None)
        if pivot is None:
            continue
        rest[found], rest[pivot] = rest[pivot], rest[found]
        inverse = pow(rest[found][column], -1, modulus)
        for r in range(found + 1, len(rest)):
            factor = rest[r][column] * inverse % modulus
            rest[r] = [(x - factor * y) % modulus for x, y in zip(rest[r], rest[found], strict=True)]
        found += 1
    return found


def test_the_number_of_rows_at_depth_2_does_not_grow_with_the_trees(small: Callable[..., Any]) -> None:
    given = small(2, trees=300)
    program = compile_rows(read_ensemble(given.xgboost, given.bins), T17)
    assert program.squarings == 1
    assert len(program.weights) <= given.bins.width + 1


def test_depth_3_takes_at_most_four_rows_a_tree_and_equal_trees_share_them(small: Callable[..., Any]) -> None:
    given = small(3, trees=20)
    once = read_ensemble(given.xgboost, given.bins)
    program = compile_rows(once, T20)
    assert program.squarings == 2
    assert len(program.weights) <= 80
    doubled = TreeEnsemble(once.bins, once.base, once.trees * 2, once.digest)
    assert len(compile_rows(doubled, T20).weights) <= len(program.weights)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_real_training_runs_stay_within_the_stated_error(small: Callable[..., Any], depth: int) -> None:
    given = small(depth, trees=40)
    ensemble = read_ensemble(given.xgboost, given.bins)
    bits = given.bins.bits(given.bins.codes(given.table))
    for modulus, largest in ((T17, 0.06), (T20, 0.006)):
        program = compile_rows(ensemble, modulus)
        assert program.error < largest * (1 if depth > 3 else 0.5)
        assert np.abs(program.margins(bits) - given.reference(400)).max() <= program.error


def test_the_same_model_always_compiles_to_the_same_rows(depth3: Any) -> None:
    ensemble = read_ensemble(depth3.xgboost, depth3.bins)
    first, second = compile_rows(ensemble, T17), compile_rows(ensemble, T17)
    assert (first.weights == second.weights).all()
    assert (first.offsets == second.offsets).all()
    assert (first.kappas == second.kappas).all()
    assert (first.constant, first.error) == (second.constant, second.error)


def test_leaves_too_large_for_the_modulus_are_refused() -> None:
    trees: tuple[Node, ...] = (Split(Decision(0, 1, False), 1e7, -1e7),)
    with pytest.raises(CapacityError):
        compile_rows(TreeEnsemble(BINS, 0.0, trees, "d"), T17)


def edited(raw: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(raw)
    change(document["learner"])
    return json.dumps(document).encode()


def tree(learner: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = learner["gradient_booster"]["model"]["trees"][0]
    return found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["gradient_booster"].update(name="dart"), "dart"),
        (lambda m: m["gradient_booster"].update(name="gblinear"), "gblinear"),
        (lambda m: m["learner_model_param"].update(num_class="3"), "several classes"),
        (lambda m: m["objective"].update(name="multi:softprob"), "multi:softprob"),
        (lambda m: m["attributes"].update({BINS_ATTRIBUTE: "0" * 64}), "not trained on these bins"),
        (lambda m: m["attributes"].clear(), "not trained on these bins"),
        (lambda m: m.update(feature_names=["x"] * 5), "features are not those"),
        (lambda m: tree(m)["split_type"].__setitem__(0, 1), "categorical"),
        (lambda m: tree(m)["split_indices"].__setitem__(0, 99), "not an XGBoost model"),
        (lambda m: tree(m)["left_children"].__setitem__(0, 0), "not an XGBoost model"),
        (lambda m: m["learner_model_param"].update(base_score="[2E0]"), "not a probability"),
        (lambda m: m.pop("gradient_booster"), "not an XGBoost model"),
    ],
)
def test_what_is_not_supported_is_refused_and_the_refusal_says_what_is(
    depth3: Any, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=says) as refusal:
        read_ensemble(edited(depth3.xgboost, change), depth3.bins)
    assert "supported are gbtree models" in str(refusal.value)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b"\x00\xff", b'{"learner": 3}'])
def test_what_is_no_model_is_refused(raw: bytes, depth3: Any) -> None:
    with pytest.raises(UnsupportedModelError):
        read_ensemble(raw, depth3.bins)


def test_a_model_that_is_too_deep_is_refused(small: Callable[..., Any]) -> None:
    given = small(6)
    with pytest.raises(UnsupportedModelError, match="depth"):
        read_ensemble(given.xgboost, given.bins)


def test_a_dart_model_is_refused(small: Callable[..., Any]) -> None:
    given = small(3, booster="dart")
    with pytest.raises(UnsupportedModelError, match="dart"):
        read_ensemble(given.xgboost, given.bins)


def early_stopped(given: Any) -> xgb.Booster:
    codes = given.bins.codes(given.table)
    outcome = (np.nan_to_num(given.table[:, 0]) > 0.3).astype(int)
    rows = np.arange(len(codes))
    rng = np.random.default_rng(3)
    outcome = np.where(rng.random(len(codes)) < 0.3, 1 - outcome, outcome)
    names = list(given.bins.features)
    parts = [xgb.DMatrix(codes[rows % 2 == k], outcome[rows % 2 == k], feature_names=names) for k in range(2)]
    settings = {"objective": "binary:logistic", "max_depth": 3, "eta": 1.0, "nthread": 1}
    booster = xgb.train(
        settings, parts[0], 60, evals=[(parts[1], "held_out")], early_stopping_rounds=8, verbose_eval=False
    )
    booster.set_attr(**{BINS_ATTRIBUTE: given.bins.digest})
    return booster


def test_a_model_with_rounds_behind_its_best_is_refused_and_its_cut_compiled_right(depth3: Any) -> None:
    booster = early_stopped(depth3)
    assert booster.best_iteration + 1 < booster.num_boosted_rounds()
    with pytest.raises(UnsupportedModelError, match=r"early stopping .* cut the model"):
        read_ensemble(bytes(booster.save_raw("json")), depth3.bins)
    cut = booster[: booster.best_iteration + 1]
    cut.set_attr(**{BINS_ATTRIBUTE: depth3.bins.digest, "best_iteration": str(booster.best_iteration)})
    codes = depth3.bins.codes(depth3.table)
    ensemble = read_ensemble(bytes(cut.save_raw("json")), depth3.bins)
    matrix = xgb.DMatrix(codes, feature_names=list(depth3.bins.features))
    best = booster.predict(matrix, output_margin=True, iteration_range=(0, booster.best_iteration + 1))
    np.testing.assert_allclose(ensemble.margins(codes), best, atol=2e-5)


@pytest.mark.parametrize(
    "more",
    [
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"grow_policy": "lossguide", "max_leaves": 5},
        {"tree_method": "approx"},
        {"tree_method": "exact"},
        {"base_score": 0.2},
        {"scale_pos_weight": 4},
        {"monotone_constraints": "(1,0,0,0,-1)"},
        {"max_delta_step": 0.3},
        {"gamma": 2.0, "alpha": 0.5},
        {"colsample_bynode": 0.5},
    ],
    ids=",".join,
)
def test_every_way_to_train_is_read_as_xgboost_predicts_it(
    small: Callable[..., Any], more: dict[str, Any]
) -> None:
    given = small(3, trees=10, **more)
    ensemble = read_ensemble(given.xgboost, given.bins)
    codes = given.bins.codes(given.table)
    np.testing.assert_allclose(ensemble.margins(codes), given.reference(len(codes)), atol=2e-5)


def objects(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all JSON objects in a model."""
    found = [path] if isinstance(value, dict) else []
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*found, *(one for key, part in parts for one in objects(part, (*path, key)))]


def test_a_field_that_the_compiler_does_not_know_is_refused_wherever_it_is(depth3: Any) -> None:
    paths = objects(json.loads(depth3.xgboost))
    assert len(paths) > 20
    for path in paths:
        if path[-1:] == ("cats",):
            continue
        document = json.loads(depth3.xgboost)
        at = document
        for key in path:
            at = at[key]
        at["later"] = "1"
        with pytest.raises(UnsupportedModelError, match=r"does not read .*later"):
            read_ensemble(json.dumps(document).encode(), depth3.bins)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(feature_types=["float", "c", "q", "q", "q"]),
        lambda m: m["gradient_booster"]["model"]["cats"].update(enc=[{"type": 0}]),
        lambda m: m["gradient_booster"]["model"]["cats"].update(later=[1]),
        lambda m: tree(m)["tree_param"].update(size_leaf_vector="2"),
        lambda m: m["gradient_booster"]["model"]["tree_info"].__setitem__(0, 1),
        lambda m: m["gradient_booster"]["model"]["iteration_indptr"].pop(),
        lambda m: m["gradient_booster"]["model"]["trees"].pop(),
        lambda m: m["gradient_booster"].update(weight_drop=[0.5]),
        lambda m: m["attributes"].update(best_iteration="3"),
    ],
)
def test_a_model_that_means_more_than_the_compiler_reads_is_refused(
    depth3: Any, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(UnsupportedModelError, match="supported are gbtree models"):
        read_ensemble(edited(depth3.xgboost, change), depth3.bins)
