"""Real scenes from files to published products, against what their own numbers say without this package."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

import musyq_cube as mc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pystac
    import xarray as xr

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def make(tmp_path: Path, folder: Path, products: list[str], **order: Any) -> list[pystac.Item]:
    """Register a folder, run an order, and hold every Item to the conventions."""
    catalog = tmp_path / "catalog"
    assert mc.register([folder], catalog).items
    plan = mc.plan(products, catalog=catalog, out=str(tmp_path / "products"), **order)
    made = plan.run(quiet=True)
    items = list(made) if hasattr(made, "items") else [made]
    for item in items:
        report = mc.validate(item)
        assert report.ok, str(report)
    return items


def by_product(items: list[pystac.Item], name: str) -> list[pystac.Item]:
    return [item for item in items if name in item.collection_id]


def test_new_york_by_quarter(data: Callable[[str], Path], tmp_path: Path) -> None:
    """19 Landsat-8 scenes of three path/rows: water is dark in the near infrared, land is green in summer."""
    items = make(
        tmp_path,
        data("landsat8_l1_newyork_19dates"),
        ["MuSQ.TOA", "MuSQ.NDVI"],
        period="2018",
        every="P3M",
        grid="utm-3000m",
        dilate=3000,
    )
    assert len(items) == 8
    summer = mc.open(by_product(items, "NDVI")[2]).load()
    assert at(summer, -72.6, 40.3)["ndvi"] < 0.1, "the Atlantic south of Long Island"
    assert at(summer, -74.3, 41.4)["ndvi"] > 0.5, "the forest of the Hudson highlands"
    toa = mc.open(by_product(items, "TOA")[2]).load()
    assert 0.05 < float(toa.red.median()) < 0.2
    assert float((toa["count"] > 0).mean()) > 0.35


def at(ds: xr.Dataset, lon: float, lat: float) -> xr.Dataset:
    from pyproj import Transformer

    x, y = Transformer.from_crs("EPSG:4326", ds.odc.geobox.crs.to_wkt(), always_xy=True).transform(lon, lat)
    return ds.sel(x=x, y=y, method="nearest")


def test_sentinel2_cog_with_its_real_item(data: Callable[[str], Path], tmp_path: Path) -> None:
    """One L2A scene of 2020 (baseline 02.14, so no offset): on its own pixels the product is DN / 10,000."""
    root = data("s2_l2a_cog_29rkh_and_l1c_preview") / "sentinel-cogs"
    scene = next(root.rglob("S2A_29RKH_20200219_0_L2A"))
    item = make(
        tmp_path, scene, ["MuSQ.SR"], period="2020-02", grid="utm29n-100m", method="median", resampling="nearest"
    )
    ds = mc.open(item[0]).load()
    with rasterio.open(scene / "B04.tif") as src, rasterio.open(scene / "SCL.tif") as classes:
        dn = src.read(1).astype("f4")
        scl = np.kron(classes.read(1), np.ones((2, 2), "u1"))[: dn.shape[0], : dn.shape[1]]
        # the grid is anchored at the origin, the tile 80 m off it: nearest moves whole pixels
        x, y = src.xy(600, 700)
    got = ds.sel(x=x, y=y, method="nearest")
    row, col = rasterio.transform.rowcol(src.transform, float(got.x), float(got.y))
    assert scl[row, col] in (4, 5, 6, 7)
    assert float(got.red) == pytest.approx(dn[row, col] / 10_000, abs=6e-5)


def test_modis_daily_composite(data: Callable[[str], Path], tmp_path: Path) -> None:
    """Three days of MOD09GA over Pamplona: the median lies within the clear values of the days."""
    folder = data("modis_mod09ga_pamplona_3days")
    items = make(
        tmp_path, folder, ["MuSQ.SR", "MuSQ.NDVI"], period="2021-08-10/2021-08-12", grid="sinu-500m", method="median"
    )
    ds = mc.open(by_product(items, "SR")[0]).load()
    days = []
    for path in sorted(folder.glob("*/MODIS_Grid_500m_2D_sur_refl_b01_1.tif")):
        with rasterio.open(path) as src:
            dn = src.read(1).astype("f4")
        days.append(np.where(dn < -100, np.nan, dn * 1e-4))
    low, high = np.nanmin(days), np.nanmax(days)
    assert low - 0.01 <= float(ds.red.min())
    assert float(ds.red.max()) <= high + 0.01
    assert float(ds.red.median()) == pytest.approx(float(np.nanmedian(days)), abs=0.02)
    assert set(np.unique(ds["count"])) <= {0, 1, 2, 3}


def test_modis_hdf4(data: Callable[[str], Path], tmp_path: Path) -> None:
    """MOD09A1 as HDF4: NDVI at pixel centres equals that of the stored integers."""
    from pyhdf.SD import SD, SDC

    path = data("modis_hdf4") / "MOD09A1.A2017193.h18v04.006.2017202035302.hdf"
    items = make(
        tmp_path, path, ["MuSQ.NDVI"], period="2017-07", grid="sinu-500m", method="median", resampling="nearest"
    )
    ds = mc.open(items[0]).load()
    file = SD(str(path), SDC.READ)
    red, nir = (file.select(f"sur_refl_b0{k}").get().astype("f8") for k in (1, 2))
    stored = np.where((red > 0) & (nir > 0), (nir - red) / (nir + red), np.nan)
    values = ds.ndvi.values
    clear = np.isfinite(values)
    assert clear.mean() > 0.3
    assert values.shape[0] >= stored.shape[0]
    # every NDVI of the product is one that the file holds
    known = np.sort(stored[np.isfinite(stored)])
    near = known[np.clip(np.searchsorted(known, values[clear]), 1, len(known) - 1)]
    before = known[np.clip(np.searchsorted(known, values[clear]) - 1, 0, len(known) - 1)]
    assert np.minimum(abs(near - values[clear]), abs(before - values[clear])).max() < 3e-4


@pytest.mark.slow
def test_447_dates_of_landsat_5_and_7(data: Callable[[str], Path], tmp_path: Path) -> None:
    """Annual medians over 29 years; on the files' own pixels they are NumPy's of the clear and snowy observations."""
    folder = data("landsat57_p035r032_447dates") / "p035r032" / "images"
    items = make(tmp_path, folder, ["MuSQ.SR.30m", "MuSQ.NDVI.30m"], period="1984/2012", every="P1Y", method="median")
    series = mc.open(by_product(items, "NDVI")).ndvi.mean(("x", "y")).values
    assert series.shape == (29,)
    assert np.isfinite(series).all()
    assert series.min() > 0.4
    assert series.max() < 0.8

    stacks = []
    for path in sorted(folder.glob("L*0350321999*/*.gtif")):
        if "1999366" in path.name:  # the first day of 2000
            continue
        with rasterio.open(path) as src:
            bands, box = src.read().astype("f4"), GeoBox.from_rio(src)
        clear = np.isin(bands[7], (0, 1, 3)) & (bands[2:4] > -2000)
        stacks.append(np.where(clear, bands[2:4] * 1e-4, np.nan))
    with warnings.catch_warnings(action="ignore"):  # dates without any clear pixel
        red, nir = np.nanmedian(np.array(stacks), axis=0)
    scenes = mc.search(tmp_path / "catalog", period="1999")
    cube = mc.mask(mc.cube(scenes, geobox=box, bands=["red", "nir"]))
    year = mc.composite(cube, "P1Y", method="median").isel(time=0).compute()
    np.testing.assert_allclose(year.red, red, atol=2e-6)
    np.testing.assert_allclose(year.nir, nir, atol=2e-6)
