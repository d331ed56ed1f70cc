"""Speed of the turbulent fluxes."""

from __future__ import annotations

import numpy as np

from benchmarks.products import Case
from musyq_cube.kernels import flux, triangle, turbulence
from musyq_cube.products.evapotranspiration import bplut


def _uniform(n: int, *ranges: tuple[float, float]) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.uniform(low, high, n).astype("float32") for low, high in ranges]


def _land(n: int) -> tuple[np.ndarray, ...]:
    made = _uniform(n, (100, 700), (0, 0.9), (280, 320), (0.05, 0.3), (275, 310), (0.2, 1), (8e4, 1.02e5))
    return (*made, np.float32(296.15), np.float32(0.0))


def _air(n: int) -> tuple[np.ndarray, ...]:
    z0m, *rest = _uniform(n, (0.01, 1), (0.5, 8), (285, 320), (280, 310), (500, 2000), (8e4, 1.02e5), (50, 600))
    wind, ts, ta, vapour, pressure, energy = rest
    return wind, np.float32(10), np.float32(4), z0m, z0m / np.float32(10), ts, ta, vapour, pressure, energy


def _weather(n: int) -> tuple[np.ndarray, ...]:
    made = _uniform(
        n, (200, 600), (-120, -20), (-80, -20), (0.1, 0.3), (283, 305), (275, 290), (280, 295), (270, 290), (200, 3000),
        (50, 600), (8e4, 1.02e5), (0.1, 0.9), (0.2, 6),
    )  # fmt: skip
    return (*made, np.full(n, 4, np.int16), bplut()[1])


def _scene(n: int) -> tuple[np.ndarray, ...]:
    side = max(int(n**0.5), 2)
    ndvi, wet = (v.reshape(side, side) for v in _uniform(side * side, (0.0, 0.9), (0, 1)))
    ts = 295 + 2 * ndvi + wet * (35 - 37 * ndvi)
    return ts.astype("float32"), ndvi, np.ones_like(ts), np.int64(0), np.int64(0), np.int64(128)


CASES = (
    Case("PT-JPL", _land, flux.pt_jpl, 10),
    Case("sensible heat", _air, turbulence.sensible_heat, 10, pixels=500_000),
    Case("MOD16", _weather, flux.mod16, 10, pixels=500_000),
    Case("TVDI", _scene, triangle.dryness, 10),
)
