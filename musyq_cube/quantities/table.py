"""The quantities: names, units, valid ranges, and what files call them."""

from __future__ import annotations

from dataclasses import dataclass, field

from musyq_cube.errors import CatalogError
from musyq_cube.quantities.units import (
    DEPTH,
    FLUX,
    KELVIN,
    METRE,
    NUMBER,
    OZONE,
    PASCAL,
    SPEED,
    WATER,
    Factors,
)


@dataclass(frozen=True)
class Quantity:
    """One thing that algorithms need from elsewhere."""

    name: str
    units: str
    valid: tuple[float, float]
    """Inclusive; what lies outside is missing."""
    long_name: str
    standard_names: tuple[str, ...] = ()
    """Of the CF convention."""
    names: tuple[str, ...] = ()
    """What it is called in files, lower case."""
    factors: Factors = field(default_factory=dict, hash=False)
    """The units that it may come in."""
    energy: bool = False
    """May also come in J m-2 gathered over a time."""
    static: bool = False
    """Does not change from day to day: of several layers the one nearest in time holds."""
    classes: bool = False
    """Numbers are names: never averaged."""

    @property
    def resampling(self) -> str:
        """How it is brought to another grid."""
        return "nearest" if self.classes else "auto"


def _table(*quantities: Quantity) -> dict[str, Quantity]:
    return {q.name: q for q in quantities}


QUANTITIES: dict[str, Quantity] = _table(
    Quantity(
        "air_temperature", "K", (180.0, 340.0), "air temperature near the ground", ("air_temperature",),
        ("t2m", "2t", "t2", "tair", "ta", "tas", "temp", "temperature", "2m_temperature", "tmp"), KELVIN,
    ),
    Quantity(
        "dew_point_temperature", "K", (170.0, 320.0), "dew point near the ground", ("dew_point_temperature",),
        ("d2m", "2d", "dewpoint", "dew_point", "tdew", "t2mdew", "2m_dewpoint_temperature", "dpt"), KELVIN,
    ),
    Quantity(
        "specific_humidity", "1", (0.0, 0.06), "specific humidity near the ground", ("specific_humidity",),
        ("qv2m", "q2m", "q2", "huss", "2sh", "sh2", "spfh"), NUMBER | {"g kg-1": (1e-3, 0.0)},
    ),
    Quantity(
        "relative_humidity", "1", (0.0, 1.1), "relative humidity near the ground, over water", ("relative_humidity",),
        ("rh", "rh2m", "rh2", "r2", "2r", "hurs"), NUMBER,
    ),
    Quantity(
        "vapour_pressure", "Pa", (0.0, 10_000.0), "vapour pressure near the ground",
        ("water_vapor_partial_pressure_in_air",), ("vapor_pressure", "vp", "ea"), PASCAL,
    ),
    Quantity(
        "vapour_pressure_deficit", "Pa", (0.0, 15_000.0), "vapour pressure deficit near the ground",
        ("water_vapor_saturation_deficit_in_air",), ("vapor_pressure_deficit", "vpd"), PASCAL,
    ),
    Quantity(
        "surface_pressure", "Pa", (30_000.0, 110_000.0), "air pressure at the ground", ("surface_air_pressure",),
        ("sp", "ps", "psfc", "pres", "pressure", "pa"), PASCAL,
    ),
    Quantity(
        "eastward_wind", "m s-1", (-120.0, 120.0), "wind towards the east, at 10 m", ("eastward_wind",),
        ("u10", "10u", "u10m", "uas", "ugrd", "10m_u_component_of_wind"), SPEED,
    ),
    Quantity(
        "northward_wind", "m s-1", (-120.0, 120.0), "wind towards the north, at 10 m", ("northward_wind",),
        ("v10", "10v", "v10m", "vas", "vgrd", "10m_v_component_of_wind"), SPEED,
    ),
    Quantity(
        "wind_speed", "m s-1", (0.0, 150.0), "wind speed", ("wind_speed",),
        ("si10", "10si", "ws", "ws10", "wind", "sfcwind"), SPEED,
    ),
    Quantity(
        "tcwv", "g cm-2", (0.0, 10.0), "water vapour of the whole column",
        ("atmosphere_mass_content_of_water_vapor", "lwe_thickness_of_atmosphere_mass_content_of_water_vapor"),
        ("tqv", "pwat", "tpw", "pw", "total_column_water_vapour", "prw"), WATER,
    ),
    Quantity(
        "ozone", "cm-atm", (0.05, 0.8), "ozone of the whole column",
        ("atmosphere_mass_content_of_ozone", "equivalent_thickness_at_stp_of_atmosphere_ozone_content"),
        ("tco3", "to3", "gtco3", "toz", "tozne", "total_column_ozone"), OZONE,
    ),
    Quantity(
        "aod", "1", (0.0, 10.0), "aerosol optical depth at 0.55 µm",
        ("atmosphere_optical_thickness_due_to_ambient_aerosol_particles",
         "atmosphere_optical_thickness_due_to_ambient_aerosol"),
        ("aod550", "taod550", "totexttau", "aot", "aot550"), NUMBER,
    ),
    Quantity(
        "cloud_fraction", "1", (0.0, 1.0001), "fraction of the sky under cloud", ("cloud_area_fraction",),
        ("tcc", "cldtot", "clt", "tcdc", "cloud_cover", "total_cloud_cover"), NUMBER,
    ),
    Quantity(
        "shortwave_down", "W m-2", (-1.0, 1_600.0), "downward shortwave radiation at the ground",
        ("surface_downwelling_shortwave_flux_in_air", "surface_downwelling_shortwave_flux",
         "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air"),
        ("ssrd", "swgdn", "dswrf", "rsds", "swdown", "sw_in", "rg", "rad", "radiation", "msdwswrf", "avg_sdswrf",
         "surface_solar_radiation_downwards"), FLUX, energy=True,
    ),
    Quantity(
        "longwave_down", "W m-2", (20.0, 700.0), "downward longwave radiation at the ground",
        ("surface_downwelling_longwave_flux_in_air", "surface_downwelling_longwave_flux",
         "integral_wrt_time_of_surface_downwelling_longwave_flux_in_air"),
        ("strd", "lwgab", "dlwrf", "rlds", "lwdown", "lw_in", "msdwlwrf", "avg_sdlwrf",
         "surface_thermal_radiation_downwards"), FLUX, energy=True,
    ),
    Quantity(
        "precipitation", "mm", (0.0, 2_000.0), "precipitation of one time step", ("precipitation_amount",
        "lwe_thickness_of_precipitation_amount"),
        ("tp", "pp", "precip", "rain", "rainfall", "apcp", "total_precipitation"), DEPTH,
    ),
    Quantity(
        "elevation", "m", (-500.0, 9_000.0), "height of the ground above the sea", ("surface_altitude",
        "geopotential", "height_above_mean_sea_level"),
        ("dem", "dtm", "srtm", "srtmgl1", "srtmgl3", "hgt", "elev", "altitude", "orog", "z", "topography"), METRE,
        static=True,
    ),
    Quantity(
        "land_cover", "1", (1.0, 17.0), "land cover, classes of the IGBP", (),
        ("landcover", "lc_type1", "igbp", "mcd12q1"), {"1": (1.0, 0.0)}, static=True, classes=True,
    ),
    Quantity(
        "emissivity_13", "1", (0.4, 1.0), "emissivity of ASTER band 13, 10.6 µm", (), ("emis_13", "emis13"), NUMBER,
        static=True,
    ),
    Quantity(
        "emissivity_14", "1", (0.4, 1.0), "emissivity of ASTER band 14, 11.3 µm", (), ("emis_14", "emis14"), NUMBER,
        static=True,
    ),
    Quantity("ndvi_aster", "1", (-1.0, 1.0), "NDVI when emissivity was observed", (), (), NUMBER, static=True),
    Quantity(
        "canopy_height", "m", (0.0, 120.0), "height of the canopy", ("canopy_height", "vegetation_height"), ("hc",),
        {"m": (1.0, 0.0), "cm": (0.01, 0.0)}, static=True,
    ),
    *(
        Quantity(f"{key}_{part}", unit, (-100.0, 100.0), f"site model of {what}: {words}", factors={unit: (1.0, 0.0)},
                 static=True)
        for key, what in (("tn", "nitrogen"), ("tp", "phosphorus"))
        for part, unit, words in (
            ("intercept", "mg l-1", "what there is without chlorophyll-a and turbidity"),
            ("per_chla", "mg l-1 (mg m-3)-1", "increase with chlorophyll-a"),
            ("per_turbidity", "mg l-1 fnu-1", "increase with turbidity"),
        )
    ),
)  # fmt: skip
"""Everything that an algorithm may ask for as ancillary, by name."""


def quantity(name: str) -> Quantity:
    """
    Return a quantity by its name, CF standard name or a usual short name.

    Raises
    ------
    CatalogError
        None is called so; lists the names.

    Examples
    --------
    >>> quantity("T2M").name, quantity("surface_air_pressure").units
    ('air_temperature', 'Pa')
    """
    found = find_quantity(name)
    if found is None:
        raise CatalogError(f"{name!r} is no known quantity; there are {', '.join(QUANTITIES)}")
    return found


def find_quantity(name: str, standard_name: str | None = None) -> Quantity | None:
    """
    Return the quantity that a variable of a file is, None for any other variable.

    Parameters
    ----------
    name
        Of the variable; it decides where it is known, because standard names do not tell the height.
    standard_name
        Of the CF convention.
    """
    word = name.strip().casefold().replace(" ", "_")
    if word in QUANTITIES:
        return QUANTITIES[word]
    named = next((q for q in QUANTITIES.values() if word in q.names), None)
    if named is not None:
        return named
    spelled = (standard_name or name).strip().casefold()
    return next((q for q in QUANTITIES.values() if spelled in q.standard_names), None)
