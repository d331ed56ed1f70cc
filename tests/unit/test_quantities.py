"""Quantities: names, units and what follows from what."""

import numpy as np
import pytest

from musyq_cube.errors import CatalogError
from musyq_cube.quantities import (
    DERIVED,
    QUANTITIES,
    conversion,
    derivable,
    derivation,
    dew_point,
    find_quantity,
    fold_unit,
    guess_unit,
    parts_of,
    quantity,
    relative_humidity,
    saturation_vapour_pressure,
    vapour_pressure_deficit,
    vapour_pressure_of_humidity,
)


@pytest.mark.parametrize(
    ("name", "standard", "expected"),
    [
        ("t2m", None, "air_temperature"),
        ("2T", None, "air_temperature"),
        ("QV2M", "2-meter_specific_humidity", "specific_humidity"),
        ("SWGDN", None, "shortwave_down"),
        ("LWGAB", None, "longwave_down"),
        ("TOTEXTTAU", None, "aod"),
        ("aod550", None, "aod"),
        ("TO3", None, "ozone"),
        ("tqv", None, "tcwv"),
        ("tcc", None, "cloud_fraction"),
        ("abc", "surface_air_pressure", "surface_pressure"),
        ("elevation", None, "elevation"),
        ("e", None, None),
        ("SLP", "sea_level_pressure", None),
    ],
)
def test_names_of_era5_merra2_and_cams(name, standard, expected):
    found = find_quantity(name, standard)
    assert (found.name if found else None) == expected


def test_no_name_stands_for_two_quantities():
    names = [name for q in QUANTITIES.values() for name in (q.name, *q.names)]
    standard = [name for q in QUANTITIES.values() for name in q.standard_names]
    assert len(names) == len(set(names))
    assert len(standard) == len(set(standard))
    for q in QUANTITIES.values():
        assert q.factors[fold_unit(q.units)] == (1.0, 0.0), q.name


@pytest.mark.parametrize(
    ("name", "units", "value", "expected"),
    [
        ("air_temperature", "°C", 20.0, 293.15),
        ("air_temperature", "K", 293.15, 293.15),
        ("relative_humidity", "%", 50.0, 0.5),
        ("surface_pressure", "hPa", 1013.25, 101_325.0),
        ("surface_pressure", "kPa", 101.325, 101_325.0),
        ("tcwv", "kg m**-2", 20.0, 2.0),
        ("tcwv", "mm", 20.0, 2.0),
        ("ozone", "Dobsons", 300.0, 0.3),
        ("ozone", "kg m-2", 300 * 2.1415e-5, 0.3),
        ("cloud_fraction", "(0 - 1)", 0.4, 0.4),
        ("wind_speed", "km/h", 36.0, 10.0),
        ("specific_humidity", "g/kg", 8.0, 0.008),
        ("specific_humidity", "kg kg**-1", 0.008, 0.008),
        ("precipitation", "m of water equivalent", 0.002, 2.0),
        ("elevation", "m**2 s**-2", 9806.65, 1000.0),
        ("aod", "~", 0.3, 0.3),
    ],
)
def test_units(name, units, value, expected):
    factor, offset = conversion(QUANTITIES[name], units)
    assert value * factor + offset == pytest.approx(expected, rel=1e-6)


def test_energy_needs_its_time():
    known = QUANTITIES["shortwave_down"]
    assert conversion(known, "J m**-2", 3600.0)[0] * 3.6e6 == pytest.approx(1000.0)
    assert conversion(known, "MJ/m2", 86_400.0)[0] * 20 == pytest.approx(231.48, abs=0.01)
    with pytest.raises(CatalogError, match="accumulated='PT1H'"):
        conversion(known, "J m-2")
    with pytest.raises(CatalogError, match="not known; there are w m-2, j m-2"):
        conversion(known, "lux")
    with pytest.raises(CatalogError, match="air_temperature, dew_point"):
        quantity("nonsense")


def test_units_are_guessed_only_where_one_fits():
    assert guess_unit(QUANTITIES["air_temperature"], 12, 31) == "degc"
    assert guess_unit(QUANTITIES["air_temperature"], 250, 310) == "k"
    assert guess_unit(QUANTITIES["surface_pressure"], 940, 1010) == "hpa"
    assert guess_unit(QUANTITIES["relative_humidity"], 10, 95) == "%"
    assert guess_unit(QUANTITIES["relative_humidity"], 0.1, 0.95) == "1"
    assert guess_unit(QUANTITIES["air_temperature"], -999, 31) is None


@pytest.mark.parametrize(("celsius", "hpa"), [(-20, 1.2540), (0, 6.1121), (20, 23.3880), (40, 73.8530)])
def test_saturation_vapour_pressure_within_half_a_percent(celsius, hpa):
    """Against water vapour tables: Wexler's formulation as in Sonntag (1990), over water."""
    assert float(saturation_vapour_pressure(np.float32(celsius + 273.15))) == pytest.approx(100 * hpa, rel=0.005)


def test_humidity_goes_round():
    rng = np.random.default_rng(1)
    t = rng.uniform(255, 313, 1000).astype("float32")
    e = saturation_vapour_pressure(t) * rng.uniform(0.05, 1, 1000).astype("float32")
    p = rng.uniform(7e4, 1.04e5, 1000).astype("float32")
    np.testing.assert_allclose(saturation_vapour_pressure(dew_point(e)), e, rtol=2e-5)
    q = 0.62198 * e / (p - (1 - 0.62198) * e)
    np.testing.assert_allclose(vapour_pressure_of_humidity(q, p), e, rtol=1e-5)
    rh = relative_humidity(e, t)
    np.testing.assert_allclose((1 - rh) * saturation_vapour_pressure(t), vapour_pressure_deficit(e, t), atol=0.2)
    assert np.isnan(dew_point(np.float32([0, -1]))).all()
    assert relative_humidity(np.float32(5000), np.float32(293)) == 1


def test_what_follows_from_what():
    era5 = {"air_temperature", "dew_point_temperature", "surface_pressure", "eastward_wind", "northward_wind"}
    assert derivable(era5) == era5 | {"vapour_pressure", "relative_humidity", "vapour_pressure_deficit", "wind_speed"}
    merra2 = {"air_temperature", "specific_humidity", "surface_pressure"}
    assert {"relative_humidity", "dew_point_temperature"} <= derivable(merra2)
    assert derivation("relative_humidity", {"relative_humidity"}) == {}
    assert derivation("relative_humidity", {"air_temperature"}) is None
    station = derivation("vapour_pressure_deficit", {"relative_humidity", "air_temperature"})
    assert set(station) == {"vapour_pressure_deficit", "vapour_pressure"}
    assert parts_of("tcwv") == {"tcwv"}
    assert {"specific_humidity", "dew_point_temperature"} <= parts_of("vapour_pressure_deficit")
    for name, ways in DERIVED.items():
        assert {name, *(part for way in ways for part in way.parts)} <= set(QUANTITIES)
