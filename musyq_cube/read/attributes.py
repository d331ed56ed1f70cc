"""What a block of pixels says of itself: CF attributes of its variables and coordinates along time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from musyq_cube.types import QA, QA_MEANINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from musyq_cube.read.fuse import Group

Scale: TypeAlias = Literal["reflectance", "dn"]
ANGLES = ("sza", "vza", "raa")
FIELDS = ("aod", "tcwv", "ozone", "elevation")
"""The air over scenes that are to be corrected for it."""
RELIEF = ("saa", "slope", "aspect")
"""The sun's azimuth and the ground below scenes that are to be corrected for their terrain."""
NOT_BANDS = frozenset({"qa", *ANGLES, *FIELDS, *RELIEF, "vaa", "cloud_distance"})
"""Variables of a cube that are about the observation, not observed."""
HEAT = ("lwir", "lst")
"""How names of temperature bands begin."""
DERIVED = ("ndvi", "evi", "emis")
"""How names of bands begin that are neither reflectance nor temperature."""
ANGLE_NAMES = {  # name: (long_name, standard_name, units)
    "sza": ("solar zenith angle", "solar_zenith_angle", "degree"),
    "vza": ("view zenith angle", "sensor_zenith_angle", "degree"),
    "raa": ("relative azimuth, folded, 0 = hot spot", None, "degree"),
    "aod": ("aerosol optical depth at 550 nm", "atmosphere_optical_thickness_due_to_ambient_aerosol_particles", "1"),
    "tcwv": ("column water vapour", "atmosphere_mass_content_of_water_vapor", "g cm-2"),
    "ozone": ("column ozone", "equivalent_thickness_at_stp_of_atmosphere_ozone_content", "cm"),
    "elevation": ("elevation of the ground", "surface_altitude", "km"),
    "saa": ("solar azimuth angle, clockwise from north", "solar_azimuth_angle", "degree"),
    "slope": ("slope of the ground", "ground_slope_angle", "degree"),
    "aspect": ("downhill direction of the ground, clockwise from north", None, "degree"),
}


def band_names(ds: xr.Dataset) -> list[str]:
    """Return the observed variables of a cube: those on (time, y, x) that are not about the observation."""
    return [str(n) for n, v in ds.data_vars.items() if n not in NOT_BANDS and v.dims == ("time", "y", "x")]


def qa_attrs() -> dict[str, Any]:
    """Return the CF attributes of a QA variable."""
    return {
        "long_name": "common quality bits",
        "flag_masks": np.array([bit.value for bit in QA], np.uint16),
        "flag_meanings": " ".join(bit.name.lower() for bit in QA if bit.name),
        "comment": "; ".join(f"{name.lower()}: {text}" for name, text in QA_MEANINGS.items()),
        "grid_mapping": "spatial_ref",
    }


def time_coords(groups: Sequence[Group]) -> dict[str, Any]:
    """
    Return the coordinates along time: when, which sensor, which scenes, of what, under which kind of aerosol.

    ``topography`` is there only where a scene is to be corrected for its terrain: C by band as JSON.
    """
    times = np.array([group[0].time.replace(tzinfo=None) for group in groups], "datetime64[ns]")
    relief = [group[0].relief for group in groups]
    slopes = {"topography": ("time", np.array([found.text if found else "" for found in relief], str))}
    coords: dict[str, Any] = {
        "time": ("time", times, {"standard_name": "time", "long_name": "acquisition time (UTC)"}),
        "sensor": ("time", np.array([group[0].sensor for group in groups], str)),
        "scene": ("time", np.array(["+".join(scene.id for scene in group) for group in groups], str)),
        "quantity": ("time", np.array([group[0].quantity for group in groups], str)),
        "aerosol": ("time", np.array([group[0].air.model if group[0].air else "" for group in groups], str)),
    }
    return coords | (slopes if any(relief) else {})


def band_attrs(band: str, groups: Sequence[Group], scale: Scale) -> dict[str, Any]:
    """Return the CF attributes of a band of these groups."""
    attrs = {"long_name": band, "units": "1", "grid_mapping": "spatial_ref"}
    if scale == "dn":
        return attrs | {"long_name": f"{band}, stored numbers"}
    if band.startswith(HEAT):
        word = "brightness temperature" if band.startswith("lwir") else "land surface temperature"
        return attrs | {"units": "K", "long_name": f"{band} {word}"}
    if band.startswith(DERIVED):
        return attrs
    names = {
        "toa": ("top-of-atmosphere reflectance", "toa_bidirectional_reflectance"),
        "sr": ("surface reflectance", "surface_bidirectional_reflectance"),
        "nbar": ("nadir BRDF-adjusted surface reflectance", "surface_bidirectional_reflectance"),
    }
    quantities = {scene.quantity for group in groups for scene in group if band in scene.sources}
    if len(quantities) == 1 and (name := names.get(quantities.pop())):
        return attrs | {"long_name": f"{band} {name[0]}", "standard_name": name[1]}
    return attrs


def angle_attrs(name: str) -> dict[str, Any]:
    """Return the CF attributes of an angle, or of a field of the air or the ground."""
    text, standard, units = ANGLE_NAMES[name]
    attrs = {"long_name": text, "units": units, "grid_mapping": "spatial_ref"}
    return attrs | ({"standard_name": standard} if standard else {})
