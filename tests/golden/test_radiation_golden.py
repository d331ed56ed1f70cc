"""Radiation: published and computed numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest
import xarray as xr

from musyq_cube.kernels import radiation as kernel
from musyq_cube.kernels.sky import sky
from musyq_cube.normalize.lut import load, spectral_table
from musyq_cube.products import _cloud, _sky, _visible, longwave, shortwave

ZENITHS = np.float32([20, 40, 60])
HAZE = 0.27583 * (0.38 / 0.55) ** -1.3 + 0.35 * (0.50 / 0.55) ** -1.3
"""Broadband optical depth for one at 0.55 µm."""


def column(*values: float) -> xr.DataArray:
    return xr.DataArray(np.array(values, np.float32), dims="x")


def ghi(zeniths: object, aod: float, water: float = 1.5, toa: float = 1361.0, albedo: float = 0.2) -> np.ndarray:
    z = np.asarray(zeniths, np.float32)
    args = [np.full_like(z, v) for v in (aod, 0.0, water, 0.3, 101_325.0, albedo, toa)]
    return kernel.all_sky(z, *args, cloud=_cloud.tables())[0]


def test_bird_of_pvlib_0_16() -> None:
    """``pvlib.clearsky.bird`` with aod380 0.15, aod500 0.1, 1.5 cm, 0.3, 101325 Pa, 1361 W m⁻², 0.85, albedo 0.2."""
    aod = (0.27583 * 0.15 + 0.35 * 0.1) / HAZE
    np.testing.assert_allclose(ghi(ZENITHS, aod), [1000.577, 796.529, 489.526], atol=0.02)


def test_bird_against_pvlib_everywhere() -> None:
    rng = np.random.default_rng(1)
    draw = lambda a, b: rng.uniform(a, b, 2000)  # noqa: E731
    z, aod, water, ozone, pressure = draw(0, 85), draw(0, 0.8), draw(0.05, 6), draw(0.2, 0.5), draw(6e4, 1.04e5)
    albedo, toa = draw(0, 0.9), draw(1320, 1410)
    ours, _ = kernel.all_sky(z, aod, 0 * z, water, ozone, pressure, albedo, toa, _cloud.tables())
    mass = pvlib.atmosphere.get_relative_airmass(z)
    deep = [aod * (w / 0.55) ** -1.3 for w in (0.38, 0.50)]
    theirs = pvlib.clearsky.bird(z, mass, *deep, water, ozone, pressure, toa, 0.85, albedo)["ghi"]
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=0.01)


def test_clear_sky_against_6s() -> None:
    """6S: water 1.5, ozone 0.3, continental aerosol 0.2, albedo 0.2, 4 April; the two models differ by up to 6 %."""
    np.testing.assert_allclose(ghi(ZENITHS, 0.2), [1025.2, 807.7, 481.2], rtol=0.06)


@pytest.mark.parametrize(("zenith", "shares"), [(20.0, (0.4393, 0.4366, 0.4304)), (60.0, (0.4394, 0.4322, 0.4186))])
def test_share_of_par_of_6s(zenith: float, shares: tuple[float, ...]) -> None:
    """6S, aerosol 0.05, 0.2 and 0.5, water 1.5."""
    mu = np.cos(np.radians(zenith))
    ours = [_visible.clear_share(spectral_table("continental"), mu, aod, 1.5) for aod in (0.05, 0.2, 0.5)]
    np.testing.assert_allclose(ours, shares, rtol=0.025)
    tabled = shortwave.par(column(1, 1, 1), column(1, 1, 1), column(*[zenith] * 3), column(0.05, 0.2, 0.5),
                           column(1.5, 1.5, 1.5))["par"]  # fmt: skip
    np.testing.assert_allclose(tabled, ours, rtol=0.005)


def test_par_of_6s() -> None:
    """6S, aerosol 0.2: 447.6, 352.3 and 208.0 W m⁻² of PAR in 1025.2, 807.7 and 481.2 W m⁻²."""
    one = column(1, 1, 1)
    par = shortwave.par(column(1025.2, 807.7, 481.2), one, column(*ZENITHS), 0.2 * one, 1.5 * one)["par"]
    np.testing.assert_allclose(par, [447.6, 352.3, 208.0], rtol=0.02)


def test_share_of_par_in_astm_g173() -> None:
    """0.4297 of the light on a slope towards the sun is PAR; the sky on the level has a little more."""
    share = _visible.clear_share(spectral_table("continental"), 1 / 1.5, 0.077, 1.416)
    assert share == pytest.approx(0.4297, rel=0.04)


def test_heliosat_index_is_continuous() -> None:
    n = np.float32([-0.3, -0.2, 0.0, 0.7999, 0.8001, 1.0999, 1.1001])
    kc = kernel.sky_index(n, 0 * n, 0 * n + 1)
    np.testing.assert_allclose(kc, [1.2, 1.2, 1.0, 0.2, 0.2, 0.05, 0.05], atol=5e-4)


def test_dlr() -> None:
    """Dilley–O'Brien, Prata, Brutsaert at 20 °C and 50 %, 0 °C and 70 % relative humidity."""
    t = column(293.15, 273.15)
    celsius = t - 273.15
    vapour = 610.8 * np.exp(17.27 * celsius / (celsius + 237.3)) * column(0.5, 0.7)
    ours = [f(t, vapour) for f in (longwave.dilley_obrien, longwave.prata, longwave.brutsaert)]
    expected = [[316.589, 225.373], [330.042, 228.989], [327.721, 216.134]]
    np.testing.assert_allclose(ours, expected, atol=0.05)


def test_dlr_under_cloud_of_unsworth_and_monteith() -> None:
    """ε = (1 - 0.84 c) ε_clear + 0.84 c."""
    t, vapour, cover = column(290.0), column(1200.0), 0.6
    black = longwave.SIGMA * 290.0**4
    clear = float(longwave.prata(t, vapour)[0]) / black
    got = float(longwave.prata(t, vapour, column(cover))[0]) / black
    assert got == pytest.approx((1 - 0.84 * cover) * clear + 0.84 * cover, rel=1e-5)


def test_net_radiation_of_fao_56() -> None:
    """Example 11 and 12: Rs 14.5, Tmax 25.1, Tmin 19.1, ea 2.1 → Rnl 3.534 (3.5), Rn 7.631 (7.6) MJ m⁻² d⁻¹."""
    day = 86_400 / 1e6
    sigma = 4.903e-9
    black = sigma * ((25.1 + 273.16) ** 4 + (19.1 + 273.16) ** 4) / 2
    lost = black * (0.34 - 0.14 * np.sqrt(2.1)) * (1.35 * 14.5 / 18.8 - 0.35)
    assert lost == pytest.approx(3.534, abs=1e-3)
    surface = (black / day / longwave.SIGMA) ** 0.25
    rn = longwave.net(0.23, 14.5 / day, (black - lost) / day, 1.0, surface) * day  # type: ignore[arg-type]
    assert rn == pytest.approx(7.631, abs=1e-3)


def test_extraterrestrial_radiation_of_fao_56() -> None:
    """Example 8: 32.2 MJ m⁻² on 3 September at 20° S; its declination is 0.7° off that day's."""
    time = pd.date_range("2015-09-03", periods=288, freq="5min")
    zenith = pvlib.solarposition.spa_python(time.tz_localize("UTC"), -20.0, 0.0).zenith.to_numpy()
    toa = shortwave.irradiance_outside(xr.DataArray(zenith, {"time": time}, "time"))
    total = float((toa * np.cos(np.radians(zenith)).clip(0)).mean()) * 86_400 / 1e6
    assert total == pytest.approx(32.2, rel=0.02)


def test_cloud_loses_no_visible_light() -> None:
    """Joseph, Wiscombe & Weinman 1976: what is not reflected passes, for droplets that absorb nothing."""
    depth = np.array([0.1, 1.0, 10.0, 100.0])[:, None]
    mu = np.array([0.1, 0.5, 1.0])
    reflected, passed = _cloud.layer(depth, mu, 1.0, 0.85)
    np.testing.assert_allclose(reflected + passed, 1.0, atol=2e-4)
    tau = depth * (1 - 0.85**2)  # the limit without absorption
    g = 0.85 / 1.85
    limit = ((2 + 3 * mu) + (2 - 3 * mu) * np.exp(-tau / mu)) / (4 + 3 * (1 - g) * tau)
    np.testing.assert_allclose(passed, limit, rtol=2e-3, atol=1e-4)


def test_thick_cloud_is_as_bright_as_its_albedo_on_the_mean() -> None:
    """The form of Kokhanovsky: a half-space that absorbs nothing gives everything back."""
    mu, azimuths = (np.arange(50) + 0.5) / 50, 181
    bright = _sky._anisotropy(np.array([1.0, 0.7, 0.4]), mu, azimuths)
    albedo = (2 * mu[:, None] * bright).mean(1).mean(-1)
    np.testing.assert_allclose(albedo, 1.0, atol=0.06)


def test_sky_found_under_what_6s_says() -> None:
    """Closed loop: reflectance simulated with the atmospheric tables, aerosol found again."""
    rng = np.random.default_rng(2)
    draw = lambda a, b: rng.uniform(a, b, 5000).astype("f4")  # noqa: E731
    sza, vza, raa, aod, ozone, km = (
        draw(15, 70),
        draw(0, 50),
        draw(0, 180),
        draw(0, 0.55),
        draw(0.25, 0.4),
        draw(0, 2),
    )
    blue, red = draw(0.02, 0.08), draw(0.03, 0.12)
    toa = load("landsat8-oli").simulate(
        {"blue": blue, "red": red}, sza, vza, raa, aod, tcwv=1.5, ozone=ozone, elevation=km
    )
    pressure = 101_325 * (1 - 0.0225577 * km) ** 5.25588
    found, cloud = sky(
        toa["blue"], toa["red"], sza, vza, raa, blue, red, ozone, pressure, np.float32(0.1),
        _sky.tables("landsat8-oli"),
    )  # fmt: skip
    told = (cloud == 0) & (found != np.float32(0.1))  # else haze looks like the ground
    error = (found - aod)[told]
    assert (cloud == 0).mean() > 0.95
    assert told.mean() > 0.85
    assert abs(np.median(error)) < 0.02
    assert np.sqrt((error**2).mean()) < 0.04


def test_towers(data: object) -> None:
    """Rn, DSR beat the reference models on the ECOSTRESS towers (bias −28.4, RMSE 90.4; bias 10.4, RMSE 103)."""
    data("ecostress_towers")  # type: ignore[operator]
    from benchmarks.truth.radiation import _ecostress

    rows = {(row.product, row.algorithm): row for row in reversed(_ecostress())}
    for product, way in (("MuSQ.DSR", "clear_sky"), ("MuSQ.NSR", "balance")):
        row = rows[product, way]
        assert abs(row.bias) < abs(row.reference_bias)
        assert row.rmse < row.reference_rmse
