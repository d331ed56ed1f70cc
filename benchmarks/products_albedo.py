"""Speed of BRDF inversion and albedo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from benchmarks.products import Case
from musyq_cube.kernels.albedo import fit
from musyq_cube.kernels.brdf import kernels
from musyq_cube.products._brdf import composite_albedo, view_albedo
from musyq_cube.products._broadband import SETS

if TYPE_CHECKING:
    from typing import Any

TIMES = 16


def _series(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    sun, view, azimuth = (
        rng.uniform(20, 55, (TIMES, n)),
        rng.uniform(0, 58, (TIMES, n)),
        rng.uniform(0, 180, (TIMES, n)),
    )
    k_vol, k_geo = kernels(sun, view, azimuth)
    rho = 0.2 + 0.1 * k_vol + 0.03 * k_geo + rng.normal(0, 0.01, k_vol.shape)
    return (*(x.astype("float32") for x in (rho, sun, view, azimuth)), SETS["tm"].shape, 0.01)


def _bands(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    names = SETS["tm"].bands
    made = {b: xr.DataArray(rng.uniform(0.02, 0.4, (n // 64, 64)).astype("float32"), dims=("y", "x")) for b in names}
    angles = dict.fromkeys(("sza", "vza", "raa"), made["red"] * 50)
    return made, angles


CASES = (
    Case(f"BRDF inversion, {TIMES} views", _series, fit, 0.5, 100_000),
    Case("albedo of a composite", _bands, lambda b, _: composite_albedo("tm", **b)["albedo"].values, 50),
    Case("albedo of a view", _bands, lambda b, a: view_albedo("tm", **a, **b)["albedo"].values, 0.5, 200_000),
)
