"""MOD17 and CASA against their published tables and the numbers of the reference implementation (arthur-e/MOD17)."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from musyq_cube.errors import PlanError
from musyq_cube.kernels import carbon
from musyq_cube.products import _casa, _light, _mod17

CLASSES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12)
"""Evergreen needleleaf … grassland, cropland."""


def of(*values: float) -> list[xr.DataArray]:
    return [xr.DataArray(np.float32([v] if np.isscalar(v) else v), dims="x") for v in values]


def year(value: float, n: int = 365) -> xr.DataArray:
    time = np.datetime64("2010-01-01T12", "ns") + np.arange(n) * np.timedelta64(1, "D")
    return xr.DataArray(np.full((n, len(CLASSES)), value, "float32"), dims=("time", "x"), coords={"time": time})


def test_biome_properties_are_those_of_collection_51() -> None:
    """MOD17_BPLUT_C5.1_MERRA_NASA."""
    table = _mod17.biomes()[list(CLASSES)]
    lue = [0.001211, 0.001405, 0.001227, 0.001526, 0.001226, 0.001495, 0.001027, 0.001498, 0.001454, 0.001215, 0.0013]
    np.testing.assert_array_equal(table[:, carbon.LUE], lue)
    np.testing.assert_array_equal(table[:, carbon.TMIN_CLOSED], [-8, -8, -8, -6, -7, -8, -8, -8, -8, -8, -8])
    opened = [8.31, 9.09, 10.44, 9.94, 9.50, 8.61, 8.80, 11.39, 11.39, 12.02, 12.02]
    np.testing.assert_array_equal(table[:, carbon.TMIN_OPEN], opened)
    np.testing.assert_array_equal(table[:, carbon.VPD_OPEN], [650, 1000] + [650] * 9)
    closed = [3000, 4000, 3500, 2900, 2900, 4300, 4400, 3500, 3600, 4200, 4500]
    np.testing.assert_array_equal(table[:, carbon.VPD_CLOSED], closed)
    np.testing.assert_array_equal(table[:, carbon.SLA], [15, 26.9, 16.9, 24.7, 22.6, 9.4, 12, 28.8, 28.9, 38, 38])
    np.testing.assert_array_equal(table[:, carbon.FROOT_RATIO], [1.2, 1.1, 1.7, 1.1, 1.1, 1, 1.3, 1.8, 1.8, 2.6, 2])
    wood = [0.182, 0.162, 0.165, 0.203, 0.203, 0.079, 0.04, 0.091, 0.051, 0, 0]
    np.testing.assert_array_equal(table[:, carbon.LIVEWOOD_RATIO], wood)


def test_light_is_45_percent_of_sunlight_as_in_mod17() -> None:
    """100 W m⁻² of sunlight are 3.888 MJ m⁻² d⁻¹ of PAR."""
    assert pytest.approx(3.888) == 100 * _mod17.PAR_SHARE * _mod17.DAY_MEGAJOULES


def test_gpp_of_evergreen_broadleaf_forest_mod17() -> None:
    """FPAR 0.5, Tmin 10 °C, VPD 1000 Pa, 100 W m⁻²: 2.73132 g C m⁻² d⁻¹."""
    made = _mod17.gpp_of_shortwave(*of(0.5, 100.0, 283.15, 1000.0, 2))
    assert float(made[0]) == pytest.approx(2.73132, abs=1e-5)


@pytest.mark.parametrize(
    ("tmin", "expected"),
    [
        (-10, [0.0] * 11),
        (-5, [0.37, 0.48, 0.34, 0.16, 0.24, 0.47, 0.32, 0.4, 0.39, 0.32, 0.34]),
        (0, [0.98, 1.28, 0.91, 0.94, 0.85, 1.27, 0.86, 1.05, 1.03, 0.85, 0.92]),
        (10, [2.0, 2.73, 2.04, 2.51, 2.01, 2.63, 1.81, 2.37, 2.31, 1.91, 2.07]),
        (30, [2.0, 2.73, 2.09, 2.51, 2.01, 2.63, 1.81, 2.55, 2.49, 2.13, 2.3]),
    ],
)
def test_gpp_over_temperatures_mod17(tmin: float, expected: list[float]) -> None:
    """Rows of the reference implementation's temperature ramp, two decimals."""
    made = _mod17.gpp_of_shortwave(*of([0.5] * 11, [100.0] * 11, [tmin + 273.15] * 11, [1000.0] * 11, CLASSES))
    np.testing.assert_allclose(made, expected, atol=0.0051)


@pytest.mark.parametrize(
    ("vpd", "expected"),
    [
        (0, [2.35, 2.73, 2.39, 2.97, 2.38, 2.91, 2.0, 2.91, 2.83, 2.36, 2.53]),
        (2000, [1.0, 1.82, 1.26, 1.19, 0.95, 1.83, 1.28, 1.53, 1.53, 1.46, 1.64]),
        (4000, [0, 0, 0, 0, 0, 0.24, 0.21, 0, 0, 0.13, 0.33]),
    ],
)
def test_gpp_over_dryness_mod17(vpd: float, expected: list[float]) -> None:
    """Rows of the reference implementation's VPD ramp, two decimals."""
    made = _mod17.gpp_of_shortwave(*of([0.5] * 11, [100.0] * 11, [293.15] * 11, [float(vpd)] * 11, CLASSES))
    np.testing.assert_allclose(made, expected, atol=0.0051)


def test_npp_of_a_constant_year_mod17() -> None:
    """FPAR 0.5, Tmin 15 °C, VPD 1000 Pa, PAR 10 MJ, LAI 1, T 25 °C: 1144.22 g C m⁻² a⁻¹ for class 1."""
    cover = xr.DataArray(np.float32(CLASSES), dims="x")
    ones = np.ones(11)
    daily = _mod17.gpp(*of(0.5 * ones, 10 / 0.0864 * ones, 288.15 * ones, 1000 * ones, CLASSES))
    made = _mod17.npp(year(1) * daily, year(1), year(298.15), cover)["npp"]
    assert float(made[0]) == pytest.approx(1144.22, abs=0.02)
    expected = [1144, 1859, 1137, 1641, 1249, 1342, 943, 1654, 1610, 1259, 1439]
    np.testing.assert_allclose(made, expected, atol=0.51)


def test_npp_needs_a_year() -> None:
    with pytest.raises(PlanError, match="100 days"):
        _mod17.npp(year(5, 100), year(1, 100), year(298.15, 100), of(CLASSES)[0])


def test_temperature_scalars_casa_gtmm() -> None:
    """T1(25) = 0.9875; T2(20, 20) = 1.00003, T2(20, 10) = 0.59448 (doNPP of the CASA of GEOS-Chem)."""
    assert _casa.optimum_scalar(25.0) == pytest.approx(0.9875)
    made = _casa.warmth_scalar(xr.DataArray([20.0, 10.0, -10.5]), 20.0)
    np.testing.assert_allclose(made, [1.00003, 0.59448, 0.0], atol=5e-6)


def test_extraterrestrial_light_fao56_example_8() -> None:
    """20° S, 3 September: 32.194 MJ m⁻² d⁻¹ (published 32.2)."""
    box = GeoBox.from_bbox((0, -20.5, 1, -19.5), "EPSG:4326", shape=(1, 1), tight=True)
    like = xr.DataArray(np.ones((1, 1)), dict(xr_coords(box, always_yx=True)), ("y", "x"))
    made = _light.extraterrestrial(like.assign_coords(time=np.datetime64("2015-09-03T12", "ns")))
    assert float(made[0, 0]) * 0.0864 == pytest.approx(32.194, abs=0.02)
