"""What is known from elsewhere: grids in space and time, climatologies, elevation."""

import datetime as dt

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.transform import Affine

from musyq_cube.errors import NormalizeError, ReadError
from musyq_cube.normalize.ancillary import (
    Ancillary,
    elevation,
    open_ancillary,
    ozone,
    water_vapour,
    water_vapour_from_surface,
)
from musyq_cube.scene import Scene, SourceGrid

NOON = dt.datetime(2019, 4, 11, 12, tzinfo=dt.UTC)
LON, LAT = np.arange(-180, 180, 2.0), np.arange(88, -90, -2.0)
PLANE = 0.3 + 0.001 * LAT[:, None] + 0.0 * LON


def write(path, values, transform, *, nodata=None, crs="EPSG:4326", **tags):
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "crs": crs,
               "dtype": values.dtype, "transform": transform, "nodata": nodata}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
        file.update_tags(**tags)
    return str(path)


@pytest.fixture
def cams(tmp_path):
    """A grid as CAMS is often passed on: integers with their scale in a tag, time in the file's name."""
    numbers = np.round(PLANE * 1e4).astype("uint16")
    numbers[0, 0] = 65535
    where = Affine(2, 0, -181, 0, -2, 89)
    return write(tmp_path / "aod_20190411T120000Z.tif", numbers, where, nodata=65535, scaling_factor="0.0001")


def test_bilinear_in_space_and_around_the_globe(cams):
    grid = open_ancillary(cams)
    assert grid.moments[0].time == NOON
    places = [(5.3, 51.7), (-5.3, -51.7), (179.6, 10.0), (-180.4, 10.0), (359.0, 10.0)]
    for lon, lat in places:
        assert grid.at(lon, lat, NOON) == pytest.approx(0.3 + 0.001 * lat, abs=1e-4)
    assert np.isnan(grid.at(0, 89.9))
    assert np.isnan(grid.at(-179.5, 87.9))  # a corner of the cell is missing


def test_linear_in_time_and_refusal_far_from_it(tmp_path):
    where = Affine(2, 0, -181, 0, -2, 89)
    files = [
        write(tmp_path / f"g_2019-04-11T{hour}.tif", np.full(PLANE.shape, value, "float32"), where)
        for hour, value in (("12:00", 0.2), ("15:00", 0.5))
    ]
    grid = open_ancillary(files)
    for hours, expected in ((0, 0.2), (1, 0.3), (3, 0.5), (5, 0.5), (-2, 0.2)):
        assert grid.at(0, 0, NOON + dt.timedelta(hours=hours)) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(NormalizeError, match="give that day's"):
        grid.at(0, 0, NOON + dt.timedelta(days=2))


def test_netcdf_of_several_times(tmp_path):
    """The layout of MERRA-2 and CAMS: (time, lat, lon), times in units since an origin, two variables."""
    netcdf_file = pytest.importorskip("scipy.io").netcdf_file
    path = str(tmp_path / "merra.nc")
    units = {"time": "minutes since 2019-04-11 12:00:00", "lat": "degrees_north", "lon": "degrees_east"}
    with netcdf_file(path, "w") as file:
        for name, values in (("time", [0, 60]), ("lat", LAT[::-1]), ("lon", LON)):
            file.createDimension(name, len(values))
            variable = file.createVariable(name, "f8", (name,))
            variable[:] = values
            variable.units = units[name]
        for name, factor in (("TOTEXTTAU", 1.0), ("TOTSCATAU", 0.9)):
            variable = file.createVariable(name, "f4", ("time", "lat", "lon"))
            variable[:] = np.stack([PLANE[::-1], PLANE[::-1] + 0.1]) * factor
    grid = open_ancillary(path, "TOTEXTTAU")
    assert [m.time for m in grid.moments] == [NOON, NOON + dt.timedelta(hours=1)]
    assert grid.at(7.0, 40.0, NOON + dt.timedelta(minutes=30)) == pytest.approx(0.39, abs=1e-5)
    with pytest.raises(NormalizeError, match="TOTEXTTAU"):
        open_ancillary(path)


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "broken.tif").write_text("no raster")
    with pytest.raises(ReadError, match=r"broken\.tif"):
        open_ancillary(str(tmp_path / "broken.tif"))


def test_on_a_projected_grid(cams):
    grid = SourceGrid("EPSG:32631", (3000.0, 0.0, 654_000.0, 0.0, -3000.0, 5_688_000.0), (4, 3))
    values = open_ancillary(cams).on(grid, NOON)
    assert values.shape == (4, 3)
    np.testing.assert_allclose(values, 0.3513, atol=2e-4)  # 51.3° N


def test_climatologies_stay_within_what_is_measured():
    """Ozone against the formula worked by hand (van Heuklon 1979, D = 0.9865): day 101, 51.2° N 5.1° E."""
    yearly = 40 * np.sin(np.radians(0.9865 * (101 - 30)))
    zonal = 20 * np.sin(np.radians(3 * (5.1 + 20)))
    by_hand = (235 + (150 + yearly + zonal) * np.sin(np.radians(1.28 * 51.2)) ** 2) / 1000
    assert ozone(5.1, 51.2, NOON) == pytest.approx(by_hand, abs=1e-9)
    for latitude in range(-90, 91, 10):
        for month in range(1, 13):
            time = dt.datetime(2020, month, 15, tzinfo=dt.UTC)
            assert 0.2 < ozone(100.0, latitude, time) < 0.5
            assert 0.35 < water_vapour(latitude, time) < 4.2
    assert water_vapour(-40.0, NOON) < water_vapour(-40.0, dt.datetime(2020, 1, 15, tzinfo=dt.UTC))


def test_water_vapour_from_surface_is_gueymards():
    """Gueymard (1994) by hand at 20 °C and 50 %: 0.1 Hv ρv with Hv and ρv of the paper."""
    t = 293.15
    theta = t / 273.15
    scale = 0.4976 + 1.5265 * theta + np.exp(13.6897 * theta - 14.9188 * theta**3)
    pressure = 0.5 * np.exp(22.330 - 49.140 * 100 / t - 10.922 * (100 / t) ** 2 - 0.39015 * t / 100)
    by_hand = 0.1 * scale * 216.7 * pressure / t
    assert water_vapour_from_surface(t, 50.0) == pytest.approx(by_hand, rel=1e-5)


def test_elevation_in_kilometres_from_tiles(tmp_path):
    left, right = (np.full((20, 10), h, "int16") for h in (250, 1200))
    right[0, 0] = -32768
    tiles = tuple(
        write(tmp_path / f"{x}.tif", values, Affine(100, 0, x, 0, -100, 4_002_000), nodata=-32768, crs="EPSG:32650")
        for x, values in ((500_000, left), (501_000, right))
    )
    geobox = GeoBox((20, 20), Affine(100, 0, 500_000, 0, -100, 4_002_000), "EPSG:32650")
    height = elevation(tiles, geobox)
    assert height[10, 2] == pytest.approx(0.25)
    assert height[10, 17] == pytest.approx(1.2)
    assert np.isnan(elevation(tiles[1], geobox)[10, 2])


def test_what_is_known_of_a_scene(cams):
    footprint = "POLYGON ((4 51, 6 51, 6 52, 4 52, 4 51))"
    scene = Scene("s", "sentinel2a-msi", "2019-04-11T12:00:00Z", footprint)
    nothing = Ancillary().over(scene)
    assert nothing["elevation"] == 0
    assert nothing["ozone"] == pytest.approx(ozone(5.0, 51.5, NOON))
    grid = open_ancillary(cams)
    assert Ancillary(ozone=0.33, tcwv=grid).over(scene)["ozone"] == 0.33
    assert Ancillary(tcwv=grid).over(scene)["tcwv"] == pytest.approx(0.3515, abs=1e-4)
