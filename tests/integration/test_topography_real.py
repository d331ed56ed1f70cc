"""Topographic correction of a real scene with a low sun: Landsat-7 over the ridges of Pennsylvania."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from musyq_cube.normalize.topography import apply_topography, estimate_c, illumination, terrain

# radiance = gain DN + offset as published with the data; solar irradiance: Chander et al. 2009 (ETM+)
BANDS = {
    "blue": (1, 0.77569, -6.20, 1997.0),
    "green": (2, 0.79569, -6.40, 1812.0),
    "red": (3, 0.61922, -5.00, 1533.0),
    "nir": (4, 0.63725, -5.10, 1039.0),
    "swir16": (5, 0.12573, -1.00, 230.8),
    "swir22": (7, 0.04373, -0.35, 84.9),
}


@pytest.mark.parametrize(("month", "elevation", "azimuth"), [("nov", 26.2, 159.5), ("july", 61.4, 125.8)])
def test_reflectance_depends_less_on_the_terrain(data, month, elevation, azimuth):
    """Judged on the half of the scene that C was not estimated from; the high sun of July leaves little to correct."""
    folder = data("landsat7_pa_july_nov_dem")

    def read(name: str) -> np.ndarray:
        with rasterio.open(folder / f"{name}.tif") as file:
            return file.read(1).astype(np.float32)

    slope, aspect = terrain(read("dem"), 30.0)
    sun = (90 - elevation, azimuth)
    bands = {
        name: np.pi * (read(f"{month}{number}")[1:-1, 1:-1] * gain + offset) / (e0 * np.sin(np.radians(elevation)))
        for name, (number, gain, offset, e0) in BANDS.items()
    }
    found = estimate_c(bands, *sun, slope, aspect)
    residuals = dict(found.residuals)
    out, _ = apply_topography(bands, *sun, slope, aspect, dict(found.c))
    assert all(residuals[name].after < residuals[name].before for name, _ in found.c)
    assert found.residual is not None
    if month == "nov":
        assert set(dict(found.c)) == set(BANDS)
        assert found.residual.before > 0.4
        assert found.residual.after < 0.1
        assert residuals["swir16"].before > 0.7
        lit, steep = illumination(*sun, slope, aspect) > 0.1, slope > 5
        use = lit & steep
        assert np.nanstd(out["swir16"][use]) < 0.85 * np.nanstd(bands["swir16"][use])
    for name, band in bands.items():  # the scene's mean brightness is not what is corrected
        assert abs(np.nanmean(out[name]) / np.nanmean(band) - 1) < 0.02
