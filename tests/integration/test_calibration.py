"""
Relative calibration of real scenes: sensors that their producers already calibrated must come out nearly alike.

Landsat-5 TM and Landsat-7 ETM+ over one place (surface reflectance, eight days apart at most), and two rows of one
Landsat-8 overpass, whose overlap holds the very same measurements.
"""

from __future__ import annotations

import csv
import datetime as dt

import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling, reproject

from musyq_cube.normalize.calibration import relative

NAMES = ("blue", "green", "red", "nir", "swir16", "swir22")


def landsat_stack(root):
    """Yield (day, sensor, reflectance (6, y, x), clear)."""
    for row in csv.DictReader((root / "images.csv").read_text().splitlines()):
        path = root / row["filename"].partition("/")[2]
        if not path.exists():
            continue
        with rasterio.open(path) as file:
            values = file.read()
        reflectance = values[:6] / 1e4
        clear = (values[7] == 0) & (reflectance > 0).all(0) & (reflectance < 0.8).all(0)
        yield dt.datetime.strptime(row["date"], "%Y%j").replace(tzinfo=dt.UTC), row["sensor"], reflectance, clear


def test_tm_and_etm_of_near_dates_agree(data):
    """Truth: the archive of the two is calibrated as one; eight days and a slightly other spectrum remain."""
    scenes = list(landsat_stack(data("landsat57_p035r032_447dates")))
    mine, theirs = [], []
    for day, sensor, values, clear in scenes:
        for other, reference, truth, visible in scenes:
            if (sensor, reference) == ("LT5", "LE7") and abs((day - other).days) <= 8:
                both = clear & visible
                mine.append(values[:, both])
                theirs.append(truth[:, both])
    x, y = np.concatenate(mine, axis=1), np.concatenate(theirs, axis=1)
    assert x.shape[1] > 1500
    found = relative(dict(zip(NAMES, x, strict=True)), dict(zip(NAMES, y, strict=True)), against="ETM+")
    assert found.residual is not None
    assert found.residual.after <= found.residual.before
    for band, gain, offset in found.bands:
        assert gain == pytest.approx(1, abs=0.1), band
        assert offset == pytest.approx(0, abs=0.01), band


def landsat8(folder, number, like=None):
    """Read one band as reflectance times the cosine of the sun, on the grid of another where given."""
    (path,) = folder.glob(f"*_B{number}.TIF")
    with rasterio.open(path) as file:
        dn, grid = file.read(1), (file.crs, file.transform, file.shape)
    if like is not None:
        out = np.zeros(like[2], dn.dtype)
        reproject(dn, out, src_crs=grid[0], src_transform=grid[1], dst_crs=like[0], dst_transform=like[1],
                  resampling=Resampling.nearest)  # fmt: skip
        dn, grid = out, like
    return np.where(dn > 0, dn * 2e-5 - 0.1, np.nan), grid


@pytest.mark.parametrize("day", ["20180428", "20180903"])
def test_two_rows_of_one_overpass_are_the_same_measurement(data, day):
    """Truth: gain 1, offset 0; what remains is that pixels of 3 km do not lie upon each other."""
    root = data("landsat8_l1_newyork_19dates")
    north, south = (next(root.glob(f"LC08_L1TP_0140{row}_{day}_*")) for row in (31, 32))
    values, reference = {}, {}
    for name, number in zip(NAMES, range(2, 8), strict=True):
        values[name], grid = landsat8(north, number)
        reference[name], _ = landsat8(south, number, grid)
    found = relative(values, reference, minimum=50, against=south.name)
    assert found.residual is not None
    assert found.residual.after <= found.residual.before
    for band, gain, offset in found.bands:
        assert gain == pytest.approx(1, abs=0.05), band
        assert offset == pytest.approx(0, abs=0.01), band
