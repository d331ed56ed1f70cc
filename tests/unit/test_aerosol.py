"""Aerosol of a scene: relations against published values, methods in a closed loop of a closed-form atmosphere."""

import dataclasses

import numpy as np
import pytest
import rasterio

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels.aerosol import solve, trimmed
from musyq_cube.normalization import Field
from musyq_cube.normalize._aerosol_lattice import fill_gaps, lattice, outliers, smooth
from musyq_cube.normalize._aerosol_methods import NODES, dark_blue, dark_red, scattering_angle
from musyq_cube.normalize.aerosol import View, plot, retrieve, retrieve_series, view, with_field, write_field
from musyq_cube.read.warp import read_values
from musyq_cube.scene import Angles, Scene, Source, SourceGrid
from musyq_cube.testing.atmosphere import Atmosphere, terms
from musyq_cube.types import QA

GRID = SourceGrid("EPSG:32650", (125.0, 0.0, 399_000.0, 0.0, -125.0, 4_401_000.0), (48, 72))
WAVELENGTH = {"blue": 0.482, "green": 0.56, "red": 0.655, "nir08": 0.865, "swir22": 2.2}
SUN, LOOK, AZIMUTH = 40.0, 5.0, 120.0


class ClosedForm:
    """Tables of the closed-form atmosphere: the same in both directions, so that only the method is tested."""

    def _apply(self, way, bands, _sza, _vza, _raa, aod, **_):
        out = {name: np.empty(np.broadcast_shapes(v.shape, aod.shape), np.float32) for name, v in bands.items()}
        for name, values in bands.items():
            for depth in np.unique(aod):
                here = aod == depth
                air = terms(Atmosphere(float(depth)), WAVELENGTH[name], SUN, LOOK, AZIMUTH)
                out[name][here] = getattr(air, way)(values[here])
        return out

    def correct(self, toa, *args, **kwargs):
        return self._apply("invert", toa, *args, **kwargs)

    def simulate(self, surface, *args, **kwargs):
        return self._apply("apply", surface, *args, **kwargs)


def ground(rng, shape=GRID.shape, *, scatter=0.1):
    """Vegetation and soil with the published relations of dark targets, and scatter about them."""
    swir = rng.uniform(0.03, 0.35, shape)
    angle = scattering_angle(np.array(SUN), np.array(LOOK), np.array(AZIMUTH))
    nir = 0.30 + 0.05 * rng.standard_normal(shape)
    red = dark_red(swir, np.full(shape, 0.75), angle) * (1 + scatter * rng.standard_normal(shape))
    blue = dark_blue(red) * (1 + scatter * rng.standard_normal(shape))
    green = (red + blue) / 2 + 0.05
    return {"blue": blue, "green": green, "red": red, "nir08": nir, "swir22": swir}


def seen(surface, aod, **changes):
    """Return what a sensor sees through `aod`, one number or one for each pixel."""
    deep = np.broadcast_to(np.asarray(aod, np.float32), GRID.shape)
    toa = ClosedForm().simulate({k: v.astype(np.float32) for k, v in surface.items()}, SUN, LOOK, AZIMUTH, deep)
    made = View(toa, SUN, LOOK, AZIMUTH, GRID, sensor="landsat8-oli", id="scene")
    return dataclasses.replace(made, _cache={}, **changes)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_relations_of_dark_targets_have_their_published_values():
    """Levy et al. (2007), worked by hand: (ρ2.1, ρ1.24, Θ) = (.10, .25, 120) and (.05, .40, 150)."""
    for swir, near, angle, red, blue in ((0.10, 0.25, 120, 0.051571, 0.03027), (0.05, 0.40, 150, 0.026, 0.01774)):
        greenness = np.array((near - swir) / (near + swir))
        found = dark_red(np.array(swir), greenness, np.array(angle))
        assert found == pytest.approx(red, abs=1e-6)
        assert dark_blue(found) == pytest.approx(blue, abs=1e-5)


def test_trimmed_means_leave_out_what_is_missing_in_any_band():
    x = np.array([[1, 2, 3, 4, 5], [np.nan, 1, 1, 1, 1]], np.float32)
    mean, count = trimmed(x, x[0], 0.0, 0.5)
    assert (mean.tolist(), int(count)) == ([2.5, 1.0], 2)
    mean, count = trimmed(np.full((2, 4), np.nan, np.float32), np.zeros(4, np.float32), 0.2, 0.5)
    assert np.isnan(mean).all()
    assert count == 0


def test_two_contradicting_residuals_are_weighed():
    nodes = np.array([0.0, 1.0], np.float32)
    residual = np.array([[0.2, -0.8], [0.6, -0.4]], np.float32)  # vanish at 0.2 and 0.6
    for weight, expected in (([1, 1], 0.4), ([1, 0], 0.2), ([3, 1], 0.3)):
        assert solve(residual, np.array(weight, np.float32), nodes)[0] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(solve(residual * np.float32(np.nan), np.ones(2, np.float32), nodes)[0])


@pytest.mark.parametrize("aod", [0.04, 0.25, 0.7])
@pytest.mark.parametrize("bands", ["blue red nir08 swir22", "blue red nir08", "blue green red"])
def test_dark_target_finds_the_aod(rng, aod, bands):
    shown = seen({name: v for name, v in ground(rng).items() if name in bands.split()}, aod)
    shown = dataclasses.replace(shown, sensor="modis-terra", _cache={})  # its bands are those of the relations
    atmosphere, field = retrieve(shown, tables=ClosedForm(), window=3000)
    assert atmosphere.source == "dark-target"
    assert ("blue–red" in atmosphere.reason) == ("swir22" not in bands)
    assert np.abs(field.aod - aod).max() < 0.05
    assert atmosphere.residual.improved or abs(aod - 0.1) < 0.1
    assert field.grid == SourceGrid("EPSG:32650", (3000.0, 0.0, 399_000.0, 0.0, -3000.0, 4_401_000.0), (2, 3))


def test_clouds_that_the_mask_missed_and_masked_pixels_do_not_count(rng):
    surface = ground(rng)
    cloud = rng.random(GRID.shape) < 0.25
    surface = {name: np.where(cloud, 0.6, v) for name, v in surface.items()}
    qa = np.zeros(GRID.shape, np.uint16)
    qa[:24, :24] = QA.CLOUD
    qa[24:, :] |= np.uint16(QA.WATER) * (rng.random((24, 72)) < 0.5).astype(np.uint16)
    _, field = retrieve(seen(surface, 0.3, qa=qa), tables=ClosedForm())
    assert np.abs(field.aod - 0.3).max() < 0.05
    assert field.qa[0, 0] == QA.GAP_FILLED
    assert field.count[0, 0] == 0
    assert (field.qa.ravel()[1:] == 0).all()


def test_bright_ground_is_refused_not_guessed(rng):
    """Blue above the critical reflectance does not change with aerosol, so it tells nothing (ALGORITHMS trap 10)."""
    bright = {name: np.full(GRID.shape, 0.16) + 0.002 * rng.standard_normal(GRID.shape) for name in ("blue", "red")}
    shown = seen(bright, 0.2)
    reference = bright["blue"].astype(np.float32)
    atmosphere, field = retrieve(shown, tables=ClosedForm(), reference=reference)
    assert atmosphere.source == "climatology"
    assert (field.qa & np.uint16(QA.CLIMATOLOGY_AOD)).all()


def test_reference_finds_the_aod_and_a_wrong_method_says_what_there_is(rng):
    surface = {name: v for name, v in ground(rng).items() if name in {"blue", "red"}}
    blurred = (surface["blue"] + 0.004 * rng.standard_normal(GRID.shape)).astype(np.float32)
    atmosphere, field = retrieve(seen(surface, 0.35), tables=ClosedForm(), reference=blurred)
    assert atmosphere.source == "reference"
    assert np.abs(field.aod - 0.35).max() < 0.03
    with pytest.raises(NormalizeError, match="there are dark-target"):
        retrieve(seen(surface, 0.3), tables=ClosedForm(), methods=["magic"])
    with pytest.raises(NormalizeError, match="no aerosol by dark-target"):
        retrieve(seen(surface, 0.3), tables=ClosedForm(), methods=["dark-target"])


def test_ancillary_before_climatology():
    shown = seen({"blue": np.full(GRID.shape, 0.2), "red": np.full(GRID.shape, 0.3)}, 0.2)
    known = np.array([[0.2, np.nan, 0.4], [0.6, 0.2, 0.2]], np.float32)
    atmosphere, field = retrieve(shown, tables=ClosedForm(), ancillary=lambda _seen, _grid: known)
    assert atmosphere.source == "ancillary"
    assert field.aod[0, 0] == np.float32(0.2)
    assert field.qa.tolist() == [[0, QA.GAP_FILLED, 0], [QA.HIGH_AOD, 0, 0]]
    assert retrieve(shown, tables=ClosedForm(), ancillary=lambda _seen, _grid: None)[0].source == "climatology"


def test_the_clearest_blue_of_a_series(rng):
    """Time-series loop of the specification: bias < 0.03, RMSE < 0.06, 85 % inside ±(0.05 + 0.15 τ)."""
    surface = ground(rng)
    aods = np.clip(rng.lognormal(np.log(0.2), 0.8, 30), 0.03, 1.2)
    series = []
    for aod in aods:
        now = {k: v + 0.002 * rng.standard_normal(v.shape) for k, v in surface.items() if k in {"blue", "red", "nir08"}}
        series.append(seen(now, aod))
    found = retrieve_series(series, tables=ClosedForm())
    assert {atmosphere.source for atmosphere, _ in found} == {"clearest-blue"}
    error = np.array([field.aod - aod for (_, field), aod in zip(found, aods, strict=True)])
    inside = np.abs(error) <= 0.05 + 0.15 * aods[:, None, None]
    assert abs(error.mean()) < 0.03
    assert np.sqrt((error**2).mean()) < 0.06
    assert inside.mean() > 0.85


def test_ground_that_changed_is_left_out_of_a_series(rng):
    surface = {k: v for k, v in ground(rng).items() if k in {"blue", "red", "nir08"}}
    series = [seen(surface, aod) for aod in (0.05, 0.1, 0.2, 0.3)]
    half = np.arange(GRID.shape[1]) < 36
    bare = {"blue": 0.11, "red": 0.16, "nir08": 0.25}
    changed = {k: np.where(half, bare[k], v) for k, v in surface.items()}
    series.append(seen(changed, 0.2))
    _, field = retrieve_series(series, tables=ClosedForm())[-1]
    assert np.abs(field.aod - 0.2).max() < 0.04
    assert field.qa[:, 0].tolist() == [QA.GAP_FILLED] * 2


def test_a_series_needs_three_dates_of_one_grid(rng):
    one = seen(ground(rng), 0.1)
    with pytest.raises(NormalizeError, match="three"):
        retrieve_series([one, one], tables=ClosedForm())
    other = dataclasses.replace(one, grid=dataclasses.replace(GRID, crs="EPSG:32651"), _cache={})
    with pytest.raises(NormalizeError, match="one grid"):
        retrieve_series([one, one, other], tables=ClosedForm())


def test_gaps_outliers_and_smoothing():
    field = np.full((7, 9), 0.2, np.float32)
    field[3, 4] = 0.9
    field[0, 0] = np.nan
    assert np.argwhere(outliers(field)).tolist() == [[3, 4]]
    assert fill_gaps(field)[0, 0] > 0.2
    flat = np.where(np.isnan(field), np.nan, 0.2).astype(np.float32)
    np.testing.assert_allclose(smooth(fill_gaps(flat)), 0.2, rtol=1e-6)
    far = np.full((1, 40), np.nan, np.float32)
    far[0, :2] = 0.3, 0.5
    assert fill_gaps(far)[0, 39] == pytest.approx(0.4)
    assert np.isnan(fill_gaps(np.full((2, 2), np.nan, np.float32))).all()


def test_a_written_field_is_read_like_any_layer(tmp_path, rng):
    aod = np.where(np.arange(72) < 36, 0.1, 0.5)
    atmosphere, field = retrieve(seen(ground(rng), aod), tables=ClosedForm())
    written, source = write_field(field, str(tmp_path / "aod.zarr"))
    values = read_values(source, GRID.geobox)
    assert written == Field(str(tmp_path / "aod.zarr"), "aod")
    assert with_field(atmosphere, written).aod is written
    assert np.isfinite(values).all()
    assert values.min() >= field.aod.min() - 1e-6
    assert (np.diff(values[24]) >= -1e-6).all()  # bilinear, hence no edges
    bare = dataclasses.replace(source, grid=None)
    np.testing.assert_array_equal(read_values(bare, GRID.geobox), values)
    assert write_field(field, str(tmp_path / "aod.zarr"))[0] == written  # again


def test_plot_draws_the_field(rng):
    _, field = retrieve(seen(ground(rng), 0.2), tables=ClosedForm())
    ax = plot(field)
    assert "dark-target" in ax.get_title()
    assert "dark-target" in repr(field)
    assert field.plot(ax) is ax


def test_windows_of_a_lattice_are_those_of_its_neighbours():
    part = SourceGrid("EPSG:32650", (125.0, 0.0, 404_250.0, 0.0, -125.0, 4_399_500.0), (30, 30))
    whole, piece = lattice(GRID, 3000), lattice(part, 3000)
    assert piece.grid.transform[2] == 402_000
    image = np.arange(48 * 72, dtype=np.float32).reshape(48, 72)
    folded, inner = whole.fold(image), piece.fold(image[12:42, 42:72])
    row = round((4_401_000 - piece.grid.transform[5]) / 3000)
    known = np.isfinite(inner[0, 1])
    assert known.any()
    assert set(inner[0, 1][known]) <= set(folded[row, 2])


def test_a_scene_is_read_at_the_pixel_size_of_the_retrieval(tmp_path):
    """Files of 30 m over 6 km become pixels of 120 m whose edges are multiples of it from the CRS origin."""
    bands = []
    for name, value in (("blue", 0.11), ("red", 0.07), ("nir08", 0.35)):
        path = str(tmp_path / f"{name}.tif")
        profile = {"driver": "GTiff", "height": 200, "width": 200, "count": 1, "crs": "EPSG:32650", "dtype": "uint16",
                   "transform": rasterio.Affine(30, 0, 399_990, 0, -30, 4_401_000), "nodata": 0}  # fmt: skip
        with rasterio.open(path, "w", **profile) as file:
            file.write(np.full((200, 200), round(value * 1e4), np.uint16), 1)
        bands.append((name, Source(path, scale=1e-4)))
    box = "POLYGON ((115.8 39.6, 115.9 39.6, 115.9 39.8, 115.8 39.8, 115.8 39.6))"
    scene = Scene(
        "s", "landsat8-oli", "2020-06-13T03:00:00Z", box, bands=tuple(bands), angles=Angles(40.0, 150.0, 5.0, 100.0)
    )
    made = view(scene, ozone=0.31, elevation=lambda geobox: np.full(geobox.shape, np.nan))
    assert made.grid.transform == (120.0, 0.0, 399_960.0, 0.0, -120.0, 4_401_000.0)
    assert np.nanmax(np.abs(made.toa["red"] - 0.07)) < 1e-6
    assert np.nanmedian(made.layer("raa")) == pytest.approx(50.0)
    assert made.ozone == 0.31
    assert (made.layer("elevation") == 0).all()
    with pytest.raises(NormalizeError, match="'sr'"):
        view(scene.replace(quantity="sr"))
    with pytest.raises(NormalizeError, match="no band red"):
        view(scene.replace(bands=tuple(bands[:1])))


def test_trial_aods_reach_the_climatology():
    assert NODES[2] == np.float32(0.1)
