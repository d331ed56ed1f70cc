"""
Directional reflectance of the simulated surface: the RossThick and LiSparse-Reciprocal kernels.

Plain numpy, written apart from the kernels that normalize real data, so that each is a test of the other.

References
----------
Lucht, Schaaf & Strahler (2000), doi:10.1109/36.841980 (eqs 38–44);
Roy et al. (2016), doi:10.1016/j.rse.2016.01.023 and (2017), doi:10.1016/j.rse.2017.06.019 (fixed band parameters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

REFERENCE_SZA = 45.0
"""Sun zenith, degrees, of the nadir reflectance that a surface *is* in the simulator."""

# Centre of the band (µm) and its (f_iso, f_vol, f_geo), blue … SWIR2.
_ROY = np.array(
    [
        (0.482, 0.0774, 0.0372, 0.0079),
        (0.561, 0.1306, 0.0580, 0.0178),
        (0.655, 0.1690, 0.0574, 0.0227),
        (0.705, 0.2085, 0.0845, 0.0256),
        (0.740, 0.2316, 0.1003, 0.0273),
        (0.783, 0.2599, 0.1197, 0.0294),
        (0.865, 0.3093, 0.1535, 0.0330),
        (1.609, 0.3430, 0.1154, 0.0453),
        (2.201, 0.2658, 0.0639, 0.0387),
    ]
)


def ross_thick(sza: ArrayLike, vza: ArrayLike, raa: ArrayLike) -> Array:
    """
    Return the volume-scattering kernel; angles in degrees, `raa` 0 towards the hot spot.

    Examples
    --------
    >>> round(float(ross_thick(60, 60, 0)), 6), float(ross_thick(0, 0, 0))
    (0.785398, 0.0)
    """
    s, v, phi = (np.radians(np.asarray(a, dtype=float)) for a in (sza, vza, raa))
    cos_phase = np.clip(np.cos(s) * np.cos(v) + np.sin(s) * np.sin(v) * np.cos(phi), -1, 1)
    phase = np.arccos(cos_phase)
    scattered = ((np.pi / 2 - phase) * cos_phase + np.sin(phase)) / (np.cos(s) + np.cos(v))
    return np.asarray(scattered - np.pi / 4)


def li_sparse(sza: ArrayLike, vza: ArrayLike, raa: ArrayLike) -> Array:
    """
    Return the reciprocal geometric kernel (crowns h/b = 2, b/r = 1); angles in degrees, `raa` 0 towards the hot spot.

    Examples
    --------
    >>> round(float(li_sparse(60, 60, 0)), 6), round(float(li_sparse(30, 0, 0)), 6)
    (2.0, -0.698222)
    """
    s, v, phi = (np.radians(np.asarray(a, dtype=float)) for a in (sza, vza, raa))
    ts, tv, cos_phi = np.tan(s), np.tan(v), np.cos(phi)
    sec_s, sec_v = 1 / np.cos(s), 1 / np.cos(v)
    distance2 = np.maximum(ts**2 + tv**2 - 2 * ts * tv * cos_phi, 0)
    cos_t = np.clip(2 * np.sqrt(distance2 + (ts * tv * np.sin(phi)) ** 2) / (sec_s + sec_v), -1, 1)
    t = np.arccos(cos_t)
    overlap = (t - np.sin(t) * cos_t) * (sec_s + sec_v) / np.pi
    cos_phase = np.cos(s) * np.cos(v) + np.sin(s) * np.sin(v) * cos_phi
    return np.asarray(overlap - sec_s - sec_v + 0.5 * (1 + cos_phase) * sec_s * sec_v)


def shape(wavelength: float) -> tuple[float, float]:
    """Return (f_vol/f_iso, f_geo/f_iso) of average land at a wavelength in µm, between the published bands."""
    x = _ROY[:, 0]
    volume = np.interp(wavelength, x, _ROY[:, 2] / _ROY[:, 1])
    geometric = np.interp(wavelength, x, _ROY[:, 3] / _ROY[:, 1])
    return float(volume), float(geometric)


def anisotropy(wavelength: float, sza: ArrayLike, vza: ArrayLike, raa: ArrayLike, strength: float = 1.0) -> Array:
    """
    Return reflectance in a geometry relative to the nadir view with the sun at `REFERENCE_SZA`.

    ``(1 + v K_vol + g K_geo) / (the same at (45°, 0°))`` with v and g of average land times `strength` (0: Lambertian).

    Examples
    --------
    >>> float(anisotropy(0.65, 45, 0, 0))
    1.0
    """
    volume, geometric = (strength * f for f in shape(wavelength))

    def reflectance(s: ArrayLike, v: ArrayLike, phi: ArrayLike) -> Array:
        return 1 + volume * ross_thick(s, v, phi) + geometric * li_sparse(s, v, phi)

    return np.asarray(reflectance(sza, vza, raa) / reflectance(REFERENCE_SZA, 0.0, 0.0))
