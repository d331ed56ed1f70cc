"""Tables of canopies baked at build time, and the lines between chlorophyll and indices."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from musyq_cube.kernels.canopy import invert

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

DATA = Path(__file__).parent / "data"
TABLES = DATA / "canopy.npz"
FITS = DATA / "canopy_fits.csv"

LIKE = (
    ("modis-*", "modis-terra"),
    ("sentinel2?-msi", "sentinel2a-msi"),
    ("landsat[45]-tm", "landsat5-tm"),
    ("landsat7-etm", "landsat7-etm"),
    ("hj1*", "hj1a-ccd1"),
    ("gf[126]-*", "hj1a-ccd1"),
    ("meris*", "meris"),
    ("*", "landsat8-oli"),
)
"""Which sensor's tables serve a sensor; composites of several sensors have the bands of the OLI (or are near them)."""

REFERENCES = ("landsat8-oli", "sentinel2a-msi")
"""
Which tables serve where a sensor has none: bands brought to those of the OLI, and red-edge bands, which the OLI has not
and which therefore stay as they are.
"""

STEPS = {"lai": (0.01, 0.02), "fpar": (0.005, 0.004), "chl": (0.02, 0.02), "cab": (0.5, 0.2)}
"""Stored steps of the value and of its spread."""
COST_STEP = 0.05
"""Stored step of the cost."""
COST_TOP = 12.75
"""Greatest cost that is stored."""


@dataclass(frozen=True)
class Inverse:
    """What `kernels.canopy.invert` needs for one quantity and one kind of sensor."""

    tops: Array
    """(3,) reflectance of the last node of each axis."""
    table: Array
    """(third, first, second, 3) value, spread and cost per band."""
    plane: Array
    """(first, second, 3) without the third band."""
    water: Array
    """(3,) reflectance of water in the bands."""


def like(sensor: str) -> str:
    """
    Return the sensor whose tables serve a sensor.

    Examples
    --------
    >>> like("sentinel2b-msi"), like("")
    ('sentinel2a-msi', 'landsat8-oli')
    """
    return next(name for pattern, name in LIKE if fnmatch(sensor, pattern))


@cache
def inverse(quantity: str, sensor: str) -> Inverse:
    """
    Return a table for a sensor.

    Of ``lai`` and ``fpar`` by red, nir and swir16; of ``chl`` and ``cab`` by red, rededge071 and rededge078.
    """
    kind = "leaf" if quantity in {"chl", "cab"} else "canopy"
    with np.load(TABLES) as file:
        name = next(n for n in (like(sensor), *REFERENCES) if f"{n}.{kind}.tops" in file)
        table, plane = (_unpacked(file, name, kind, quantity, part) for part in ("table", "plane"))
        return Inverse(file[f"{name}.{kind}.tops"], table, plane, file[f"{name}.{kind}.water"])


def retrieve(table: Inverse, *bands: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return value, spread and cost of the simulated canopies that explain three bands (NaN: not seen) best."""
    made: tuple[xr.DataArray, xr.DataArray, xr.DataArray] = xr.apply_ufunc(
        invert,
        *bands,
        kwargs={"tops": table.tops, "table": table.table, "plane": table.plane},
        output_core_dims=[[], [], []],
        dask="parallelized",
        output_dtypes=["float32"] * 3,
    )
    return made


def _unpacked(file: dict[str, Array], name: str, kind: str, quantity: str, part: str) -> Array:
    steps = (*STEPS[quantity], COST_STEP)
    keys = (f"{quantity}.value", f"{quantity}.spread", "cost")
    if f"{name}.{kind}.{part}.cost" not in file:
        return np.full((2,) * (3 if part == "plane" else 4), np.nan, np.float32)[..., [0, 1, 1]]
    layers = [file[f"{name}.{kind}.{part}.{key}"] * np.float32(step) for key, step in zip(keys, steps, strict=True)]
    return np.ascontiguousarray(np.stack(layers, axis=-1))


@dataclass(frozen=True)
class Fit:
    """A line: ``value = slope · index + offset``, and its standard deviation ``least + share · value``."""

    slope: float
    offset: float
    least: float
    share: float


@cache
def _fits() -> dict[tuple[str, str], Fit]:
    with FITS.open(encoding="utf-8", newline="") as file:
        return {
            (r["what"], r["sensor"]): Fit(*(float(r[k]) for k in ("slope", "offset", "least", "share")))
            for r in csv.DictReader(file)
        }


def fit(what: str, sensor: str) -> Fit:
    """
    Return the line of an index fitted to simulated canopies, for a sensor.

    Examples
    --------
    >>> fit("cire", "sentinel2b-msi") == fit("cire", "")
    True
    """
    known = _fits()
    return next(known[what, name] for name in (like(sensor), *REFERENCES) if (what, name) in known)
