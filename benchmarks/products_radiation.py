"""Speed of the radiation kernels."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.products import Case
from musyq_cube.kernels import radiation as kernel
from musyq_cube.kernels.sky import sky
from musyq_cube.products import _cloud, _sky, _visible, longwave

TIMES = 20
"""Of a series."""


def _draw(n: int, *limits: tuple[float, float]) -> tuple[np.ndarray[Any, Any], ...]:
    rng = np.random.default_rng(1)
    return tuple(rng.uniform(a, b, n).astype("float32") for a, b in limits)


def _air(n: int) -> tuple[Any, ...]:
    drawn = _draw(n, (10, 80), (0.02, 0.5), (0.3, 4), (0.25, 0.4), (8e4, 1.02e5), (0.1, 0.3), (1320, 1400), (-20, 40))
    sza, aod, tcwv, ozone, pressure, albedo, toa, cod = drawn
    return sza, aod, cod.clip(0), tcwv, ozone, pressure, albedo, toa


def _seen(n: int) -> tuple[Any, ...]:
    """Angles change slowly across an image; half of it is under cloud."""
    across = np.linspace(0, 1, n, dtype="float32")
    noise = _draw(n, (0.08, 0.35), (0.06, 0.35), (0.02, 0.08), (0.03, 0.12), (0.25, 0.4), (9e4, 1e5), (0.05, 0.2))
    blue, red, blue_ground, red_ground, ozone, pressure, usual = noise
    angles = (30 + 20 * across, 10 + 40 * across, 100 + 40 * across)
    return blue, red, *angles, blue_ground, red_ground, ozone, pressure, usual


def _series(n: int) -> tuple[Any, ...]:
    slot = np.zeros(TIMES, int)
    return _draw(n // TIMES * TIMES, (0.05, 0.8))[0].reshape(-1, TIMES), slot, np.array([0]), 0.05


def _arrays(n: int, *limits: tuple[float, float]) -> tuple[xr.DataArray, ...]:
    return tuple(xr.DataArray(v, dims="x") for v in _draw(n, *limits))


def _weather(n: int) -> tuple[xr.DataArray, ...]:
    return _arrays(n, (260, 310), (300, 2500), (0.5, 4), (0, 1))


CASES = (
    Case("DSR: sun under haze and cloud", _air, partial(kernel.all_sky, cloud=_cloud.tables()), 10),
    Case("DSR: sky from two bands", _seen, partial(sky, tables=_sky.tables("landsat8-oli")), 10),
    Case("DSR: ground of a series (per observation)", _series, kernel.low_by_slot, 10),
    Case("DSR: index of cloud", lambda n: _draw(n, (0.05, 0.8), (0.05, 0.2), (0.7, 0.8)), kernel.sky_index, 10),
    Case("DLR", _weather, longwave.dilley_obrien, 10),
    Case(
        "PAR",
        lambda n: _draw(n, (10, 80), (0.02, 0.5), (0.5, 4), (0.2, 1.1)),
        partial(kernel.visible_share, tables=_visible.tables()),
        10,
    ),
    Case(
        "NSR",
        lambda n: _arrays(n, (0.1, 0.3), (100, 900), (200, 450), (0.93, 0.99), (260, 320)),
        longwave.net,
        10,
    ),
)
