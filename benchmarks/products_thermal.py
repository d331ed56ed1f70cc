"""Speed of surface temperature and emissivity."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.products import Case
from musyq_cube.kernels import canopy_temperature, emissivity, thermal
from musyq_cube.products._tables import rows_of

_RNG = np.random.default_rng(1)
_JMS = np.array(rows_of("split_window", "modis-terra")[0])
_DU = np.array(rows_of("generalized_split_window", "landsat8-oli"))
_SMW = np.array(rows_of("mono_window", "landsat8-oli"))
_PSI = np.array(rows_of("single_channel", "landsat8-oli")[0][1:]).reshape(3, 3)


def _uniform(low: float, high: float, n: int) -> np.ndarray[Any, Any]:
    return _RNG.uniform(low, high, n).astype("float32")


def _two_bands(n: int) -> tuple[Any, ...]:
    t11 = _uniform(270, 310, n)
    return t11, t11 - _uniform(0, 3, n), _uniform(0.95, 0.99, n), _uniform(-0.01, 0.01, n), _uniform(0.2, 5, n)


def _one_band(n: int) -> tuple[Any, ...]:
    return _uniform(270, 310, n), _uniform(0.95, 0.99, n), _uniform(0.2, 5, n)


def _single(t: Any, e: Any, w: Any) -> Any:
    return thermal.single_channel(thermal.planck(t, 10.895), t, e, w, 10.895, _PSI)


def _air(n: int) -> tuple[Any, ...]:
    return _uniform(6, 10, n), _uniform(0.6, 0.9, n), _uniform(1, 2, n), _uniform(1, 3, n), _uniform(0.95, 0.99, n)


def _image(n: int) -> tuple[Any, ...]:
    side = int(n**0.5)
    shape = (side, side)
    return tuple(_uniform(low, high, side * side).reshape(shape) for low, high in ((290, 310), (0.95, 0.99), (0, 1)))


CASES = (
    Case("split window", lambda n: (*_two_bands(n), _JMS), thermal.split_window, 10),
    Case("generalized split window", lambda n: (*_two_bands(n), _DU), thermal.generalized_split_window, 10),
    Case("single channel", _one_band, _single, 10),
    Case("statistical mono-window", lambda n: (*_one_band(n), _SMW), thermal.mono_window, 10),
    Case("radiative transfer, one band", lambda n: (*_air(n), 774.9, 1320.5), thermal.radiative_transfer, 10),
    Case("emissivity by NDVI", lambda n: (_uniform(-0.1, 0.9, n), _uniform(0.01, 0.4, n)), emissivity.by_ndvi, 50),
    Case("canopy temperature", lambda n: (*_image(n), 0.985, 0.955), canopy_temperature.unmix, 2, 250_000),
)
