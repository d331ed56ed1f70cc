"""
What each step of normalization is worth: three simulated satellites through files, compared with each other.

An archive of Landsat-8, Sentinel-2 and HJ-1 is simulated (spectral response, angles, aerosol, shifts, gain errors,
noise, clouds), registered and characterized with Landsat-8 as the base. Pixels that are clear in two sensors at most
30 hours apart are compared on one grid: with no step, with all, and with each one left out. What the ground itself did
between the two looks is known from the simulator and taken out. The table is printed as Markdown.

    python benchmarks/ablation.py --size 9600 --grid utm-30m utm-60m
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import musyq_cube as mc
from musyq_cube.normalize.catalog import normalize_catalog
from musyq_cube.sensor import sensor
from musyq_cube.testing import load_truth, simulate
from musyq_cube.types import QA, UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from musyq_cube.normalize.ancillary import Ancillary
    from musyq_cube.scene import Scene
    from musyq_cube.testing import Truth

    Array = np.ndarray[Any, Any]

BASE = "landsat8-oli"
BANDS = ("blue", "green", "red", "nir08")
READ, PIXEL = ("geometric", "calibration"), ("atmosphere", "direction", "spectral")
STEPS = READ + PIXEL
APART = np.timedelta64(30, "h")
MARGIN = 240.0
"""Metres around clouds and shadows that are not compared: the rims of the simulated clouds are in no sensor's QA."""


@dataclass(frozen=True)
class Row:
    """How far sensors are from each other with some of the steps, reflectance."""

    label: str
    rmsd: tuple[float, ...]
    """By band."""
    bias: tuple[float, ...]
    count: int
    """Pairs of pixels."""

    @property
    def all(self) -> float:
        """Root mean square difference over all bands."""
        return float(np.sqrt(np.mean(np.square(self.rmsd))))


def archive(
    folder: Path, *, period: str = "2017-07", size: float = 9600.0, seed: int = 0, ancillary: Ancillary | None = None
) -> Path:
    """Simulate, register and characterize; return the catalogue."""
    if not (folder / "truth.json").exists():
        simulate(folder, period=period, size=size, seed=seed)
    catalog = folder / "catalog"
    mc.register([folder], catalog)
    normalize_catalog(catalog, bases=[BASE], ancillary=ancillary)
    return catalog


@dataclass(frozen=True)
class Comparison:
    """The characterized scenes of an archive on one grid."""

    scenes: Sequence[Scene]
    truth: Truth
    grid: str = "utm-30m"

    def cube(self, steps: Sequence[str]) -> xr.Dataset:
        """Return the loaded cube after some of the steps; direction and spectrum need the atmosphere."""
        read = (*(step for step in READ if step in steps), "atmosphere")
        cube = mc.cube(self.scenes, grid=self.grid, region=self.truth.bbox, bands=BANDS, corrections=read).load()
        pixel = [step for step in PIXEL if step in steps] if "atmosphere" in steps else []
        return mc.normalize(cube, steps=pixel) if pixel else cube

    @cached_property
    def clear(self) -> Array:
        """Where every time step is clear, and stays so after all steps."""
        cube = self.cube(STEPS)
        qa = mc.mask(cube, dilate=MARGIN)["qa"].values
        known = np.logical_and.reduce([np.isfinite(cube[band].values) for band in BANDS])
        return np.asarray(((qa & np.uint16(UNCLEAR | QA.SNOW)) == 0) & known)

    @cached_property
    def ground(self) -> dict[str, list[Array]]:
        """What the ground was at every time step as the base sees it from above, for its change alone."""
        cube = mc.cube(self.scenes, grid=self.grid, region=self.truth.bbox, bands=BANDS)
        box, days = cube.odc.geobox, [self.truth.overpass(str(scene)).day for scene in cube["scene"].values]
        names = {band: sensor(BASE).band(band).name for band in BANDS}
        known = {(b, day): self.truth.nadir(BASE, name, day, box) for b, name in names.items() for day in set(days)}
        return {band: [known[band, day] for day in days] for band in BANDS}

    def row(self, label: str, steps: Sequence[str]) -> Row:
        """Compare the sensors after some of the steps."""
        cube = self.cube(steps)
        times, sensors = cube["time"].values, cube["sensor"].values
        pairs = [(i, j) for j in range(len(times)) for i in range(j) if sensors[i] != sensors[j]]
        pairs = [(i, j) for i, j in pairs if times[j] - times[i] <= APART]
        found = []
        for band in BANDS:
            values, ground = cube[band].values, self.ground[band]
            parts = [(values[j] - values[i] - ground[j] + ground[i])[self.clear[i] & self.clear[j]] for i, j in pairs]
            found.append(np.concatenate(parts))
        rmsd = tuple(float(np.sqrt(np.mean(d**2))) for d in found)
        return Row(label, rmsd, tuple(float(d.mean()) for d in found), found[0].size)

    def table(self) -> list[Row]:
        """Return the rows: no step, all steps, each one left out."""
        rows = [self.row("none", ()), self.row("all", STEPS)]
        return rows + [self.row(f"all but {step}", [s for s in STEPS if s != step]) for step in STEPS]


def markdown(rows: Sequence[Row], grid: str) -> str:
    """Return the table: RMSD by band (bias), over all bands, and relative to no step."""
    head = [f"{grid}, n = {rows[0].count:,}", *BANDS, "all bands", "of before"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        bands = [f"{r:.4f} ({b:+.4f})" for r, b in zip(row.rmsd, row.bias, strict=True)]
        cells = [row.label, *bands, f"**{row.all:.4f}**", f"{row.all / rows[0].all:.0%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--folder", type=Path, help="archive to make or to use again")
    parser.add_argument("--size", type=float, default=9600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--period", default="2017-07")
    parser.add_argument("--grid", nargs="+", default=["utm-30m", "utm-60m"])
    order = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = order.folder or Path(temporary)
        catalog = archive(folder, period=order.period, size=order.size, seed=order.seed)
        for grid in order.grid:
            print(markdown(Comparison(mc.search(catalog), load_truth(folder), grid).table(), grid), "\n")


if __name__ == "__main__":
    main()
