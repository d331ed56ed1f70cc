"""Speed of the indices."""

from __future__ import annotations

import numpy as np

from benchmarks.products import Case
from musyq_cube.products import indices


def _reflectances(n: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    return tuple(rng.uniform(0.01, 0.5, n).astype("float32") for _ in range(3))


CASES = (
    Case("NDVI", lambda n: _reflectances(n)[:2], indices.ndvi, 50),
    Case("EVI", _reflectances, indices.evi, 50),
)
