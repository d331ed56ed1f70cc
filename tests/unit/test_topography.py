"""Topography: slope, aspect, and reflectance of slopes as of level ground."""

from __future__ import annotations

import numpy as np
import pytest

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize.topography import apply_topography, estimate_c, illumination, terrain
from musyq_cube.types import QA

SUN = (60.0, 150.0)


def hills(size: int = 160, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Slope and aspect of a sum of random waves, 30 m pixels, up to some 25 degrees."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((size + 2, size + 2)) * 30.0
    dem = np.zeros(x.shape)
    for _ in range(12):
        k, phase = rng.normal(0, 2 * np.pi / 900, 2), rng.uniform(0, 6.28)
        dem += 16 * np.sin(k[0] * x + k[1] * y + phase)
    return terrain(dem, 30.0)


def test_slope_and_aspect_of_planes():
    """z = a x + b y: the slope is atan √(a² + b²), downhill is against the gradient."""
    y, x = np.indices((5, 6)) * -30.0, np.indices((5, 6)) * 30.0
    for towards in range(0, 360, 15):
        rise = np.tan(np.radians(25))
        dem = -rise * (np.sin(np.radians(towards)) * x[1] + np.cos(np.radians(towards)) * y[0])
        slope, aspect = terrain(dem, 30.0)
        assert slope.shape == (3, 4)
        np.testing.assert_allclose(slope, 25, atol=1e-4)
        np.testing.assert_allclose((aspect - towards + 180) % 360, 180, atol=1e-3)


def test_flat_ground_missing_elevation_and_pixel_widths():
    slope, aspect = terrain(np.zeros((4, 4)), 30.0)
    assert not slope.any()
    assert not aspect.any()
    dem = np.zeros((5, 5))
    dem[0, 0] = np.nan
    assert np.isnan(terrain(dem, 30.0)[0]).tolist() == [[True, False, False]] + [[False] * 3] * 2
    east = np.tile(np.arange(3.0) * 30, (4, 1))
    np.testing.assert_allclose(terrain(east, (np.array([30.0, 60.0]), 30.0))[0].ravel(), [45, 26.565], atol=1e-3)
    with pytest.raises(NormalizeError, match="one pixel more"):
        terrain(np.zeros((2, 5)), 30.0)


def test_incidence_is_the_angle_between_sun_and_normal():
    """Scalar product of unit vectors, in double precision."""
    rng = np.random.default_rng(0)
    sza, saa, slope, aspect = (rng.uniform(0, top, 500) for top in (89, 360, 80, 360))
    vector = [
        np.stack([np.sin(z) * np.sin(a), np.sin(z) * np.cos(a), np.cos(z)])
        for z, a in ((np.radians(sza), np.radians(saa)), (np.radians(slope), np.radians(aspect)))
    ]
    np.testing.assert_allclose(illumination(sza, saa, slope, aspect), (vector[0] * vector[1]).sum(0), atol=2e-6)


def test_level_ground_stays_as_it_is():
    red = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    out, qa = apply_topography({"red": red}, 50, 120, 0, 0, {"red": 0.4})
    assert np.array_equal(out["red"], red)
    assert not qa.any()


def test_shade_unknown_terrain_and_bands_without_c():
    slope = np.array([[0, 50, np.nan]], np.float32)
    band = np.full((1, 3), 0.2, np.float32)
    out, qa = apply_topography({"red": band, "nir": band}, 60, 180, slope, 0.0, {"red": 0.5})
    assert qa.tolist() == [[0, QA.TERRAIN_SHADOW, QA.BACKUP]]
    assert np.array_equal(out["red"], [[np.float32(0.2), np.nan, np.float32(0.2)]], equal_nan=True)
    assert np.array_equal(out["nir"], band)
    assert band[0, 1] == np.float32(0.2)  # the input is left alone


@pytest.mark.parametrize("method", ["scs+c", "c"])
def test_terrain_is_taken_out_of_a_simulated_forest(method):
    """Direct light by the method's own geometry and diffuse light without: C is their ratio, reflectance comes back."""
    slope, aspect = hills()
    rng = np.random.default_rng(1)
    truth = {"red": 0.03, "nir08": 0.35, "swir16": 0.18}
    cos_i = illumination(*SUN, slope, aspect)
    level = np.cos(np.radians(SUN[0])) * (np.cos(np.radians(slope)) if method == "scs+c" else 1)
    ratio = {"red": 0.6, "nir08": 0.2, "swir16": 0.1}
    own = {name: value * rng.normal(1, 0.05, slope.shape) for name, value in truth.items()}
    seen = {n: (v * (np.maximum(cos_i, 0) + ratio[n]) / (level + ratio[n])).astype(np.float32) for n, v in own.items()}
    found = estimate_c(seen, *SUN, slope, aspect, method=method)
    out, qa = apply_topography(seen, *SUN, slope, aspect, dict(found.c), method=method)
    assert set(dict(found.c)) == set(truth)
    assert found.residual is not None
    assert found.residual.before > 0.7
    assert found.residual.after < 0.15
    lit = (qa & QA.TERRAIN_SHADOW) == 0
    assert 0.9 < lit.mean() < 1
    for name, value in own.items():
        rmse = [np.sqrt(np.mean((x[lit] - value[lit]) ** 2)) for x in (seen[name], out[name])]
        assert rmse[1] < 0.25 * rmse[0], name


def test_a_band_that_does_not_depend_on_the_terrain_keeps_the_identity():
    slope, aspect = hills()
    rng = np.random.default_rng(2)
    cos_i = illumination(*SUN, slope, aspect)
    bands = {
        "red": np.full(slope.shape, 0.04, np.float32) - 0.02 * cos_i,  # darker towards the sun: not a matter of light
        "nir08": (0.3 * (cos_i + 0.3)).astype(np.float32),
        "swir16": rng.normal(0.2, 0.02, slope.shape).astype(np.float32),
    }
    found = estimate_c(bands, *SUN, slope, aspect)
    assert "nir08" in dict(found.c)
    assert "red" not in dict(found.c)
    for name, residual in found.residuals:
        assert residual.improved == (name in dict(found.c))
        assert residual.after <= residual.before or name not in dict(found.c)


def test_too_few_slopes_or_no_clear_pixels_estimate_nothing():
    slope, aspect = hills(60)
    bands = {"nir08": (0.3 * illumination(*SUN, slope, aspect)).astype(np.float32)}
    assert estimate_c(bands, *SUN, slope, aspect, clear=np.zeros(slope.shape, bool)).c == ()
    flat = estimate_c(bands, *SUN, np.zeros_like(slope), aspect)
    assert flat.c == ()
    assert flat.residual is None


def test_any_block_gives_the_same_bits():
    slope, aspect = hills()
    nir = {"nir08": np.random.default_rng(3).uniform(0, 1, slope.shape).astype(np.float32)}
    whole, qa = apply_topography(nir, *SUN, slope, aspect, {"nir08": 0.3})
    part = (slice(13, 77), slice(5, 104))
    again, bits = apply_topography({"nir08": nir["nir08"][part]}, *SUN, slope[part], aspect[part], {"nir08": 0.3})
    assert np.array_equal(again["nir08"], whole["nir08"][part], equal_nan=True)
    assert np.array_equal(bits, qa[part])
