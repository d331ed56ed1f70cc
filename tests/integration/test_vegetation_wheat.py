"""Vegetation products of real Sentinel-2 clips of winter wheat: a season that grows and ripens."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr

from musyq_cube.products import get_recipe
from musyq_cube.types import QA

BANDS = {"red": "B04", "nir": "B8A", "swir16": "B11", "rededge071": "B05", "rededge078": "B07"}


@pytest.fixture
def field(data):
    """Return a function from a day to the clear pixels of the field Arenenberg."""
    folder = data("s2_winterwheat_lai") / "s2_srf" / "Arenenberg"

    def read(day):
        path = next(p for p in sorted(folder.glob(f"S2?_MSIL2A_{day}*_T32TMT_*")) if p.is_dir()) / "SRF_S2.tiff"
        with rasterio.open(path) as file:
            bands = dict(zip(file.descriptions, file.read(), strict=True))
        clear = np.isin(bands["SCL"], (4, 5)) & (bands["B04"] > 0) & (bands["B04"] < 1)
        ds = xr.Dataset({name: ("x", bands[band][clear].astype("float32")) for name, band in BANDS.items()})
        return ds.assign(qa=("x", np.zeros(ds.sizes["x"], "uint16")))

    return read


def median(field, product, day):
    made = get_recipe(f"MuSQ.{product}").compute(field(day), sensor="sentinel2a-msi")
    assert float(((made["qa"] & (QA.BACKUP | QA.OUT_OF_RANGE)) == 0).mean()) > 0.95
    return float(made[product.lower()].median())


@pytest.mark.parametrize(("product", "sparse", "dense"), [("LAI", 0.6, 2.0), ("FPAR", 0.4, 0.7), ("CHL", 0.3, 0.7)])
def test_wheat_grows_and_ripens(field, product, sparse, dense):
    winter, spring, harvest = (median(field, product, day) for day in ("20220310", "20220519", "20220718"))
    assert winter < sparse
    assert spring > dense
    assert harvest < sparse


def test_leaves_of_may_are_green(field):
    made = get_recipe("MuSQ.CHL").compute(field("20220519"), sensor="sentinel2a-msi")
    assert 35 < float(made["cab"].median()) < 70
