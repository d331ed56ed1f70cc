"""Emissivity and temperature of the land surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.products import canopy, diurnal, emissivity
from musyq_cube.products import surface_temperature as lst
from musyq_cube.products._tables import table
from musyq_cube.products.recipe import SENSOR, Algorithm, Input, Recipe, ancillary, band, product
from musyq_cube.variable import Variable, index, temperature

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Function

_JMS = "Jiménez-Muñoz and Sobrino 2008, doi:10.1109/LGRS.2008.2001636"
_JM2009 = "Jiménez-Muñoz et al. 2009, doi:10.1109/TGRS.2008.2007125; 2014, doi:10.1109/LGRS.2014.2312032"
_ERMIDA = "Ermida et al. 2020, doi:10.3390/rs12091471"
_DU = "Wan 2014, doi:10.1016/j.rse.2013.08.027; Du et al. 2015, doi:10.3390/rs70100647"

_TIRS = ("landsat8-oli", "landsat9-oli")
_LANDSAT = tuple(s for s in table("mono_window") if s.startswith("landsat"))
_GEOSTATIONARY = ("goes13-imager", "goes15-imager")
_MONO = tuple(s for s in table("mono_window") if s not in {*_LANDSAT, *_GEOSTATIONARY})
_SPLIT = tuple(s for s in table("split_window") if s not in _TIRS)
_SINGLE = ("landsat5-tm", "landsat7-etm", *_TIRS)


def _emissivity(name: str, long_name: str) -> Variable:
    return index(name, long_name, valid=(0.85, 0.999))


def _hour(name: str, long_name: str) -> Variable:
    return Variable(name, "uint16", 0.01, nodata=65535, units="h", valid=(0.0, 24.0), long_name=long_name)


LSE = Recipe(
    id="MuSQ.LSE",
    title="Land surface emissivity",
    description="Emissivity of the land near 11 and 12 µm, their difference, and that of the whole thermal spectrum.",
    quantity="emissivity",
    algorithms=(
        Algorithm(
            "aster_ged",
            "ASTER climatology, brought to the vegetation of the day",
            emissivity.by_aster,
            (
                ancillary("emissivity_13", sigma=0.008),
                ancillary("emissivity_14", sigma=0.008),
                ancillary("ndvi_aster", sigma=0.03),
                product("ndvi", "MuSQ.NDVI", sigma=0.03, required=False),
            ),
            error=0.006,
            formula="ε = 0.99 FVC + (1 - FVC) ε_bare",
            citation=f"{_ERMIDA}; Malakar et al. 2018, doi:10.1109/TGRS.2018.2824828",
        ),
        Algorithm(
            "ndvi_thresholds",
            "thresholds of the NDVI",
            emissivity.by_ndvi,
            (product("ndvi", "MuSQ.NDVI", sigma=0.03), band("red", sigma=0.01)),
            error=0.010,
            formula="ε = ε_v P + ε_s (1 - P) + dε",
            citation="Sobrino et al. 2004, doi:10.1016/j.rse.2004.02.003; 2008, doi:10.1109/TGRS.2007.904834",
        ),
        Algorithm(
            "class_table",
            "one emissivity for each class of land cover",
            emissivity.by_class,
            (ancillary("land_cover"),),
            error=0.015,
            backup=True,
            citation="Du et al. 2015, doi:10.3390/rs70100647",
        ),
    ),
    layers=(
        _emissivity("emissivity", "emissivity near 11 µm"),
        _emissivity("emissivity_12", "emissivity near 12 µm"),
        index("emissivity_difference", "emissivity near 11 µm minus that near 12 µm", valid=(-0.1, 0.1)),
        _emissivity("emissivity_bb", "broadband emissivity, 8-14 µm"),
    ),
    family="thermal",
)

_EMISSIVITY = product("emissivity", "MuSQ.LSE", layer="emissivity", sigma=0.012)
# the error of the difference is much smaller than those of its terms, which have most of their errors in common
_DIFFERENCE = product("emissivity_difference", "MuSQ.LSE", layer="emissivity_difference", sigma=0.004)
_VAPOUR = ancillary("tcwv", at="observation", sigma=0.3)
_ANY_VAPOUR = ancillary("tcwv", at="observation", sigma=0.3, required=False)
_VIEW = Input("vza", "angle", ("vza",), required=False)
_ONE_BAND = band("lwir", "lwir11", sigma=0.3)


def _two_bands(eleven: float, twelve: float) -> tuple[Input, ...]:
    bands = (band("lwir11", sigma=eleven), band("lwir12", sigma=twelve))
    return (*bands, _EMISSIVITY, _DIFFERENCE, _ANY_VAPOUR, _VIEW, SENSOR)


_FORMULAS = {
    "split_window": "Ts = Ti + c1 Δ + c2 Δ² + c0 + (c3 + c4 W)(1 - ε) + (c5 + c6 W) Δε, Δ = Ti - Tj",
    "generalized_split_window": "Ts = b0 + (b1 + b2 (1 - ε)/ε + b3 Δε/ε²)(Ti + Tj)/2 + (b4 + b5 (1 - ε)/ε + b6 Δε/ε²)"
    "(Ti - Tj)/2 + b7 (Ti - Tj)²",
    "radiative_transfer": "B(Ts) = ((L - Lup)/τ - (1 - ε) Ldown)/ε",
    "single_channel": "Ts = γ ((ψ1 L + ψ2)/ε + ψ3) + δ",
    "mono_window": "Ts = A Tb/ε + B/ε + C",
}


def _observed(
    name: str,
    title: str,
    function: Function,
    inputs: tuple[Input, ...],
    sensors: tuple[str, ...],
    error: float,
    citation: str,
    *,
    accepts: str = "toa",
    backup: bool = False,
) -> Algorithm:
    """Return an algorithm over observations."""
    return Algorithm(
        name,
        title,
        function,
        inputs,
        accepts=(accepts,),
        over="observations",
        sensors=sensors,
        error=error,
        backup=backup,
        formula=_FORMULAS.get(function.__name__, ""),
        citation=citation,
    )


_AIR = (
    band("trad", sigma=0.03),
    band("atran", sigma=0.01),
    band("urad", sigma=0.08),
    band("drad", sigma=0.15),
    band("emis", sigma=0.01),
    SENSOR,
)
_JM_TITLE = "split window of Jiménez-Muñoz and Sobrino"
_SMW_INPUTS = (_ONE_BAND, _EMISSIVITY, _VAPOUR, _VIEW, SENSOR)

LST = Recipe(
    id="MuSQ.LST",
    title="Land surface temperature",
    description="Temperature of the land surface at the time of observation.",
    quantity="lst",
    algorithms=(
        _observed("split_window", _JM_TITLE, lst.split_window, _two_bands(0.12, 0.12), _SPLIT, 1.0, _JMS),
        # Bands of TIRS know their radiance less well, most of all band 11 of Landsat 8, which sees stray light
        _observed(
            "split_window_tirs",
            f"{_JM_TITLE}, for bands of unequal quality",
            lst.split_window,
            _two_bands(0.3, 0.5),
            _TIRS,
            1.3,
            _JM2009,
        ),
        _observed(
            "generalized_split_window",
            "generalized split window",
            lst.generalized_split_window,
            _two_bands(0.2, 0.2),
            tuple(table("generalized_split_window")),
            1.3,
            _DU,
        ),
        _observed(
            "radiative_transfer",
            "radiative transfer with the air that comes with the scene",
            lst.radiative_transfer,
            _AIR,
            _TIRS,
            0.1,
            "Cook et al. 2014, doi:10.3390/rs61111244",
            accepts="lst",
        ),
        _observed(
            "single_channel",
            "single channel of Jiménez-Muñoz and Sobrino",
            lst.single_channel,
            (_ONE_BAND, _EMISSIVITY, _VAPOUR, SENSOR),
            _SINGLE,
            1.8,
            _JM2009,
        ),
        _observed("smw", "statistical mono-window", lst.mono_window, _SMW_INPUTS, _LANDSAT, 1.3, _ERMIDA),
        _observed(
            "mono_window",
            "statistical mono-window, fitted to simulations",
            lst.mono_window,
            _SMW_INPUTS,
            (*_GEOSTATIONARY, *_MONO),
            1.6,
            f"{_ERMIDA} (form)",
        ),
        _observed(
            "provided",
            "as the producer of the scenes made it",
            lst.provided,
            (band("lst", sigma=1.0),),
            (),
            0.0,
            "Wan 2014, doi:10.1016/j.rse.2013.08.027; Cook et al. 2014, doi:10.3390/rs61111244",
            accepts="lst",
        ),
        _observed(
            "mono_window_any_vapour",
            "statistical mono-window for water vapour of 2 g cm⁻², where nobody knows it",
            lst.mono_window,
            (_ONE_BAND, _EMISSIVITY, _VIEW, SENSOR),
            tuple(table("mono_window")),
            3.0,
            _ERMIDA,
            backup=True,
        ),
    ),
    layers=(
        temperature("lst", "land surface temperature", standard_name="surface_temperature"),
        _hour("hour", "hour of observation, UTC"),
    ),
    certain=("hour",),
    family="thermal",
)

TCANOPY = Recipe(
    id="MuSQ.TCANOPY",
    title="Canopy and soil temperature",
    description="Temperatures of canopy and soil, from the surface temperatures of pixels of different cover.",
    quantity="lst",
    algorithms=(
        Algorithm(
            "window",
            "bounded least squares in 7 × 7 pixels",
            canopy.canopy_temperature,
            (
                product("lst", "MuSQ.LST", sigma=1.5),
                product("emissivity", "MuSQ.LSE", layer="emissivity_bb", sigma=0.015),
                product("fvc", "MuSQ.FVC", sigma=0.05),
            ),
            reach=3,
            formula="ε T⁴ = f ε_v Tv⁴ + (1 - f) ε_s Ts⁴ in 7 × 7 pixels",
            citation="Norman et al. 1995, doi:10.1016/0168-1923(95)02265-Y; Göttsche and Olesen 2001",
        ),
    ),
    layers=(temperature("tv", "canopy temperature"), temperature("ts", "soil temperature")),
    family="thermal",
)

DTC = Recipe(
    id="MuSQ.DTC",
    title="Daily course of land surface temperature",
    description="Mean, least and greatest surface temperature of 24 hours, and the hour of the greatest.",
    quantity="lst",
    algorithms=(
        Algorithm(
            "cosine_exponential",
            "cosine by day, exponential decay by night",
            diurnal.diurnal_cycle,
            (product("lst", "MuSQ.LST", every="PT1H", sigma=1.5),),
            over="series",
            least=8,
            formula="T = T0 + Ta cos(π (t - tm)/ω) by day, exponential decay by night",
            citation="Göttsche and Olesen 2001, doi:10.1016/S0034-4257(00)00214-5",
        ),
    ),
    layers=(
        temperature("lst_mean", "mean land surface temperature of 24 hours"),
        temperature("lst_min", "least land surface temperature of the daily course"),
        temperature("lst_max", "greatest land surface temperature of the daily course"),
        _hour("hour_max", "hour of the greatest land surface temperature, UTC"),
        Variable(
            "scatter",
            "uint16",
            0.01,
            nodata=65535,
            units="K",
            valid=(0.0, 100.0),
            long_name="standard deviation of the observations from the daily course",
        ),
    ),
    certain=("lst_min", "lst_max", "hour_max", "scatter"),
    family="thermal",
)

RECIPES = (LSE, LST, TCANOPY, DTC)
