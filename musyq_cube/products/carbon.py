"""Carbon that vegetation takes up: gross and net primary productivity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.products import _casa, _mod17
from musyq_cube.products.recipe import Algorithm, Recipe, ancillary, product
from musyq_cube.variable import Variable

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Function, Input

_MOD17 = "Running et al. 2004, doi:10.1641/0006-3568(2004)054[0547:ACSMOG]2.0.CO;2"
_CASA = "Potter et al. 1993, doi:10.1029/93GB02725"

_FPAR = product("fpar", "MuSQ.FPAR", sigma=0.1)
_SKY = (
    product("par", "MuSQ.PAR", sigma=25.0),
    product("dsr", "MuSQ.DSR", sigma=60.0),
    product("kc", "MuSQ.DSR", layer="kc", sigma=0.1),
)
_ELEVATION = ancillary("elevation", sigma=50.0, required=False)
_SHORTWAVE = ancillary("shortwave", "shortwave_down", sigma=18.0)
_TMIN = ancillary("tmin", "air_temperature", at="min", sigma=2.0)
_VPD = ancillary("vpd", "vapour_pressure_deficit", sigma=250.0)
_VPD_IF_ANY = ancillary("vpd", "vapour_pressure_deficit", sigma=250.0, required=False)
_AIR = ancillary("air_temperature", sigma=1.5)
_COVER = ancillary("land_cover")
_GPP_SERIES = product("gpp", "MuSQ.GPP", every="P8D", sigma=1.0)
_LAI_SERIES = product("lai", "MuSQ.LAI", every="P8D", sigma=0.6)


def _gross(
    name: str, title: str, function: Function, inputs: tuple[Input, ...], error: float, source: str
) -> Algorithm:
    return Algorithm(name, title, function, inputs, error=error, backup=name.startswith("casa"), citation=source)


_GROSS = (
    _gross(
        "mod17",
        "light use by biome, with retrieved light",
        _mod17.gpp_of_sky,
        (_FPAR, *_SKY, _TMIN, _VPD, _COVER, _ELEVATION),
        1.5,
        _MOD17,
    ),
    _gross(
        "mod17_shortwave",
        "light use by biome, light as 45 % of the sunlight of a reanalysis",
        _mod17.gpp_of_shortwave,
        (_FPAR, _SHORTWAVE, _TMIN, _VPD, _COVER),
        1.5,
        _MOD17,
    ),
    _gross(
        "casa",
        "one light use for all vegetation, with retrieved light",
        _casa.gpp_of_sky,
        (_FPAR, *_SKY, _AIR, _VPD_IF_ANY, _ELEVATION),
        2.0,
        _CASA,
    ),
    _gross(
        "casa_shortwave",
        "one light use for all vegetation, light as 45 % of the sunlight of a reanalysis",
        _casa.gpp_of_shortwave,
        (_FPAR, _SHORTWAVE, _AIR, _VPD_IF_ANY),
        2.0,
        _CASA,
    ),
)

_NET = (
    Algorithm(
        "mod17",
        "gross productivity of a year less respiration of leaves, roots and wood",
        _mod17.npp,
        (_GPP_SERIES, _LAI_SERIES, _AIR, _COVER),
        over="series",
        least=23,
        error=60.0,
        formula="GPP = ε_max f(Tmin) f(VPD) FPAR PAR; NPP = 0.8 max(0, ΣGPP - ΣRm)",
        citation="Running & Zhao 2015, User's Guide MOD17A2/A3",
    ),
    Algorithm(
        "carbon_use",
        "fixed part of the gross productivity of a year",
        _mod17.npp_of_gpp,
        (_GPP_SERIES,),
        over="series",
        least=23,
        error=100.0,
        backup=True,
        formula="NPP = 0.47 ΣGPP",
        citation="Waring, Landsberg & Williams 1998, doi:10.1093/treephys/18.2.129",
    ),
)

RECIPES = (
    Recipe(
        id="MuSQ.GPP",
        title="Gross primary productivity",
        description="Carbon that vegetation takes up by photosynthesis, mean of the period per day.",
        quantity="flux",
        algorithms=_GROSS,
        layers=(
            Variable(
                "gpp",
                scale=1e-3,
                nodata=-32768,
                units="g m-2 d-1",
                valid=(0.0, 30.0),
                long_name="gross primary productivity (carbon)",
                standard_name="gross_primary_productivity_of_biomass_expressed_as_carbon",
            ),
        ),
        family="vegetation",
    ),
    Recipe(
        id="MuSQ.NPP",
        title="Net primary productivity",
        description="Carbon that vegetation keeps in a year, after its respiration.",
        quantity="flux",
        algorithms=_NET,
        layers=(
            Variable(
                "npp",
                scale=0.1,
                nodata=-32768,
                units="g m-2 year-1",
                valid=(0.0, 3200.0),
                long_name="net primary productivity (carbon)",
                standard_name="net_primary_productivity_of_biomass_expressed_as_carbon",
            ),
        ),
        family="vegetation",
    ),
)
