"""
Real Sentinel-2 and Landsat-8 over one place in Belgium: aerosol from the scenes, surface reflectance with it.

Sentinel-2 comes without its 2.2 µm band and Landsat-8 with blue, green and red alone, so both have only the blue–red
relation of green vegetation. Independent processors have corrected the same pixels; the means of their results stand in
the provenance of the data. An error of 0.1 in AOD, the one sigma of the blue–red relation, is 0.01 in blue and 0.005 in
green and red over dark ground, and the processors differ by 0.005 among themselves, so the means must agree within
0.012 in blue and 0.008 in green and red. No number was tuned to them.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pytest
import rasterio

from musyq_cube.normalize.aerosol import View, retrieve
from musyq_cube.normalize.ancillary import Ancillary, elevation, open_ancillary, water_vapour
from musyq_cube.normalize.detect import detect
from musyq_cube.normalize.lut import load
from musyq_cube.scene import SourceGrid
from musyq_cube.types import QA

OZONE = 0.33
TOLERANCE = {"blue": 0.012, "green": 0.008, "red": 0.008}


@dataclass(frozen=True)
class Case:
    sensor: str
    prefix: str
    bands: dict
    angles: dict
    time: dt.datetime
    toa: dict
    processors: tuple


CASES = [
    Case("sentinel2a-msi", "S2", {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "nir08": "B8A",
         "swir16": "B11"},
         {"sza": "sunZenithAngles", "saa": "sunAzimuthAngles", "vza": "viewZenithMean", "vaa": "viewAzimuthMean"},
         dt.datetime(2019, 4, 11, 10, 50, tzinfo=dt.UTC), {"blue": 0.1171, "green": 0.0981, "red": 0.0905},
         ({"blue": 0.0577, "green": 0.0711, "red": 0.0759}, {"blue": 0.0629, "green": 0.0712, "red": 0.0755})),
    Case("landsat8-oli", "L8", {"blue": "B02", "green": "B03", "red": "B04"},
         {"sza": "SZA", "saa": "SAA", "vza": "VZA", "vaa": "VAA"},
         dt.datetime(2020, 6, 13, 10, 35, tzinfo=dt.UTC), {"blue": 0.1188, "green": 0.1029, "red": 0.0898},
         ({"blue": 0.0557, "green": 0.0774, "red": 0.0742},)),
]  # fmt: skip


def layer(folder, case, name):
    with rasterio.open(folder / "inputs" / f"ref_input_{case.prefix}_{name}.tif") as file:
        values, t = file.read(1).astype(np.float32), file.transform
        values[values == file.nodata] = np.nan
        return values, SourceGrid(str(file.crs), (t.a, t.b, t.c, t.d, t.e, t.f), file.shape)


def seen(folder, case):
    toa = {name: layer(folder, case, file)[0] / np.float32(1e4) for name, file in case.bands.items()}
    angle = {name: layer(folder, case, file)[0] for name, file in case.angles.items()}
    grid = layer(folder, case, case.bands["blue"])[1]
    raa = np.abs(angle["saa"] - angle["vaa"])
    tiles = tuple(sorted(str(path) for path in (folder / "srtm").iterdir()))
    if "nir" in toa:
        qa = detect(toa, sza=angle["sza"], saa=angle["saa"], resolution=10.0)
    else:  # the haze test of Zhu & Woodcock (2012) is all that blue and red can say
        qa = np.where(toa["blue"] - 0.5 * toa["red"] > 0.08, np.uint16(QA.CLOUD), np.uint16(0))
    return View(
        toa, angle["sza"], angle["vza"], np.where(raa > 180, 360 - raa, raa), grid, qa, water_vapour(51.3, case.time),
        OZONE, elevation(tiles, grid.geobox), case.sensor, case.prefix, case.time,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sensor)
def test_surface_reflectance_with_its_own_aerosol(data, case):
    view = seen(data("belgium_s2_l8_toa"), case)
    atmosphere, field = retrieve(view)
    assert atmosphere.source == "dark-target"
    assert "blue–red" in atmosphere.reason
    assert 0.01 <= field.plain <= 0.5
    assert field.aod.max() < 0.8
    names = ("blue", "green", "red")
    deep = np.float32(field.plain)
    ground = load(case.sensor).correct(
        {name: view.toa[name] for name in names}, view.sza, view.vza, view.raa, deep,
        tcwv=view.tcwv, ozone=OZONE, elevation=view.elevation,
    )  # fmt: skip
    valid = np.all([view.toa[name] < 2.0 for name in names], axis=0)
    print(f"\n{case.sensor}: AOD {field.aod.min():.3f} {field.plain:.3f} {field.aod.max():.3f}, {atmosphere.reason}")  # noqa: T201
    for name in names:
        ours, top = float(np.nanmean(ground[name][valid])), float(np.nanmean(view.toa[name][valid]))
        theirs = [processor[name] for processor in case.processors]
        print(f"  {name}: TOA {top:.4f} ({case.toa[name]}) → {ours:.4f}, others {theirs}")  # noqa: T201
        assert top == pytest.approx(case.toa[name], abs=2e-4)
        assert min(abs(ours - value) for value in theirs) <= TOLERANCE[name]


def test_the_ancillary_grid_of_another_day_is_refused_and_without_a_time_it_holds(data):
    folder = data("belgium_s2_l8_toa")
    grid = open_ancillary(str(next((folder / "cams").iterdir())))
    view = seen(folder, CASES[1])
    known = Ancillary(aerosol=grid)
    with pytest.raises(ValueError, match="give that day's"):
        known.aerosol_of(view, view.grid)
    values = grid.on(view.grid)
    assert values.shape == view.shape
    assert 0.06 < values.min() <= values.max() < 0.08  # 0.067 in the four cells around, read off the file
