"""Speed of the vegetation products."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.products import Case
from musyq_cube.kernels.canopy import invert
from musyq_cube.products import cover
from musyq_cube.products._canopy import inverse
from musyq_cube.products.leaf_area import carlson


def _bands(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    ranges = ((0.01, 0.2), (0.15, 0.5), (0.08, 0.35))
    return tuple(rng.uniform(low, high, n).astype("float32") for low, high in ranges)


def _with_table(n: int) -> tuple[Any, ...]:
    table = inverse("lai", "landsat8-oli")
    return (*_bands(n), table.tops, table.table, table.plane)


def _without_swir(n: int) -> tuple[Any, ...]:
    red, nir, swir, *table = _with_table(n)
    return (red, nir, np.full_like(swir, np.nan), *table)


def _ndvi(n: int) -> tuple[Any, ...]:
    return (np.random.default_rng(1).uniform(0, 0.95, n).astype("float32"),)


CASES = (
    Case("LAI, FPAR (three bands)", _with_table, invert, 2),
    Case("LAI, FPAR (two bands)", _without_swir, invert, 2),
    Case("LAI (Carlson)", _ndvi, carlson, 50),
    Case("FVC", _ndvi, cover.dimidiate, 50),
)
