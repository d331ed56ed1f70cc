"""Surface reflectance from reflectance at the top of the atmosphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.normalize.lut import load
from musyq_cube.normalize.rules import HAZY, MAX_SZA, MAX_VZA
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Mapping

F32: TypeAlias = npt.NDArray[np.float32]
Array: TypeAlias = np.ndarray[Any, Any]

BRIGHTEST = 1.6
"""Reflectance above which, as below 0, a value is kept but marked."""
ADJACENCY_RADIUS = 1000.0
"""Metres around a pixel from which light is scattered into its view."""


def apply_atmosphere(
    bands: Mapping[str, Array],
    sensor: str,
    model: str,
    sza: Array | float,
    vza: Array | float,
    raa: Array | float,
    aod: Array | float,
    tcwv: Array | float,
    ozone: Array | float,
    elevation: Array | float,
) -> tuple[dict[str, F32], npt.NDArray[np.uint16]]:
    """
    Correct bands of one sensor, pixel by pixel.

    Parameters
    ----------
    bands
        Reflectance at the top of the atmosphere by common name, float32 (y, x), NaN missing.
    sensor, model
        Sensor id and aerosol model, as `musyq_cube.normalize.lut.load` takes them.
    sza, vza, raa, aod, tcwv, ozone, elevation
        Degrees (`raa` 0 in the hot spot), optical depth at 0.55 µm, g cm⁻², cm-atm, km; (y, x) or numbers.

    Returns
    -------
    surface, qa
        Surface reflectance by common name, float32 (y, x), NaN where missing or outside the tables; bits uint16 (y, x):
        HIGH_AOD (above 0.5), LOW_SUN (beyond 75°), HIGH_VIEW (beyond 60°), OUT_OF_RANGE where a band comes out negative
        or above 1.6: such values are kept.

    Raises
    ------
    NormalizeError
        For a band, sensor or model without table.
    """
    surface = load(sensor, model).correct(dict(bands), sza, vza, raa, aod, tcwv=tcwv, ozone=ozone, elevation=elevation)
    shape = next(iter(surface.values())).shape if surface else np.broadcast_shapes(np.shape(sza), np.shape(aod))
    qa = np.zeros(shape, np.uint16)
    for bad, bit in (
        (np.asarray(aod) > HAZY, QA.HIGH_AOD),
        (np.asarray(sza) > MAX_SZA, QA.LOW_SUN),
        (np.asarray(vza) > MAX_VZA, QA.HIGH_VIEW),
        *(((v < 0.0) | (v > BRIGHTEST), QA.OUT_OF_RANGE) for v in surface.values()),
    ):
        qa |= np.where(bad, np.uint16(bit), np.uint16(0))
    return surface, qa


def adjacency_halo(resolution: float, radius: float = ADJACENCY_RADIUS) -> int:
    """
    Pixels of margin that `adjacency` needs around a block, for a pixel size in metres.

    Examples
    --------
    >>> adjacency_halo(30.0)
    33
    """
    return int(radius / resolution)


def adjacency(
    surface: Mapping[str, Array],
    sensor: str,
    model: str,
    vza: Array | float,
    aod: Array | float,
    elevation: Array | float,
    *,
    resolution: float,
    radius: float = ADJACENCY_RADIUS,
) -> dict[str, F32]:
    """
    Take out light that neighbours send into the view of a pixel (sensible for pixels of up to about 100 m).

    ρ = ρ' + (ρ' − ⟨ρ'⟩) t_d / t_dir, with the mean over a square of ± `radius` metres and the diffuse and direct upward
    transmittances t_d, t_dir (Vermote et al. 1997, IEEE TGRS 35, 675). Off by default, because it needs a
    neighbourhood: give arrays with `adjacency_halo` pixels around what is wanted. Missing neighbours do not count.

    Parameters
    ----------
    surface
        Surface reflectance by common name from `apply_atmosphere`, float32 (y, x).
    vza, aod, elevation
        As in `apply_atmosphere`.
    resolution, radius
        Metres.

    Returns
    -------
    dict
        float32 (y, x) by common name.
    """
    reach = adjacency_halo(resolution, radius)
    ratios = load(sensor, model).diffuse_ratio(tuple(surface), vza, aod, elevation)
    out = {}
    for name, values in surface.items():
        valid = np.isfinite(values)
        total = _box(np.where(valid, values, 0.0).astype(np.float64), reach)
        mean = total / np.maximum(_box(valid.astype(np.float64), reach), 1.0)
        out[name] = (values + (values - mean) * ratios[name]).astype(np.float32)
    return out


def _box(values: Array, reach: int) -> Array:
    """Sum over a square window, added in the same order for every pixel, so that blocks do not show."""
    for axis in (0, 1):
        padded = np.pad(values, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)])
        total = np.zeros_like(values)
        for shift in range(2 * reach + 1):
            total += np.take(padded, range(shift, shift + values.shape[axis]), axis)
        values = total
    return values
