"""Packing against exact decimal arithmetic and against itself."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musyq_cube.store.packing import pack, stored_range, unpack
from musyq_cube.variable import COUNT, DAY, QUALITY, Variable, index, reflectance, uncertainty

RED = reflectance("red")
LAYERS = st.sampled_from(
    [
        RED,
        index("ndvi", "NDVI"),
        uncertainty(RED),
        Variable("lst", dtype="uint16", scale=0.02, offset=150.0, nodata=0, units="K", valid=(180.0, 350.0)),
    ]
)


@given(LAYERS, hnp.arrays(np.int64, 40, elements=st.integers(-40000, 70000)))
def test_what_is_stored_comes_back(layer: Variable, numbers: np.ndarray) -> None:
    low, high = stored_range(layer)
    stored = np.clip(numbers, low, high).astype(layer.dtype)
    again, outside = pack(unpack(stored, layer), layer)
    np.testing.assert_array_equal(again, stored)
    assert not outside.any()


@given(LAYERS, hnp.arrays(np.float32, 40, elements=st.floats(-400, 400, width=32)))
def test_stored_values_are_the_nearest_halves_to_even(layer: Variable, values: np.ndarray) -> None:
    """Independent truth: Python's decimal arithmetic on the exact binary value of the float64 quotient."""
    stored, outside = pack(values, layer)
    low, high = stored_range(layer)
    for value, number, out in zip(values.tolist(), stored.tolist(), outside.tolist(), strict=True):
        exact = int(Decimal((value - layer.offset) / layer.scale).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
        assert number == min(max(exact, low), high)
        assert out == (exact < low or exact > high)


@given(LAYERS, hnp.arrays(np.float32, 40, elements=st.sampled_from([math.nan, 0.5, 0.1, 300.0])))
def test_nan_is_fill_and_fill_is_nan(layer: Variable, values: np.ndarray) -> None:
    stored, outside = pack(values, layer)
    np.testing.assert_array_equal(stored == layer.nodata, np.isnan(values))
    assert not outside[np.isnan(values)].any()
    np.testing.assert_array_equal(np.isnan(unpack(stored, layer)), np.isnan(values))


@given(LAYERS)
def test_infinity_is_out_of_range_never_missing(layer: Variable) -> None:
    stored, outside = pack(np.array([np.inf, -np.inf], np.float32), layer)
    low, high = stored_range(layer)
    assert stored.tolist() == [high, low]
    assert outside.all()
    assert layer.nodata not in stored


@given(st.sampled_from([COUNT, QUALITY]), hnp.arrays(np.uint16, 20))
def test_counts_and_flags_pass_unchanged(layer: Variable, values: np.ndarray) -> None:
    stored, outside = pack(values, layer)
    np.testing.assert_array_equal(stored, values)
    assert not outside.any()
    np.testing.assert_array_equal(unpack(stored, layer), values)


@given(hnp.arrays(np.int16, 20, elements=st.integers(-1, 400)))
def test_days_keep_their_missing_value(values: np.ndarray) -> None:
    stored, outside = pack(values, DAY)
    np.testing.assert_array_equal(stored, values)
    assert not outside.any()
