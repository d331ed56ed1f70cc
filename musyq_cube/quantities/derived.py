"""
Quantities that follow from others: humidity in all its measures, wind speed.

References
----------
Alduchov & Eskridge (1996), doi:10.1175/1520-0450(1996)035<0601:IMFAOS>2.0.CO;2 (saturation vapour pressure).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.quantities.table import QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Array: TypeAlias = np.ndarray[Any, Any]

VAPOUR_RATIO = 0.62198
"""Molar mass of water vapour over that of dry air."""


def saturation_vapour_pressure(temperature: Array) -> Array:
    """
    Return the saturation vapour pressure over water, Pa.

    ``610.94 exp(17.625 t / (t + 243.04))`` with t in °C (Alduchov & Eskridge 1996, AERK); within 0.4 % of the
    reference formulation from -40 to 50 °C.

    Parameters
    ----------
    temperature
        K, any shape.

    Examples
    --------
    >>> round(float(saturation_vapour_pressure(np.float32(293.15))), 1)
    2333.4
    """
    t = temperature - np.float32(273.15)
    return np.asarray(np.float32(610.94) * np.exp(np.float32(17.625) * t / (t + np.float32(243.04))))


def dew_point(vapour_pressure: Array) -> Array:
    """Return the temperature (K) at which a vapour pressure (Pa, above 0) is that of saturation; its exact inverse."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ln = np.log(vapour_pressure / np.float32(610.94))
        value = np.float32(243.04) * ln / (np.float32(17.625) - ln) + np.float32(273.15)
    return np.where(vapour_pressure > 0, value, np.float32(np.nan))


def vapour_pressure_of_humidity(specific_humidity: Array, pressure: Array) -> Array:
    """Return the vapour pressure (Pa): ``e = q p / (ε + (1 - ε) q)``, ε = 0.62198."""
    ratio = np.float32(VAPOUR_RATIO)
    return np.asarray(specific_humidity * pressure / (ratio + (1 - ratio) * specific_humidity))


def relative_humidity(vapour_pressure: Array, temperature: Array) -> Array:
    """Return the relative humidity, 0…1; what reanalyses have above saturation counts as saturated."""
    return np.asarray(np.minimum(vapour_pressure / saturation_vapour_pressure(temperature), np.float32(1)))


def vapour_pressure_deficit(vapour_pressure: Array, temperature: Array) -> Array:
    """Return the vapour pressure deficit, Pa, not below 0."""
    return np.asarray(np.maximum(saturation_vapour_pressure(temperature) - vapour_pressure, np.float32(0)))


@dataclass(frozen=True)
class Derivation:
    """One way to a quantity from others."""

    parts: tuple[str, ...]
    function: Callable[..., Array]
    """Of arrays in the order of `parts`."""


DERIVED: dict[str, tuple[Derivation, ...]] = {
    "vapour_pressure": (
        Derivation(("dew_point_temperature",), saturation_vapour_pressure),
        Derivation(("specific_humidity", "surface_pressure"), vapour_pressure_of_humidity),
        Derivation(("relative_humidity", "air_temperature"), lambda rh, t: rh * saturation_vapour_pressure(t)),
        Derivation(("vapour_pressure_deficit", "air_temperature"), lambda vpd, t: saturation_vapour_pressure(t) - vpd),
    ),
    "relative_humidity": (Derivation(("vapour_pressure", "air_temperature"), relative_humidity),),
    "vapour_pressure_deficit": (Derivation(("vapour_pressure", "air_temperature"), vapour_pressure_deficit),),
    "dew_point_temperature": (Derivation(("vapour_pressure",), dew_point),),
    "wind_speed": (Derivation(("eastward_wind", "northward_wind"), np.hypot),),
}
"""Ways to quantities that files rarely have, best first. A part may itself be derived."""


def derivation(name: str, have: Iterable[str]) -> Mapping[str, Derivation] | None:
    """
    Return how a quantity follows from others.

    Parameters
    ----------
    name
        What is wanted.
    have
        What is there.

    Returns
    -------
    dict of str to Derivation, or None
        The derivation of each quantity on the way that is not there (none where `name` is); None where there is no way.

    Examples
    --------
    >>> sorted(derivation("relative_humidity", {"air_temperature", "dew_point_temperature"}))
    ['relative_humidity', 'vapour_pressure']
    """
    return _way(name, frozenset(have), frozenset())


def _way(name: str, have: frozenset[str], asked: frozenset[str]) -> dict[str, Derivation] | None:
    if name in have:
        return {}
    if name in asked:
        return None
    for way in DERIVED.get(name, ()):
        steps = [_way(part, have, asked | {name}) for part in way.parts]
        if all(step is not None for step in steps):
            return {name: way} | {k: v for step in steps if step for k, v in step.items()}
    return None


def derivable(have: Iterable[str]) -> set[str]:
    """
    Return what can be had from some quantities: these, and what follows from them.

    Examples
    --------
    >>> sorted(derivable({"eastward_wind", "northward_wind"}))
    ['eastward_wind', 'northward_wind', 'wind_speed']
    """
    known = frozenset(have)
    return {name for name in QUANTITIES if _way(name, known, frozenset()) is not None}


def parts_of(name: str) -> frozenset[str]:
    """
    Return every quantity that another may be made of, itself included.

    Examples
    --------
    >>> sorted(parts_of("wind_speed"))
    ['eastward_wind', 'northward_wind', 'wind_speed']
    """
    found, new = {name}, [name]
    while new:
        parts = {part for way in DERIVED.get(new.pop(), ()) for part in way.parts}
        new += sorted(parts - found)
        found |= parts
    return frozenset(found)
