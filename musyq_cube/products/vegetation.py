"""Vegetation: cover, leaf area, absorbed light, chlorophyll."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.products import chlorophyll, cover, leaf_area
from musyq_cube.products.recipe import SENSOR, Algorithm, Recipe, ancillary, band, product
from musyq_cube.variable import Variable, fraction

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Function

_ACCEPTS = ("nbar", "sr")
"""The tables are of canopies seen from near nadir."""
_NDVI = product("ndvi", "MuSQ.NDVI", sigma=0.02)
_LAND_COVER = ancillary("land_cover", required=False)
_CANOPY = (
    band("nir", sigma=0.01),
    band("red", sigma=0.005),
    band("swir16", sigma=0.01, required=False),
    product("water_fraction", "MuSQ.WATER", layer="water_fraction", required=False),
)
_RED_EDGE = ("sentinel2?-msi",)
_MERIS = (*_RED_EDGE, "meris*")
_CASA = "Sellers et al. 1996; Potter et al. 1993, doi:10.1029/93GB02725 (CASA)"
_LUT = (
    "Jacquemoud et al. 2009, doi:10.1016/j.rse.2008.01.026 (PROSAIL); "
    "Weiss & Baret 2016, S2ToolBox Level 2 products, ATBD 1.1 (distributions)"
)


def _fallback(name: str, title: str, function: Function, citation: str, *, classes: bool = False) -> Algorithm:
    inputs = (_NDVI, _LAND_COVER) if classes else (_NDVI,)
    return Algorithm(name, title, function, inputs, backup=True, citation=citation)


_FVC = Recipe(
    id="MuSQ.FVC",
    title="Fractional vegetation cover",
    description="Share of ground covered by vegetation: NDVI between its values on soil and under full cover, "
    "by class of land cover where that is known.",
    quantity="fraction",
    algorithms=(
        Algorithm(
            "dimidiate",
            "linear in NDVI between soil and full cover",
            cover.fvc,
            (_NDVI, _LAND_COVER),
            error=cover.ERROR,
            formula="FVC = (NDVI - S) / (V - S)",
            citation="Gutman & Ignatov 1998, doi:10.1080/014311698215333",
        ),
    ),
    layers=(fraction("fvc", "fractional vegetation cover", standard_name="vegetation_area_fraction"),),
    family="vegetation",
)

_LAI = Recipe(
    id="MuSQ.LAI",
    title="Leaf area index",
    description="Green leaf area per area of land, by inversion of simulated canopies from red, near infrared and, "
    "where there is one, the 1.6 µm band.",
    quantity="index",
    algorithms=(
        Algorithm(
            "prosail",
            "median of the most alike of simulated canopies",
            leaf_area.lai,
            (*_CANOPY, _LAND_COVER, SENSOR),
            accepts=_ACCEPTS,
            formula="median of the simulated canopies with least Σ((ρ - ρ_sim)/σ)²",
            citation=_LUT,
        ),
        # below LAI 4 of simulated canopies: RMSE 0.7 and 1.8
        _fallback(
            "carlson",
            "Beer's law of NDVI",
            leaf_area.lai_from_ndvi,
            "Carlson & Ripley 1997, doi:10.1016/S0034-4257(97)00104-1",
        ),
        _fallback("ratio", "simple ratio by way of absorbed light", leaf_area.lai_from_ratio, _CASA, classes=True),
    ),
    layers=(
        Variable(
            "lai",
            "uint16",
            0.001,
            nodata=65535,
            valid=(0.0, 10.0),
            long_name="green leaf area index",
            standard_name="leaf_area_index",
        ),
    ),
    family="vegetation",
)

_FPAR = Recipe(
    id="MuSQ.FPAR",
    title="Fraction of absorbed photosynthetically active radiation",
    description="Part of the light of 0.4–0.7 µm that green leaves absorb, by inversion of simulated canopies.",
    quantity="fraction",
    algorithms=(
        Algorithm(
            "prosail",
            "median of the most alike of simulated canopies",
            leaf_area.fpar,
            (*_CANOPY, SENSOR),
            accepts=_ACCEPTS,
            formula="median of the simulated canopies with least Σ((ρ - ρ_sim)/σ)²",
            citation=_LUT,
        ),
        # of simulated canopies: RMSE 0.11, 0.11 and 0.19
        _fallback(
            "linear", "linear in NDVI", leaf_area.fpar_from_line, "FAO 2020, WaPOR database methodology, version 2"
        ),
        _fallback("ratio", "linear in the simple ratio", leaf_area.fpar_from_ratio, _CASA),
        _fallback("jpl", "of SAVI", leaf_area.fpar_from_ndvi, "Fisher et al. 2008, doi:10.1016/j.rse.2007.06.025"),
    ),
    layers=(
        fraction(
            "fpar",
            "absorbed fraction of photosynthetically active radiation",
            standard_name="fraction_of_surface_downwelling_photosynthetic_radiative_flux_absorbed_by_vegetation",
        ),
    ),
    family="vegetation",
)

_CHL = Recipe(
    id="MuSQ.CHL",
    title="Chlorophyll of vegetation",
    description="Chlorophyll of the canopy (per area of ground) and of its leaves (per area of leaf) from red and red "
    "edge, by inversion of simulated canopies; of the canopy only from an index with a line fitted to them.",
    quantity="index",
    algorithms=(
        Algorithm(
            "prosail",
            "median of the most alike of simulated canopies",
            chlorophyll.chl_inverted,
            (band("red", sigma=0.005), band("rededge071", sigma=0.005), band("rededge078", sigma=0.01), SENSOR),
            accepts=_ACCEPTS,
            sensors=_RED_EDGE,
            formula="median of the simulated canopies with least Σ((ρ - ρ_sim)/σ)²",
            citation=_LUT,
        ),
        Algorithm(
            "cire",
            "red-edge chlorophyll index",
            chlorophyll.chl_red_edge,
            (band("rededge078", sigma=0.01), band("rededge071", sigma=0.005), SENSOR),
            accepts=_ACCEPTS,
            sensors=_RED_EDGE,
            formula="CCC = a (ρ783/ρ705 - 1) + b",
            citation="Gitelson et al. 2005, doi:10.1029/2005GL022688",
        ),
        Algorithm(
            "mtci",
            "MERIS terrestrial chlorophyll index",
            chlorophyll.chl_mtci,
            (
                band("rededge075", sigma=0.01),
                band("rededge071", sigma=0.005),
                band("red", sigma=0.005),
                SENSOR,
            ),
            accepts=_ACCEPTS,
            sensors=_MERIS,
            formula="CCC = a (ρ754 - ρ709)/(ρ709 - ρ681) + b",
            citation="Dash & Curran 2004, doi:10.1080/0143116042000274015",
        ),
        Algorithm(
            "cigreen",
            "green chlorophyll index, low confidence",
            chlorophyll.chl_green,
            (band("nir", sigma=0.01), band("green", sigma=0.005), SENSOR),
            accepts=_ACCEPTS,
            backup=True,
            formula="CCC = a (N/G - 1) + b",
            citation="Gitelson et al. 2005, doi:10.1029/2005GL022688",
        ),
    ),
    layers=(
        Variable(
            "chl",
            "uint16",
            0.001,
            nodata=65535,
            units="g m-2",
            valid=(0.0, 10.0),
            long_name="chlorophyll of the canopy",
        ),
        Variable(
            "cab",
            "uint16",
            0.01,
            nodata=65535,
            units="ug cm-2",
            valid=(0.0, 120.0),
            long_name="chlorophyll of the leaves",
        ),
    ),
    family="vegetation",
)

RECIPES: tuple[Recipe, ...] = (_FVC, _LAI, _FPAR, _CHL)
