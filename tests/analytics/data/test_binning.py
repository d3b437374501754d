from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analytics.data.binning import Bins
from analytics.errors import DataError

numbers = st.floats(-1e6, 1e6) | st.just(float("nan")) | st.integers(-5, 5).map(float)
tables = arrays(np.float64, st.tuples(st.integers(1, 60), st.just(3)), elements=numbers)


@given(tables, st.integers(2, 20))
def test_codes_count_the_edges_at_or_below_and_bits_say_the_same(table: np.ndarray, max_bins: int) -> None:
    bins = Bins.fit(table, ["a", "b", "c"], max_bins=max_bins)
    codes, bits = bins.codes(table), bins.bits(bins.codes(table))
    assert bits.shape == (len(table), bins.width)
    for f, edges in enumerate(bins.edges):
        assert len(edges) < max_bins
        for row, value in enumerate(table[:, f]):
            column = bins.missing_column(f)
            assert column is not None
            assert bits[row, column] == np.isnan(value)
            if not np.isnan(value):
                assert codes[row, f] == sum(e <= value for e in edges)
            for k, edge in enumerate(edges):
                assert bits[row, bins.column(f, k)] == (value < edge)


@given(tables)
def test_bins_survive_json_and_keep_their_digest(table: np.ndarray) -> None:
    bins = Bins.fit(table, ["a", "b", "c"])
    again = Bins.from_json(json.loads(json.dumps(bins.to_json())))
    assert again == bins
    assert again.digest == bins.digest


def test_few_values_get_an_edge_between_each_two() -> None:
    bins = Bins.fit([[0.0], [1.0], [2.0], [1.0]], ["x"])
    assert bins.edges == ((0.5, 1.5),)


def test_values_with_no_number_between_them_share_an_edge() -> None:
    tiny = 5e-324
    assert Bins.fit([[0.0], [tiny], [2 * tiny], [1.0]], ["x"]).edges[0][-1] == 0.5
    assert Bins.fit([[-tiny], [0.0], [tiny]], ["x"]).edges == ((0.0,),)


def test_a_missing_value_is_refused_where_the_bins_allow_none() -> None:
    bins = Bins.fit([[0.0], [1.0]], ["x"], missing=[False])
    assert bins.width == 1
    with pytest.raises(DataError, match="x is missing"):
        bins.codes([[np.nan]])


@pytest.mark.parametrize("edges", [(1.0, 1.0), (2.0, 1.0), (float("nan"),), (float("inf"),)])
def test_edges_that_are_not_increasing_numbers_are_refused(edges: tuple[float, ...]) -> None:
    with pytest.raises(DataError):
        Bins(("x",), (edges,), (True,))


@pytest.mark.parametrize(
    "value", [None, {}, {"format": "other"}, {"format": "consentry-bins/1", "features": 3}]
)
def test_other_json_is_no_bins(value: object) -> None:
    with pytest.raises(DataError):
        Bins.from_json(value)


def test_infinite_training_values_and_odd_shapes_are_refused() -> None:
    with pytest.raises(DataError):
        Bins.fit([[np.inf], [0.0]], ["x"])
    with pytest.raises(DataError):
        Bins.fit([[1.0, 2.0]], ["x"])
    with pytest.raises(DataError):
        Bins.fit([[1.0]], ["x"], max_bins=1)
