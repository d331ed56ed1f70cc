"""Ancillary files become Items: recognised by content, in canonical units, once; found only where asked for."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio.transform import from_origin

from musyq_cube.catalog import (
    adapt,
    ancillary_files,
    open_catalog,
    register_ancillary,
    scenes_of,
    search,
    search_ancillary,
)
from musyq_cube.errors import CatalogError
from musyq_cube.scene import ANY_TIME, Scene
from musyq_cube.testing.reanalysis import write_era5

HOURS = [dt.datetime(2014, 7, 1, hour, tzinfo=dt.UTC) for hour in range(3)]
LON, LAT = np.arange(0.0, 5.0), np.arange(52.0, 47.0, -1.0)


def tif(path, values, *, descriptions=(), tags=None, nodata=None, units=()):
    data = np.atleast_3d(np.asarray(values).T).T
    data = data if data.ndim == 3 else data[None]
    profile = {"driver": "GTiff", "count": len(data), "height": data.shape[1], "width": data.shape[2],
               "crs": "EPSG:4326", "dtype": data.dtype, "nodata": nodata,
               "transform": from_origin(0, 50, 0.1, 0.1)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(data)
        for k, name in enumerate(descriptions, 1):
            file.set_band_description(k, name)
        for k, name in enumerate(units, 1):
            file.set_band_unit(k, name)
        file.update_tags(**(tags or {}))
    return path


@pytest.fixture
def era5(tmp_path):
    return write_era5(tmp_path / "era5.nc", HOURS, lon=LON, lat=LAT)


def test_reanalysis_has_an_item_for_each_time_and_mean(era5, tmp_path):
    report = register_ancillary(era5, tmp_path / "cat", kind="era5")
    assert len(report.items) == 6
    assert report.ok
    times = sorted((i.datetime or i.properties["start_datetime"], len(i.assets)) for i in report.items if i.datetime)
    assert times == [(hour, 8) for hour in HOURS]
    fluxes = sorted(i.properties["start_datetime"] for i in report.items if i.datetime is None)
    assert fluxes[0] == "2014-06-30T23:00:00Z"
    item = next(i for i in report.items if i.datetime == HOURS[0])
    assert item.collection_id == "ancillary-era5"
    assert item.assets["tcwv"].extra_fields["musyq:layer"] == "tcwv"
    assert item.assets["tcwv"].to_dict()["bands"][0]["unit"] == "g cm-2"


def test_registering_again_writes_nothing_and_a_correction_is_written(era5, tmp_path):
    register_ancillary(era5, tmp_path / "cat")
    again = register_ancillary(tmp_path, tmp_path / "cat")
    assert (len(again.items), len(again.existing)) == (0, 6)
    corrected = register_ancillary(era5, tmp_path / "cat", accumulated="PT3H")
    assert len(corrected.items) == 3  # the fluxes only; spans differ, so they are other items
    write_era5(era5, HOURS, lon=LON, lat=LAT, packed=False)
    assert len(register_ancillary(era5, tmp_path / "cat").items) == 6


def test_scene_is_stable_and_in_the_units_of_its_quantities(era5, tmp_path):
    register_ancillary(era5, tmp_path / "cat", kind="era5")
    scenes = search_ancillary(tmp_path / "cat")
    assert scenes.left_out == ()
    instant = next(s for s in scenes if "tcwv" in s.sources)
    assert (instant.quantity, instant.sensor, instant.span) == ("ancillary", "ancillary-era5", None)
    flux = next(s for s in scenes if "shortwave_down" in s.sources)
    assert flux.interval[1] - flux.interval[0] == dt.timedelta(hours=1)
    assert flux.time == flux.interval[0] + dt.timedelta(minutes=30)
    for scene in (instant, flux):
        assert Scene.from_dict(scene.to_dict()) == scene


def test_ordinary_searches_pass_ancillary_data_over(era5, tmp_path):
    register_ancillary(era5, tmp_path / "cat", kind="era5")
    tif(tmp_path / "dem.tif", np.full((5, 5), 100, "int16"))
    register_ancillary(tmp_path / "dem.tif", tmp_path / "cat")
    where = tmp_path / "cat"
    assert list(search(where)) == []
    assert len(search(where, sensors="ancillary")) == 7
    assert len(search(where, sensors=["ancillary-era5", "landsat8-oli"])) == 6
    assert len(search(where, collections="ancillary-static")) == 1
    found = search_ancillary(where, (0.1, 49.6, 0.2, 49.7), "2014-07-01T01:00Z/2014-07-01T02:00Z")
    assert min(name for s in found for name in s.sources) == "air_temperature"
    assert sum(s.is_static for s in found) == 1
    assert [s.datetime for s in found if "tcwv" in s.sources] == ["2014-07-01T01:00:00Z"]
    assert [s.is_static for s in search_ancillary(where, (0.1, 49.6, 0.2, 49.7), "2020")] == [True]
    assert list(search_ancillary(where, (100, 10, 101, 11))) == []
    assert list(search_ancillary(tmp_path / "empty")) == []


def test_modern_files_and_zarr_say_the_same(tmp_path):
    for name in ("a.nc", "a.zarr"):
        write_era5(tmp_path / name, HOURS, lon=LON, lat=LAT[::-1], names=["t2m", "ssrd"], modern=True)
    found = {}
    for name in ("a.nc", "a.zarr"):
        report = register_ancillary(tmp_path / name, tmp_path / f"cat-{name}")
        assert len(report.items) == 6, report
        scenes = search_ancillary(tmp_path / f"cat-{name}")
        found[name] = sorted((s.datetime, s.span or "", sorted(s.sources)) for s in scenes)
    assert found["a.nc"] == found["a.zarr"]
    assert ancillary_files(tmp_path) == [str(tmp_path / "a.nc"), str(tmp_path / "a.zarr")]


def test_times_with_bounds_are_means(tmp_path):
    days = np.array(["2014-07-01T00", "2014-07-02T00"], "M8[ns]")
    bounds = np.stack([days, days + np.timedelta64(1, "D")], 1)
    cube = xr.Dataset(
        {"swgdn": (("time", "lat", "lon"), np.full((2, 5, 5), 2e7, "f4"), {"units": "J m-2"}),
         "time_bnds": (("time", "nv"), bounds)},
        {"time": ("time", days, {"bounds": "time_bnds"}), "lat": ("lat", LAT, {"units": "degrees_north"}),
         "lon": ("lon", LON, {"units": "degrees_east"})},
    )  # fmt: skip
    encoding = {"time": {"units": "hours since 2014-01-01"}, "time_bnds": {"units": "hours since 2014-01-01"}}
    cube.to_netcdf(tmp_path / "daily.nc", engine="scipy", encoding=encoding)
    items = register_ancillary(tmp_path / "daily.nc", tmp_path / "cat").items
    spans = [(i.properties["start_datetime"], i.properties["end_datetime"]) for i in items]
    assert spans == [("2014-07-01T00:00:00Z", "2014-07-02T00:00:00Z"), ("2014-07-02T00:00:00Z", "2014-07-03T00:00:00Z")]
    assert items[0].assets["shortwave_down"].extra_fields["raster:scale"] == pytest.approx(1 / 86_400)


def test_energy_of_unknown_time_is_refused(tmp_path):
    write_era5(tmp_path / "a.nc", HOURS[::2], lon=LON, lat=LAT, names=["ssrd"])
    report = register_ancillary(tmp_path / "a.nc", tmp_path / "cat")
    assert "accumulated='PT1H'" in report.skipped[0][1]
    assert len(register_ancillary(tmp_path / "a.nc", tmp_path / "cat", accumulated="PT1H").items) == 2


@pytest.mark.parametrize(
    ("name", "quantity"),
    [("DEM_here.tif", "elevation"), ("CAMS_aod550_20170126T210000Z.tif", "aod"), ("tcwv.2017-01-26.tif", "tcwv")],
)
def test_images_are_known_by_their_names(tmp_path, name, quantity):
    values = np.full((5, 5), {"elevation": 300, "aod": 2500, "tcwv": 25}[quantity], "uint16")
    tags = {"scaling_factor": "0.0001"} if quantity == "aod" else {}
    tif(tmp_path / name, values, tags=tags, units=["mm"] if quantity == "tcwv" else ())
    (item,) = register_ancillary(tmp_path, tmp_path / "cat").items
    assert list(item.assets) == [quantity]
    if quantity == "aod":
        assert item.datetime == dt.datetime(2017, 1, 26, 21, tzinfo=dt.UTC)
    if quantity == "tcwv":
        assert item.properties["end_datetime"] == "2017-01-27T00:00:00Z"
        assert item.assets["tcwv"].extra_fields["raster:scale"] == 0.1
    if quantity == "elevation":
        assert adapt(item).span == ANY_TIME


def test_bands_of_an_image_by_description_or_as_told(tmp_path):
    bands = np.stack([np.full((5, 5), v, "float32") for v in (0.96, 0.97, 0.4)])
    tif(tmp_path / "ged.tif", bands, descriptions=["emissivity_13", "emissivity_14", "ndvi_aster"])
    (item,) = register_ancillary(tmp_path / "ged.tif", tmp_path / "cat").items
    assert sorted(item.assets) == ["emissivity_13", "emissivity_14", "ndvi_aster"]
    tif(tmp_path / "other.tif", (bands * 1000).astype("int16"))
    told = {"band 1": "emissivity_13", "2": "emissivity_14"}
    (item,) = register_ancillary(tmp_path / "other.tif", tmp_path / "cat", quantity=told, scale=0.001).items
    assert sorted(item.assets) == ["emissivity_13", "emissivity_14"]
    assert item.assets["emissivity_14"].extra_fields["musyq:band_number"] == 2


def test_land_cover_of_a_year_keeps_its_date(tmp_path):
    tif(tmp_path / "lc.tif", np.full((5, 5), 12, "uint8"))
    (item,) = register_ancillary(tmp_path / "lc.tif", tmp_path / "cat", quantity="land_cover", time="2015").items
    scene = adapt(item)
    assert scene.is_static
    assert scene.time.year == 2015


def test_what_is_not_known_is_refused_with_what_is(tmp_path):
    tif(tmp_path / "x.tif", np.zeros((5, 5), "int16"))
    (tmp_path / "text.txt").write_text("nothing")
    report = register_ancillary([tmp_path / "x.tif", tmp_path / "text.txt"], tmp_path / "cat")
    assert len(report.skipped) == 2
    assert all("air_temperature" in why for _, why in report.skipped), report
    tif(tmp_path / "aod.tif", np.full((5, 5), 0.2, "float32"))
    assert "states no time" in register_ancillary(tmp_path / "aod.tif", tmp_path / "cat").skipped[0][1]
    assert len(register_ancillary(tmp_path / "aod.tif", tmp_path / "cat", time="2020-01-01").items) == 1
    report = register_ancillary(tmp_path / "aod.tif", tmp_path / "cat", units="furlong", time="2020-01-01")
    assert "'furlong'" in report.skipped[0][1]
    with pytest.raises(CatalogError, match="no known quantity"):
        register_ancillary(tmp_path / "aod.tif", tmp_path / "cat", quantity="fog")
    with pytest.raises(CatalogError, match="no such file"):
        register_ancillary(tmp_path / "absent.nc", tmp_path / "cat")
    assert list(tmp_path.glob("cat/ancillary-static")) == []


def test_two_variables_of_one_quantity_and_levels_are_refused(tmp_path):
    dims, shape = ("time", "lat", "lon"), (1, 5, 5)
    coords = {"time": ("time", np.array(["2014-07-01"], "M8[ns]")), "lat": ("lat", LAT, {"units": "degrees_north"}),
              "lon": ("lon", LON, {"units": "degrees_east"})}  # fmt: skip
    both = {name: (dims, np.full(shape, 290, "f4"), {"units": "K"}) for name in ("t2m", "tas")}
    xr.Dataset(both, coords).to_netcdf(tmp_path / "two.nc", engine="scipy")
    report = register_ancillary(tmp_path / "two.nc", tmp_path / "cat")
    assert "t2m and tas are both air_temperature" in report.skipped[0][1]
    chosen = register_ancillary(tmp_path / "two.nc", tmp_path / "cat", quantity={"tas": "air_temperature"})
    assert len(chosen.items) == 1
    level = {"level": ("level", [850.0, 1000.0], {"units": "hPa"})}
    upper = {"t": (("time", "level", "lat", "lon"), np.full((1, 2, 5, 5), 280, "f4"),
                   {"units": "K", "standard_name": "air_temperature"})}  # fmt: skip
    xr.Dataset(upper, coords | level).to_netcdf(tmp_path / "up.nc", engine="scipy")
    assert "several values of level" in register_ancillary(tmp_path / "up.nc", tmp_path / "cat").skipped[0][1]
    xr.Dataset(upper, coords | level).isel(level=[0]).to_netcdf(tmp_path / "one.nc", engine="scipy")
    assert "level of pressure" in register_ancillary(tmp_path / "one.nc", tmp_path / "cat").skipped[0][1]


def test_grib(tmp_path):
    """Fields of GRIB 2 near the ground are taken, the same ones higher up are not; GDAL has temperatures in °C."""
    fields = [("0 0", 103, 2, 15.0, 0), ("0 0", 103, 2, 18.0, 6), ("2 2", 103, 10, 3.0, 0), ("0 0", 100, 500, -20.0, 0)]
    data = np.stack([np.full((5, 5), value, "f4") for *_, value, _ in fields])
    options = {}
    for k, (number, surface, height, _, hour) in enumerate(fields, 1):
        options[f"BAND_{k}_DISCIPLINE"] = "0"
        options[f"BAND_{k}_IDS"] = (
            "CENTER=7 SUBCENTER=0 MASTER_TABLE=2 LOCAL_TABLE=0 SIGNF_REF_TIME=1 "
            f"REF_TIME=2014-07-01T{hour:02}:00:00Z PROD_STATUS=0 TYPE=0"
        )
        options[f"BAND_{k}_PDS_PDTN"] = "0"
        options[f"BAND_{k}_PDS_TEMPLATE_NUMBERS"] = (
            f"{number} 2 0 96 0 0 0 1 0 0 0 0 {surface} 0 0 0 {height // 256} {height % 256} 255 0 0 0 0 0"
        )
    tif(tmp_path / "a.tif", data)
    rasterio.shutil.copy(
        tmp_path / "a.tif", tmp_path / "gfs.grib2", driver="GRIB", DATA_ENCODING="IEEE_FLOATING_POINT", **options
    )
    items = register_ancillary(tmp_path / "gfs.grib2", tmp_path / "cat").items
    assert [(i.datetime.hour, sorted(i.assets)) for i in items] == [
        (0, ["air_temperature", "eastward_wind"]),
        (6, ["air_temperature"]),
    ]
    source = adapt(items[0]).sources["air_temperature"]
    assert (source.band, source.scale, source.offset) == (1, 1.0, 273.15)


STATION = """date;time;temp (degC);RH;rad;wind;note
15/02/2013;10:00;20;50;500;2;a
15/02/2013;11:00;22;45;-9999;3;b
"""


def test_station_needs_a_place_and_unambiguous_dates(tmp_path):
    (tmp_path / "met.csv").write_text(STATION)
    assert "place=(longitude, latitude)" in register_ancillary(tmp_path / "met.csv", tmp_path / "cat").skipped[0][1]
    (item,) = register_ancillary(tmp_path / "met.csv", tmp_path / "cat", place=(-71.5, -35.4), utc_offset=-3).items
    assert item.collection_id == "ancillary-station"
    assert item.properties["start_datetime"] == "2013-02-15T13:00:00Z"
    table = Path(item.assets["wind_speed"].href).read_text().splitlines()
    assert table[0] == "time,lon,lat,air_temperature,relative_humidity,wind_speed,shortwave_down"
    assert table[2] == "2013-02-15T14:00:00Z,-71.5,-35.4,295.15,0.45,3,"
    again = register_ancillary(tmp_path / "met.csv", tmp_path / "cat", place=(-71.5, -35.4), utc_offset=-3)
    assert len(again.existing) == 1
    (tmp_path / "two.csv").write_text("time,lon,lat,temp\n01/02/2013 10:00,1,2,20\n")
    assert "read in two ways" in register_ancillary(tmp_path / "two.csv", tmp_path / "cat").skipped[0][1]
    (tmp_path / "odd.csv").write_text("time,lon,lat,temp\n2013-02-01T10:00Z,1,2,2000\n")
    assert "states no units" in register_ancillary(tmp_path / "odd.csv", tmp_path / "cat").skipped[0][1]
    (tmp_path / "short.csv").write_text("time,lon,lat,temp\n2013-02-01T10:00Z,1,2\n")
    assert "line 2 has 3 cells" in register_ancillary(tmp_path / "short.csv", tmp_path / "cat").skipped[0][1]


def test_an_item_without_a_quantity_is_left_out(era5, tmp_path):
    item = register_ancillary(era5, tmp_path / "cat").items[0]
    item.assets = {"something": next(iter(item.assets.values()))}
    assert "called as a quantity" in scenes_of([item]).left_out[0][1]


def test_catalogue_of_ancillary_data_reads_back(era5, tmp_path):
    register_ancillary(era5, tmp_path / "cat", kind="era5")
    catalog = open_catalog(tmp_path / "cat")
    assert catalog.collections == ["ancillary-era5"]
    assert len(catalog) == 6
