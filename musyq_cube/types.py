"""Words used everywhere: the common QA bits and small aliases."""

from __future__ import annotations

from enum import IntFlag
from typing import Any, Literal, TypeAlias

JSON: TypeAlias = dict[str, Any]
"""A JSON object."""

Resampling: TypeAlias = Literal["nearest", "bilinear", "cubic", "average"]
"""How one source pixel grid becomes another."""

OnError: TypeAlias = Literal["raise", "skip"]
"""What a scene that cannot be read does to the work: end it, or be recorded and left out."""

METRES_PER_DEGREE = 111_320.0
"""Of longitude at the equator: how pixels in degrees are compared with those in metres."""

NEAR_INFRARED = ("nir08", "nir")
"""The narrow (0.85–0.88 µm) and the broad (0.76–0.90 µm) band: sensors have one or both, formulas take either."""


class QA(IntFlag):
    """
    The common quality bitmask (uint16) that every native QA is mapped to.

    Bit positions are stored in products: never renumber them.
    """

    FILL = 1 << 0
    CLOUD = 1 << 1
    SHADOW = 1 << 2
    ADJACENT = 1 << 3
    CIRRUS = 1 << 4
    SNOW = 1 << 5
    WATER = 1 << 6
    HIGH_AOD = 1 << 7
    CLIMATOLOGY_AOD = 1 << 8
    LOW_SUN = 1 << 9
    HIGH_VIEW = 1 << 10
    TERRAIN_SHADOW = 1 << 11
    SATURATED = 1 << 12
    GAP_FILLED = 1 << 13
    BACKUP = 1 << 14
    OUT_OF_RANGE = 1 << 15


QA_MEANINGS: dict[str, str] = {
    "FILL": "no observation",
    "CLOUD": "cloud",
    "SHADOW": "cloud shadow",
    "ADJACENT": "adjacent to cloud or shadow (dilated)",
    "CIRRUS": "cirrus",
    "SNOW": "snow or ice",
    "WATER": "water",
    "HIGH_AOD": "aerosol optical depth above 0.5",
    "CLIMATOLOGY_AOD": "aerosol from climatology",
    "LOW_SUN": "solar zenith above 75 degrees",
    "HIGH_VIEW": "view zenith above 60 degrees",
    "TERRAIN_SHADOW": "terrain shadow",
    "SATURATED": "saturated",
    "GAP_FILLED": "gap filled",
    "BACKUP": "backup algorithm",
    "OUT_OF_RANGE": "outside the physical range",
}

UNCLEAR: QA = QA.FILL | QA.CLOUD | QA.SHADOW | QA.ADJACENT | QA.CIRRUS
"""Bits that make an observation unfit for a land composite."""
