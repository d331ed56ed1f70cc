"""Topography: reflectance of slopes as if the ground were level (SCS+C or C-correction)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels import terrain as kernel
from musyq_cube.normalization import Residual
from musyq_cube.types import NEAR_INFRARED, QA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

F32: TypeAlias = npt.NDArray[np.float32]
Method: TypeAlias = Literal["scs+c", "c"]
"""Sun-canopy-sensor with C (trees grow upright), or C alone (the surface is the slope itself)."""

GRAZING = 85.0
"""Degrees of incidence from which a slope is taken to be in its own shade."""
_SHADE = math.cos(math.radians(GRAZING))
_TURNS = 50
_CELL = 16  # pixels: cells of a checkerboard, one colour to estimate on, the other to judge on


@dataclass(frozen=True)
class Topography:
    """What a scene's bands owe to the terrain."""

    c: tuple[tuple[str, float], ...]
    """(common name, C) of the bands that the correction makes less dependent on the terrain; others are left alone."""
    residuals: tuple[tuple[str, Residual], ...]
    """By band: |correlation of reflectance with cos i| before and after, on pixels that C was not estimated from."""
    method: Method = "scs+c"

    @property
    def residual(self) -> Residual | None:
        """Mean of the bands that are corrected, or None where there is none."""
        kept = [r for name, r in self.residuals if name in dict(self.c)]
        if not kept:
            return None
        before, after = (float(np.mean([getattr(r, side) for r in kept])) for side in ("before", "after"))
        return Residual(before, after, "1", kept[0].count, kept[0].against)


def terrain(dem: ArrayLike, resolution: float | tuple[ArrayLike, float]) -> tuple[F32, F32]:
    """
    Slope and aspect of an elevation model on the output grid.

    Parameters
    ----------
    dem : array_like (y + 2, x + 2)
        Elevation in metres, north up, with a halo of one pixel; NaN is missing.
    resolution
        Pixel size in metres, or (width, height); the width may be an array (y,) of the rows' widths (degrees grids).

    Returns
    -------
    slope, aspect : float32 (y, x)
        Degrees; aspect downhill, clockwise from north. NaN next to missing elevations.

    Raises
    ------
    NormalizeError
        If there is no halo.

    Examples
    --------
    >>> slope, aspect = terrain([[30, 30, 30], [0, 0, 0], [-30, -30, -30]], 30.0)
    >>> float(slope[0, 0]), float(aspect[0, 0])
    (45.0, 180.0)
    """
    z = np.asarray(dem, np.float32)
    if z.ndim != 2 or min(z.shape) < 3:
        raise NormalizeError(f"dem of shape {z.shape}: it must be (y, x) with one pixel more on each side")
    dx, dy = resolution if isinstance(resolution, tuple) else (resolution, resolution)
    widths = np.asarray(dx, np.float32)
    return kernel.slope_aspect(z, widths[:, None] if widths.ndim else float(widths), dy)


def illumination(sza: ArrayLike, saa: ArrayLike, slope: ArrayLike, aspect: ArrayLike) -> F32:
    """
    Return the cosine of the sun's incidence: cos θ cos β + sin θ sin β cos(φ - A).

    Parameters
    ----------
    sza, saa, slope, aspect : array_like, broadcast together
        Sun zenith and azimuth, slope and aspect, degrees.

    Returns
    -------
    float32
        -1…1, not positive where the slope is in its own shade; NaN where an angle is missing.

    Examples
    --------
    >>> round(float(illumination(40, 180, 40, 180)), 6)
    1.0
    """
    shape = np.broadcast_shapes(*map(np.shape, (sza, saa, slope, aspect)))
    return kernel.incidence(*(_flat(a, shape) for a in (sza, saa, slope, aspect)))[0].reshape(shape)


def apply_topography(
    bands: Mapping[str, F32],
    sza: ArrayLike,
    saa: ArrayLike,
    slope: ArrayLike,
    aspect: ArrayLike,
    c: Mapping[str, float],
    *,
    method: Method = "scs+c",
) -> tuple[dict[str, F32], npt.NDArray[np.uint16]]:
    """
    Take the terrain out of reflectance, pixel by pixel.

    Parameters
    ----------
    bands : mapping of common name to float32 (y, x)
        Surface reflectance; NaN is missing.
    sza, saa, slope, aspect : array_like, broadcast to (y, x)
        Degrees: sun zenith and azimuth, and from :func:`terrain`.
    c
        C ≥ 0 by band, from :func:`estimate_c`; a band without is returned as it is.
    method
        ``"scs+c"`` ρ (cos θ cos β + C) / (cos i + C) or ``"c"`` ρ (cos θ + C) / (cos i + C).

    Returns
    -------
    bands : dict of float32 (y, x)
        NaN in the terrain's own shade for corrected bands. Shade cast from afar is not looked for.
    qa : uint16 (y, x)
        TERRAIN_SHADOW where the incidence is 85° or more; BACKUP where slope or sun are unknown, so that a value stays
        as it is.

    Notes
    -----
    C-correction: Teillet et al. 1982 (doi:10.1080/07038992.1982.10855028); SCS+C: Soenen et al. 2005
    (doi:10.1109/TGRS.2005.852480).
    """
    shape = np.broadcast_shapes(*map(np.shape, (*bands.values(), sza, saa, slope, aspect)))
    angles = [_flat(a, shape) for a in (sza, saa, slope, aspect)]
    size = angles[0].size
    out = {name: np.array(np.broadcast_to(values, shape), np.float32) for name, values in bands.items()}
    qa = np.zeros(size, np.uint16)
    strip = 16_384  # pixels: cosines stay in the cache while the bands go by
    for part in (slice(i, i + strip) for i in range(0, size, strip)):
        cos_i, up = _cosines([a[part] for a in angles], method)
        seen = np.zeros(cos_i.shape, bool)
        for name in set(bands) & set(c):
            flat = out[name].reshape(-1)
            seen |= ~np.isnan(flat[part])
            flat[part] = kernel.level(flat[part], cos_i, up, c[name], _SHADE)
        qa[part] = np.where(cos_i <= np.float32(_SHADE), np.uint16(QA.TERRAIN_SHADOW), np.uint16(0))
        qa[part] |= np.where(np.isnan(cos_i) & seen, np.uint16(QA.BACKUP), np.uint16(0))
    return out, qa.reshape(shape)


def estimate_c(
    bands: Mapping[str, F32],
    sza: ArrayLike,
    saa: ArrayLike,
    slope: ArrayLike,
    aspect: ArrayLike,
    *,
    clear: npt.NDArray[np.bool_] | None = None,
    steep: float = 5.0,
    green: float = 0.3,
    least: int = 500,
    method: Method = "scs+c",
) -> Topography:
    """
    Find C of every band of a scene: offset over gain of the regression of reflectance on cos i.

    Parameters
    ----------
    bands : mapping of common name to float32 (y, x)
        Surface reflectance of a whole scene, or a thinned-out one; NaN is missing.
    sza, saa, slope, aspect : array_like, broadcast to (y, x)
        Degrees.
    clear : bool (y, x)
        Pixels to use. Default: all.
    steep, green
        Least slope in degrees, and least NDVI (where there are red and near infrared), of a pixel that is used.
    least
        Pixels needed to estimate on, and as many to judge on.
    method
        As for :func:`apply_topography`.

    Returns
    -------
    Topography
        Only bands that depend less on cos i afterwards have a C, judged on the other half of the scene (a
        checkerboard): no step makes its residual worse.
    """
    shape = np.broadcast_shapes(*map(np.shape, (*bands.values(), sza, saa, slope, aspect)))
    angles = [_flat(a, shape) for a in (sza, saa, slope, aspect)]
    cos_i, up = (a.reshape(shape) for a in _cosines(angles, method))
    use = (cos_i > _SHADE) & (angles[2].reshape(shape) >= steep) & _vegetated(bands, green)
    use &= True if clear is None else clear
    rows, columns = (np.arange(n) // _CELL for n in shape)
    white = (rows[:, None] + columns) % 2 == 0
    made: dict[str, float] = {}
    residuals: dict[str, Residual] = {}
    for name, values in bands.items():
        valid = use & np.isfinite(values)
        learn, judge = valid & white, valid & ~white
        if min(learn.sum(), judge.sum()) < least:
            continue
        c = _offset(values[learn], cos_i[learn], up[learn])
        seen, light = values[judge].astype(np.float32), cos_i[judge]
        before = after = _dependence(light, seen)
        if c is not None:
            after = _dependence(light, kernel.level(seen, light, up[judge], c, _SHADE))
        residuals[name] = Residual(before, after, "1", seen.size, "cos i")
        if c is not None and after < before:
            made[name] = c
    return Topography(tuple(made.items()), tuple(residuals.items()), method)


def _cosines(angles: list[F32], method: Method) -> tuple[F32, F32]:
    """Cosine of incidence, and what it is to become."""
    sza, saa, slope, aspect = angles
    cos_i, up = kernel.incidence(sza, saa, slope, aspect)
    if method == "scs+c":
        return cos_i, up
    flat = np.zeros_like(slope)
    return cos_i, kernel.incidence(sza, saa, flat, flat)[0]


def _offset(values: F32, cos_i: F32, up: F32) -> float | None:
    """
    Return C, or None where reflectance does not grow with the light.

    ρ (up + C) = R (cos i + C) is a line over cos i whose offset over its slope is C itself: repeated until it stands.
    Where `up` does not vary, once is enough, and it is the regression of ρ on cos i as published.
    """
    c = 0.0
    for k in range(_TURNS):
        weight = up.astype(np.float64) + c if k else 1.0
        offset, gain = _line(cos_i, values * weight)
        if gain <= 0:
            return None
        last, c = c, max(offset / gain, 0.0)
        if k and abs(c - last) <= 1e-6 * (1 + c):
            break
    return c


def _vegetated(bands: Mapping[str, F32], green: float) -> npt.NDArray[np.bool_] | np.bool_:
    nir = next((bands[name] for name in NEAR_INFRARED if name in bands), None)
    if nir is None or "red" not in bands:
        return np.True_
    with np.errstate(all="ignore"):
        return np.asarray((nir - bands["red"]) / (nir + bands["red"]) >= green)


def _line(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Offset and gain of y over x by least squares."""
    u, v = x.astype(np.float64), y.astype(np.float64)
    spread = float(np.mean((u - u.mean()) ** 2))
    gain = float(np.mean((u - u.mean()) * (v - v.mean()))) / spread if spread > 0 else 0.0
    return float(v.mean() - gain * u.mean()), gain


def _dependence(x: F32, y: F32) -> float:
    """|Correlation|; 0 where one of them does not vary."""
    u, v = x.astype(np.float64) - x.mean(dtype=np.float64), y.astype(np.float64) - y.mean(dtype=np.float64)
    norm = math.sqrt(float(np.sum(u * u)) * float(np.sum(v * v)))
    return abs(float(np.sum(u * v))) / norm if norm > 0 else 0.0


def _flat(values: ArrayLike, shape: tuple[int, ...]) -> F32:
    return np.broadcast_to(np.asarray(values, np.float32), shape).reshape(-1)
