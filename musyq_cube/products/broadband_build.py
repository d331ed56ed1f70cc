"""
Make the weights of shortwave albedo from visible and near infrared again.

``python -m musyq_cube.products.broadband_build``. Sensors without 2.2 µm, without any shortwave infrared (HJ CCD, GF
WFV), or with red and near infrared alone (AVHRR), have no published ones that are confirmed. They are fitted to the
spectra of land that the band-pass coefficients are from: canopies (PROSPECT-D, 4SAIL), soils, water, snow and their
mixtures.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.normalize._bandpass import library
from musyq_cube.products._broadband import FITTED
from musyq_cube.sensor import sensor

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

WANTED = {
    "swir16": (("blue", "red", "nir", "swir16"), ("modis-terra", "landsat8-oli", "landsat5-tm", "sentinel2a-msi")),
    "vnir": (
        ("blue", "green", "red", "nir"),
        ("hj1a-ccd1", "hj1b-ccd2", "hj2a-ccd1", "gf1-wfv1", "gf1-wfv4", "zy3-mux"),
    ),
    "rednir": (("red", "nir"), ("noaa18-avhrr", "metopa-avhrr", "msg2-seviri")),
}
"""Bands of a set, and the sensors whose responses it is fitted to together."""


def solar_weights(wavelength: Array) -> Array:
    """
    Return the weights with which ``ρ @ w`` is the shortwave albedo, 0.28–4 µm, of a spectrum.

    The sun at the ground is that of ASTM G173-03 (global); beyond its ends (5 % of the energy) a spectrum goes on as
    it ends.
    """
    import pvlib

    sun = pvlib.spectrum.get_reference_spectra(standard="ASTM G173-03")["global"]
    grid = np.arange(280, 4001) / 1000.0
    energy = np.interp(grid, sun.index.to_numpy() / 1000.0, sun.to_numpy())
    nearest = np.abs(grid[:, None] - wavelength[None, :]).argmin(1)
    weights = np.bincount(nearest, energy, len(wavelength))
    return np.asarray(weights / weights.sum())


def fit(name: str) -> dict[str, float]:
    """Return the weight of each band of a set, the offset, and the standard deviation of the fit."""
    bands, seen_by = WANTED[name]
    spectra = library()
    sun = solar_weights(spectra.wavelength)
    truth = (spectra.mean @ sun + spectra.scores @ (spectra.components @ sun))[spectra.fitted]
    stack = []
    for seer in map(sensor, seen_by):
        near = {"nir": "nir08" if "nir08" in {b.key for b in seer.bands} else "nir"}
        means = [spectra.means(seer.srf(near.get(b, b)))[spectra.fitted] for b in bands]
        stack.append(np.stack([*means, np.ones_like(truth)], 1))
    design, goal = np.concatenate(stack), np.tile(truth, len(stack))
    found = np.linalg.lstsq(design, goal, rcond=None)[0].round(4)
    rest = float(np.sqrt(np.mean((design @ found - goal) ** 2)))
    return dict(zip((*bands, "offset"), map(float, found), strict=True)) | {"error": round(rest, 4)}


def build(path: Path = FITTED) -> None:
    """Write the table."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["set", "band", "value"])
        writer.writerows((name, band, value) for name in WANTED for band, value in fit(name).items())


if __name__ == "__main__":
    build()
