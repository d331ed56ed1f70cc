"""Vegetation indices against ALGORITHMS V1, whose golden values were computed by hand from the published formulas."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube import products
from musyq_cube.products import indices
from musyq_cube.types import QA

B, R, N = 0.05, 0.07, 0.35


def composite(**bands: float) -> xr.Dataset:
    return xr.Dataset({name: (("y", "x"), np.full((2, 2), value, "float32")) for name, value in bands.items()})


@pytest.mark.parametrize(
    ("value", "golden"),
    [
        (indices.ndvi(N, R), 0.666667),
        (indices.evi(N, R, B), 0.501792),
        (indices.arvi(N, R, B), 0.590909),
        (indices.evi2(N, R), 0.461133),
    ],
)
def test_golden_values(value: float, golden: float) -> None:
    """The numbers of ALGORITHMS V1; ARVI with the sign of Kaufman and Tanré (0.75 would be the reversed one)."""
    assert value == pytest.approx(golden, abs=5e-7)


@pytest.mark.parametrize("name", ["ndvi", "evi", "evi2", "arvi"])
def test_same_lazily_and_eagerly(name: str) -> None:
    ds = composite(blue=B, red=R, nir08=N)
    function = getattr(products, name)
    lazy = function(ds.chunk(x=1))
    assert lazy[name].chunks is not None
    xr.testing.assert_identical(lazy.compute(), function(ds))
    assert function(ds)[name].dtype == np.float32


def test_evi_has_no_value_where_the_denominator_is_small() -> None:
    """N + 6R - 7.5B + 1 = 0.04 is bad, 0.06 is not."""
    assert np.isnan(indices.evi(0.3, 0.1, (0.3 + 0.6 + 1 - 0.04) / 7.5))
    assert np.isfinite(indices.evi(0.3, 0.1, (0.3 + 0.6 + 1 - 0.06) / 7.5))


def test_a_lost_value_is_flagged_and_fill_is_not() -> None:
    ds = composite(nir=0.3, red=0.1, blue=0.3)
    ds["qa"] = (("y", "x"), np.zeros((2, 2), "uint16"))
    ds["nir"][0, 0] = np.nan
    out = products.evi(ds)
    assert np.isnan(out.evi).all()
    assert int(out.qa[0, 0]) == 0
    assert int(out.qa[1, 1]) == QA.OUT_OF_RANGE


def test_the_nir_of_choice_is_nir08() -> None:
    ds = composite(red=R, nir=0.9, nir08=N)
    assert float(products.ndvi(ds).ndvi[0, 0]) == pytest.approx(0.666667, abs=1e-6)


def test_uncertainty_of_ndvi_is_the_analytic_one() -> None:
    """sigma = 2 sqrt(R² sN² + N² sR²) / (N + R)², derived by hand."""
    ds = composite(nir=N, red=R)
    ds["nir_unc"], ds["red_unc"] = ds.nir * 0 + 0.001, ds.red * 0 + 0.0005
    got = float(products.ndvi(ds).ndvi_unc[0, 0])
    assert got == pytest.approx(2 * np.hypot(R * 0.001, N * 0.0005) / (N + R) ** 2, rel=1e-3)
