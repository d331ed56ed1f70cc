"""Speed of productivity and phenology."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.products import Case
from musyq_cube.kernels import carbon
from musyq_cube.kernels.phenology import phenology
from musyq_cube.products._mod17 import biomes


def _weather(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    low, high = (0.0, 0.0, 265.0, 0.0), (1.0, 13.0, 295.0, 3000.0)
    drawn = (rng.uniform(a, b, n).astype("float32") for a, b in zip(low, high, strict=True))
    return (*drawn, rng.integers(1, 18, n).astype("float32"), biomes())


def _year(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(2)
    wave = np.clip(np.sin(np.pi * (np.arange(46) - 8) / 30), 0, 1)[:, None, None]
    top = rng.uniform(2, 12, (1, 8, n // 8))
    gpp, lai, air = (v.astype("float32") for v in (wave * top, 1 + wave * top / 3, 275 + 20 * wave + 0 * top))
    cover = rng.integers(1, 13, (8, n // 8)).astype("float32")
    return gpp, lai, air, cover, np.full(46, 8.0), biomes()


def _ndvi(n: int) -> tuple[Any, ...]:
    """73 dates with noise and dark spikes."""
    rng = np.random.default_rng(3)
    t = np.arange(3.5, 365, 5)
    days = t[:, None]
    s, e = rng.uniform(90, 140, n), rng.uniform(240, 290, n)
    x = 0.2 + 0.5 * (1 / (1 + np.exp(-0.1 * (days - s))) - 1 / (1 + np.exp(-0.08 * (days - e))))
    x += rng.normal(0, 0.02, x.shape) - 0.3 * (rng.random(x.shape) < 0.2)
    x = x.astype("float32").reshape(len(t), 8, -1)
    return x, np.zeros(x.shape, np.uint8), t


CASES = (
    Case("GPP, MOD17", _weather, carbon.gpp, 10),
    Case("NPP, MOD17, 46 periods", _year, carbon.npp, 0.1, 64_000),
    Case("phenology, 73 dates", _ndvi, phenology, 0.05, 64_000),
)
