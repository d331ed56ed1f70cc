"""The physics of the simulator against published and independent numbers."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from musyq_cube.sensor import sensor
from musyq_cube.testing import atmosphere, clouds, overpass, spectra
from musyq_cube.testing.directional import anisotropy, li_sparse, ross_thick
from musyq_cube.testing.resample import area_mean
from musyq_cube.testing.surface import Surface

PAIRS = {"blue": ("B2", "B02"), "green": ("B3", "B03"), "red": ("B4", "B04"), "nir08": ("B5", "B8A"),
         "swir16": ("B6", "B11"), "swir22": ("B7", "B12")}  # fmt: skip


def land_spectra():
    """Canopies of every density over dark and bright soil, and bare grounds."""
    lai = np.linspace(0, 6, 13)
    leaf = spectra.leaf_absorptance()
    canopies = [spectra.canopy(lai, spectra.surface_spectrum(soil), leaf) for soil in ("soil_dark", "soil_bright")]
    grounds = [spectra.surface_spectrum(name)[None] for name in ("sand", "roof", "tile", "asphalt")]
    return np.concatenate([*canopies, *grounds])


@pytest.mark.parametrize("sensor_id", overpass.SENSORS)
def test_flat_spectrum_stays_flat_in_every_band(sensor_id):
    for band in sensor(sensor_id).bands:
        if (band.center_wavelength or 99) < 2.5:
            seen = spectra.band_average(np.full(spectra.WAVELENGTH.size, 0.37), sensor(sensor_id).srf(band.name))
            assert seen == pytest.approx(0.37, abs=1e-12)


def test_linear_spectrum_gives_the_value_at_the_band_centre():
    response = sensor("landsat8-oli").srf("red")
    seen = spectra.band_average(spectra.WAVELENGTH * 0.4, response)
    assert seen == pytest.approx(0.4 * spectra.centre(response), abs=1e-12)
    assert spectra.centre(response) == pytest.approx(sensor("landsat8-oli").band("red").center_wavelength, abs=0.003)


def test_canopy_has_the_form_of_vegetation():
    """Dense green leaves: green peak, dark red, NIR plateau, water at 1.45 and 1.94 µm; no leaves: the soil."""
    soil = spectra.surface_spectrum("soil_dark")
    bare, dense = spectra.canopy([0.0, 6.0], soil, spectra.leaf_absorptance())
    np.testing.assert_allclose(bare, soil, atol=1e-12)
    at = dict(zip((0.48, 0.55, 0.67, 0.86, 1.45, 1.65, 1.94, 2.2), np.interp((0.48, 0.55, 0.67, 0.86, 1.45, 1.65, 1.94, 2.2), spectra.WAVELENGTH, dense), strict=True))  # fmt: skip  # noqa: E501
    assert 0.02 < at[0.67] < 0.05
    assert at[0.55] > 2 * at[0.67]
    assert 0.4 < at[0.86] < 0.55
    assert at[1.45] < 0.5 * at[1.65]
    assert at[1.94] < at[2.2] < at[1.65]
    assert (at[0.86] - at[0.67]) / (at[0.86] + at[0.67]) > 0.85


# Sentinel-2A → OLI, slope and offset of HLS 1.4 (Claverie et al. 2018, doi:10.1016/j.rse.2018.09.002).
HLS = {"blue": (0.9778, -0.0040), "green": (1.0053, -0.0009), "red": (0.9765, 0.0009), "nir08": (0.9983, -0.0001),
       "swir16": (0.9987, -0.0011), "swir22": (1.0030, -0.0012)}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_landsat_and_sentinel_differ_as_published(name):
    """Bands predicted from Sentinel-2A by the published lines agree with what OLI sees of the same land to 0.006."""
    land = land_spectra()
    oli, msi = (sensor(s).srf(b) for s, b in zip(("landsat8-oli", "sentinel2a-msi"), PAIRS[name], strict=True))
    seen_oli, seen_msi = spectra.band_average(land, oli), spectra.band_average(land, msi)
    slope, offset = HLS[name]
    assert np.abs(slope * seen_msi + offset - seen_oli).mean() < 0.006
    fitted = np.polyfit(seen_msi, seen_oli, 1)[0]
    assert fitted == pytest.approx(slope, abs=0.035)


def test_blue_of_sentinel_is_brighter_than_of_landsat_over_land():
    """The sign of the published blue difference: MSI's band lies 10 nm further towards green."""
    land = land_spectra()
    oli, msi = sensor("landsat8-oli").srf("blue"), sensor("sentinel2a-msi").srf("blue")
    assert (spectra.band_average(land, msi) > spectra.band_average(land, oli)).all()


# Analytic values (first two) and values computed independently from Lucht et al. (2000).
KERNELS = {(60, 60, 0): (np.pi / 4, 2.0), (0, 0, 0): (0, 0), (30, 0, 0): (-0.031443, -0.698222),
           (45, 30, 90): (-0.026302, -1.252418), (45, 45, 180): (-0.078291, -1.828427)}  # fmt: skip


@pytest.mark.parametrize("geometry", KERNELS)
def test_kernels_have_their_known_values(geometry):
    assert (ross_thick(*geometry), li_sparse(*geometry)) == pytest.approx(KERNELS[geometry], abs=1e-6)


def test_kernels_are_reciprocal():
    rng = np.random.default_rng(0)
    s, v, phi = rng.uniform(0, 70, 500), rng.uniform(0, 70, 500), rng.uniform(0, 180, 500)
    np.testing.assert_allclose(ross_thick(s, v, phi), ross_thick(v, s, phi), atol=1e-12)
    np.testing.assert_allclose(li_sparse(s, v, phi), li_sparse(v, s, phi), atol=1e-12)


def test_anisotropy_equals_the_published_c_factor():
    """Nadir over observed reflectance at (35°, 8°, 120°) with the fixed parameters of Roy et al.; red: 1.024459."""
    observed = anisotropy(0.655, 35, 8, 120)
    assert anisotropy(0.655, 35, 0, 0) / observed == pytest.approx(1.024459, abs=2e-6)


# 6S V1.1, no gases, continental aerosol: (µm, sza, vza, raa, aod) and TOA over surfaces of 0.0, 0.1, 0.4.
SIXS = {
    (0.482, 30, 0, 0, 0.1): (0.0713, 0.1522, 0.4102),
    (0.482, 30, 0, 0, 0.3): (0.0847, 0.1573, 0.3914),
    (0.482, 25, 7, 40, 0.1): (0.0737, 0.1551, 0.4143),
    (0.482, 25, 7, 40, 0.3): (0.0873, 0.1605, 0.3965),
    (0.482, 45, 30, 120, 0.1): (0.0730, 0.1502, 0.3964),
    (0.482, 45, 30, 120, 0.3): (0.0934, 0.1606, 0.3774),
    (0.482, 45, 30, 0, 0.1): (0.1090, 0.1862, 0.4324),
    (0.482, 45, 30, 0, 0.3): (0.1291, 0.1962, 0.4130),
    (0.655, 30, 0, 0, 0.1): (0.0232, 0.1150, 0.3979),
    (0.655, 30, 0, 0, 0.3): (0.0331, 0.1178, 0.3823),
    (0.655, 25, 7, 40, 0.1): (0.0242, 0.1163, 0.3998),
    (0.655, 25, 7, 40, 0.3): (0.0347, 0.1198, 0.3856),
    (0.655, 45, 30, 120, 0.1): (0.0247, 0.1146, 0.3913),
    (0.655, 45, 30, 120, 0.3): (0.0398, 0.1206, 0.3729),
    (0.655, 45, 30, 0, 0.1): (0.0368, 0.1267, 0.4034),
    (0.655, 45, 30, 0, 0.3): (0.0531, 0.1338, 0.3862),
    (0.865, 30, 0, 0, 0.1): (0.0092, 0.1047, 0.3952),
    (0.865, 30, 0, 0, 0.3): (0.0161, 0.1057, 0.3814),
    (0.865, 25, 7, 40, 0.1): (0.0099, 0.1056, 0.3965),
    (0.865, 25, 7, 40, 0.3): (0.0176, 0.1076, 0.3842),
    (0.865, 45, 30, 120, 0.1): (0.0102, 0.1045, 0.3913),
    (0.865, 45, 30, 120, 0.3): (0.0201, 0.1069, 0.3739),
    (0.865, 45, 30, 0, 0.1): (0.0153, 0.1096, 0.3965),
    (0.865, 45, 30, 0, 0.3): (0.0273, 0.1141, 0.3811),
    (1.61, 30, 0, 0, 0.1): (0.0019, 0.1001, 0.3960),
    (1.61, 30, 0, 0, 0.3): (0.0046, 0.0996, 0.3872),
    (1.61, 25, 7, 40, 0.1): (0.0020, 0.1003, 0.3963),
    (1.61, 25, 7, 40, 0.3): (0.0051, 0.1002, 0.3883),
    (1.61, 45, 30, 120, 0.1): (0.0018, 0.0996, 0.3941),
    (1.61, 45, 30, 120, 0.3): (0.0047, 0.0985, 0.3822),
    (1.61, 45, 30, 0, 0.1): (0.0032, 0.1010, 0.3955),
    (1.61, 45, 30, 0, 0.3): (0.0079, 0.1016, 0.3854),
}


def test_atmosphere_agrees_with_6s_within_its_stated_bound():
    for (wavelength, sza, vza, raa, aod), expected in SIXS.items():
        air = atmosphere.Atmosphere(aod=aod, pressure=1013.0, angstrom=1.2, albedo=0.90, asymmetry=0.64)
        found = atmosphere.terms(air, wavelength, sza, vza, raa).apply(np.array([0.0, 0.1, 0.4]))
        np.testing.assert_allclose(found[:2], expected[:2], atol=0.009)
        np.testing.assert_allclose(found[2], expected[2], atol=0.013)


def test_atmosphere_inverts_and_vanishes():
    air = atmosphere.terms(atmosphere.Atmosphere(aod=0.3), 0.48, 40.0, 7.0, 110.0)
    surface = np.array([0.0, 0.05, 0.5])
    np.testing.assert_allclose(air.invert(air.apply(surface)), surface, atol=1e-12)
    nothing = atmosphere.terms(atmosphere.Atmosphere(aod=1e-9, pressure=1e-9), 0.48, 40.0, 7.0, 110.0)
    np.testing.assert_allclose(nothing.apply(surface), surface, atol=1e-8)


def test_rayleigh_depth_is_the_published_one():
    """0.0973 at 0.55 µm at sea level (Hansen & Travis 1974)."""
    assert atmosphere.rayleigh_depth(0.55) == pytest.approx(0.0973, abs=2e-4)


def test_area_mean_keeps_the_total_and_follows_the_shift():
    fine = GeoBox.from_bbox((0, 0, 600, 600), "EPSG:32650", resolution=10)
    values = np.random.default_rng(1).random(fine.shape)
    coarse = fine.zoom_out(3)
    mean = area_mean(values, fine, coarse)
    np.testing.assert_allclose(mean, values.reshape(20, 3, 20, 3).mean((1, 3)))
    moved = area_mean(values, fine, coarse, (10.0, 0.0))
    np.testing.assert_allclose(moved[:, :-1], values[:, 1:-2].reshape(20, 3, 19, 3).mean((1, 3)))
    assert np.isnan(moved[:, -1]).all()
    half = area_mean(np.tile(np.arange(60.0), (60, 1)), fine, coarse, (5.0, 0.0))
    np.testing.assert_allclose(half[:, :-1], np.tile(np.arange(19) * 3 + 1.5, (20, 1)), atol=1e-9)


def test_cloud_share_is_as_asked_and_shadows_fall_away_from_the_sun():
    box = GeoBox.from_bbox((0, 0, 6000, 6000), "EPSG:32650", resolution=10)
    sky = clouds.make(box, 0.3, 5, sza=45.0, saa=90.0)
    assert sky.cloud.mean() == pytest.approx(0.3, abs=1e-3)
    # Sun in the east at 45°: the shadow of a cloud at 1800 m lies 180 pixels to the west.
    np.testing.assert_allclose(sky.shadow[:, :-180], sky.opacity[:, 180:], atol=1e-9)
    assert not clouds.make(box, 0.0, 5, sza=45.0, saa=90.0).cloud.any()


def test_view_comes_from_the_side_of_the_satellite():
    surface = Surface(3000.0)
    for track in overpass.TRACKS:
        zenith, azimuth = overpass.view_angles(track, surface.scene)
        assert 0 <= zenith.min() <= zenith.max() < 35
        eastern = ((azimuth > 45) & (azimuth < 135)).all()
        assert eastern == (track.offset > 0)


def test_sun_is_where_the_archive_says():
    """Landsat 8 over Huailai on 2017-07-10 at 02:53 UTC: elevation about 64°, azimuth about 129° (NREL SPA)."""
    zenith, azimuth = overpass.sun_angles(dt.datetime(2017, 7, 10, 2, 53, 20, tzinfo=dt.UTC), Surface(3000.0).scene)
    assert 90 - zenith.mean() == pytest.approx(64.0, abs=1.0)
    assert azimuth.mean() == pytest.approx(129.0, abs=3.0)


def test_leaves_follow_the_season():
    surface = Surface(3000.0, seed=2)
    months = [surface.lai(dt.date(2017, month, 15)).mean() for month in (2, 5, 7, 9, 12)]
    assert months[0] < months[1] < months[2]
    assert months[2] > months[3] > months[4]
