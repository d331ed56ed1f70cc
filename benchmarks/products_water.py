"""Speed of water, snow and aerosol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from benchmarks.products import Case
from musyq_cube.kernels import water as kernel
from musyq_cube.products import _snow as snow
from musyq_cube.products import _water as water

if TYPE_CHECKING:
    from typing import Any


def _bands(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    return tuple(rng.uniform(0.005, 0.3, n).astype("float32") for _ in range(5))


def _maps(n: int) -> tuple[Any, ...]:
    return tuple(xr.DataArray(v.reshape(-1, 64), dims=("y", "x")) for v in _bands(n))


def _fraction(green: Any, red: Any, nir: Any, swir16: Any, swir22: Any) -> Any:
    return water.extent(green=green, red=red, nir=nir, swir16=swir16, swir22=swir22)


CASES = (
    Case("water (MNDWI and AWEI)", _bands, kernel.awei, 50),
    Case("water with its part of a pixel", _maps, _fraction, 5),
    Case("NDSI and cover", lambda n: _maps(n)[:2], lambda g, s: snow.cover(snow.ndsi(g, s)).values, 50),
    Case("snow with its uncertainty", _maps, lambda g, r, n, s, _: snow.by_index(g, r, n, s), 5),
    Case("turbidity", lambda n: _maps(n)[:2], lambda r, n: water.turbid(r, n).values, 10),
    Case("chlorophyll-a, OCx", lambda n: _maps(n)[:2], lambda b, g: water.ocx([b], g, water.OC["oli"]).values, 5),
)
