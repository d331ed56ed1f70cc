"""Real ancillary data: SRTM tiles, a grid of CAMS, weather stations."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from musyq_cube.catalog import ancillary_files, register_ancillary, search, search_ancillary
from musyq_cube.normalize.ancillary import elevation, open_ancillary
from musyq_cube.quantities import saturation_vapour_pressure
from musyq_cube.read.ancillary import available, read_ancillary

MOL = GeoBox((128, 128), Affine(100, 0, 650_000, 0, -100, 5_690_000), "EPSG:32631")


def test_relief_and_aerosol_of_belgium(data, tmp_path):
    """The same numbers as the files themselves give, over the border of two tiles."""
    folder = data("belgium_s2_l8_toa")
    found = ancillary_files(folder)
    assert [Path(f).name[:7] for f in found] == ["CAMS_NR", "N51E004", "N51E005"]
    report = register_ancillary(folder, tmp_path / "cat")
    assert len(report.items) == 3, report
    assert list(search(tmp_path / "cat")) == []
    scenes = search_ancillary(tmp_path / "cat", MOL, "2017-01-26")
    assert available(scenes, "2017-01-26") == {"elevation", "aod"}
    assert available(scenes, "2019-04-11") == {"elevation"}
    got = read_ancillary(scenes, MOL, ["elevation", "aod"], [dt.datetime(2017, 1, 26, 21, 30, tzinfo=dt.UTC)])
    expected = elevation(sorted(str(f) for f in (folder / "srtm").glob("*.zip")), MOL) * 1000
    np.testing.assert_allclose(got["elevation"], expected, atol=1e-3)
    assert 10 < got["elevation"].mean() < 80
    grid = open_ancillary(str(next((folder / "cams").glob("*.tif"))))
    a = MOL.affine
    place = Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True).transform(
        a.c + 64.5 * a.a, a.f + 64.5 * a.e
    )
    middle = float(grid.at(*place))
    assert got["aod"][0, 64, 64] == pytest.approx(middle, abs=1e-6)


def test_hour_by_hour_station_of_mendoza(data, tmp_path):
    """INTA.csv at 11:30 local time lies between its rows of 11:00 and 12:00; its units are not stated."""
    path = data("metric_et_talca_mendoza") / "INTA.csv"
    report = register_ancillary(path, tmp_path / "cat", place=(-68.5, -33.0), utc_offset=-3)
    assert report.ok, report
    scenes = search_ancillary(tmp_path / "cat")
    box = GeoBox((5, 5), Affine(0.01, 0, -68.52, 0, -0.01, -32.98), "EPSG:4326")
    assert {"vapour_pressure_deficit", "shortwave_down", "wind_speed"} <= available(scenes, "2016-02-09")
    names = ["air_temperature", "relative_humidity", "shortwave_down", "wind_speed", "vapour_pressure"]
    got = read_ancillary(scenes, box, names, [dt.datetime(2016, 2, 9, 14, 30, tzinfo=dt.UTC)])
    expected = {"air_temperature": (24.77 + 25.94) / 2 + 273.15, "relative_humidity": 0.58, "shortwave_down": 591.5,
                "wind_speed": 1.33}  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-5)
    svp = saturation_vapour_pressure(got["air_temperature"])
    np.testing.assert_allclose(got["vapour_pressure"], 0.58 * svp, rtol=1e-5)


def test_quarter_hours_of_talca_with_its_relief(data, tmp_path):
    folder = data("metric_et_talca_mendoza")
    register_ancillary(folder / "apples.csv", tmp_path / "cat", place=(-71.43, -35.42), utc_offset=-3)
    register_ancillary(folder / "converted" / "DEM_Talca.tif", tmp_path / "cat")
    scenes = search_ancillary(tmp_path / "cat", None, "2013-02-15")
    with rasterio.open(folder / "converted" / "DEM_Talca.tif") as file:
        box = GeoBox(file.shape, file.transform, file.crs.to_string())
        truth = file.read(1)
    got = read_ancillary(scenes, box, ["elevation", "air_temperature"], period="2013-02-15", at="max")
    np.testing.assert_allclose(got["elevation"], truth, atol=0.01)
    rows = [line.split(",") for line in (folder / "apples.csv").read_text().splitlines()[1:]]
    warmest = max(float(row[6]) for row in rows if row[1] < "21:00:00") + 273.15  # of the UTC day
    np.testing.assert_allclose(got["air_temperature"], warmest, rtol=1e-5)
