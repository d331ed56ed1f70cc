"""The thresholds of cloud, shadow, snow and water detection, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True)
class Limits:
    """
    Thresholds on top-of-atmosphere reflectance (unitless) and brightness temperature (K).

    Sources: [F] Fmask, Zhu & Woodcock (2012), doi:10.1016/j.rse.2011.10.028; [L] MFC for GF-1, Li et al. (2017),
    doi:10.1016/j.rse.2017.01.026; [H] Hagolle et al. (2010), doi:10.1016/j.rse.2010.03.002; [M] MuSyQ's rules; [S]
    Saunders & Kriebel (1988), doi:10.1080/01431168808954841; [K] MOD10, Hall & Riggs; [own] chosen here.
    """

    hot: float = 0.08
    """Of ``blue - red/2``: above it a pixel may be cloud or haze [F]."""
    sure: float = 0.10
    """The same for a pixel that starts a cloud by itself [own: an opacity of 0.15 over vegetation]."""
    haze: tuple[float, float] = (0.055, 0.04)
    """Both rise with the scene's lower quartile above the first (usual air), by at most the second (AOD 1) [own]."""
    white: float = 0.7
    """Whiteness: sum of |band - mean| / mean over the visible bands, below [F]."""
    flat: float = 0.7
    """Smallest over largest visible reflectance of a cloud, above [L]."""
    green: float = 0.7
    """NDVI of any cloud pixel, below [own; F has 0.8 for surface under thin cloud]."""
    smallest: float = 4500.0
    """Area of a cloud, m²: what is smaller, and one pixel, are roofs and shores beside their place [own]."""
    bright: tuple[float, float] = (0.2, 0.3)
    """Where there is no blue band: the shortest visible one above, and |NDVI| below, starts a cloud [M]."""
    rise: tuple[float, float] = (1.6, 0.03)
    """A blue above ``rise[0] · clear + rise[1]`` starts a cloud [M]."""
    rise_weak: tuple[float, float] = (1.15, 0.02)
    """The same for a pixel that belongs to a cloud next to it [own]."""
    stable: float = 0.03
    """What is not brighter than the clear blue by this is ground, however bright [H]."""
    ploughed: float = 1.5
    """A rise of red of more than this many rises of blue is a change of the ground [H]."""
    cold: float = 10.0
    """Kelvin below the clear brightness temperature at 11 µm [M]."""
    cirrus: float = 0.03
    """Reflectance at 1.38 µm [M]."""
    ndsi: float = 0.4
    """(green - swir16) / (green + swir16) of snow, above [K]."""
    snow_nir: float = 0.11
    """Near infrared of snow, above [K]."""
    snow_green: float = 0.10
    """Green of snow, above [K]."""
    snow_warm: float = 281.0
    """Brightness temperature above which it is not snow, K [K]."""
    snow_bright: float = 0.35
    """Blue of snow where there is no shortwave infrared [own]."""
    water: tuple[float, float, float, float] = (0.01, 0.11, 0.1, 0.05)
    """NDVI and near infrared below the first two or below the last two: water [F]."""
    hollow: float = 0.02
    """Depth of a dark place in the near infrared, single date [F]."""
    darker: float = 0.8
    """Near infrared and red of a shadow relative to the clear date, below [own]."""
    dilate: tuple[float, float] = (240.0, 3.0)
    """Reach of ADJACENT around cloud, cirrus and shadow: metres up to 100 m resolution, pixels beyond [M]."""
    heights: tuple[float, float] = (200.0, 12000.0)
    """Lowest and highest cloud, m [M, F]."""
    darker_weak: float = 0.92
    """The same for a pixel beside a shadow that was found [own]."""
    similar: float = 0.3
    """Share of a thrown shadow that must be dark [F]."""


SPLIT_T: Final = np.array([260.0, 270.0, 280.0, 290.0, 300.0, 310.0], np.float32)
"""Brightness temperature at 11 µm, K, of the rows of `SPLIT_LIMIT`."""
SPLIT_SEC: Final = np.array([1.0, 1.25, 1.5, 1.75, 2.0], np.float32)
"""1 / cos(view zenith) of the columns of `SPLIT_LIMIT`."""
SPLIT_LIMIT: Final = np.array(
    [
        [0.55, 0.60, 0.65, 0.90, 1.10],
        [0.58, 0.63, 0.81, 1.03, 1.13],
        [1.30, 1.61, 1.88, 2.14, 2.30],
        [3.06, 3.72, 3.95, 4.27, 4.73],
        [5.77, 6.92, 7.00, 7.42, 8.43],
        [9.41, 11.22, 11.03, 11.60, 13.39],
    ],
    np.float32,
)
"""BT11 - BT12 above which there is thin cirrus, K [S, as public implementations print the table]."""
