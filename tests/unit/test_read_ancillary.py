"""Ancillary quantities on a block against the field that was written."""

import datetime as dt

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.transform import from_origin

from musyq_cube.catalog import register_ancillary, search_ancillary
from musyq_cube.errors import CatalogError, ReadError
from musyq_cube.quantities import relative_humidity, saturation_vapour_pressure
from musyq_cube.read.ancillary import available, read_ancillary
from musyq_cube.testing.reanalysis import field, write_era5

DAY = [dt.datetime(2014, 7, 1, hour, tzinfo=dt.UTC) for hour in range(24)]
AT = dt.datetime(2014, 7, 1, 10, 20, tzinfo=dt.UTC)
GREENWICH = GeoBox((60, 80), Affine(5000, 0, 500_000, 0, -5000, 5_700_000), "EPSG:32630")
DATELINE = GeoBox((40, 60), Affine(0.05, 0, 177, 0, -0.05, -37), "EPSG:4326")
FIJI = GeoBox((40, 60), Affine(5000, 0, 300_000, 0, -5000, 8_200_000), "EPSG:32701")
SINUSOIDAL = GeoBox((50, 50), Affine(926.625, 0, 900_000, 0, -926.625, 5_000_000),
                    "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs")  # fmt: skip


def lonlat(box):
    a = box.affine
    x, y = a.c + a.a * (np.arange(box.shape[1]) + 0.5), a.f + a.e * (np.arange(box.shape[0]) + 0.5)
    return Transformer.from_crs(box.crs.to_wkt(), "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("era5")
    write_era5(folder / "era5.nc", DAY)
    register_ancillary(folder / "era5.nc", folder / "cat", kind="era5")
    return search_ancillary(folder / "cat")


@pytest.mark.parametrize("box", [GREENWICH, DATELINE, FIJI, SINUSOIDAL], ids=["0°", "180°", "over 180°", "sinusoidal"])
def test_bilinear_in_space_and_linear_in_time(scenes, box):
    """Within what linear interpolation in time (1 h) and space (2.5°) and 16 bits leave, without a seam anywhere."""
    limits = {"air_temperature": 0.02, "surface_pressure": 3.0, "tcwv": 0.002, "ozone": 1e-4, "cloud_fraction": 1e-3,
              "shortwave_down": 8.0, "longwave_down": 0.2}  # fmt: skip
    got = read_ancillary(scenes, box, list(limits), [AT, DAY[3]])
    for name, limit in limits.items():
        assert got[name].dtype == np.float32
        assert got[name].shape == (2, *box.shape)
        for k, time in enumerate((AT, DAY[3])):
            assert np.abs(got[name][k] - field(name, *lonlat(box), time)).max() < limit, name


def test_derived_quantities_follow_from_their_parts(scenes):
    lon, lat = lonlat(GREENWICH)
    got = read_ancillary(scenes, GREENWICH, ["wind_speed", "relative_humidity", "vapour_pressure"], [AT])
    u, v, t, d = (
        field(name, lon, lat, AT).astype("float32")
        for name in ("eastward_wind", "northward_wind", "air_temperature", "dew_point_temperature")
    )
    np.testing.assert_allclose(got["wind_speed"][0], np.hypot(u, v), atol=0.01)
    np.testing.assert_allclose(got["vapour_pressure"][0], saturation_vapour_pressure(d), rtol=0.002)
    np.testing.assert_allclose(
        got["relative_humidity"][0], relative_humidity(saturation_vapour_pressure(d), t), atol=2e-3
    )


def test_each_pixel_has_its_own_time(scenes):
    names = ["air_temperature", "wind_speed"]
    times = np.full(GREENWICH.shape, np.datetime64("2014-07-01T10:20", "s"))
    times[5:9] = np.datetime64("2014-07-01T12:45", "s")
    times[20] = np.datetime64("2014-08-01", "s")
    times[0, 0] = np.datetime64("NaT", "s")
    got = read_ancillary(scenes, GREENWICH, names, times)
    one = read_ancillary(scenes, GREENWICH, names, [AT, np.datetime64("2014-07-01T12:45")])
    for name in names:
        assert got[name].shape == GREENWICH.shape
        np.testing.assert_allclose(got[name][10:20], one[name][0][10:20], rtol=1e-4)
        np.testing.assert_allclose(got[name][5:9], one[name][1][5:9], rtol=1e-4)
        assert np.isnan(got[name][20]).all()
        assert np.isnan(got[name][0, 0])
    with pytest.raises(ReadError, match="make the shapes equal"):
        read_ancillary(scenes, GREENWICH, names, times[1:])


def test_over_a_period(scenes):
    lon, lat = lonlat(GREENWICH)
    truth = np.stack([field("air_temperature", lon, lat, time) for time in DAY])
    for at, expected in (("mean", truth.mean(0)), ("min", truth.min(0)), ("max", truth.max(0))):
        got = read_ancillary(scenes, GREENWICH, ["air_temperature"], period="2014-07-01", at=at)["air_temperature"]
        assert got.shape == GREENWICH.shape
        np.testing.assert_allclose(got, expected, atol=0.02)
    noon = read_ancillary(
        scenes, GREENWICH, ["air_temperature"], period="2014-07-01T10:10Z/2014-07-01T10:30Z", at="mean"
    )["air_temperature"]  # no step inside: the value at its middle
    np.testing.assert_allclose(noon, field("air_temperature", lon, lat, AT), atol=0.02)


def test_a_mean_of_few_steps_is_said(scenes, caplog):
    with caplog.at_level("INFO"):
        read_ancillary(scenes, DATELINE, ["air_temperature"], period="2014-07", at="mean")
    assert "the mean of 2014-07 is of 24 steps only" in caplog.text


def test_one_step_beyond_and_no_farther(scenes):
    last = read_ancillary(scenes, DATELINE, ["tcwv"], [DAY[-1]])["tcwv"]
    beyond = [DAY[-1] + dt.timedelta(minutes=50), DAY[-1] + dt.timedelta(minutes=70)]
    got = read_ancillary(scenes, DATELINE, ["tcwv"], beyond)["tcwv"]
    np.testing.assert_array_equal(got[0], last[0])
    assert np.isnan(got[1]).all()
    with pytest.raises(ReadError, match=r"tcwv holds 2014-07-01T00:00Z to 2014-07-01T23:00Z, not 2014-07-02T00:10Z"):
        read_ancillary(scenes, DATELINE, ["tcwv"], beyond[1:])
    with pytest.raises(ReadError, match="not 2015-07-01"):
        read_ancillary(scenes, DATELINE, ["tcwv"], period="2015-07-01", at="mean")


def test_gaps_are_not_bridged(scenes):
    kept = [s for s in scenes if not 6 <= s.time.hour <= 15]
    got = read_ancillary(kept, DATELINE, ["tcwv"], [DAY[5], DAY[10]])["tcwv"]
    assert np.isfinite(got[0]).all()
    assert np.isnan(got[1]).all()


def test_what_can_be_had(scenes):
    have = available(scenes, "2014-07-01")
    assert {"relative_humidity", "wind_speed", "shortwave_down", "tcwv"} <= have
    assert not have & {"elevation", "aod", "specific_humidity"}
    assert available(scenes, "2014-07-02") == have  # one step away
    assert available(scenes, "2014-07-05") == set()
    with pytest.raises(ReadError, match="no ancillary aod; there are air_temperature"):
        read_ancillary(scenes, DATELINE, ["aod"], [AT])
    with pytest.raises(CatalogError, match="no known quantity"):
        read_ancillary(scenes, DATELINE, ["fog"], [AT])
    with pytest.raises(ReadError, match="give times"):
        read_ancillary(scenes, DATELINE, ["tcwv"], period="2014-07-01")
    with pytest.raises(ReadError, match="give a period"):
        read_ancillary(scenes, DATELINE, ["tcwv"], [AT], at="mean")


@pytest.mark.parametrize("box", [GREENWICH, FIJI])
def test_a_block_cut_in_two_has_the_same_bits(scenes, box):
    names = ["air_temperature", "relative_humidity", "shortwave_down"]
    times = np.full(box.shape, np.datetime64("2014-07-01T10:20", "s"))
    for options in ({"times": [AT]}, {"period": "2014-07-01", "at": "mean"}, {"times": times}):
        whole = read_ancillary(scenes, box, names, **options)
        for rows, cols in ((slice(0, 17), slice(0, 50)), (slice(17, 40), slice(33, 60))):
            part = options if options.get("times") is not times else {"times": times[rows, cols]}
            got = read_ancillary(scenes, box[rows, cols], names, **part)
            for name in names:
                np.testing.assert_array_equal(got[name], whole[name][..., rows, cols])


def test_zarr_netcdf_and_ascending_latitudes_agree(tmp_path):
    lon, lat = np.arange(-6, 6, 0.5), np.arange(45, 55, 0.5)
    found = []
    for name, rows in (("a.nc", lat), ("b.nc", lat[::-1]), ("c.zarr", lat), ("d.zarr", lat[::-1])):
        write_era5(tmp_path / name, DAY[9:12], lon=lon, lat=rows, names=["t2m"], modern=True)
        register_ancillary(tmp_path / name, tmp_path / f"cat-{name}")
        found.append(read_ancillary(search_ancillary(tmp_path / f"cat-{name}"), GREENWICH, ["air_temperature"], [AT]))
    for other in found[1:]:
        np.testing.assert_allclose(other["air_temperature"], found[0]["air_temperature"], atol=1e-4)
    truth = field("air_temperature", *lonlat(GREENWICH), AT)
    np.testing.assert_allclose(found[0]["air_temperature"][0], truth, atol=0.02)


def write_tile(path, west, values, size=0.01):
    rows, cols = values.shape
    profile = {"count": 1, "height": rows, "width": cols, "crs": "EPSG:4326", "dtype": values.dtype}
    with rasterio.open(path, "w", driver="GTiff", transform=from_origin(west, 51, size, size), **profile) as file:
        file.write(values, 1)


def test_tiles_and_coarser_relief_fill_each_other(tmp_path):
    """Finest first; beyond its tiles the geopotential of a reanalysis serves."""
    plane = np.tile(np.arange(100, 200, dtype="int16"), (100, 1))
    write_tile(tmp_path / "dem_1.tif", 2.0, plane)
    write_tile(tmp_path / "dem_2.tif", 3.0, (plane + 100).astype("int16"))
    write_tile(tmp_path / "coarse_dem.tif", 1.5, np.full((50, 150), 7, "int16"), 0.02)
    register_ancillary([tmp_path / "dem_1.tif", tmp_path / "dem_2.tif"], tmp_path / "cat")
    register_ancillary(tmp_path / "coarse_dem.tif", tmp_path / "cat", kind="rough")
    box = GeoBox((50, 250), Affine(0.01, 0, 1.8, 0, -0.01, 50.9), "EPSG:4326")
    found = search_ancillary(tmp_path / "cat")
    got = read_ancillary(found, box, ["elevation"], [AT])["elevation"]
    assert got.shape == box.shape
    assert got[0, 25] == pytest.approx(105, abs=0.6)
    assert got[0, 125] == pytest.approx(205, abs=0.6)
    assert got[0, 0] == 7
    assert np.isfinite(got).all()
    assert "elevation" in available(found, "1990")


def test_classes_are_never_averaged_and_the_nearest_year_holds(tmp_path):
    classes = np.where(np.indices((100, 100)).sum(0) % 2, 1, 17).astype("uint8")
    for year, values in ((2010, np.full((100, 100), 5, "uint8")), (2015, classes)):
        write_tile(tmp_path / f"lc{year}.tif", 2.0, values)
        register_ancillary(tmp_path / f"lc{year}.tif", tmp_path / "cat", quantity="land_cover", time=str(year))
    found = search_ancillary(tmp_path / "cat")
    box = GeoBox((30, 30), Affine(0.03, 0, 2.0, 0, -0.03, 51), "EPSG:4326")
    assert set(np.unique(read_ancillary(found, box, ["land_cover"], period="2016")["land_cover"])) <= {1, 17}
    assert (read_ancillary(found, box, ["land_cover"], period="2011", at="mean")["land_cover"] == 5).all()


STATIONS = """time,lon,lat,temp (degC),RH (%)
2014-07-01T10:00Z,-1.0,51.0,20,50
2014-07-01T11:00Z,-1.0,51.0,23,50
2014-07-01T10:00Z,-0.5,51.0,10,60
2014-07-01T11:00Z,-0.5,51.0,13,60
"""


def test_stations_by_inverse_distance_and_beyond_them_the_reanalysis(scenes, tmp_path):
    (tmp_path / "met.csv").write_text(STATIONS)
    register_ancillary(tmp_path / "met.csv", tmp_path / "cat")
    both = [*scenes, *search_ancillary(tmp_path / "cat")]
    box = GeoBox((3, 501), Affine(0.01, 0, -3.005, 0, -0.01, 51.015), "EPSG:4326")
    got = read_ancillary(both, box, ["air_temperature", "vapour_pressure"], [AT])
    row = got["air_temperature"][0, 1]
    assert row[200] == pytest.approx(294.15, abs=0.01)  # at a station, a third of the way to 23 °C
    assert row[250] == pytest.approx(284.15, abs=0.01)
    assert row[225] == pytest.approx(289.15, abs=0.02)  # in the middle
    lon, lat = lonlat(box)
    far = np.abs(lon[1] - -0.75) > 2
    np.testing.assert_allclose(row[far], field("air_temperature", lon[1], lat[1], AT)[far], atol=0.02)
    e = 0.5 * float(saturation_vapour_pressure(np.float32(294.15)))
    assert got["vapour_pressure"][0, 1, 200] == pytest.approx(e, rel=1e-3)
    times = np.full(box.shape, np.datetime64("2014-07-01T10:20", "s"))
    own = read_ancillary(both, box, ["air_temperature"], times)["air_temperature"]
    np.testing.assert_allclose(own[1], row, rtol=1e-6)
    warm = read_ancillary(both, box, ["air_temperature"], period="2014-07-01", at="max")["air_temperature"]
    assert warm[1, 200] == pytest.approx(296.15, abs=0.01)


def test_a_broken_file_is_named(tmp_path):
    write_era5(tmp_path / "a.nc", DAY[:2], names=["t2m"], lon=np.arange(0, 5.0), lat=np.arange(50, 45.0, -1))
    register_ancillary(tmp_path / "a.nc", tmp_path / "cat")
    found = search_ancillary(tmp_path / "cat")
    (tmp_path / "a.nc").write_bytes(b"CDF\x01 no longer")
    box = GeoBox((5, 5), Affine(0.1, 0, 2, 0, -0.1, 48), "EPSG:4326")
    with pytest.raises(ReadError, match=r"a\.nc"):
        read_ancillary(found, box, ["air_temperature"], [DAY[0]])
