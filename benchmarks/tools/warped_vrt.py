"""Plain rasterio: a WarpedVRT for each scene and band, block by block in a thread pool."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from benchmarks.job import BLOCK, EPS, OFFSET, SCALE, UNCLEAR, Job, Result, main


def work(job: Job) -> Result:
    """One thread of the pool makes one block."""
    out = np.full((len(job.bands), *job.shape), np.nan, np.float32)
    blocks = list(product(range(0, job.shape[0], BLOCK), range(0, job.shape[1], BLOCK)))

    def block(corner: tuple[int, int]) -> None:
        y, x = corner
        height, width = min(BLOCK, job.shape[0] - y), min(BLOCK, job.shape[1] - x)
        part = out[:, y : y + height, x : x + width]
        part[...] = _compose(job, Window(x, y, width, height))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(block, blocks))
    return Result(out, len(blocks))


def _compose(job: Job, window: Window) -> np.ndarray:
    layers = []
    for item in job.items:
        bands = [_read(job, item["assets"][band]["href"], window, Resampling.bilinear) for band in job.bands]
        if all(band is None for band in bands):
            continue
        if job.masked:
            qa = _read(job, item["assets"]["qa_pixel"]["href"], window, Resampling.nearest, fill=1)
            bands = [np.where(qa & UNCLEAR, 0, band) for band in bands]
        layers.append(bands)
    dn = np.array(layers)
    if not job.masked:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pixels without any observation
            return np.rint(np.nanmedian(np.where(dn == 0, np.float32(np.nan), dn), axis=0))
    from geomad import nangeomedian_pcm

    stack = np.ascontiguousarray(dn.transpose(2, 3, 1, 0))
    made = nangeomedian_pcm(stack, scale=SCALE, offset=OFFSET, eps=EPS, num_threads=1, nocheck=True, nodata=0)
    pixels = np.asarray(made).transpose(2, 0, 1).astype(np.float32)
    return np.where(pixels == 0, np.nan, pixels)


def _read(job: Job, href: str, window: Window, resampling: Resampling, fill: int = 0) -> np.ndarray | None:
    """Read one block of one scene, None where the scene does not reach it."""
    with rasterio.open(href) as file:
        options = {"crs": job.crs, "transform": Affine(*job.transform), "height": job.shape[0], "width": job.shape[1]}
        with WarpedVRT(file, resampling=resampling, src_nodata=fill, nodata=fill, **options) as vrt:
            pixels = vrt.read(1, window=window)
    return pixels if resampling is Resampling.nearest or pixels.any() else None


if __name__ == "__main__":
    main(work, ["rasterio", "geomad", "numpy"])
