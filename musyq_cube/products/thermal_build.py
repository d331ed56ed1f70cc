"""
Make coefficients of surface temperature that nobody published: ``python -m musyq_cube.products.thermal_build LOWTRAN``.

LOWTRAN is an executable of LOWTRAN 7 that reads ``TAPE5`` of its working directory and writes ``out/TAPE7``, where the
rows of a thermal radiance have wavenumber, transmittance and radiance with at least five digits. The air is that of 104
made-up profiles (ground at 248-308 K, dry to moist, two lapse rates), seen from 0 to 60 degrees.
"""

from __future__ import annotations

import csv
import itertools
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels.thermal import C1, C2
from musyq_cube.sensor import sensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DATA = Path(__file__).parent / "data"
SPLIT_WINDOW = ("goes16-abi", "himawari8-ahi", "npp-viirs", "n20-viirs", "fy3d-mersi2", "fy2e-vissr", "fy4a-agri",
                "mtsat2-imager", "metopb-avhrr")  # fmt: skip
MONO_WINDOW = ("goes13-imager", "goes15-imager", "hj1b-irs", "fy3a-mersi1", "fy3b-mersi1", "fy3c-mersi1")
VIEWS = (0.0, 30.0, 45.0, 53.0, 60.0)
DIFFUSE = 53.0
"""Zenith angle whose radiance stands for that of the whole sky."""
MOST_VAPOUR = 6.5
WARMER = (-5.0, 0.0, 5.0, 10.0, 15.0, 20.0)
"""Kelvin that the surface is warmer than the air above it."""
EMISSIVITIES = (0.94, 0.965, 0.98, 0.99)
STEPS = (-0.012, -0.006, 0.0, 0.006)
CLASSES = np.arange(0.3, 6.0, 0.6)
"""Water vapour of the slant path at the centres of the classes of the mono-window."""

_HEIGHTS = np.array([*range(26), 30, 35, 40, 45, 50, 70, 100], float)
_WAVENUMBERS = (700.0, 1300.0, 5.0)
_KELVINS = np.arange(180.0, 360.0, 0.5)


@dataclass(frozen=True)
class Air:
    """One profile: ground temperature, water vapour, and by view and wavelength what passes and what it emits."""

    ground: float
    vapour: float
    wavelength: Array
    through: Array
    up: Array
    down: Array


def profile(ground: float, humidity: float, lapse: float) -> tuple[Array, Array, Array, float]:
    """Return temperature (K), pressure (hPa) and water vapour (g kg⁻¹) at the heights, and its column (g cm⁻²)."""
    z = _HEIGHTS
    top = max(205.0, ground - lapse * (15 if ground > 295 else 11))
    t = np.maximum(ground - lapse * z, top if ground > 250 else 215.0)
    t = np.where(z > 20, np.minimum(top + (z - 20) * 1.8, 265.0), t)
    t = np.where(z > 50, np.maximum(265.0 - (z - 50) * 2.2, 200.0), t)
    steps = 34.163 * np.diff(z) * 2 / (t[1:] + t[:-1])
    p = 1013.0 * np.exp(-np.concatenate([[0.0], np.cumsum(steps)]))
    saturated = 6.1094 * np.exp(17.625 * (t - 273.15) / (t - 30.11))
    e = np.clip(humidity * np.exp(-z / 8.0), 0.02, 0.95) * saturated
    q = np.where(z > 14, 3e-6, np.maximum(0.622 * e / (p - 0.378 * e), 3e-6))
    column = float(np.trapezoid(q[:26], -p[:26] * 100)) / 9.80665 * 0.1
    return t, p, q * 1e3, column


def deck(ground: float, humidity: float, lapse: float, path: tuple[float, float, float]) -> str:
    """Return the cards of a thermal radiance along a path (from and to km, zenith angle at its beginning)."""
    t, p, q, _ = profile(ground, humidity, lapse)
    ozone = (1 if ground > 295 else 2) if ground > 283 else (3 if ground > 268 else 5)
    cards = [
        "".join(f"{v:5d}" for v in (7, 2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0)) + f"{ground:8.3f}{0.0:7.2f}",
        "".join(f"{v:5d}" for v in (0, 1, 0, 0, 0, 0)) + "".join(f"{0.0:10.3f}" for _ in range(5)),
        f"{len(_HEIGHTS):5d}{0:5d}{0:5d}PROFILE",
        *(
            f"{z:10.3f}{pp:10.3E}{tt:10.3E}{qq:10.3E}{0.0:10.3E}{0.0:10.3E}AAC6{ozone}6666666666"
            for z, pp, tt, qq in zip(_HEIGHTS, p, t, q, strict=True)
        ),
        "".join(f"{v:10.3f}" for v in (*path, 0.0, 0.0, 0.0)) + f"{0:5d}",
        "".join(f"{v:10.3f}" for v in _WAVENUMBERS),
        f"{0:5d}",
    ]
    return "\n".join(cards) + "\n"


def run(lowtran: Path, cards: str, ground: float) -> tuple[Array, Array, Array]:
    """Return wavelength (µm, increasing), transmittance, and radiance without the ground's (W m⁻² sr⁻¹ µm⁻¹)."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "out").mkdir()
        (Path(folder) / "TAPE5").write_text(cards)
        for name in ("TAPE6", "TAPE7", "TAPE8"):
            (Path(folder) / "out" / name).touch()
        subprocess.run([lowtran], cwd=folder, check=True, capture_output=True)  # noqa: S603
        lines = (Path(folder) / "out" / "TAPE7").read_text().split("TOTAL RAD")[1].splitlines()[1:]
    rows = list(itertools.takewhile(lambda row: len(row) == 3, (line.split() for line in lines)))
    wavenumber, through, radiance = np.array(rows, float)[::-1].T
    wavelength = 1e4 / wavenumber
    return wavelength, through, radiance * wavenumber**2 - through * planck(wavelength, ground)


def airs(lowtran: Path) -> list[Air]:
    """Return the simulated air."""
    found = []
    for ground, humidity, lapse in itertools.product(range(248, 313, 5), (0.25, 0.5, 0.7, 0.85), (5.0, 6.5)):
        vapour = profile(ground, humidity, lapse)[3]
        if vapour > MOST_VAPOUR:
            continue
        paths = [(100.0, 0.0, 180.0 - view) for view in VIEWS] + [(0.0, 100.0, DIFFUSE)]
        seen = [run(lowtran, deck(ground, humidity, lapse, path), ground) for path in paths]
        through, emitted = (np.stack([s[i] for s in seen]) for i in (1, 2))
        found.append(Air(ground, vapour, seen[0][0], through[:-1], emitted[:-1], emitted[-1]))
    return found


def planck(wavelength: Array, temperature: float) -> Array:
    """Return the radiance of a black body by wavelength (µm)."""
    return np.asarray(C1 / wavelength**5 / np.expm1(C2 / (wavelength * temperature)))


class Channel:
    """One band: its weights by wavelength, and brightness temperatures of its radiances."""

    def __init__(self, sensor_id: str, band: str, wavelength: Array) -> None:
        centres, response = sensor(sensor_id).srf(band)
        fine = np.arange(wavelength[0], wavelength[-1], 0.01)
        response = np.interp(fine, centres, response, 0, 0)
        place = np.interp(fine, wavelength, np.arange(len(wavelength)))
        low = np.minimum(place.astype(int), len(wavelength) - 2)
        weights = np.zeros(len(wavelength))
        np.add.at(weights, low, response * (low + 1 - place))
        np.add.at(weights, low + 1, response * (place - low))
        self.weights = weights / response.sum()
        self.radiances = np.array([self.weights @ planck(wavelength, t) for t in _KELVINS])

    def brightness(self, spectrum: Array) -> float:
        """Return the brightness temperature of a spectrum of radiance, K."""
        return float(np.interp(self.weights @ spectrum, self.radiances, _KELVINS))


def simulate(channels: Sequence[Channel], emissivities: Iterable[tuple[float, ...]], air: Iterable[Air]) -> Array:
    """Return rows of brightness temperatures, emissivities, water vapour, secant of the view, surface temperature."""
    rows = []
    pairs = list(emissivities)
    for one, warmer in itertools.product(air, WARMER):
        emitted = planck(one.wavelength, one.ground + warmer)
        for view, through, up in zip(VIEWS, one.through, one.up, strict=True):
            secant = 1 / np.cos(np.radians(view))
            for pair in pairs:
                seen = [
                    channel.brightness(through * (e * emitted + (1 - e) * one.down) + up)
                    for channel, e in zip(channels, pair, strict=True)
                ]
                rows.append([*seen, *pair, one.vapour, secant, one.ground + warmer])
    return np.array(rows)


def fit_split_window(rows: Array) -> Array:
    """Return c0…c6 of the split window of Jiménez-Muñoz & Sobrino."""
    t11, t12, e11, e12, w, _, truth = rows.T
    apart, lack, step = t11 - t12, 1 - (e11 + e12) / 2, e11 - e12
    design = np.stack([np.ones_like(w), apart, apart**2, lack, w * lack, step, w * step], 1)
    return np.asarray(np.linalg.lstsq(design, truth - t11, rcond=None)[0])


def fit_mono_window(rows: Array) -> Array:
    """Return A, B, C of each class of slant water vapour, linear between their centres."""
    t, e, w, secant, truth = rows[rows[:, 2] * rows[:, 3] <= MOST_VAPOUR].T
    part = np.stack([np.interp(w * secant, CLASSES, row) for row in np.eye(len(CLASSES))], 1)
    design = np.concatenate([part * (t / e)[:, None], part / e[:, None], part], 1)
    return np.asarray(np.linalg.lstsq(design, truth, rcond=None)[0].reshape(3, -1).T)


def build(lowtran: Path) -> None:
    """Write the tables."""
    air = airs(lowtran.resolve())
    wavelength = air[0].wavelength
    pairs = [(e + d / 2, e - d / 2) for e, d in itertools.product(EMISSIVITIES, STEPS)]
    split: list[list[object]] = []
    for name in SPLIT_WINDOW:
        rows = simulate([Channel(name, band, wavelength) for band in ("lwir11", "lwir12")], pairs, air)
        split.append([name, *fit_split_window(rows).round(3)])
    mono: list[list[object]] = []
    for name in MONO_WINDOW:
        keys = {b.key for b in sensor(name).bands}
        channel = Channel(name, "lwir" if "lwir" in keys else "lwir11", wavelength)
        found = fit_mono_window(simulate([channel], [(e,) for e in EMISSIVITIES], air))
        mono += [[name, round(float(w), 1), *abc.round(4)] for w, abc in zip(CLASSES, found, strict=True)]
    _write("split_window_fitted", ["sensor", *(f"c{i}" for i in range(7))], split)
    _write("mono_window_fitted", ["sensor", "water", "a", "b", "c"], mono)


def _write(name: str, head: list[str], rows: list[list[object]]) -> None:
    with (DATA / f"{name}.csv").open("w", newline="") as file:
        file.write("# Made by musyq_cube.products.thermal_build from simulations with LOWTRAN 7.\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
