"""musyq_cube as a user writes it: cube, mask, composite, compute."""

from __future__ import annotations

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

import musyq_cube as mc
from benchmarks.job import OFFSET, SCALE, Counter, Job, Result, main
from musyq_cube.catalog import adapt


def work(job: Job) -> Result:
    """Compose lazily, compute once."""
    scenes = [adapt(item) for item in job.items]
    box = GeoBox(job.shape, Affine(*job.transform), job.crs)
    cube = mc.cube(scenes, bands=job.bands, geobox=box, resampling="bilinear", by="scene", angles=False)
    if job.masked:
        cube = mc.mask(cube)
    composite = mc.composite(cube, method=job.task)[job.bands]
    with Counter() as counter:
        pixels = composite.isel(time=0).to_array().compute().values
    return Result(np.rint((pixels - OFFSET) / SCALE), counter.tasks)


if __name__ == "__main__":
    main(work, ["musyq-cube", "numpy", "dask", "rasterio", "numba"])
