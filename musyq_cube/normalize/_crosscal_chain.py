"""From a reference's reflectance to the radiance that another sensor must have measured over the same desert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from musyq_cube.normalize import lut
from musyq_cube.normalize._crosscal_light import Light, seen_reflectance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array: TypeAlias = np.ndarray[Any, Any]

STEEPEST = 75.0
"""Degrees of local incidence or view beyond which the directional kernels mean nothing: such pixels are left out."""


class Air(Protocol):
    """An atmosphere; angles in degrees (`raa` 0 towards the hot spot), water g cm⁻², ozone cm-atm, height km."""

    def to_surface(
        self,
        toa: Array,
        sensor: str,
        band: str,
        sza: ArrayLike,
        vza: ArrayLike,
        raa: ArrayLike,
        aod: float,
        tcwv: float,
        ozone: float,
        elevation: float,
    ) -> Array:
        """Return surface reflectance under a reflectance at the top of the atmosphere."""

    def to_toa(
        self,
        surface: Array,
        sensor: str,
        band: str,
        sza: ArrayLike,
        vza: ArrayLike,
        raa: ArrayLike,
        aod: float,
        tcwv: float,
        ozone: float,
        elevation: float,
    ) -> Array:
        """Return reflectance at the top of the atmosphere over a surface reflectance."""


@dataclass(frozen=True)
class TableAir:
    """The project's own tables of 6S as an `Air`; NaN outside their range."""

    model: str = "desert"
    """Aerosol model: one of `musyq_cube.normalize.lut.MODELS`."""

    def to_surface(
        self,
        toa: Array,
        sensor: str,
        band: str,
        sza: ArrayLike,
        vza: ArrayLike,
        raa: ArrayLike,
        aod: float,
        tcwv: float,
        ozone: float,
        elevation: float,
    ) -> Array:
        """Return surface reflectance under a reflectance at the top of the atmosphere."""
        table, state = lut.load(sensor, self.model), _single(sza, vza, raa)
        found = table.correct({band: toa}, *state, aod, tcwv=tcwv, ozone=ozone, elevation=elevation)
        return np.asarray(found[band], np.float64)

    def to_toa(
        self,
        surface: Array,
        sensor: str,
        band: str,
        sza: ArrayLike,
        vza: ArrayLike,
        raa: ArrayLike,
        aod: float,
        tcwv: float,
        ozone: float,
        elevation: float,
    ) -> Array:
        """Return reflectance at the top of the atmosphere over a surface reflectance."""
        table, state = lut.load(sensor, self.model), _single(sza, vza, raa)
        found = table.simulate({band: surface}, *state, aod, tcwv=tcwv, ozone=ozone, elevation=elevation)
        return np.asarray(found[band], np.float64)


def _single(*angles: ArrayLike) -> tuple[Any, Any, Any]:
    sza, vza, raa = (np.asarray(a, np.float32) for a in angles)
    return sza, vza, raa


@dataclass(frozen=True)
class View:
    """Where the sun and the sensor stand: zenith and azimuth in degrees, seen from the ground; scalars or arrays."""

    sza: Any
    saa: Any
    vza: Any
    vaa: Any

    @property
    def raa(self) -> Array:
        """Azimuth between them, 0…180, 0 where the sun is behind the sensor (hot spot)."""
        return np.asarray(np.abs((np.asarray(self.saa, np.float64) - self.vaa + 180) % 360 - 180))


@dataclass(frozen=True, eq=False)
class Day:
    """One date on which both sensors saw the targets, on the same pixels."""

    dn: Array
    """Target's numbers, (y, x) or (n,); NaN where not a target."""
    toa: Array
    """Reference's reflectance at the top of the atmosphere (divided by the cosine of the sun), same shape."""
    reference: View
    target: View
    aod: float
    tcwv: float
    ozone: float = 0.3
    elevation: float = 0.0
    distance: float = 1.0
    """Earth to sun, AU."""
    slope: Any = 0.0
    """Of the ground, degrees; scalar or shape of `dn`."""
    aspect: Any = 0.0
    """Azimuth that the slope faces, degrees clockwise from north."""
    label: str = ""


@dataclass(frozen=True)
class Link:
    """What ties the reference's band to the target's."""

    reference: tuple[str, str]
    """(sensor id, band)."""
    target: tuple[str, str]
    esun: float
    """Of the target's band at 1 AU, W m⁻² µm⁻¹."""
    sbaf: float = 1.0
    """Target's over reference's mean reflectance of the ground's spectrum."""
    brdf: tuple[float, float, float] = (1.0, 0.0, 0.0)
    """Isotropic, volume and geometric parameter of the ground (only their ratios matter)."""
    wavelength: float | None = None
    """Of the band, µm: the ratio of directional reflectance then heeds skylight (see `seen_reflectance`). None: all
    light is direct, as in the published method."""


def homogeneous(values: Array, size: int = 3, cv_max: float = 0.02) -> Array:
    """
    Find places that look the same all around: targets for which half a pixel of misplacement means little.

    Parameters
    ----------
    values
        (y, x) numbers or reflectance, NaN where missing.
    size
        Odd side of the window, pixels.
    cv_max
        Largest standard deviation over mean within the window.

    Returns
    -------
    ndarray of bool
        (y, x), True in the centre of windows that are complete, bright above zero and even enough.

    Examples
    --------
    >>> field = np.ones((5, 6))
    >>> field[:, 5] = 2.0
    >>> homogeneous(field)[2].astype(int).tolist()
    [0, 1, 1, 1, 0, 0]
    """
    values = np.asarray(values, np.float64)
    found = np.zeros(values.shape, bool)
    if min(values.shape) < size or not np.isfinite(values).any():
        return found
    windows = np.lib.stride_tricks.sliding_window_view(values - (centre := np.nanmean(values)), (size, size))
    mean = windows.mean(axis=(2, 3))  # NaN where the window is not complete
    square = np.einsum("ijkl,ijkl->ij", windows, windows) / size**2
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    level = mean + centre
    half = size // 2
    with np.errstate(invalid="ignore"):
        inner = (level > 0) & (spread <= cv_max * level)
    found[half : half + inner.shape[0], half : half + inner.shape[1]] = inner
    return found


def on_slope(view: View, slope: ArrayLike, aspect: ArrayLike) -> tuple[Array, Array, Array]:
    """
    Return incidence, view and relative azimuth (degrees) as a slope sees them.

    ``cos i = cosθs cosS + sinθs sinS cos(φs − A)``, the same for the view; the azimuth between them follows from the
    phase angle, which no slope changes: ``cos φ' = (cos ξ − cos i cos e) / (sin i sin e)``.

    Examples
    --------
    >>> i, e, phi = on_slope(View(30.0, 180.0, 0.0, 0.0), 30.0, 180.0)
    >>> bool(i < 1e-5), round(float(e), 6)
    (True, 30.0)
    """
    cos_i, cos_e = (_local(z, a, slope, aspect) for z, a in ((view.sza, view.saa), (view.vza, view.vaa)))
    s, v, phi = (np.radians(np.asarray(a, np.float64)) for a in (view.sza, view.vza, view.raa))
    cos_xi = np.cos(s) * np.cos(v) + np.sin(s) * np.sin(v) * np.cos(phi)
    sines = np.sqrt((1 - cos_i**2) * (1 - cos_e**2))
    cos_phi = np.divide(cos_xi - cos_i * cos_e, sines, out=np.ones_like(sines), where=sines > 1e-9)
    return tuple(np.degrees(np.arccos(np.clip(c, -1, 1))) for c in (cos_i, cos_e, cos_phi))  # type: ignore[return-value]


def _local(zenith: ArrayLike, azimuth: ArrayLike, slope: ArrayLike, aspect: ArrayLike) -> Array:
    z, a, s, f = np.broadcast_arrays(*(np.radians(np.asarray(x, np.float64)) for x in (zenith, azimuth, slope, aspect)))
    return np.asarray(np.clip(np.cos(z) * np.cos(s) + np.sin(z) * np.sin(s) * np.cos(a - f), -1, 1))


def radiance(toa: ArrayLike, esun: float, sza: ArrayLike, distance: float = 1.0) -> Array:
    """
    Return spectral radiance (W m⁻² sr⁻¹ µm⁻¹) of a reflectance at the top: ``L = ρ E0 cosθs / (π d²)``.

    Examples
    --------
    >>> round(float(radiance(0.3, 1550.0, 60.0)), 4)
    74.007
    """
    return np.asarray(np.asarray(toa) * esun * np.cos(np.radians(np.asarray(sza, np.float64))) / (np.pi * distance**2))


def predict(day: Day, link: Link, air: Air) -> Array:
    """
    Return the radiance that the target sensor must have measured, shape of ``day.toa``, NaN where it cannot be said.

    Reference at the top → surface (`air`) → ratio of directional reflectance Γ and of sunlight on the slope, both by
    local angles → spectral band adjustment → top of the atmosphere in the target's geometry → radiance, after Zhong et
    al. (2014), IEEE Trans. Geosci. Remote Sens. 52(11). Sunlight on a slope is taken as all direct.
    """
    state = (day.aod, day.tcwv, day.ozone, day.elevation)
    seen, wanted = day.reference, day.target
    surface = air.to_surface(np.asarray(day.toa), *link.reference, seen.sza, seen.vza, seen.raa, *state)
    surface = surface * _turn(day, link) * link.sbaf
    toa = air.to_toa(surface, *link.target, wanted.sza, wanted.vza, wanted.raa, *state)
    return radiance(toa, link.esun, wanted.sza, day.distance)


def _turn(day: Day, link: Link) -> Array:
    """Return what the ground's reflectance per horizontal sunlight becomes from the one geometry to the other."""
    (i_ref, shape_ref), (i_tgt, shape_tgt) = (_seen(v, day, link) for v in (day.reference, day.target))
    light = np.cos(np.radians(i_tgt)) / np.cos(np.radians(i_ref))
    flat = np.cos(np.radians(day.reference.sza)) / np.cos(np.radians(day.target.sza))
    return np.asarray(shape_tgt / shape_ref * light * flat)


def _seen(view: View, day: Day, link: Link) -> tuple[Array, Array]:
    i, e, phi = on_slope(view, day.slope, day.aspect)
    usable = (i < STEEPEST) & (e < STEEPEST)
    i, e = np.where(usable, i, np.nan), np.where(usable, e, np.nan)
    shares = None
    if link.wavelength is not None:
        air = Light.over(link.wavelength, day.aod, day.elevation)
        shares = air.direct(view.sza), air.direct(view.vza)
    return i, seen_reflectance(link.brdf, (i, e, phi), shares)
