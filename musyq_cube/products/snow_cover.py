"""Snow cover."""

from __future__ import annotations

from musyq_cube.products._snow import BRIGHT_ERROR, ERROR, NOISE, by_brightness, by_index
from musyq_cube.products.recipe import Algorithm, Recipe, ancillary, band
from musyq_cube.variable import Variable, fraction

RECIPES = (
    Recipe(
        id="MuSQ.SNOW",
        title="Snow cover",
        description="Greatest snow cover of the clear observations of the period: snow (1) or none (0), and its part.",
        quantity="fraction",
        algorithms=(
            Algorithm(
                "ndsi",
                "NDSI, with NDVI under trees, and cover linear in NDSI",
                by_index,
                (
                    *(band(b, sigma=NOISE) for b in ("green", "red", "nir", "swir16")),
                    band("lwir11", "lwir", name="heat", required=False),
                    ancillary("elevation", required=False),
                ),
                over="observations",
                reduce="max",
                error=ERROR,
                formula="(G - S1)/(G + S1) ≥ 0.4; FSC = -0.01 + 1.45 NDSI",
                citation="Hall et al. 1995, doi:10.1016/0034-4257(95)00137-P; Salomonson and Appel 2004",
            ),
            Algorithm(
                "bright_cold",
                "bright, colourless and cold, for sensors without 1.6 µm",
                by_brightness,
                (
                    *(band(b, sigma=NOISE) for b in ("green", "red", "nir")),
                    ancillary("air_temperature", at="observation", sigma=2.0),
                ),
                over="observations",
                reduce="max",
                error=BRIGHT_ERROR,
                backup=True,
                citation="brightness and air temperature, without published limits",
            ),
        ),
        layers=(
            Variable("snow", "uint8", nodata=255, valid=(0, 1), long_name="snow (1) or none (0)", method="mode"),
            fraction("fsc", "part of the pixel under snow", standard_name="surface_snow_area_fraction"),
        ),
        certain=("snow",),
        family="snow",
    ),
)
