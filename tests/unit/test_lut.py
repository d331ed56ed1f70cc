"""The shipped table and what is made of it for sensors."""

from pathlib import Path

import numpy as np
import pytest

from musyq_cube.config import config
from musyq_cube.errors import NormalizeError
from musyq_cube.normalize import lut
from musyq_cube.normalize._lut_bands import _cosine_series, _lagrange, multilinear, pairs, pressure
from musyq_cube.sensor import sensors


def test_shipped_file_is_small():
    assert lut._SHIPPED.stat().st_size < 5e6


@pytest.mark.parametrize("sensor_id", sorted(sensors()))
def test_every_sensor_has_tables(sensor_id):
    table = lut.load(sensor_id)
    assert table.bands
    assert {"blue", "green", "red"} & {b.key for b in sensors()[sensor_id].bands} <= set(table.bands)
    assert not {"cirrus", "nir09", "lwir11", "lst"} & set(table.bands)
    assert all(np.isfinite(t).all() for t in table.tables)
    assert lut.load(sensor_id) is table


@pytest.mark.parametrize("model", lut.MODELS)
def test_spectral_table_is_physical(model):
    table = lut.spectral_table(model)
    assert table.path.min() >= 0
    assert table.transmit.min() > 0
    assert table.transmit.max() <= 1.001
    assert table.albedo.min() >= 0
    assert table.albedo.max() < 0.6
    # more aerosol lets less light through; higher ground is under less air
    assert (np.diff(table.transmit, axis=2) < 1e-4).all()
    assert (np.diff(table.transmit[:, :, 0], axis=1) < 1e-4).all()
    # without aerosol all models are one
    np.testing.assert_allclose(table.path[:, :, 0], lut.spectral_table("continental").path[:, :, 0], atol=2e-4)


def test_clear_air_is_rayleigh_scattering():
    """Thin air scatters once: R = τ P(Θ) / (4 µ µ'), P = 1 + 0.719 (cos²Θ − 1/3); at 1.24 µm, τ = 0.0037."""
    table = lut.spectral_table("continental")
    k, azimuth = int(np.argmin(np.abs(table.wavelengths - 1.24))), 6  # 90°
    first, second = pairs(len(table.angles), 14)
    mu = np.cos(np.radians(table.angles))
    cosine = mu[first] * mu[second]
    once = table.rayleigh[k] * (1 + 0.719 * (cosine**2 - 1 / 3)) / 4
    low = (table.angles[first] <= 60) & (table.angles[second] <= 60)
    np.testing.assert_allclose(table.path[k, -1, 0, low, azimuth], once[low], atol=6e-5)


def test_light_finds_the_same_way_back():
    path = lut.load("modis-terra").tables[0]
    square = path[:, :, : path.shape[3]]
    assert np.array_equal(square, square.swapaxes(2, 3))


def test_ozone_darkens_green_and_water_the_broad_infrared():
    table = lut.load("landsat5-tm")
    surface = {b: np.float32([[0.3]]) for b in ("blue", "green", "nir")}
    bare, ozone, water = (
        table.simulate(surface, 40, 5, 90, 0.1, tcwv=w, ozone=o) for w, o in ((0, 0), (0, 0.5), (4, 0))
    )
    assert ozone["green"] / bare["green"] < 0.91
    assert ozone["nir"] / bare["nir"] > 0.99
    assert water["nir"] / bare["nir"] < 0.93
    assert water["blue"] / bare["blue"] > 0.99


def test_pressure_falls_with_height():
    """ISO 2533: 1013.25, 898.76, 616.40, 540.20 hPa at 0, 1, 4 and 5 km."""
    np.testing.assert_allclose(
        pressure(np.array([0.0, 1.0, 4.0, 5.0])) * 1013.25, [1013.25, 898.75, 616.4, 540.2], rtol=1e-4
    )


def test_interpolations_are_exact_where_they_must():
    x = np.array([0.3, 1.2, 2.9])
    np.testing.assert_allclose(_lagrange(np.arange(6.0), x) @ np.arange(6.0) ** 3, x**3)
    angles = np.linspace(0, np.pi, 25)
    np.testing.assert_allclose(
        _cosine_series(13, 25) @ np.cos(3 * np.linspace(0, np.pi, 13)), np.cos(3 * angles), atol=1e-12
    )
    plane = np.add.outer(np.arange(3.0), 10 * np.arange(4.0))
    assert multilinear((np.arange(3.0), np.arange(4.0)), plane, (1.5, 2.25)) == pytest.approx(24.0)
    assert np.isnan(multilinear((np.arange(3.0),), np.arange(3.0), (2.1,)))


def test_missing_table_is_named(tmp_path: Path):
    with config.set({"luts.path": str(tmp_path / "none.zip")}), pytest.raises(NormalizeError, match="luts build"):
        lut.spectral_table("continental")
