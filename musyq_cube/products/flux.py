"""Turbulent fluxes: soil moisture index, roughness, sensible and latent heat, evapotranspiration."""

from __future__ import annotations

from musyq_cube.products import evapotranspiration as water
from musyq_cube.products import latent_heat, moisture, turbulence
from musyq_cube.products.recipe import Algorithm, Recipe, ancillary, band, product
from musyq_cube.variable import Variable, flux, index

_RN = product("rn", "MuSQ.NSR", layer="rn", sigma=30.0)
_NDVI = product("ndvi", "MuSQ.NDVI", sigma=0.02)
_LST = product("lst", "MuSQ.LST", layer="lst", sigma=1.5)
_ALBEDO = product("albedo", "MuSQ.LSA", layer="albedo", sigma=0.02)
_HOUR = product("hour", "MuSQ.LST", layer="hour")
_AIR = ancillary("air_temperature", at="observation", sigma=1.5)
_AIR_MEAN = ancillary("air_temperature", sigma=1.5)
_PRESSURE = ancillary("surface_pressure", at="observation", sigma=500.0, required=False)
_BALANCE = (_RN, _NDVI, _LST, _ALBEDO)


def _length(name: str, words: str, top: float, scale: float) -> Variable:
    return Variable(name, scale=scale, nodata=-32768, units="m", valid=(0.0, top), long_name=words)


_TVDI = Recipe(
    id="MuSQ.TVDI",
    title="Temperature-vegetation dryness index",
    description="Where surface temperature lies between that of wet and of dry land under as much vegetation.",
    quantity="index",
    algorithms=(
        Algorithm(
            "triangle",
            "edges of temperature over NDVI in overlapping windows",
            moisture.dryness,
            (
                product("lst", "MuSQ.LST", layer="lst"),
                product("ndvi", "MuSQ.NDVI"),
                product("lst_unc", "MuSQ.LST", layer="lst_unc", required=False),
                ancillary("elevation", required=False),
            ),
            reach=moisture.WINDOW,
            formula="TVDI = (Ts - Tmin) / (Tmax - Tmin)",
            citation="Sandholt et al. 2002, doi:10.1016/S0034-4257(01)00274-7",
        ),
    ),
    layers=(
        index("tvdi", "temperature-vegetation dryness index", valid=(0.0, 1.0)),
        index("smi", "soil moisture index", valid=(0.0, 1.0)),
    ),
    family="flux",
)

_Z0 = Recipe(
    id="MuSQ.Z0",
    title="Aerodynamic roughness",
    description="Roughness length of momentum, how much shorter that of heat is, and the height by which a canopy "
    "lifts the profile of wind.",
    quantity="length",
    algorithms=(
        Algorithm(
            "raupach",
            "drag of canopy elements, from leaf area and height",
            turbulence.roughness,
            (
                product("lai", "MuSQ.LAI", layer="lai"),
                ancillary("land_cover"),
                ancillary("canopy_height", required=False),
                ancillary("wind_speed", required=False),
            ),
            formula="z0m/h by frontal area λ; kB⁻¹ = ln(z0m / z0h)",
            citation="Raupach 1994, doi:10.1007/BF00709229; Schaudt and Dickinson 2000, "
            "doi:10.1016/S0168-1923(00)00153-2",
        ),
        Algorithm(
            "savi",
            "exponential of the soil-adjusted vegetation index",
            turbulence.roughness_by_savi,
            (band("red", sigma=0.01), band("nir", sigma=0.01)),
            backup=True,
            formula="z0m = exp(-5.809 + 5.62 SAVI)",
            citation="Allen et al. 2002, SEBAL manual",
        ),
    ),
    layers=(
        _length("z0m", "roughness length of momentum", 10.0, 5e-4),
        _length("d0", "displacement height", 30.0, 1e-3),
        # not z0h: 2e-5 m over bare ground and metres in forests do not go into the same integers
        Variable(
            "kb",
            scale=1e-3,
            nodata=-32768,
            valid=(0.0, 20.0),
            long_name="logarithm of the roughness length of momentum over that of heat",
        ),
    ),
    family="flux",
)

_H = Recipe(
    id="MuSQ.H",
    title="Sensible heat flux",
    description="Heat that turbulence carries from the surface into the air at the overpass.",
    quantity="flux",
    algorithms=(
        Algorithm(
            "monin_obukhov",
            "bulk transfer with stability, between wet and dry limit",
            turbulence.sensible_heat,
            (
                *_BALANCE,
                product("z0m", "MuSQ.Z0", layer="z0m"),
                product("kb", "MuSQ.Z0", layer="kb"),
                _AIR,
                ancillary("wind_speed", at="observation", sigma=1.0),
                ancillary("vapour_pressure", at="observation", sigma=150.0, required=False),
                _PRESSURE,
            ),
            error=50.0,
            formula="H = ρ cp (Ts - Ta) / ra",
            citation="Brutsaert 2005; Su 2002, doi:10.5194/hess-6-85-2002",
        ),
        Algorithm(
            "residual",
            "what net radiation, soil and evaporation leave",
            turbulence.residual,
            (*_BALANCE, product("le", "MuSQ.LE", layer="le", sigma=60.0)),
            error=20.0,
            backup=True,
            formula="H = Rn - G - LE",
            citation="energy balance",
        ),
    ),
    layers=(flux("h", "sensible heat flux", standard_name="surface_upward_sensible_heat_flux"),),
    family="flux",
)

_LE = Recipe(
    id="MuSQ.LE",
    title="Latent heat flux",
    description="Heat that evaporation and transpiration take from the surface at the overpass.",
    quantity="flux",
    algorithms=(
        Algorithm(
            "pt_jpl",
            "Priestley-Taylor with eco-physiological limits",
            latent_heat.pt_jpl,
            (*_BALANCE, _AIR, ancillary("relative_humidity", at="observation", sigma=0.08), _PRESSURE),
            error=60.0,
            formula="LE = Σ 1.26 f Δ/(Δ + γ) Rn of canopy, soil and wet leaves",
            citation="Fisher et al. 2008, doi:10.1016/j.rse.2007.06.025; Venturini et al. 2008, "
            "doi:10.1016/j.rse.2007.04.014",
        ),
        Algorithm(
            "evaporative_fraction",
            "evaporative fraction of the temperature-vegetation triangle",
            latent_heat.triangle,
            (*_BALANCE, product("tvdi", "MuSQ.TVDI", layer="tvdi", sigma=0.1), _AIR, _PRESSURE),
            error=70.0,
            backup=True,
            citation="Jiang and Islam 2001, doi:10.1029/2000WR900255",
        ),
    ),
    layers=(flux("le", "latent heat flux", standard_name="surface_upward_latent_heat_flux"),),
    family="flux",
)

_OVERPASS = (product("le", "MuSQ.LE", layer="le", sigma=60.0), _HOUR, _AIR_MEAN)

_ET = Recipe(
    id="MuSQ.ET",
    title="Evapotranspiration",
    description="Water that a surface gives off in a day, mean of the period.",
    quantity="depth",
    algorithms=(
        Algorithm(
            "evaporative_fraction",
            "constant evaporative fraction, energy in step with the sunshine of the reanalysis",
            water.by_sunshine,
            (
                *_OVERPASS,
                ancillary("sun_then", "shortwave_down", at="observation", sigma=60.0),
                ancillary("sun_mean", "shortwave_down", sigma=15.0),
            ),
            error=0.65,
            citation="Ryu et al. 2012, doi:10.1016/j.agrformet.2011.09.010",
        ),
        Algorithm(
            "sinusoid",
            "constant evaporative fraction, energy as a half wave of a clear day",
            water.by_sinusoid,
            _OVERPASS,
            error=0.95,
            formula="ET = LE/(Rn - G) · daily Rn / λ, daily Rn a half sine",
            citation="Bisht et al. 2005, Remote Sensing of Environment 97, 52-67",
        ),
        Algorithm(
            "mod16",
            "Penman-Monteith of wet canopy, stomata and soil, without surface temperature",
            water.mod16,
            (
                product("lai", "MuSQ.LAI", layer="lai", sigma=0.7),
                product("fpar", "MuSQ.FPAR", layer="fpar", sigma=0.1),
                _ALBEDO,
                ancillary("shortwave_down", sigma=15.0),
                ancillary("longwave_down", sigma=15.0),
                _AIR_MEAN,
                ancillary("coldest", "air_temperature", at="min", sigma=1.5),
                ancillary("warmest", "air_temperature", at="max", sigma=1.5),
                ancillary("vapour_pressure", sigma=150.0),
                ancillary("land_cover"),
                ancillary("surface_pressure", sigma=500.0, required=False),
            ),
            error=0.8,
            formula="λE = (s A + ρ cp VPD / ra) / (s + γ (1 + rs/ra))",
            citation="Mu et al. 2011, doi:10.1016/j.rse.2011.02.019",
        ),
    ),
    layers=(
        Variable(
            "et",
            scale=0.001,
            nodata=-32768,
            units="mm d-1",
            valid=(0.0, 20.0),
            long_name="evapotranspiration",
            standard_name="lwe_water_evaporation_rate",
        ),
    ),
    family="flux",
)

RECIPES: tuple[Recipe, ...] = (_TVDI, _Z0, _H, _LE, _ET)
"""Products of the family."""
