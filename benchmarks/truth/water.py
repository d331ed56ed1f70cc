"""
Water and snow against the classes that other processors gave to the same pixels.

Landsat-5/7 over Colorado mountains (447 dates, Fmask), Landsat-8 over Colombia (QA_PIXEL), Sentinel-2 over the Sahara
(SCL). These are classifications too, not truth: rmse² is the share of pixels that disagree.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.truth import Row, folder, score
from musyq_cube.products import get_recipe

NAMES = ("blue", "green", "red", "nir", "swir16", "swir22")


def _dataset(bands: dict[str, Any], good: Any) -> xr.Dataset:
    return xr.Dataset({k: (("y", "x"), np.where(good, v, np.nan).astype("float32")) for k, v in bands.items()})


@cache
def _landsat57() -> tuple[xr.Dataset, Any]:
    """Return clear pixels (date, pixel) and their Fmask: 0 land, 1 water, 3 snow."""
    import rasterio

    stack = []
    for path in sorted((folder("landsat57_p035r032_447dates") / "p035r032" / "images").glob("*/*stack.gtif")):
        with rasterio.open(path) as file:
            stack.append(file.read().reshape(8, -1))
    cube = np.stack(stack, 1)
    good = np.isin(cube[7], (0, 1, 3)) & (cube[:6] > -2000).all(0) & (cube[:6] < 16000).all(0)
    bands = {name: cube[i] * 1e-4 for i, name in enumerate(NAMES)} | {"lwir": cube[6] * 0.01 + 273.15}
    return _dataset(bands, good), np.where(good, cube[7], -1)


def _landsat8() -> tuple[xr.Dataset, Any]:
    import rasterio

    def read(layer: str) -> Any:
        with rasterio.open(next(folder("landsat8_c2l2_008059").glob(f"*_{layer}.TIF"))) as file:
            return file.read(1)

    qa = read("QA_PIXEL")
    clear = ((qa >> 6) & 1 == 1) & (qa & 1 == 0)
    bands = {name: read(f"SR_B{i}") * 2.75e-5 - 0.2 for i, name in enumerate(NAMES, 2)}
    water, snow = (qa >> 7) & 1, (qa >> 5) & 1
    return _dataset(bands, clear), np.where(clear, np.where(water == 1, 1, np.where(snow == 1, 3, 0)), -1)


def _sentinel2() -> tuple[xr.Dataset, Any]:
    import rasterio

    root = next(folder("s2_l2a_cog_29rkh_and_l1c_preview").rglob("S2A_29RKH_20200219_0_L2A.json")).parent

    def read(layer: str) -> Any:
        with rasterio.open(root / f"{layer}.tif") as file:
            return file.read(1, out_shape=(549, 549))

    bands = {name: read(b) * 1e-4 for name, b in zip(NAMES, ("B02", "B03", "B04", "B8A", "B11", "B12"), strict=True)}
    scl = read("SCL")
    good = np.isin(scl, (4, 5, 6, 11))
    return _dataset(bands, good), np.where(good, np.where(scl == 6, 1, np.where(scl == 11, 3, 0)), -1)


def _row(product: str, algorithm: str, against: str, data: tuple[xr.Dataset, Any]) -> Row:
    ds, classes = data
    layer, wanted = ("water", 1) if product == "MuSQ.WATER" else ("snow", 3)
    made = get_recipe(product).using(algorithm).compute(ds)[layer].values
    truth = np.where(classes >= 0, classes == wanted, np.nan)
    known = np.isfinite(made) & np.isfinite(truth)
    extra, missed = (int(((made == a) & (truth == b) & known).sum()) for a, b in ((1, 0), (0, 1)))
    agree = (made == truth)[known].mean()
    note = f"{agree:.2%} agree; {int(truth[known].sum())} {layer} there, {extra} more here, {missed} fewer"
    return Row(product, algorithm, against, "1", **score(made, truth), note=note)


def rows() -> list[Row]:
    """Return the comparisons."""
    landsat = ("Fmask, Landsat-5/7 Colorado", _landsat57())
    return [
        *(_row("MuSQ.WATER", way, *landsat) for way in ("awei", "mndwi", "ndwi")),
        _row("MuSQ.WATER", "awei", "QA_PIXEL, Landsat-8 Colombia", _landsat8()),
        _row("MuSQ.WATER", "awei", "SCL, Sentinel-2 Sahara", _sentinel2()),
        _row("MuSQ.SNOW", "ndsi", *landsat),
        _row("MuSQ.SNOW", "ndsi", "SCL, Sentinel-2 Sahara", _sentinel2()),
    ]
