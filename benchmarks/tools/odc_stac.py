"""odc-stac with dask: its default chunks; geometric median by odc-algo (geomad)."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pystac
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.stac import load

from benchmarks.job import BLOCK, OFFSET, SCALE, UNCLEAR, Counter, Job, Result, main

WHOLE_TIME = {"x": BLOCK, "y": BLOCK, "time": -1}


def work(job: Job, chunks: dict[str, int] | None = None) -> Result:
    """Load lazily, mask, compose, compute."""
    items = [pystac.Item.from_dict(item) for item in job.items]
    ds = load(
        items,
        bands=[*job.bands, *(["qa_pixel"] if job.masked else [])],
        geobox=GeoBox(job.shape, Affine(*job.transform), job.crs),
        chunks=chunks or {},
        groupby="id",
        resampling={"*": "bilinear", "qa_pixel": "nearest"},
    )
    with Counter() as counter:
        pixels = _geomedian(ds, job) if job.masked else _median(ds)
    return Result(pixels, counter.tasks)


def _median(ds: Any) -> np.ndarray:
    red = ds.red.where(ds.red != 0).astype("float32").chunk({"time": -1})
    return np.rint(red.median("time", skipna=True).compute().values)[None]


def _geomedian(ds: Any, job: Job) -> np.ndarray:
    from odc.algo import geomedian_with_mads

    clear = (ds.qa_pixel & UNCLEAR) == 0
    data = ds[job.bands].where(clear, 0)
    for band in job.bands:
        data[band].attrs["nodata"] = 0
    result = geomedian_with_mads(
        data, compute_mads=False, compute_count=False, scale=SCALE, offset=OFFSET, work_chunks=(256, 256)
    )
    pixels = result[job.bands].to_array().compute().values.astype(np.float32)
    return np.where(pixels == 0, np.nan, pixels)


def whole_time(job: Job) -> Result:
    """Load chunks that hold all dates, which spares the rechunk: its best configuration for a composite."""
    return work(job, WHOLE_TIME)


if __name__ == "__main__":
    variant = whole_time if "--whole-time" in sys.argv else work
    sys.argv = [a for a in sys.argv if a != "--whole-time"]
    main(variant, ["odc-stac", "odc-loader", "odc-algo", "geomad", "numpy", "dask", "rasterio"])
