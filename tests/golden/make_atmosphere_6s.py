"""
Ask 6S for the reflectance at the top of the atmosphere in random states: truth for test_atmosphere_6s.py.

    python tests/golden/make_atmosphere_6s.py [--states 520] [--processes 2] [--cache FOLDER]

Needs 6S (``pip install musyq-cube[build]``). One run gives the spectrum that 6S integrates over a band: so it is
integrated here as 6S does it, with its solar irradiance and every band's response in its steps of 2.5 nm. Writes
``atmosphere_6s.csv``: state, water and ozone of the profile above that ground, and one row for each band.
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

import numpy as np

from musyq_cube.normalize import _sixs
from musyq_cube.normalize._sixs_runs import collect
from musyq_cube.normalize.lut import MODELS, reflective
from musyq_cube.sensor import sensor

SENSORS = {"landsat8-oli": 8.0, "sentinel2a-msi": 12.0, "modis-terra": 65.0, "hj1a-ccd1": 35.0, "landsat5-tm": 8.0}
"""Sensor to the largest view zenith angle, degrees."""
PROFILES = ("midlatitude-summer", "us62", "tropical")
HEADER = [
    "sensor",
    "model",
    "profile",
    "sza",
    "vza",
    "raa",
    "aod",
    "elevation",
    "tcwv",
    "ozone",
    "surface",
    "band",
    "toa",
]
OUT = Path(__file__).with_name("atmosphere_6s.csv")


def states(count: int) -> list[tuple[str, _sixs.Run]]:
    """Random states, none on a node of the tables; every sensor with every model and profile."""
    rng = np.random.default_rng(20240229)
    made = []
    for i in range(count):
        name = list(SENSORS)[i % 5]
        bands = [sensor(name).srf(b)[0] for b in reflective(name)]
        run = _sixs.Run(
            sza=round(rng.uniform(2.0, 74.0), 2),
            vza=round(rng.uniform(0.0, SENSORS[name]), 2),
            raa=round(rng.uniform(0.0, 180.0), 2),
            aod=round(float(np.exp(rng.uniform(np.log(0.02), np.log(1.5)))), 3),
            model=MODELS[(i // 5) % len(MODELS)],
            elevation=round(rng.uniform(0.0, 4.0), 2) if rng.random() < 0.5 else 0.0,
            profile=PROFILES[(i // 3) % len(PROFILES)],
            surface=round(rng.uniform(0.01, 0.6), 3),
            spectrum=(np.floor(min(b[0] for b in bands) * 400) / 400, np.ceil(max(b[-1] for b in bands) * 400) / 400),
        )
        made.append((name, run))
    return made


def read(printed: str) -> list[float]:
    """Water, ozone, then reflectance and solar irradiance at every step."""
    found = [re.findall(r"uh2o=\s*([\d.]+)\s*g/cm2\D*uo3=\s*([\d.]+)", line) for line in printed.splitlines()]
    water, ozone = [f[0] for f in found if f][-1]
    table = _sixs.spectrum(printed)
    return [float(water), float(ozone), *table[:, 7].tolist(), *table[:, 6].tolist()]


def rows(name: str, run: _sixs.Run, answer: np.ndarray) -> list[list[object]]:
    """One row for each band."""
    water, ozone = answer[:2]
    toa, sun = np.split(answer[2:], 2)
    wavelength = run.spectrum[0] + _sixs.STEP * np.arange(len(toa))
    out = []
    for band in reflective(name):
        weight = np.interp(wavelength, *sensor(name).srf(band), left=0.0, right=0.0) * sun
        out.append([name, run.model, run.profile, run.sza, run.vza, run.raa, run.aod, run.elevation, round(water, 4),
                    round(ozone, 4), run.surface, band, round(float(weight @ toa / weight.sum()), 6)])  # fmt: skip
    return out


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=520)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path("atmosphere-6s-runs"))
    args = parser.parse_args()
    wanted = states(args.states)
    lines: list[list[object]] = []
    for name in SENSORS:
        own = [run for sensor_id, run in wanted if sensor_id == name]
        answers = collect(f"states-{name}", own, read, args.cache, processes=args.processes)
        for run, answer in zip(own, answers, strict=True):
            lines += rows(name, run, answer)
    with OUT.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(lines)


if __name__ == "__main__":
    main()
