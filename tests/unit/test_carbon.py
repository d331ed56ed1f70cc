"""Productivity: what is missing stays missing, gaps are filled and said to be, the same bits every way."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from musyq_cube.errors import PlanError
from musyq_cube.products import _casa, _light, _mod17, get_recipe
from musyq_cube.types import QA

TIME = np.datetime64("2019-01-05", "ns") + np.arange(46) * np.timedelta64(8, "D")


def year(values: np.ndarray) -> xr.DataArray:
    values = np.broadcast_to(np.asarray(values, "float32"), (46,))
    return xr.DataArray(values[:, None, None].repeat(2, 1).repeat(3, 2), {"time": TIME}, ("time", "y", "x"))


def plane(value: float) -> xr.DataArray:
    return xr.DataArray(np.full((2, 3), value, "float32"), dims=("y", "x"))


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0, 1, width=32),
    st.floats(0, 500, width=32),
    st.floats(220, 320, width=32),
    st.floats(0, 6000, width=32),
    st.sampled_from([*range(19), np.nan]),
)
def test_gpp_is_never_negative_and_needs_a_class(
    fpar: float, par: float, tmin: float, vpd: float, cover: float
) -> None:
    made = float(_mod17.gpp(*(xr.DataArray(np.float32([v])) for v in (fpar, par, tmin, vpd, cover)))[0])
    assert np.isnan(made) == (cover not in {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14})
    assert np.isnan(made) or 0 <= made <= 1.526 * fpar * par * 0.0864 + 1e-4


@pytest.mark.parametrize("missing", range(5))
def test_what_is_missing_stays_missing(missing: int) -> None:
    values = [0.5, 50.0, 285.0, 900.0, 4.0]
    values[missing] = np.nan
    assert np.isnan(_mod17.gpp(*(plane(v) for v in values))).all()


def test_gpp_lazy_is_the_same_to_the_bit() -> None:
    rng = np.random.default_rng(1)
    low, high = (0, 0, 265, 0, 0.5), (1, 200, 295, 4000, 17.5)
    arrays = [
        xr.DataArray(rng.uniform(a, b, (40, 50)).astype("float32"), dims=("y", "x"))
        for a, b in zip(low, high, strict=True)
    ]
    arrays[4] = arrays[4].round()
    made = _mod17.gpp(*arrays)
    np.testing.assert_array_equal(made, _mod17.gpp(*(a.chunk(y=7, x=11) for a in arrays)).compute())


def test_town_and_water_are_out_of_range() -> None:
    ds = xr.Dataset({"fpar": plane(0.5), "shortwave": plane(200), "tmin": plane(285), "vpd": plane(900)})
    ds["land_cover"] = plane(17)
    ds["qa"] = plane(0).astype("uint16")
    made = get_recipe("MuSQ.GPP").using("mod17_shortwave").compute(ds)
    assert np.isnan(made["gpp"]).all()
    assert (made["qa"] == QA.OUT_OF_RANGE).all()


def test_gaps_are_interpolated_and_many_are_told() -> None:
    gain, lai = year(2 + 8 * np.sin(np.linspace(0, np.pi, 46))), year(3)
    rest = (plane(285.0), plane(4.0))
    whole = _mod17.npp(gain, lai, *rest)
    few = _mod17.npp(gain.where(gain["time"] != TIME[20]), lai, *rest)
    holes = xr.DataArray(np.arange(46) % 3 > 0, dims="time")
    many, most = _mod17.npp(gain.where(holes), lai, *rest), _mod17.npp(gain.where(~holes), lai, *rest)
    np.testing.assert_allclose(few["npp"], whole["npp"], rtol=2e-3)
    np.testing.assert_allclose(many["npp"], whole["npp"], rtol=5e-3)
    assert not whole["qa"].any()
    assert not few["qa"].any()
    assert (many["qa"] == QA.GAP_FILLED).all()
    assert np.isnan(most["npp"]).all()


def test_npp_takes_temperature_of_the_year_or_of_each_period() -> None:
    gain, lai, cover = year(6), year(2), plane(5.0)
    constant = _mod17.npp(gain, lai, plane(288.0), cover)["npp"]
    np.testing.assert_array_equal(constant, _mod17.npp(gain, lai, year(288.0), cover)["npp"])
    wave = 288 + 12 * np.sin(np.linspace(0, 2 * np.pi, 46))
    assert (_mod17.npp(gain, lai, year(wave), cover)["npp"] < constant).all()  # warm days breathe more than cold save


def test_npp_lazy_is_the_same_to_the_bit() -> None:
    gain, lai, air, cover = year(6), year(2), year(288.0), plane(5.0)
    made = _mod17.npp(gain, lai, air, cover)
    lazy = _mod17.npp(gain.chunk(time=10, x=2), lai.chunk(x=1), air.chunk(), cover.chunk(y=1))
    np.testing.assert_array_equal(made["npp"], lazy["npp"].compute())
    np.testing.assert_array_equal(made["qa"], lazy["qa"].compute())


def test_npp_of_gpp_alone() -> None:
    gain = year(5)
    made = _mod17.npp_of_gpp(gain.where(gain["time"] != TIME[3]))
    np.testing.assert_allclose(made, 5 * 0.47 * 368, rtol=1e-5)
    assert np.isnan(_mod17.npp_of_gpp(gain.where(gain["time"] < TIME[20]))).all()


def test_casa_is_less_where_it_is_dry_cold_or_dark() -> None:
    given = {"fpar": plane(0.6), "par": plane(90), "air_temperature": plane(293.15)}
    base = _casa.gpp(**given, vpd=plane(500))
    assert (_casa.gpp(**given, vpd=plane(4000)) < base).all()
    assert (_casa.gpp(**given) < base).all()
    assert (_casa.gpp(**{**given, "air_temperature": plane(262.0)}) == 0).all()
    assert np.isnan(_casa.gpp(**{**given, "fpar": plane(np.nan)})).all()


def place(value: float, latitude: float = 40.0) -> xr.DataArray:
    box = GeoBox.from_bbox((10, latitude - 0.5, 11, latitude + 0.5), "EPSG:4326", shape=(2, 2))
    found = xr.DataArray(np.full((2, 2), value, "float32"), dict(xr_coords(box, always_yx=True)), ("y", "x"))
    return found.assign_coords(time=np.datetime64("2019-06-21T10:30", "ns"))


def test_light_of_the_day_from_a_moment() -> None:
    clear = _light.daily_par(place(350), place(800), place(1.0))
    assert 145 < float(clear.mean()) < 175  # of a clear day in June, W m⁻²
    np.testing.assert_allclose(_light.daily_par(place(350), place(800), place(0.5)), clear / 2, rtol=1e-6)
    assert (_light.daily_par(place(350), place(800), place(1.0), place(2000.0)) > clear).all()
    assert np.isnan(_light.daily_par(place(5), place(10), place(1.0))).all()
    assert (_light.extraterrestrial(place(1, -80.0)) == 0).all()


def test_light_of_the_day_needs_place_and_date() -> None:
    with pytest.raises(PlanError, match="date"):
        _light.extraterrestrial(plane(1))
    with pytest.raises(PlanError, match="place"):
        _light.extraterrestrial(plane(1).assign_coords(time=np.datetime64("2019-06-21", "ns")))


def test_the_first_choice_takes_retrieved_light() -> None:
    values = {"fpar": 0.8, "par": 350, "dsr": 800, "kc": 0.9, "tmin": 285, "vpd": 900, "land_cover": 4}
    made = get_recipe("MuSQ.GPP").compute(xr.Dataset({name: place(v) for name, v in values.items()}))
    light = _light.daily_par(*(place(v) for v in (350, 800, 0.9)))
    expected = _mod17.gpp(place(0.8), light, place(285), place(900), place(4))
    np.testing.assert_allclose(made["gpp"], expected, rtol=1e-6)
    assert (made["gpp_unc"] > 1.5).all()
