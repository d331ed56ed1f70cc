"""
Make the shipped band-pass table again, and the library of spectra under it.

``python -m musyq_cube.normalize.bandpass_build`` writes ``data/bandpass.csv`` from the sensors' spectral responses and
the shipped library. With ``--library`` the library is made first; that needs the package ``prosail`` (extra ``build``).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import click
import numpy as np

from musyq_cube.normalize import _bandpass_spectra as models
from musyq_cube.normalize._bandpass import LIBRARY, library
from musyq_cube.normalize._bandpass_table import COLUMNS, TABLE, generate, judged, rows_of
from musyq_cube.sensor import sensors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

REFERENCES = ("landsat8-oli", "modis-terra")
COUNTS = {"plant": 2000, "soil": 400, "water": 200, "snow": 100, "mixture": 600, "heldout": 400}
SEED = 20140701
COMPONENTS = 40


def make_spectra() -> dict[str, Array]:
    """Return the spectra by kind, ``(spectrum, wavelength)`` each: the same on every call."""
    rngs = {kind: np.random.default_rng([SEED, i]) for i, kind in enumerate(COUNTS)}
    soil = models.soils(COUNTS["soil"], rngs["soil"])
    made = {
        "plant": models.plants(COUNTS["plant"], rngs["plant"], soil),
        "soil": soil,
        "water": models.waters(COUNTS["water"], rngs["water"]),
        "snow": models.snows(COUNTS["snow"], rngs["snow"]),
    }
    made["mixture"] = models.mixtures(COUNTS["mixture"], rngs["mixture"], list(made.values()))
    # over soils of their own, so that nothing of them was fitted
    own = models.soils(100, rngs["heldout"])
    made["heldout"] = models.plants(COUNTS["heldout"], rngs["heldout"], own)
    return made


def compress(spectra: dict[str, Array]) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of ``library.npz``: principal components with scores as scaled 16-bit integers."""
    every = np.concatenate(list(spectra.values()))
    mean = every.mean(axis=0)
    exact = np.linalg.svd(every - mean, full_matrices=False)[2][:COMPONENTS]
    component_scale = np.abs(exact).max(axis=1, keepdims=True) / 32767
    components = np.round(exact / component_scale).astype(np.int16)
    scores = np.linalg.lstsq((components * component_scale).T, (every - mean).T, rcond=None)[0].T
    score_scale = np.abs(scores).max(axis=0) / 32767
    return {
        "mean": mean.astype(np.float32),
        "components": components,
        "component_scale": component_scale,
        "scores": np.round(scores / score_scale).astype(np.int16),
        "score_scale": score_scale,
        "kinds": np.array(list(spectra)),
        "kind": np.repeat(np.arange(len(spectra)), [len(s) for s in spectra.values()]).astype(np.uint8),
    }


def build_library(path: Path = LIBRARY) -> float:
    """Write the library; returns the largest error of any reflectance that the compression makes."""
    spectra = make_spectra()
    np.savez_compressed(path, **compress(spectra))  # type: ignore[arg-type]
    library.cache_clear()
    kept = library()
    return float(max(np.abs(kept.spectra(kind) - made).max() for kind, made in spectra.items()))


def build_table(path: Path = TABLE) -> int:
    """Write the table of every sensor to every reference; returns the number of its rows."""
    rows: list[list[str]] = []
    for reference in REFERENCES:
        for name, sensor in sensors().items():
            if name != reference:
                for line in (*judged(sensor, sensors()[reference]), *generate(sensor, sensors()[reference])):
                    rows += rows_of(line)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return len(rows)


@click.command(help=__doc__)
@click.option("--library", "anew", is_flag=True, help="make the library of spectra first (needs prosail)")
def main(*, anew: bool) -> None:
    """Run from the command line."""
    if anew:
        click.echo(f"{LIBRARY.name}: compression changes no reflectance by more than {build_library():.1e}")
    click.echo(f"{TABLE.name}: {build_table()} rows")


if __name__ == "__main__":
    main()
