"""
Make direction_sen2nbar.csv: c-factors by the package sen2nbar (MIT), an implementation that shares no code with ours.

    python tests/golden/make_direction_sen2nbar.py      # needs: pip install sen2nbar==2024.6.0
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

NAMES = {
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge071",
    "B06": "rededge075",
    "B07": "rededge078",
    "B08": "nir",
    "B11": "swir16",
    "B12": "swir22",
}


def main() -> None:
    from sen2nbar.c_factor import c_factor
    from sen2nbar.kernels import kgeo, kvol

    rng = np.random.default_rng(20240601)
    angles = np.round(np.column_stack([rng.uniform(low, high, 150) for low, high in ((0, 75), (0, 60), (0, 180))]), 3)
    angles = np.vstack([[[35, 8, 120], [30, 30, 0.5], [60, 59.5, 1], [0, 0, 0], [75, 60, 180]], angles])
    sza, vza, raa = (xr.DataArray(column, dims="case") for column in angles.T)
    factors = c_factor(sza, vza, raa)
    columns = [sza, vza, raa, kvol(sza, vza, raa), kgeo(sza, vza, raa)]
    columns += [factors.sel(band=band) for band in NAMES]
    np.savetxt(
        Path(__file__).with_name("direction_sen2nbar.csv"),
        np.column_stack([np.asarray(c, float) for c in columns]),
        fmt=["%.3f"] * 3 + ["%.9f"] * (len(columns) - 3),
        delimiter=",",
        comments="",
        header=",".join(["sza", "vza", "raa", "kvol", "kgeo", *NAMES.values()]),
    )


if __name__ == "__main__":
    main()
