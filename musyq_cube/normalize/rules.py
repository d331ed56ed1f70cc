"""Rules: which steps of normalization, towards what; plain values that a plan can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from musyq_cube.errors import NormalizeError
from musyq_cube.normalization import STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = "1"
"""Raised when the same scenes and coefficients would give other numbers: part of the key of every product."""
PIXEL_STEPS = ("atmosphere", "direction", "spectral")
"""The steps that :func:`normalize` applies; geometric and calibration ones are applied while reading."""
CHAIN = ("atmosphere", "topography", "direction", "spectral")
"""The same with the optional one, in the order in which they are applied."""
APPLIED = ("geometric", "calibration", *PIXEL_STEPS)
"""The steps that an order applies where it does not name them: all but the optional one."""
KEEPS_TOA = ("geometric", "calibration")
"""The steps after which top-of-atmosphere quantities are still that."""
FINE_REFERENCE, COARSE_REFERENCE = "landsat8-oli", "modis-terra"
MAX_SZA, MAX_VZA = 75.0, 60.0
"""Degrees beyond which nothing is corrected: the models do not hold there (as in `musyq_cube.kernels.brdf`)."""
HAZY = 0.5
"""Aerosol optical depth above which surface reflectance is marked uncertain."""
COARSE = 250.0
"""Metres of pixel from which MODIS bands are the reference, not those of OLI."""


@dataclass(frozen=True)
class Rules:
    """How pixels are normalized: plain values, part of a plan."""

    steps: tuple[str, ...] = PIXEL_STEPS
    reference: str = FINE_REFERENCE
    """Sensor whose bands all others are brought to."""
    sun: float | None = None
    """Solar zenith in degrees that reflectance is brought to; None: as observed."""

    def __post_init__(self) -> None:
        """Refuse unknown steps."""
        unknown = [step for step in self.steps if step not in STEPS]
        if unknown:
            raise NormalizeError(f"steps={', '.join(unknown)}: there are {', '.join(STEPS)}")
        if self.sun is not None and not 0 <= self.sun <= MAX_SZA:
            raise NormalizeError(f"sun={self.sun!r}: give degrees, 0…{MAX_SZA:g}")


def choose_reference(resolution: float) -> str:
    """
    Return the sensor whose bands are the reference at a resolution in metres.

    Examples
    --------
    >>> choose_reference(30.0), choose_reference(926.6)
    ('landsat8-oli', 'modis-terra')
    """
    return COARSE_REFERENCE if resolution >= COARSE else FINE_REFERENCE


def quantity_after(quantity: str, steps: Sequence[str]) -> str:
    """
    Return what reflectance of a quantity has become after some steps.

    Examples
    --------
    >>> quantity_after("toa", ("atmosphere", "direction")), quantity_after("toa", ("spectral",))
    ('nbar', 'toa')
    """
    if quantity == "toa" and "atmosphere" in steps:
        quantity = "sr"
    return "nbar" if quantity == "sr" and "direction" in steps else quantity


def needs(quantity: str, steps: Sequence[str]) -> tuple[str, ...]:
    """
    Return those of the steps that need angles or the air for reflectance of a quantity.

    Examples
    --------
    >>> needs("sr", ("atmosphere", "direction")), needs("nbar", ("spectral",))
    (('direction',), ())
    """
    out = ["atmosphere"] if quantity == "toa" and "atmosphere" in steps else []
    if quantity_after(quantity, ("atmosphere",) if out else ()) == "sr":
        out += [step for step in ("topography", "direction") if step in steps]
    return tuple(out)
