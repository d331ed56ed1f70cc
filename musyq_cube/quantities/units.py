"""Units that quantities come in, and the way to their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    from musyq_cube.quantities.table import Quantity

Factors: TypeAlias = dict[str, tuple[float, float]]
"""Folded unit -> (factor, offset) to the unit of the quantity."""

NUMBER: Factors = {"1": (1.0, 0.0), "%": (0.01, 0.0)}
KELVIN: Factors = {"k": (1.0, 0.0), "degc": (1.0, 273.15)}
PASCAL: Factors = {"pa": (1.0, 0.0), "hpa": (100.0, 0.0), "kpa": (1000.0, 0.0)}
SPEED: Factors = {"m s-1": (1.0, 0.0), "km h-1": (1 / 3.6, 0.0), "knot": (0.514444, 0.0)}
METRE: Factors = {"m": (1.0, 0.0), "km": (1000.0, 0.0), "m2 s-2": (1 / 9.80665, 0.0)}
WATER: Factors = {"g cm-2": (1.0, 0.0), "kg m-2": (0.1, 0.0), "mm": (0.1, 0.0), "cm": (1.0, 0.0)}
OZONE: Factors = {
    "cm-atm": (1.0, 0.0), "du": (1e-3, 0.0), "kg m-2": (1 / 0.021415, 0.0), "m": (100.0, 0.0), "mm": (0.1, 0.0),
}  # fmt: skip
FLUX: Factors = {"w m-2": (1.0, 0.0)}
DEPTH: Factors = {"mm": (1.0, 0.0), "kg m-2": (1.0, 0.0), "m": (1000.0, 0.0)}
_ENERGY = {"j m-2": 1.0, "kj m-2": 1e3, "mj m-2": 1e6, "w s m-2": 1.0, "wh m-2": 3600.0}
"""Energy gathered over a time: divided by its seconds it is a flux."""

_ALIASES = {
    "kelvin": "k", "c": "degc", "°c": "degc", "celsius": "degc", "degreecelsius": "degc", "degreescelsius": "degc",
    "degreec": "degc", "mb": "hpa", "mbar": "hpa", "millibar": "hpa", "millibars": "hpa",
    "percent": "%", "": "1", "-": "1", "~": "1", "none": "1", "dimensionless": "1", "unitless": "1", "0 1": "1",
    "0 - 1": "1", "fraction": "1", "kg kg-1": "1", "m3 m-3": "1", "class": "1", "dobson": "du", "dobsons": "du",
    "dobson units": "du", "atm-cm": "cm-atm", "atm cm": "cm-atm", "cm atm": "cm-atm", "metre": "m", "meter": "m",
    "metres": "m", "meters": "m", "ms-1": "m s-1", "kmh": "km h-1", "kt": "knot", "kts": "knot", "wm-2": "w m-2",
    "watt m-2": "w m-2", "jm-2": "j m-2", "m of water equivalent": "m", "gpm": "m",
}  # fmt: skip
"""Other spellings of units, folded."""


def fold_unit(text: str) -> str:
    """
    Return a unit in one spelling, whatever the file writes.

    Examples
    --------
    >>> fold_unit("m s**-1"), fold_unit("W/m^2"), fold_unit("[C]"), fold_unit("kg m-2")
    ('m s-1', 'w m-2', 'degc', 'kg m-2')
    """
    word = text.strip().strip("[]()").casefold().replace("**", "").replace("^", "").replace("_", " ")
    word = word.replace("⁻", "-").replace("²", "2").replace("¹", "1").replace(" of water equivalent", "")
    above, *below = (part.strip() for part in word.split("/"))
    inverse = [re.sub(r"^([a-z]+)(\d*)$", lambda m: f"{m[1]}-{m[2] or 1}", part) for part in below]
    word = " ".join([*re.split(r"[\s.·]+", above), *inverse])
    return _ALIASES.get(word, _ALIASES.get(word.replace(" ", ""), word))


def conversion(wanted: Quantity, units: str, seconds: float | None = None) -> tuple[float, float]:
    """
    Return (factor, offset) from a unit to that of a quantity.

    Parameters
    ----------
    wanted
        The quantity.
    units
        As the file writes them.
    seconds
        The time over which an energy was gathered.

    Raises
    ------
    CatalogError
        A unit that is not known for the quantity, or an energy without its time.

    Examples
    --------
    >>> from musyq_cube.quantities import QUANTITIES
    >>> conversion(QUANTITIES["air_temperature"], "degC")
    (1.0, 273.15)
    >>> conversion(QUANTITIES["shortwave_down"], "J m**-2", 3600.0)[0] * 3600
    1.0
    """
    unit = fold_unit(units)
    if unit in wanted.factors:
        return wanted.factors[unit]
    if is_energy(wanted, units):
        if not seconds:
            raise CatalogError(
                f"{wanted.name} in {units}: over which time was it gathered? Give accumulated='PT1H' or the like"
            )
        return _ENERGY[unit] / seconds, 0.0
    known = ", ".join([*wanted.factors, *(_ENERGY if wanted.energy else ())])
    raise CatalogError(f"{wanted.name} in {units!r}: that unit is not known; there are {known}. Give units=…")


def is_energy(wanted: Quantity, units: str) -> bool:
    """Whether a flux comes as the energy gathered over a time."""
    return wanted.energy and fold_unit(units) in _ENERGY


def guess_unit(wanted: Quantity, low: float, high: float) -> str | None:
    """
    Return the unit that numbers without one are in: the quantity's own where they fit, else the only other that does.

    Examples
    --------
    >>> from musyq_cube.quantities import QUANTITIES
    >>> guess_unit(QUANTITIES["air_temperature"], 12.0, 31.5), guess_unit(QUANTITIES["relative_humidity"], 20, 99)
    ('degc', '%')
    """
    own = fold_unit(wanted.units)
    fits = [
        unit
        for unit, (factor, offset) in wanted.factors.items()
        if wanted.valid[0] <= low * factor + offset and high * factor + offset <= wanted.valid[1]
    ]
    return own if own in fits else fits[0] if len(fits) == 1 else None
