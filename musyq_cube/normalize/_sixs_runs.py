"""Which states of the atmosphere 6S is run for, and the runs themselves: in parallel, remembered, resumable."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.normalize import _sixs
from musyq_cube.normalize._sixs import F64, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WAVELENGTHS = (0.39, 0.4125, 0.4425, 0.4875, 0.55, 0.6325, 0.76, 0.86, 1.24, 1.65, 1.95, 2.25, 2.4)
"""Where scattering is tabulated, µm; 6S itself computes it at 20 wavelengths and interpolates."""

PHASE_WAVELENGTHS = (0.39, 0.4425, 0.55, 0.67, 0.86, 1.24, 1.65, 1.95, 2.25, 2.4)
PHASE_ANGLES = (4, 6, 8, 10, 13, 16, 20, 25, 30, 36, 42, 50, 56, 60, 65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 114,
                117, 120, 123, 126, 129, 132, 134, 136, 138, 140, 142, 144, 146, 148, 150, 152, 154, 156, 158, 160,
                163, 166, 169, 172, 174, 175, 177, 178, 180)  # fmt: skip

ANGLES = tuple(float(a) for a in range(0, 81, 5))
"""Zenith angles of the tables, degrees, of the sun and of the view alike."""
AODS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
ELEVATIONS = (0.0, 2.4, 5.0)
"""Where 6S is run, km."""
AIR_MASSES = (2.0, 2.3, 2.8, 3.5, 4.5, 6.0, 9.0)
WATER = (0.1, 0.3, 0.7, 1.4, 2.4, 4.0, 6.0, 9.0, 13.0, 19.0, 28.0, 42.0)
"""Water along the whole path, g cm⁻²."""


def rayleigh() -> list[Run]:
    """Clear air over all pairs of zenith angles (reciprocity: each pair once); three azimuths give its three terms."""
    nodes = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 58.0, 65.0, 71.0, 76.0, 80.0)
    return [Run(a, b, f) for i, a in enumerate(nodes) for b in nodes[: i + 1] for f in (0.0, 90.0, 180.0)]


def phase(model: str) -> list[Run]:
    """Next to no aerosol: 6S is quick, and prints the phase function at one scattering angle."""
    return [
        Run(*_geometry(angle), aod=0.00005, model=model, spectrum=(w, w))
        for w in PHASE_WAVELENGTHS
        for angle in PHASE_ANGLES
    ]


def extinction(model: str) -> list[Run]:
    """One aerosol optical depth seen from straight above, at each wavelength of the tables."""
    return [Run(0, 0, 0, aod=1.0, model=model, spectrum=(w, w)) for w in WAVELENGTHS]


def gases() -> dict[str, list[Run]]:
    """Clear air: other gases by elevation and air mass, water by path, ozone."""
    high = [Run(*_path(m), water=0.0, ozone=0.0, elevation=e) for e in ELEVATIONS for m in AIR_MASSES]
    wet = [Run(*_path(2.0), water=w / 2.0, ozone=0.0) for w in WATER]
    return {"other": high, "water": wet, "ozone": [Run(*_path(2.0), water=0.0, ozone=o) for o in (0.3, 1.5)]}


def mixed(model: str, count: int, seed: int = 7) -> list[Run]:
    """
    States of air with aerosol, on nodes of the tables, spread evenly (Korobov lattice, shifted for each model).

    Azimuths are not nodes: reflectance is a cosine series in them.
    """
    generator = (1, 17797 % 2003, 17797**2 % 2003, 17797**3 % 2003, 17797**4 % 2003)
    shift = np.random.default_rng([seed, _sixs.AEROSOLS[model]]).random(5)
    u = (np.outer(np.arange(count), np.array(generator) / 2003.0 + np.sqrt([2, 3, 5, 7, 11])) + shift) % 1.0
    runs = []
    for sun, view, azimuth, aod, height in u:
        # denser towards the ends, where interpolation is hardest
        bend = [(1.0 - np.cos(np.pi * t)) / 2.0 for t in (sun, view, azimuth)]
        runs.append(
            Run(
                sza=ANGLES[min(int((0.35 * bend[0] + 0.65 * sun) * len(ANGLES)), len(ANGLES) - 1)],
                vza=ANGLES[min(int((0.35 * bend[1] + 0.65 * view) * (len(ANGLES) - 2)), len(ANGLES) - 3)],
                raa=round(180.0 * bend[2], 1),
                aod=AODS[1 + min(int(aod * (len(AODS) - 1)), len(AODS) - 2)],
                model=model,
                elevation=ELEVATIONS[min(int(height * len(ELEVATIONS)), len(ELEVATIONS) - 1)],
            )
        )
    return list(dict.fromkeys(runs))


def collect(
    name: str,
    runs: Sequence[Run],
    read: Callable[[str], list[float]],
    folder: Path,
    *,
    processes: int = 1,
    tick: Callable[[int], None] = lambda _: None,
) -> F64:
    """
    Answer runs, from `folder` where they have been answered before.

    Returns
    -------
    float64 (runs, numbers)
        What `read` makes of the printed output of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    known: dict[str, list[float]] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            if line.endswith("}"):  # the last line of a killed run may be cut
                known |= json.loads(line)
    keys = [_key(run) for run in runs]
    missing = {key: run for key, run in zip(keys, runs, strict=True) if key not in known}
    tick(len(runs) - len(missing))
    with ThreadPoolExecutor(processes) as pool, path.open("a") as out:
        jobs = {pool.submit(_sixs.run, run): key for key, run in missing.items()}
        try:
            for job in as_completed(jobs):
                known[jobs[job]] = read(job.result())
                out.write(json.dumps({jobs[job]: known[jobs[job]]}) + "\n")
                out.flush()
                tick(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return np.array([known[key] for key in keys])


def at_wavelengths(printed: str) -> list[float]:
    """Path reflectance, transmittance down and up, spherical albedo at `WAVELENGTHS`, one after the other."""
    table = _sixs.spectrum(printed)
    rows = table[np.argmin(np.abs(table[:, :1] - np.array(WAVELENGTHS)), axis=0)]
    return [float(v) for column in (5, 2, 3, 4) for v in rows[:, column]]


def phase_and_albedo(printed: str) -> list[float]:
    """Aerosol phase function at the run's scattering angle, and single-scattering albedo."""
    return [_sixs.headline(printed, "phase function I", 3)[1], _sixs.headline(printed, "sing. scat. albedo", 3)[1]]


def depth_and_albedo(printed: str) -> list[float]:
    """Rayleigh optical depth, aerosol optical depth, aerosol single-scattering albedo."""
    depth = _sixs.headline(printed, "optical depth total", 3)
    return [depth[0], depth[1], _sixs.headline(printed, "sing. scat. albedo", 3)[1]]


def gas_transmittance(printed: str) -> list[float]:
    """Total gas transmittance at every step of the spectrum."""
    return [float(v) for v in _sixs.spectrum(printed)[:, 1]]


def _geometry(scattering: float) -> tuple[float, float, float]:
    """Sun and view zenith and azimuth for a scattering angle."""
    if scattering >= 100:
        return 180.0 - scattering, 0.0, 0.0
    half = (180.0 - scattering) / 2.0
    return half, half, 180.0


def _path(air_mass: float) -> tuple[float, float, float]:
    """Sun zenith angle for a total air mass 1/cos(sza) + 1/cos(vza), seen from straight above."""
    return float(np.degrees(np.arccos(1.0 / (air_mass - 1.0)))), 0.0, 0.0


def _key(run: Run) -> str:
    return hashlib.sha256(json.dumps(asdict(run), sort_keys=True).encode()).hexdigest()[:20]


def solar_irradiance(printed: str) -> list[float]:
    """Solar irradiance at every step of the spectrum, W m⁻² µm⁻¹; only its shape within a band matters."""
    return [float(v) for v in _sixs.spectrum(printed)[:, 6]]
