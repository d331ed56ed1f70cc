"""Radiation at the ground: downward shortwave and longwave, PAR, net radiation."""

from __future__ import annotations

from musyq_cube.products import longwave, shortwave
from musyq_cube.products.recipe import SENSOR, Algorithm, Input, Recipe, ancillary, angle, band, product
from musyq_cube.variable import flux, index

GEOSTATIONARY = ("goes*", "himawari*", "msg*", "mtg*", "mtsat*", "fy2*", "fy4*", "gk2a*")
"""Sensors that see a place many times a day."""

DAYS = 5
"""Days of a series among which each half hour of the day is clear once."""


def _air(*, aod_required: bool = True) -> tuple[Input, ...]:
    """Return what weakens the sunlight of a clear sky."""
    return (
        ancillary("aod", sigma=0.05, at="observation", required=aod_required),
        ancillary("tcwv", sigma=0.2, at="observation"),
        ancillary("ozone", sigma=0.02, at="observation", required=False),
        ancillary("surface_pressure", sigma=300.0, at="observation", required=False),
    )


_LUT = Algorithm(
    "lut",
    "sky looked up from blue and red reflectance over a known surface",
    shortwave.lookup,
    (
        band("blue", sigma=0.005),
        band("red", sigma=0.005),
        angle("sza"),
        angle("vza"),
        angle("raa"),
        product("surface_blue", "MuSQ.SR", layer="blue", sigma=0.01),
        product("surface_red", "MuSQ.SR", layer="red", sigma=0.01),
        product("albedo", "MuSQ.LSA", sigma=0.02),
        *_air(aod_required=False),
        SENSOR,
    ),
    accepts=("toa",),
    over="observations",
    reduce="mean",
    cloudy=True,
    error=50.0,
    formula="DSR of the sky (haze or cloud) whose ρTOA is observed; PAR = share(sza, AOD, kc) DSR",
    citation="Liang et al. 2006, doi:10.1029/2005JD006585",
)

_HELIOSAT = Algorithm(
    "heliosat2",
    "cloud index of a geostationary series",
    shortwave.heliosat,
    (band("red", sigma=0.005), angle("sza"), *_air()),
    accepts=("toa",),
    over="series",
    cloudy=True,
    sensors=GEOSTATIONARY,
    least=DAYS,
    error=40.0,
    formula="n = (ρ - ρg)/(ρc - ρg); DSR = kc(n) clear sky",
    citation="Rigollier, Lefèvre and Wald 2004, doi:10.1016/j.solener.2004.04.017",
)

_CLEAR_SKY = Algorithm(
    "clear_sky",
    "clear sky by Bird and Hulstrom, less the cloud cover",
    shortwave.clear_sky,
    (angle("sza"), *_air(), ancillary("cloud_fraction", sigma=0.1, at="observation")),
    accepts=("sr", "nbar", "toa", "lst"),
    over="observations",
    reduce="mean",
    cloudy=True,
    error=60.0,
    formula="DSR = Bird clear sky (1 - 0.75 c^3.4)",
    citation="Bird and Hulstrom 1981, doi:10.2172/6510849; Kasten and Czeplak 1980, doi:10.1016/0038-092X(80)90391-6",
)

DSR = Recipe(
    id="MuSQ.DSR",
    title="Downward shortwave radiation",
    description="Solar irradiance (0.3–4 µm) on level ground at the times of observation, under all skies.",
    quantity="flux",
    algorithms=(
        _HELIOSAT,
        _LUT,
        _CLEAR_SKY,
        Algorithm(
            "reanalysis",
            "reanalysis",
            shortwave.reanalysis,
            (ancillary("shortwave_down", sigma=60.0, at="observation"),),
            backup=True,
            citation="the data registered",
        ),
    ),
    layers=(
        flux(
            "dsr",
            "downward shortwave radiation",
            valid=(0.0, 1500.0),
            standard_name="surface_downwelling_shortwave_flux_in_air",
        ),
        index("kc", "clear-sky index: irradiance over that of the same sky without cloud", valid=(0.0, 1.5)),
    ),
    certain=("kc",),
    family="radiation",
)


def _longwave(name: str, title: str, function: object, error: float, citation: str, *, column: bool) -> Algorithm:
    return Algorithm(
        name,
        title,
        function,  # type: ignore[arg-type]
        (
            ancillary("air_temperature", sigma=1.5, at="observation"),
            ancillary("vapour_pressure", sigma=150.0, at="observation"),
            *((ancillary("tcwv", sigma=0.2, at="observation", required=False),) if column else ()),
            ancillary("cloud_fraction", sigma=0.1, at="observation", required=False),
        ),
        error=error,
        citation=citation,
    )


DLR = Recipe(
    id="MuSQ.DLR",
    title="Downward longwave radiation",
    description="Thermal irradiance of the sky on the ground, under all skies: from air temperature and humidity.",
    quantity="flux",
    algorithms=(
        _longwave(
            "dilley_obrien",
            "Dilley and O'Brien with cloud",
            longwave.dilley_obrien,
            20.0,
            "Dilley and O'Brien 1998, doi:10.1002/qj.49712454903",
            column=True,
        ),
        _longwave(
            "brutsaert",
            "Brutsaert with cloud",
            longwave.brutsaert,
            20.0,
            "Brutsaert 1975, doi:10.1029/WR011i005p00742",
            column=False,
        ),
        _longwave(
            "prata",
            "Prata with cloud",
            longwave.prata,
            18.0,
            "Prata 1996, doi:10.1002/qj.49712253306",
            column=False,
        ),
        Algorithm(
            "reanalysis",
            "reanalysis",
            longwave.reanalysis,
            (ancillary("longwave_down", sigma=20.0, at="observation"),),
            backup=True,
            citation="the data registered",
        ),
    ),
    layers=(
        flux(
            "dlr",
            "downward longwave radiation",
            valid=(50.0, 600.0),
            standard_name="surface_downwelling_longwave_flux_in_air",
        ),
    ),
    family="radiation",
)

PAR = Recipe(
    id="MuSQ.PAR",
    title="Photosynthetically active radiation",
    description="Solar irradiance of 0.4–0.7 µm on level ground at the times of observation, under all skies.",
    quantity="flux",
    algorithms=(
        Algorithm(
            "lut",
            "share of DSR by sun, aerosol, water vapour and cloud (6S)",
            shortwave.par,
            (
                product("dsr", "MuSQ.DSR", sigma=60.0),
                product("kc", "MuSQ.DSR", layer="kc", sigma=0.1),
                angle("sza"),
                ancillary("aod", sigma=0.05, at="observation"),
                ancillary("tcwv", sigma=0.2, at="observation"),
            ),
            accepts=("sr", "nbar", "toa", "lst"),
            over="observations",
            reduce="mean",
            cloudy=True,
            error=6.0,
            formula="DSR of the sky (haze or cloud) whose ρTOA is observed; PAR = share(sza, AOD, kc) DSR",
            citation="Vermote et al. 1997, doi:10.1109/36.581987",
        ),
        Algorithm(
            "share",
            "0.45 of DSR",
            shortwave.par_share,
            (product("dsr", "MuSQ.DSR", sigma=60.0),),
            error=12.0,
            backup=True,
            formula="PAR = 0.45 DSR",
            citation="Running and Zhao 2015, MOD17 user's guide",
        ),
    ),
    layers=(
        flux(
            "par",
            "photosynthetically active radiation",
            valid=(0.0, 800.0),
            standard_name="surface_downwelling_photosynthetic_radiative_flux_in_air",
        ),
    ),
    family="radiation",
)

NSR = Recipe(
    id="MuSQ.NSR",
    title="Net surface radiation",
    description="What the surface gains of shortwave and longwave radiation.",
    quantity="flux",
    algorithms=(
        Algorithm(
            "balance",
            "balance of the four components",
            longwave.net,
            (
                product("albedo", "MuSQ.LSA", sigma=0.02),
                product("dsr", "MuSQ.DSR", sigma=60.0),
                product("dlr", "MuSQ.DLR", sigma=20.0),
                product("emissivity", "MuSQ.LSE", layer="emissivity_bb", sigma=0.015),
                product("lst", "MuSQ.LST", sigma=1.5),
                product("kc", "MuSQ.DSR", layer="kc", required=False),
            ),
            error=10.0,
            formula="Rn = (1 - α) DSR + ε DLR - ε σ Ts⁴",
            citation="Allen et al. 1998, FAO Irrigation and Drainage Paper 56",
        ),
    ),
    layers=(flux("rn", "net radiation at the surface", standard_name="surface_net_downward_radiative_flux"),),
    family="radiation",
)

RECIPES = (DSR, DLR, PAR, NSR)
