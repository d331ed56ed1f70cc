"""Aerosol optical depth."""

from __future__ import annotations

from musyq_cube.products._aod import carried, clearest_blue, dark_ground
from musyq_cube.products.recipe import SENSOR, Algorithm, Recipe, ancillary, angle, band
from musyq_cube.variable import Variable

_ANGLES = (angle("sza"), angle("vza"), angle("raa"))
_AIR = (
    ancillary("tcwv", at="observation", sigma=0.3, required=False),
    ancillary("ozone", at="observation", sigma=0.02, required=False),
    ancillary("elevation", required=False),
)

RECIPES = (
    Recipe(
        id="MuSQ.AOD",
        title="Aerosol optical depth",
        description="Aerosol optical depth at 0.55 µm of the clear observations of the period.",
        quantity="aod",
        algorithms=(
            Algorithm(
                "scene",
                "what the characterization of each scene found",
                carried,
                (band("aod"),),
                accepts=("toa",),
                over="observations",
                error=0.05,
                citation="Zhong et al. 2007; Levy et al. 2007, doi:10.1029/2006JD007811",
            ),
            Algorithm(
                "clearest_blue",
                "blue of each date against the clearest of the series",
                clearest_blue,
                (band("blue", sigma=0.002), *_ANGLES, SENSOR, *_AIR),
                accepts=("toa",),
                over="series",
                least=8,
                error=0.05,
                citation="Liang et al. 2006, doi:10.1109/TGRS.2006.876030; Zhong et al. 2007",
            ),
            Algorithm(
                "dark_target",
                "blue and red of dark ground from 2.1 µm",
                dark_ground,
                (
                    *(band(b, sigma=0.002) for b in ("blue", "red", "nir", "swir22")),
                    band("swir12", sigma=0.002, required=False),
                    *_ANGLES,
                    SENSOR,
                    *_AIR,
                ),
                accepts=("toa",),
                over="observations",
                error=0.05,
                formula="ρ0.66 = slope ρ2.1 + y; ρ0.47 = 0.49 ρ0.66 + 0.005; AOD by table",
                citation="Levy et al. 2007, doi:10.1029/2006JD007811",
            ),
            Algorithm(
                "reanalysis",
                "aerosol of a reanalysis",
                carried,
                (ancillary("aod", sigma=0.1),),
                backup=True,
                citation="the ancillary data set",
            ),
        ),
        layers=(
            Variable(
                "aod",
                scale=0.001,
                nodata=-32768,
                valid=(-0.05, 5.0),
                long_name="aerosol optical depth at 0.55 µm",
                standard_name="atmosphere_optical_thickness_due_to_ambient_aerosol_particles",
            ),
        ),
        family="radiation",
    ),
)
