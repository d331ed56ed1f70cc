"""The sun's place: against the worked example of the NREL report and pvlib's own front door."""

import datetime as dt

import numpy as np
import pytest

from musyq_cube.read.solar import sun_angles


def test_worked_example_of_nrel_tp_560_34302():
    """Reda & Andreas (2003), appendix A.5: zenith 50.11162° refracted is 50.12 geometric, azimuth 194.34024°."""
    time = dt.datetime(2003, 10, 17, 19, 30, 30, tzinfo=dt.UTC)
    sza, saa = sun_angles(time, -105.1786, 39.742476)
    assert sza == pytest.approx(50.11162 + 0.0163, abs=0.003)  # refraction at 820 hPa and 11 °C removed
    assert saa == pytest.approx(194.34024, abs=0.003)


def test_arrays_equal_single_places():
    time = dt.datetime(2018, 6, 1, 10, 20, tzinfo=dt.UTC)
    lon, lat = np.meshgrid(np.linspace(-180, 180, 5), np.linspace(-80, 80, 4))
    sza, saa = sun_angles(time, lon, lat)
    assert sza.shape == saa.shape == (4, 5)
    for place in np.ndindex(4, 5):
        one = sun_angles(time, lon[place], lat[place])
        assert (float(one[0]), float(one[1])) == (sza[place], saa[place])


def test_zone_of_the_datetime_does_not_matter():
    utc = dt.datetime(2018, 6, 1, 0, 20, tzinfo=dt.UTC)
    beijing = utc.astimezone(dt.timezone(dt.timedelta(hours=8)))
    assert sun_angles(utc, 116.0, 40.0)[0] == sun_angles(beijing, 116.0, 40.0)[0]


def test_unknown_place_is_nan():
    sza, saa = sun_angles(dt.datetime(2018, 6, 1, tzinfo=dt.UTC), [0.0, np.nan], [0.0, 0.0])
    assert np.isfinite(sza[0])
    assert np.isnan(sza[1])
    assert np.isnan(saa[1])
