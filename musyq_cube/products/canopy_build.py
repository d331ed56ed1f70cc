"""
Make the shipped tables of canopies again: ``python -m musyq_cube.products.canopy_build``.

Simulates canopies (package ``prosail``, extra ``build``), inverts every node of a grid of reflectances by the median of
those most alike, and writes ``data/canopy.npz`` and ``data/canopy_fits.csv``: the same bytes on every run. It takes
about five minutes on one core.
"""

from __future__ import annotations

import csv
from itertools import starmap
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from scipy.ndimage import distance_transform_edt

from musyq_cube.kernels.canopy import best
from musyq_cube.products._canopy import COST_STEP, COST_TOP, FITS, STEPS, TABLES, Fit
from musyq_cube.products._canopy_model import MERIS, Canopies, simulate, water
from musyq_cube.products.chlorophyll import ci_green, ci_red_edge, mtci
from musyq_cube.products.indices import ndvi as ndvi_of
from musyq_cube.products.leaf_area import carlson, fpar_jpl, fpar_linear, fpar_ratio, lai_ratio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COUNT = 100_000
ALIKE = {2: 0.01, 3: 0.003}
"""Share of the canopies that count as most alike, by number of bands: about equally alike."""
NODES = (48, 36, 28)
"""Nodes along the first, second and third band."""
LEAST_LAI = 0.5
"""Of a canopy whose index tells its chlorophyll."""
TOPS = {"canopy": (0.6, 0.85, 0.85), "leaf": (0.6, 0.65, 0.85)}
"""Greatest reflectance of each axis: above, ground is not canopy over soil."""

CANOPY = {
    "landsat8-oli": ("red", "nir08", "swir16"),
    "sentinel2a-msi": ("red", "nir08", "swir16"),
    "modis-terra": ("red", "nir08", "swir16"),
    "landsat5-tm": ("red", "nir", "swir16"),
    "landsat7-etm": ("red", "nir", "swir16"),
    "hj1a-ccd1": ("red", "nir"),
}
LEAF = {"sentinel2a-msi": ("red", "rededge071", "rededge078")}
OTHERS = dict.fromkeys(CANOPY, ("green",)) | {
    "sentinel2a-msi": ("green", "rededge071", "rededge075", "rededge078"),
    "meris": tuple(MERIS),
}


def wanted() -> dict[str, tuple[str, ...]]:
    """Return every band that is simulated, by sensor."""
    return {name: (*CANOPY.get(name, ()), *OTHERS[name]) for name in OTHERS}


def nodes(tops: tuple[float, ...]) -> list[Array]:
    """Return the nodes of each axis."""
    return [top * np.linspace(0, 1, count) ** 2 for top, count in zip(tops, NODES, strict=False)]


def bake(bands: Array, truths: dict[str, Array], tops: tuple[float, ...]) -> dict[str, NDArray[np.generic]]:
    """Return the packed inverse on the grid of two or three bands, the third first."""
    grids = np.meshgrid(*nodes(tops), indexing="ij")
    seen = np.stack([np.moveaxis(g, -1, 0) if len(grids) == 3 else g for g in grids], axis=-1)
    known = np.stack(list(truths.values())).astype(np.float32)
    middle, spread, cost = best(seen, bands.astype(np.float32), known, ALIKE[len(bands)], far=COST_TOP)
    near = distance_transform_edt(np.isnan(middle[..., 0]), return_distances=False, return_indices=True)
    middle, spread = middle[tuple(near)], spread[tuple(near)]  # what lies far off is as its neighbour
    out = {"cost": _packed(cost, COST_STEP, np.uint8)}
    for i, quantity in enumerate(truths):
        value_step, spread_step = STEPS[quantity]
        out[f"{quantity}.value"] = _packed(
            middle[..., i], value_step, np.uint16 if quantity in {"lai", "chl"} else np.uint8
        )
        out[f"{quantity}.spread"] = _packed(spread[..., i], spread_step, np.uint8)
    return out


def _packed(values: NDArray[Any], step: float, dtype: type[np.unsignedinteger]) -> NDArray[np.generic]:
    return np.clip(np.rint(values / step), 0, np.iinfo(dtype).max).astype(dtype)


def build_tables(canopies: Canopies, path: Path = TABLES) -> int:
    """Write the tables; returns the size of the file in bytes."""
    out: dict[str, NDArray[np.generic]] = {}
    kinds = [("canopy", name, bands, {"lai": canopies.lai, "fpar": canopies.fpar}) for name, bands in CANOPY.items()]
    kinds += [("leaf", name, bands, {"chl": canopies.chlorophyll, "cab": canopies.cab}) for name, bands in LEAF.items()]
    for kind, name, bands, truths in kinds:
        tops = TOPS[kind]
        out[f"{name}.{kind}.tops"] = np.array(tops, np.float32)
        out[f"{name}.{kind}.water"] = np.resize(water(name, bands), 3).astype(np.float32)
        for part, number in (("plane", 2), ("table", 3)):
            if len(bands) >= number:
                made = bake(canopies.of(name, bands[:number]), truths, tops[:number])
                out |= {f"{name}.{kind}.{part}.{key}": values for key, values in made.items()}
        click.echo(f"{name}: {kind}")
    np.savez_compressed(path, **out)  # type: ignore[arg-type]
    return path.stat().st_size


def fits(canopies: Canopies) -> list[tuple[str, str, Fit]]:
    """Return the lines from indices to chlorophyll by sensor, and the errors of the backups for OLI."""

    def index(function: Callable[..., Array], name: str, *bands: str) -> Array:
        return function(*canopies.of(name, bands))

    oli, msi = "landsat8-oli", "sentinel2a-msi"
    chosen = [("cigreen", name, index(ci_green, name, bands[1], "green")) for name, bands in CANOPY.items()]
    chosen += [("mtci", name, index(mtci, name, "rededge075", "rededge071", "red")) for name in (msi, "meris")]
    chosen += [("cire", msi, index(ci_red_edge, msi, "rededge078", "rededge071"))]
    out = [(what, name, chlorophyll_line(x, canopies)) for what, name, x in chosen]
    ndvi = index(ndvi_of, oli, "nir08", "red")
    backups = (
        ("carlson", carlson, canopies.lai),
        ("ratio", lai_ratio, canopies.lai),
        ("fpar_linear", fpar_linear, canopies.fpar),
        ("fpar_jpl", fpar_jpl, canopies.fpar),
        ("fpar_ratio", fpar_ratio, canopies.fpar),
    )
    return out + [(what, oli, _with_error(1.0, 0.0, function(ndvi), truth)) for what, function, truth in backups]


def chlorophyll_line(x: Array, canopies: Canopies) -> Fit:
    """Return the line from an index to the chlorophyll of canopies that are not sparse: soil has another index."""
    dense = (canopies.lai > LEAST_LAI) & np.isfinite(x)
    slope, offset = np.polyfit(x[dense], canopies.chlorophyll[dense], 1)
    made = np.maximum(slope * x + offset, 0.0)
    return _with_error(float(slope), float(offset), made, canopies.chlorophyll)


def _with_error(slope: float, offset: float, made: Array, truth: Array) -> Fit:
    """Return the line with the standard deviation that holds 68 % of the errors at low and at high values."""
    finite = np.isfinite(made)
    away = np.abs(made - truth)[finite]
    order = np.argsort(made[finite], kind="stable")
    parts = np.array_split(order, 20)
    x = np.array([made[finite][part].mean() for part in parts])
    y = np.array([np.quantile(away[part], 0.6827) for part in parts])
    share, least = np.polyfit(x, y, 1)
    if least < 0:
        least, share = 0.0, float((x * y).sum() / (x * x).sum())
    exact = np.quantile(away / np.maximum(least + share * made[finite], 1e-6), 0.6827)
    return Fit(*(round(float(v), 5) for v in (slope, offset, least * exact, share * exact)))


def build_fits(canopies: Canopies, path: Path = FITS) -> int:
    """Write the lines; returns their number."""
    rows = fits(canopies)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("what", "sensor", "slope", "offset", "least", "share"))
        writer.writerows(starmap(_row, rows))
    return len(rows)


def _row(what: str, sensor: str, line: Fit) -> tuple[object, ...]:
    return (what, sensor, line.slope, line.offset, line.least, line.share)


@click.command(help=__doc__)
def main() -> None:
    """Run from the command line."""
    canopies = simulate(COUNT, 1, wanted())
    click.echo(f"{FITS.name}: {build_fits(canopies)} lines")
    click.echo(f"{TABLES.name}: {build_tables(canopies) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
