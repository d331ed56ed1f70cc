"""Radiation: what must hold for any sky."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musyq_cube.kernels import radiation as kernel
from musyq_cube.products import _cloud, longwave

angle = st.floats(0, 89, width=32)
depth = st.floats(0, 160, width=32)


def flux(sza: float, aod: float = 0.1, cod: float = 0.0, water: float = 2.0, albedo: float = 0.2) -> float:
    args = [np.float32([v]) for v in (sza, aod, cod, water, 0.3, 1e5, albedo, 1361.0)]
    return float(kernel.all_sky(*args, cloud=_cloud.tables())[0][0])


@given(angle, depth, st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_within_what_the_sun_sends(sza: float, cod: float, aod: float, albedo: float) -> None:
    assert 0.0 <= flux(sza, aod, cod, albedo=albedo) <= 1361.0 * 1.05


@given(angle, st.floats(0, 150, width=32), st.floats(0.125, 10, width=32))
def test_more_cloud_is_less_light(sza: float, cod: float, more: float) -> None:
    assert flux(sza, cod=cod + more) <= flux(sza, cod=cod) * 1.001


@given(st.floats(0, 75, width=32), st.floats(0, 1, width=32), st.floats(0.0625, 1, width=32))
def test_more_haze_is_less_light(sza: float, aod: float, more: float) -> None:
    assert flux(sza, aod + more) <= flux(sza, aod) * 1.0005


@given(st.floats(-1, 2, width=32), st.floats(0, 0.5, width=32))
def test_index_falls_with_brightness(n: float, step: float) -> None:
    seen = np.float32([n, n + step])
    low, high = kernel.sky_index(seen, 0 * seen, 0 * seen + 1)
    assert 0.0499 <= high <= low + 1e-4 <= 1.2002


@given(st.floats(200, 340), st.floats(1, 6000), st.floats(0, 1))
def test_sky_is_colder_than_a_black_one_as_warm_as_the_air(t: float, vapour: float, cover: float) -> None:
    import xarray as xr

    air, e, c = (xr.DataArray([v]) for v in (t, vapour, cover))
    clear, under = longwave.prata(air, e), longwave.prata(air, e, c)
    assert float(clear[0]) <= float(under[0]) + 1e-9 <= longwave.SIGMA * t**4 + 1e-6


@given(st.lists(st.one_of(st.floats(0, 1, width=32), st.just(float("nan"))), min_size=1, max_size=40), st.floats(0, 1))
def test_low_quantile_is_that_of_numpy(values: list[float], q: float) -> None:
    x = np.array(values, np.float32)
    ours = kernel.low_by_slot(x[None], np.zeros(len(x), int), np.array([0, 1]), q)[0]
    assert np.isnan(ours[1])
    good = x[np.isfinite(x)].astype(float)
    if len(good) == 0:
        assert np.isnan(ours[0])
    else:
        np.testing.assert_allclose(ours[0], np.quantile(good, q), rtol=1e-5, atol=1e-6)
