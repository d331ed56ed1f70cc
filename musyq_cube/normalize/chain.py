"""The steps of normalization that work on pixels, one after the other: the same for a lazy cube and for a block."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize.atmosphere import apply_atmosphere
from musyq_cube.normalize.direction import apply_direction
from musyq_cube.normalize.rules import CHAIN, HAZY, MAX_SZA, MAX_VZA, needs
from musyq_cube.normalize.spectral import apply_spectral, match
from musyq_cube.normalize.topography import GRAZING, apply_topography, illumination
from musyq_cube.sensor import sensor as get_sensor
from musyq_cube.types import NEAR_INFRARED, QA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from musyq_cube.normalize.rules import Rules

    Watch: TypeAlias = Callable[[str, Mapping[str, "Array"]], None]

Array: TypeAlias = np.ndarray[Any, Any]
Bands: TypeAlias = "dict[str, Array]"

LONGEST = 2.6
"""Micrometres up to which a band is corrected: beyond it, it sees heat."""
_SHADE = np.cos(np.radians(GRAZING))
WITHOUT_RELIEF = (
    "characterize the scenes with an elevation model, and name 'topography' among the corrections of the cube too"
)
NOT_SURFACE = frozenset({"cirrus", "nir09", "pan"})
"""Bands that see air or overlap others: left as they are."""


@dataclass(frozen=True)
class Observation:
    """What the steps must know of one time step besides its bands; arrays (y, x) float32."""

    sensor: str
    quantity: str
    """``toa``, ``sr`` or ``nbar``."""
    aerosol: str
    """Aerosol model; empty where the scene was not characterized."""
    sza: Array
    vza: Array
    raa: Array
    aod: Array | None = None
    tcwv: Array | None = None
    ozone: Array | None = None
    elevation: Array | None = None
    topography: str = ""
    """C of the topographic correction by band, JSON; empty where the scene is not to be corrected for it."""
    saa: Array | None = None
    slope: Array | None = None
    aspect: Array | None = None


def refuse(seen: Observation, rules: Rules) -> Array:
    """
    Return QA bits (uint16) of the pixels that the steps cannot or barely be applied to; known before any band is read.

    FILL where an angle or the air is missing, or an angle is beyond what the models hold for, or a slope is in its own
    shade; LOW_SUN, HIGH_VIEW and TERRAIN_SHADOW say which; HIGH_AOD where the correction is uncertain, BACKUP where the
    terrain is unknown and not corrected for.
    """
    bits: Array = np.zeros(seen.sza.shape, np.uint16)
    wanted = [s for s in needs(seen.quantity, rules.steps) if s != "topography" or seen.topography]
    if not wanted:
        return bits
    low = seen.sza > MAX_SZA
    bits[low] |= np.uint16(QA.LOW_SUN)
    lost = low | np.isnan(seen.sza)
    if wanted != ["topography"]:
        high = seen.vza > MAX_VZA
        bits[high] |= np.uint16(QA.HIGH_VIEW)
        lost |= high | np.isnan(seen.vza) | np.isnan(seen.raa)
    if "atmosphere" in wanted:
        if seen.aod is None or seen.tcwv is None or seen.ozone is None or seen.elevation is None:
            raise NormalizeError(f"a scene of {seen.sensor} has no aerosol: make the cube of characterized scenes")
        for layer in (seen.aod, seen.tcwv, seen.ozone, seen.elevation):
            lost |= np.isnan(layer)
        bits[seen.aod > HAZY] |= np.uint16(QA.HIGH_AOD)
    if "topography" in wanted:
        light = illumination(seen.sza, *_ground(seen))
        shade = light <= np.float32(_SHADE)
        bits[shade] |= np.uint16(QA.TERRAIN_SHADOW)
        bits[np.isnan(light) & ~lost] |= np.uint16(QA.BACKUP)
        lost |= shade
    bits[lost] |= np.uint16(QA.FILL)
    return bits


def normalize_bands(
    bands: Bands, seen: Observation, rules: Rules, watch: Watch | None = None, *, among: Iterable[str] | None = None
) -> tuple[Bands, Array]:
    """
    Apply the steps to the bands of one time step.

    Every pixel depends on nothing but itself, so the result is the same in whatever block it is computed.

    Parameters
    ----------
    bands
        Common name to reflectance, float32 (y, x), NaN where missing. Bands that see heat are returned as they are.
    seen
        Sensor, angles and air.
    rules
        Which steps.
    watch
        Called with the name of each step and the bands after it.
    among
        Names of all the bands there are, where `bands` are some of them: which band stands for which of the
        reference's is decided among all.

    Returns
    -------
    bands, qa
        The bands under the same names, and QA bits (uint16) to add.

    Raises
    ------
    NormalizeError
        Top-of-atmosphere reflectance of a scene that was not characterized, or a band too far from the reference's.
    """
    names = surface_bands(seen.sensor, tuple(bands))
    inside = {own: bands[name] for name, own in names.items()}
    bits = refuse(seen, rules)
    lost = (bits & np.uint16(QA.FILL)) != 0
    quantity = seen.quantity
    for step in CHAIN:
        if step not in rules.steps or not inside:
            continue
        if step == "atmosphere" and quantity == "toa":
            inside, found = _atmosphere(inside, seen)
            bits |= found
            quantity = "sr"
        elif step == "topography" and quantity == "sr" and seen.topography:
            inside, _ = apply_topography(inside, seen.sza, *_ground(seen), _c(seen.topography))  # bits: refuse()
        elif step == "direction" and quantity == "sr":
            inside, found = _direction(inside, seen, rules)
            bits |= found
            quantity = "nbar"
        elif step == "spectral" and seen.sensor != rules.reference and quantity != "toa":
            inside = _spectral(inside, seen.sensor, rules.reference, tuple(among or bands))
        if watch is not None:
            watch(step, {name: inside[own] for name, own in names.items()})
    for own in inside:
        inside[own] = np.where(lost, np.float32(np.nan), inside[own])
    return bands | {name: inside[own] for name, own in names.items()}, bits


def check_bands(sensor: str, names: Iterable[str], reference: str) -> None:
    """
    Refuse bands that are too far from the reference's, before anything is read.

    Raises
    ------
    NormalizeError
        Names the bands, the distance and what to do.
    """
    if sensor == reference:
        return
    far = match(sensor, reference, list(surface_bands(sensor, tuple(names)).values())).refused
    if far:
        bands = ", ".join(f"{line.band} ({line.distance:.0f} nm from {line.reference_band})" for line in far)
        raise NormalizeError(
            f"{sensor} cannot be brought to the bands of {reference}: {bands} is farther than 40 nm; leave these bands "
            "out, or the step 'spectral', or name another reference"
        )


def _atmosphere(bands: Bands, seen: Observation) -> tuple[Bands, Array]:
    if not seen.aerosol:
        raise NormalizeError(
            f"a scene of {seen.sensor} is top-of-atmosphere reflectance and was not characterized: run "
            "musyq_cube.characterize (or `musyq normalize`) on it, or leave the step 'atmosphere' out"
        )
    air = [np.asarray(getattr(seen, name)) for name in ("aod", "tcwv", "ozone", "elevation")]  # refuse() saw them
    return apply_atmosphere(bands, seen.sensor, seen.aerosol, seen.sza, seen.vza, seen.raa, *air)


def _ground(seen: Observation) -> tuple[Array, Array, Array]:
    if seen.saa is None or seen.slope is None or seen.aspect is None:
        raise NormalizeError(f"a scene of {seen.sensor} has no slope and aspect: {WITHOUT_RELIEF}")
    return seen.saa, seen.slope, seen.aspect


@lru_cache(maxsize=256)
def _c(text: str) -> dict[str, float]:
    return dict(json.loads(text))


def _direction(bands: Bands, seen: Observation, rules: Rules) -> tuple[Bands, Array]:
    sun: Any = "observed" if rules.sun is None else rules.sun
    return apply_direction(bands, seen.sza, seen.vza, seen.raa, sun=sun, wavelengths=_centers(seen.sensor))


def _spectral(bands: Bands, sensor: str, reference: str, among: tuple[str, ...]) -> Bands:
    """Bring bands to the reference's, under their own names: only the near infrared has another name there."""
    paired = _paired(sensor, reference, among)
    out = dict(bands)
    for name in bands:
        if name in paired:
            out[name] = next(iter(apply_spectral({name: bands[name]}, sensor, reference).values()))
    return out


@lru_cache(maxsize=256)
def _paired(sensor: str, reference: str, among: tuple[str, ...]) -> frozenset[str]:
    """Return the sensor's bands that have a counterpart: of two near infrareds, only one."""
    own = surface_bands(sensor, among).values()
    return frozenset(line.band for line in match(sensor, reference, list(own)).lines)


@lru_cache(maxsize=64)
def _centers(sensor: str) -> dict[str, float]:
    """Return the centre of every band in micrometres."""
    return {band.key: band.center_wavelength for band in get_sensor(sensor).bands if band.center_wavelength}


@lru_cache(maxsize=256)
def surface_bands(sensor: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return the sensor's own name of each band that sees light from the surface (a lent near infrared has another)."""
    centers = _centers(sensor)
    other = dict((NEAR_INFRARED, NEAR_INFRARED[::-1]))
    own = {name: name if name in centers else other.get(name, name) for name in names}
    return {n: o for n, o in own.items() if o not in NOT_SURFACE and centers.get(o, np.inf) < LONGEST}
