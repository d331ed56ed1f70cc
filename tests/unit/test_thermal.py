"""Emissivity, surface temperature, canopy temperature and the daily course: masks, limits, choices."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.errors import PlanError
from musyq_cube.kernels import diurnal as cycle
from musyq_cube.products import canopy, diurnal, emissivity, thermal_build
from musyq_cube.products import surface_temperature as lst
from musyq_cube.products._tables import rows_of, table
from musyq_cube.products.registry import get_recipe
from musyq_cube.sensor import sensors
from musyq_cube.types import QA

TIME = np.array(["2014-07-01T10:30", "2014-07-02T10:45"], "datetime64[ns]")


def _observations(**values):
    given = {"lwir11": 295.0, "lwir12": 294.0, "lwir": 295.0, "emissivity": 0.97, "emissivity_difference": -0.002}
    given |= {"tcwv": 1.5, "vza": 10.0, "qa": 0} | values
    return xr.Dataset(
        {
            k: (("time", "y", "x"), np.full((2, 3, 4), v, "uint16" if k == "qa" else "float32"))
            for k, v in given.items()
        },
        coords={"time": TIME},
    )


def _algorithms(name):
    recipe = get_recipe(f"MuSQ.{name}")
    return [(recipe.using(a.name), s) for a in recipe.algorithms for s in a.sensors or ("",)]


@pytest.mark.parametrize(("recipe", "sensor"), _algorithms("LST"))
def test_every_algorithm_has_coefficients_for_the_sensors_it_declares(recipe, sensor):
    if recipe.algorithm.accepts == ("lst",):
        return
    name = sensor.replace("?", "b").replace("[89]", "8").replace("[abc]", "a")
    made = recipe.compute(_observations(), sensor=name)
    assert 290 < float(made.lst[0, 0, 0]) < 305
    assert 0.5 < float(made.lst_unc[0, 0, 0]) < 4
    assert made.hour.values[:, 0, 0].tolist() == [10.5, 10.75]


def test_two_bands_come_before_one_and_the_producer_last():
    names = [a.name for a in get_recipe("MuSQ.LST").algorithms]
    for one, other in (
        ("split_window", "generalized_split_window"),
        ("generalized_split_window", "single_channel"),
        ("single_channel", "smw"),
        ("smw", "provided"),
    ):
        assert names.index(one) < names.index(other)
    assert [a.name for a in get_recipe("MuSQ.LSE").algorithms] == ["aster_ged", "ndvi_thresholds", "class_table"]


def test_goes_13_and_15_without_12_um_have_a_mono_window_only():
    from fnmatch import fnmatch

    for name in ("goes13-imager", "goes15-imager"):
        fits = [a.name for a in get_recipe("MuSQ.LST").algorithms if any(fnmatch(name, s) for s in a.sensors)]
        assert fits == ["mono_window", "mono_window_any_vapour"]


def test_every_sensor_with_a_thermal_window_band_has_an_algorithm():
    from fnmatch import fnmatch

    for name, sensor in sensors().items():
        keys = {b.key for b in sensor.bands}
        if not keys & {"lwir", "lwir11"}:
            continue
        ways = [
            a
            for a in get_recipe("MuSQ.LST").algorithms
            if any(fnmatch(name, s) for s in a.sensors) and "lst" not in a.accepts
        ]
        assert any(all(keys & set(i.of) for i in a.inputs_of("band")) for a in ways), name


def test_a_sensor_without_coefficients_is_named():
    with pytest.raises(PlanError, match=r"split_window has no coefficients for the sensor 'gf1-wfv1'.*modis-terra"):
        lst.split_window(*(xr.DataArray([v]) for v in (295.0, 294.0, 0.97, 0.0)), sensor="gf1-wfv1")


@pytest.mark.parametrize("missing", ["lwir11", "lwir12", "emissivity", "emissivity_difference", "tcwv"])
@pytest.mark.parametrize("algorithm", ["split_window_tirs", "generalized_split_window"])
def test_nothing_comes_of_a_missing_input(algorithm, missing):
    made = get_recipe("MuSQ.LST").using(algorithm).compute(_observations(**{missing: np.nan}), sensor="landsat8-oli")
    assert made.lst.isnull().all()
    assert made.hour.isnull().all()


@pytest.mark.parametrize("missing", ["lwir", "emissivity", "tcwv"])
@pytest.mark.parametrize("algorithm", ["single_channel", "smw"])
def test_nothing_comes_of_a_missing_input_of_one_band(algorithm, missing):
    made = get_recipe("MuSQ.LST").using(algorithm).compute(_observations(**{missing: np.nan}), sensor="landsat7-etm")
    assert made.lst.isnull().all()


def test_an_oblique_view_is_marked_and_a_very_oblique_one_has_no_value():
    recipe = get_recipe("MuSQ.LST").using("split_window")
    near, far, farther = (recipe.compute(_observations(vza=v), sensor="msg2-seviri") for v in (59.0, 63.0, 66.0))
    assert not (near.qa & QA.HIGH_VIEW).any()
    assert (far.qa & QA.HIGH_VIEW).all()
    assert far.lst.notnull().all()
    assert farther.lst.isnull().all()
    assert (farther.qa & QA.OUT_OF_RANGE).all()


def test_the_mono_window_takes_the_water_vapour_of_the_slant_path():
    recipe = get_recipe("MuSQ.LST").using("mono_window")
    slant = recipe.compute(_observations(vza=60.0, tcwv=1.0), sensor="goes13-imager").lst
    level = recipe.compute(_observations(vza=0.0, tcwv=2.0), sensor="goes13-imager").lst
    xr.testing.assert_allclose(slant, level, rtol=1e-6)


def test_water_vapour_beyond_the_single_channel_is_marked():
    recipe = get_recipe("MuSQ.LST").using("single_channel")
    fits, moist = (recipe.compute(_observations(tcwv=w), sensor="landsat5-tm") for w in (2.9, 3.1))
    assert not (fits.qa & QA.OUT_OF_RANGE).any()
    assert (moist.qa & QA.OUT_OF_RANGE).all()
    assert moist.lst.notnull().all()


def test_a_backup_says_so():
    recipe = get_recipe("MuSQ.LST").using("mono_window_any_vapour")
    made = recipe.compute(_observations().drop_vars("tcwv"), sensor="landsat5-tm")
    assert (made.qa & QA.BACKUP).all()


def test_split_windows_do_without_water_vapour():
    recipe = get_recipe("MuSQ.LST").using("split_window")
    known = recipe.compute(_observations(tcwv=2.0), sensor="modis-aqua").lst
    guessed = recipe.compute(_observations().drop_vars("tcwv"), sensor="modis-aqua").lst
    xr.testing.assert_identical(known, guessed)


def test_no_temperature_where_the_air_sends_more_than_the_sensor_sees():
    a = [xr.DataArray([v]) for v in (2.0, 0.5, 2.5, 3.0, 0.97)]
    assert lst.radiative_transfer(*a, sensor="landsat9-oli")["lst"].isnull().all()


def test_mean_temperature_is_that_of_the_energy_of_enough_pixels():
    block = xr.DataArray(np.array([[280.0, 320.0], [300.0, np.nan]], "float32"), dims=("y", "x"))
    mean = float(np.mean([280.0**4, 320.0**4, 300.0**4]) ** 0.25)
    assert float(lst.mean_temperature(block, 2)[0, 0]) == pytest.approx(mean, abs=1e-3)
    assert lst.mean_temperature(block, 2, least=0.8).isnull().all()


def test_aster_follows_the_vegetation_of_the_day():
    a = [xr.DataArray([v]) for v in (0.95, 0.96, 0.1)]
    values = [float(emissivity.by_aster(*a, ndvi=xr.DataArray([v]))["emissivity"][0]) for v in (0.1, 0.5, 0.9, -0.1)]
    assert values[0] < values[1] < values[2] == pytest.approx(0.99)
    assert values[3] == pytest.approx(0.99)


def test_aster_below_a_dense_canopy_keeps_its_own_emissivity():
    made = emissivity.by_aster(*(xr.DataArray([v]) for v in (0.98, 0.98, 0.86)), ndvi=xr.DataArray([0.2]))
    assert float(made["emissivity"][0]) == pytest.approx(0.682 * 0.98 + 0.2578 * 0.98 + 0.0584, abs=1e-6)


def test_emissivity_of_snow_and_of_no_class():
    assert float(emissivity.by_ndvi(xr.DataArray([0.02]), xr.DataArray([0.8]))["emissivity"][0]) == pytest.approx(0.985)
    assert emissivity.by_class(xr.DataArray([0.0, 18.0, np.nan]))["emissivity"].isnull().all()


def test_emissivities_are_missing_where_an_input_is():
    nan = xr.DataArray([np.nan, 0.5])
    red = xr.DataArray([0.1, np.nan])
    for layer in emissivity.by_ndvi(nan, red).values():
        assert layer.isnull().all()
    made = emissivity.by_aster(xr.DataArray([np.nan]), *(xr.DataArray([v]) for v in (0.96, 0.1, -0.2)))
    assert made["emissivity"].isnull().all()


def _mixed(cover, tv=295.0, ts=315.0):
    e = cover * canopy.CANOPY_EMISSIVITY + (1 - cover) * canopy.SOIL_EMISSIVITY
    energy = cover * canopy.CANOPY_EMISSIVITY * tv**4 + (1 - cover) * canopy.SOIL_EMISSIVITY * ts**4
    return ((energy / e) ** 0.25).astype("float32"), e.astype("float32")


def test_canopy_temperature_needs_a_spread_of_cover_and_enough_pixels():
    rng = np.random.default_rng(1)
    same = xr.DataArray(rng.uniform(0.4, 0.6, (9, 9)), dims=("y", "x"))
    assert canopy.canopy_temperature(*_mixed(same), same)["tv"].isnull().all()
    wide = xr.DataArray(rng.uniform(0.1, 0.9, (9, 9)), dims=("y", "x"))
    t, e = _mixed(wide)
    made = canopy.canopy_temperature(t, e, wide)
    assert float(abs(made["tv"] - 295).max()) < 0.05
    assert float(abs(made["ts"] - 315).max()) < 0.05
    few = canopy.canopy_temperature(t.where(t.x < 2), e, wide)
    assert few["tv"][4, 4].isnull()


def test_canopy_temperature_stays_near_the_window():
    rng = np.random.default_rng(2)
    cover = xr.DataArray(rng.uniform(0.0, 0.35, (7, 7)), dims=("y", "x"))
    t, e = _mixed(cover, tv=200.0)  # a canopy that cannot be
    made = canopy.canopy_temperature(t, e, cover)
    assert float(made["tv"].min()) >= float(t.min()) - 15.01


def test_daily_course_is_recovered_and_fills_gaps():
    time = np.arange("2014-07-01", "2014-07-03", dtype="datetime64[h]").astype("datetime64[ns]")
    true = cycle.course(np.arange(48.0), np.array([285, 20, 5.5, 12, 0.7, 0], "float32"))  # east of Greenwich
    series = xr.DataArray(true, dims="time", coords={"time": time}).expand_dims(y=2, x=3).transpose("time", "y", "x")
    gappy = series.where(series.time.dt.hour % 3 != 0)
    made = diurnal.diurnal_cycle(gappy)
    assert float(abs(made["hour_max"] - 5.5).max()) < 0.2
    assert float(abs(made["lst_max"] - 305).max()) < 0.3
    filled = diurnal.fill(gappy)
    assert float(abs(filled["lst"] - series).max()) < 0.5
    assert int(filled["filled"].sum()) == 16 * 6


def test_daily_course_needs_the_day():
    time = np.arange("2014-07-01", "2014-07-02", dtype="datetime64[h]").astype("datetime64[ns]")
    series = xr.DataArray(np.full((24, 1, 1), 300, "float32"), dims=("time", "y", "x"), coords={"time": time})
    assert diurnal.diurnal_cycle(series.where(series.time.dt.hour < 8))["lst_mean"].isnull().all()
    assert diurnal.fill(series.where(series.time.dt.hour < 8))["lst"].isnull().sum() == 16


def test_views_are_merged_without_a_step():
    first, second = xr.DataArray([300.0] * 3), xr.DataArray([301.0] * 3)
    angles = [xr.DataArray([49.0, 55.0, 60.0]), xr.DataArray([60.0, 55.0, 49.0])]
    assert diurnal.merge_views([first, second], angles, [0.0, 0.0]).values.tolist() == [300.0, 300.5, 301.0]
    assert diurnal.merge_views([first], [xr.DataArray([70.0] * 3)], [0.0]).isnull().all()


def test_fitted_tables_are_near_published_ones():
    mtsat, noaa14 = rows_of("split_window", "mtsat2-imager")[0], rows_of("split_window", "noaa14-avhrr")[0]
    assert mtsat[1] == pytest.approx(noaa14[1], abs=0.2)
    assert mtsat[3] == pytest.approx(noaa14[3], rel=0.2)
    assert mtsat[5] == pytest.approx(noaa14[5], rel=0.2)
    goes, landsat = (np.array(table("mono_window")[s]) for s in ("goes13-imager", "landsat8-oli"))
    assert np.abs(goes[:4, 1] - landsat[:4, 1]).max() < 0.1


def test_made_up_profiles_are_of_this_world():
    columns = [
        thermal_build.profile(t, h, lapse)[3] for t in (250, 280, 305) for h in (0.25, 0.85) for lapse in (5, 6.5)
    ]
    assert min(columns) > 0.01
    assert 3 < max(columns) < 9
    t, p, q, _ = thermal_build.profile(288.0, 0.7, 6.5)
    assert p[0] == 1013.0
    assert p[5] == pytest.approx(540, abs=10)
    assert (np.diff(p) < 0).all()
    assert ((t > 195) & (t < 330)).all()
    assert (q >= 0).all()


def test_cards_have_fixed_columns():
    cards = thermal_build.deck(288.0, 0.7, 6.5, (100.0, 0.0, 180.0)).splitlines()
    assert cards[0][:15] == "    7    2    1"
    assert float(cards[0][65:73]) == 288.0
    assert len(cards) == 3 + len(thermal_build._HEIGHTS) + 3
    assert cards[3][60:] == "AAC626666666666"


def test_fits_find_the_coefficients_of_what_they_made():
    rng = np.random.default_rng(1)
    t11, e11, e12, w, s = (rng.uniform(*r, 500) for r in ((280, 310), (0.94, 0.99), (0.94, 0.99), (0.2, 5), (1, 2)))
    t12 = t11 - rng.uniform(0, 3, 500)
    c = np.array([-0.1, 1.5, 0.2, 50, -1, -130, 15])
    apart, lack, step = t11 - t12, 1 - (e11 + e12) / 2, e11 - e12
    truth = t11 + c[0] + c[1] * apart + c[2] * apart**2 + (c[3] + c[4] * w) * lack + (c[5] + c[6] * w) * step
    found = thermal_build.fit_split_window(np.stack([t11, t12, e11, e12, w, s, truth], 1))
    assert found == pytest.approx(c, abs=1e-6)
    mono = thermal_build.fit_mono_window(np.stack([t11, e11, w, s, 1.1 * t11 / e11 - 250 / e11 + 230], 1))
    assert mono == pytest.approx(np.tile([1.1, -250, 230], (10, 1)), abs=1e-4)


def test_an_unknown_view_is_taken_for_one_near_nadir():
    heat = xr.DataArray(np.full((1, 1, 1), 300.0, "float32"), dims=("time", "y", "x"))
    rest = {"emissivity": heat * 0 + 0.97, "tcwv": heat * 0 + 1.5, "sensor": "landsat8-oli"}
    known = lst.mono_window(lwir=heat, vza=heat * 0, **rest)["lst"]
    assert float(lst.mono_window(lwir=heat, vza=heat * np.nan, **rest)["lst"].item()) == float(known.item())
