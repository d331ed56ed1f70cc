"""Water extent, occurrence, turbidity and chlorophyll-a."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from musyq_cube.products import _water as water
from musyq_cube.products.recipe import Algorithm, Recipe, band, product
from musyq_cube.variable import Variable, fraction

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Function, Over

_WAYS = (
    (
        "awei",
        "MNDWI and AWEI positive, and no snow",
        ("green", "red", "nir", "swir16", "swir22"),
        "Feyisa et al. 2014, doi:10.1016/j.rse.2013.08.029",
    ),
    (
        "mndwi",
        "MNDWI positive, and no snow",
        ("green", "red", "nir", "swir16"),
        "Xu 2006, doi:10.1080/01431160600589179",
    ),
    (
        "ndwi",
        "NDWI positive, and near infrared dark",
        ("green", "nir"),
        "McFeeters 1996, doi:10.1080/01431169608948714",
    ),
)
_WET = product("water", "MuSQ.WATER")
_OC = "O'Reilly and Werdell 2019, doi:10.1016/j.rse.2019.04.021"


def _ways(function: Function, over: Over, least: int = 1) -> tuple[Algorithm, ...]:
    return tuple(
        Algorithm(
            name,
            title,
            function,
            tuple(band(b, sigma=water.NOISE) for b in bands),
            over=over,
            least=least,
            citation=citation,
        )
        for name, title, bands, citation in _WAYS
    )


def _ocx(kind: str, sensors: tuple[str, ...], blues: tuple[str, ...]) -> Algorithm:
    return Algorithm(
        f"ocx_{kind}",
        f"greatest blue over green ({kind.upper()})",
        partial(water.chlorophyll_open, kind),
        (*(band(b, sigma=water.WATER_NOISE) for b in ("green", *blues)), _WET),
        sensors=sensors,
        citation=_OC,
    )


def _ocx_ndci(kind: str, sensors: tuple[str, ...], blues: tuple[str, ...]) -> Algorithm:
    return Algorithm(
        f"ocx_ndci_{kind}",
        f"blue over green in clear, red edge over red in turbid water ({kind.upper()})",
        partial(water.chlorophyll, kind),
        (*(band(b, sigma=water.WATER_NOISE) for b in (*blues, "green", "red", "rededge071")), _WET),
        sensors=sensors,
        citation=f"{_OC}; Mishra and Mishra 2012, doi:10.1016/j.rse.2011.10.016",
    )


RECIPES = (
    Recipe(
        id="MuSQ.WATER",
        title="Water extent",
        description="Water (1) and land (0) of the composite, and the part of each pixel that is water.",
        quantity="fraction",
        algorithms=_ways(water.extent, "composite"),
        layers=(
            Variable("water", "uint8", nodata=255, valid=(0, 1), long_name="water (1) or land (0)", method="mode"),
            fraction("water_fraction", "part of the pixel that is water", standard_name="water_area_fraction"),
        ),
        certain=("water",),
        family="water",
    ),
    Recipe(
        id="MuSQ.WOCC",
        title="Water occurrence",
        description="Observations of water over clear observations of the period.",
        quantity="fraction",
        algorithms=_ways(water.occurrence, "series", least=3),
        layers=(fraction("occurrence", "share of the clear observations that were water"),),
        family="water",
    ),
    Recipe(
        id="MuSQ.TUR",
        title="Turbidity",
        description="Turbidity of water from red and near infrared.",
        quantity="turbidity",
        algorithms=(
            Algorithm(
                "dogliotti",
                "semi-analytical, of red, near infrared, or both",
                water.turbidity,
                (band("red", sigma=water.WATER_NOISE), band("nir", sigma=water.WATER_NOISE), _WET),
                formula="T = A ρ / (1 - ρ/C), red to NIR",
                citation="Dogliotti et al. 2015, doi:10.1016/j.rse.2014.09.020",
            ),
        ),
        layers=(
            Variable(
                "turbidity",
                scale=0.05,
                nodata=-32768,
                units="FNU",
                valid=(-10.0, 1600.0),
                long_name="turbidity of water",
                standard_name="sea_water_turbidity",
            ),
        ),
        family="water",
    ),
    Recipe(
        id="MuSQ.CHLA",
        title="Chlorophyll-a",
        description="Concentration of chlorophyll-a in water.",
        quantity="chlorophyll",
        algorithms=(
            _ocx_ndci("msi", ("sentinel2?-msi",), ("coastal", "blue")),
            _ocx_ndci("meris", ("envisat-meris",), ("coastal", "blue", "m04")),
            _ocx("oli", ("landsat8-oli", "landsat9-oli"), ("coastal", "blue")),
            _ocx("viirs", ("npp-viirs", "n2?-viirs"), ("coastal", "blue")),
        ),
        layers=(
            Variable(
                "chla",
                "uint16",
                scale=0.01,
                nodata=65535,
                units="mg m-3",
                valid=(0.0, 650.0),
                long_name="concentration of chlorophyll-a in water",
                standard_name="mass_concentration_of_chlorophyll_a_in_sea_water",
            ),
        ),
        family="water",
    ),
)
