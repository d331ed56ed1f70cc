"""Tie points, fits and the correction in the mapping: contracts, refusals, and bit identity."""

import dataclasses
import json

import numpy as np
import pyproj
import pytest
from affine import Affine
from matplotlib.figure import Figure
from odc.geo.geobox import GeoBox
from scipy import ndimage

from musyq_cube.errors import GridError
from musyq_cube.normalization import Geometric, Residual
from musyq_cube.normalize.geometric import TiePoints, find_tie_points, fit, plot, residuals
from musyq_cube.read.mapping import mapping
from musyq_cube.scene import Scene, Source, SourceGrid

BOX = GeoBox((100, 120), Affine(30, 0, 600000, 0, -30, 4500000), "EPSG:32650")
GRID = SourceGrid("EPSG:32650", (30.0, 0.0, 600000.0, 0.0, -30.0, 4500000.0), (100, 120))
BENT = Geometric(
    applied=True, reason="test", crs="EPSG:32650", origin=(601800.0, 4498500.0), scale=1800.0,
    dx=(70.0, 11.0, -5.0, 3.0, 2.0, -4.0), dy=(-40.0, 6.0, 9.0, -2.0, 5.0, 1.0),
)  # fmt: skip


def corrected(correction, grid=GRID):
    return dataclasses.replace(grid, correction=correction)


def texture(shape=(150, 180), seed=0):
    return ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2).astype("f4")


def grid_of_points(rows=6, cols=8, moved=(1.5, -2.5), noise=0.02, window=15, shape=BOX.shape):
    rng = np.random.default_rng(0)
    r, c = (v.ravel() for v in np.meshgrid(np.linspace(8, 92, rows), np.linspace(8, 112, cols), indexing="ij"))
    drow, dcol = (m + noise * rng.standard_normal(r.size) for m in moved)
    return TiePoints(r, c, drow, dcol, np.ones(r.size), tuple(shape), window)


# ── the correction in the mapping ──────────────────────────────────────────────────────────────────────────────────


def test_mapping_looks_where_the_native_geolocation_has_it():
    """Whole-pixel shift: row and column move by it, exactly; the other way round than the image would."""
    shift = Geometric(applied=True, reason="", crs="EPSG:32650", dx=(60.0,), dy=(-90.0,))
    plain, moved = mapping(GRID, BOX), mapping(corrected(shift), BOX)
    assert (moved.cols - plain.cols == 2 << 20).all()
    assert (moved.rows - plain.rows == 3 << 20).all()
    assert moved.lattice is plain.lattice


def test_mapping_adds_the_polynomial_at_the_nodes():
    """Every node is where the formula of `Geometric` puts it."""
    places = mapping(corrected(BENT), BOX)
    inside = np.s_[:-1, :-1]  # the last nodes may lie beyond the grid, where the edge's displacement holds
    x, y = places.lattice.x[inside], places.lattice.y[inside]
    u, v = (x - 601800.0) / 1800.0, (y - 4498500.0) / 1800.0
    near = (np.abs(u) <= 1) & (np.abs(v) <= 1500 / 1800)
    dx = 70.0 + 11 * u - 5 * v + 3 * u * u + 2 * u * v - 4 * v * v
    np.testing.assert_allclose((places.cols[inside] / 2**20)[near], ((x + dx - 600000) / 30)[near], atol=1e-6)


def test_blocks_agree_bit_for_bit():
    grid = corrected(BENT)
    source = SourceGrid("EPSG:32651", (30.0, 0.0, 95000.0, 0.0, -30.0, 4520000.0), (900, 900), BENT)
    for source_grid in (grid, source):
        whole = mapping(source_grid, BOX)
        part = mapping(source_grid, BOX[37:, 51:])
        step, top, left = whole.lattice.step, whole.lattice.top + 37, whole.lattice.left + 51
        at = np.s_[top // step :, left // step :]
        np.testing.assert_array_equal(whole.rows[at], part.rows)
        np.testing.assert_array_equal(whole.cols[at], part.cols)


def test_layer_in_another_crs_moves_by_the_same_ground():
    """A QA or angle layer in degrees or in the next zone: true place + displacement, brought to its own CRS."""
    there = pyproj.Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True)
    lon, lat = there.transform(600000.0, 4500000.0)
    layer = SourceGrid("EPSG:4326", (0.0003, 0.0, lon, 0.0, -0.0003, lat), (150, 150), BENT)
    places = mapping(layer, BOX)
    lon_true, lat_true = places.lattice.x[2, 3], places.lattice.y[2, 3]
    back = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32650", always_xy=True)
    tx, ty = back.transform(lon_true, lat_true)
    dx, dy = BENT.displacement(tx, ty)
    lon_native, lat_native = there.transform(tx + dx, ty + dy)
    assert places.cols[2, 3] / 2**20 == pytest.approx((lon_native - lon) / 0.0003, abs=1e-4)
    assert places.rows[2, 3] / 2**20 == pytest.approx((lat - lat_native) / 0.0003, abs=1e-4)


def test_far_away_nothing_is_folded_back():
    """A second-order polynomial grows with the square of the distance; the mapping does not follow it there."""
    steep = dataclasses.replace(BENT, dx=(0.0, 0.0, 0.0, -90.0, 0.0, 0.0), dy=(0.0,) * 6)
    far = GeoBox((64, 64), Affine(30, 0, 600000 + 40 * 1800, 0, -30, 4500000), "EPSG:32650")
    assert mapping(corrected(steep), far).window() is None


def test_correction_needs_a_crs_and_to_be_applied():
    with pytest.raises(GridError, match="without a CRS"):
        mapping(corrected(dataclasses.replace(BENT, crs="")), BOX)
    kept = Geometric(applied=False, reason="too few", dx=(900.0,))
    np.testing.assert_array_equal(mapping(corrected(kept), BOX).cols, mapping(GRID, BOX).cols)


def test_scene_keeps_the_correction_in_json():
    residual = Residual(1.5, 0.1, "px", 40, "base")
    source = Source("a.tif", grid=corrected(dataclasses.replace(BENT, residual=residual)))
    scene = Scene("a", "landsat8-oli", "2018-07-01T10:00:00Z", "POINT (0 0)", bands=(("red", source),))
    again = Scene.from_dict(json.loads(json.dumps(scene.to_dict())))
    assert again == scene
    assert hash(again.sources["red"]) == hash(source)
    plain = dataclasses.replace(source, grid=GRID)
    assert "correction" not in scene.replace(bands=(("red", plain),)).to_dict()["bands"][0][1]["grid"]


# ── tie points ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_point_a_cell_evenly_spread():
    image = texture()
    points = find_tie_points(image, image, cell=30)
    assert len(points) == 5 * 6
    cells = set(zip(points.rows // 30, points.cols // 30, strict=True))
    assert len(cells) == 30
    np.testing.assert_allclose(points.drow, 0, atol=0.01)
    assert points.score.min() > 0.999
    assert points.rows.flags.writeable is False


def test_sign_and_pixel_convention():
    """What the base has at (r, c) the target has at (r + drow, c + dcol)."""
    image = texture()
    base, target = image[10:-10, 10:-10], image[7:-13, 15:-5]
    points = find_tie_points(target, base, cell=40)
    assert len(points) >= 9
    np.testing.assert_allclose(points.drow, 3, atol=0.02)
    np.testing.assert_allclose(points.dcol, -5, atol=0.02)


def test_cells_under_cloud_or_without_texture_have_none():
    image = texture((120, 120))
    target = image.copy()
    target[:60] = np.nan
    base = image.copy()
    base[60:, 60:] = 0.25
    points = find_tie_points(target, base, cell=30)
    assert len(points) == 4
    assert points.rows.min() > 60
    assert points.cols.max() < 60


def test_other_ground_is_rejected():
    assert len(find_tie_points(texture(seed=1), texture(seed=2), cell=30)) == 0
    assert repr(find_tie_points(texture(seed=1), texture(seed=2), cell=60)) == "<TiePoints: none>"


def test_farther_than_the_radius_is_not_found():
    image = texture((200, 200))
    points = find_tie_points(image[:-20], image[20:], cell=45, radius=10)
    assert len(points) == 0
    assert len(find_tie_points(image[:-20], image[20:], cell=45, radius=25)) == 12, "the last row is outside"


def test_large_cells_choose_the_window_with_texture():
    """In a cell larger than the window, the point is where there is something to see."""
    image = np.zeros((300, 300), "f4")
    image[200:290, 20:110] = texture((90, 90))
    points = find_tie_points(image, image, cell=300, window=64)
    assert len(points) == 1
    assert points.rows[0] > 180
    assert points.cols[0] < 130


@pytest.mark.parametrize(
    ("change", "text"),
    [({"base": np.zeros((3, 4))}, "one shape"), ({"cell": 0}, "cell=0"), ({"method": "orb"}, "choose auto")],
)
def test_bad_input_is_named(change, text):
    given = {"target": texture(), "base": texture(), **change}
    with pytest.raises(ValueError, match=text):
        find_tie_points(given.pop("target"), given.pop("base"), **given)


# ── the fit ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_shift_in_crs_units():
    found = fit(grid_of_points(), BOX, "shift", against="the base")
    assert found.applied
    assert found.model == "shift"
    assert found.crs == "EPSG:32650"
    assert found.dx[0] == pytest.approx(-2.5 * 30, abs=0.3)
    assert found.dy[0] == pytest.approx(-1.5 * 30, abs=0.3)
    assert found.residual.against == "the base"
    assert found.residual.before == pytest.approx(np.hypot(1.5, 2.5), abs=0.02)
    assert found.residual.after < 0.05
    assert np.abs(residuals(grid_of_points(), found, BOX)).max() < 0.1


def test_same_seed_same_correction():
    points = grid_of_points(noise=0.3)
    assert fit(points, BOX, "affine", seed=5) == fit(points, BOX, "affine", seed=5)


def test_stated_in_the_crs_of_the_scene():
    """A scene of the next zone, compared on this zone's grid: its correction is turned with its own north."""
    points = grid_of_points(noise=0)
    found = fit(points, BOX, "affine", crs="EPSG:32651")
    there = pyproj.Transformer.from_crs("EPSG:32650", "EPSG:32651", always_xy=True)
    x, y = 600000 + 30 * points.cols, 4500000 - 30 * points.rows
    true, native = there.transform(x, y), there.transform(x - 75, y - 45)
    np.testing.assert_allclose(found.displacement(*true), np.subtract(native, true), atol=0.02)
    assert np.abs(residuals(points, found, BOX)).max() < 1e-3


@pytest.mark.parametrize(
    ("points", "model", "reason"),
    [
        (grid_of_points(2, 4), "shift", "8 tie points agree, fewer than 12"),
        (grid_of_points(1, 1), "affine", "only 1 tie points"),
        (grid_of_points(moved=(0, 0), noise=0.3), "shift", "no improvement"),
        (grid_of_points(moved=(0.1, 0), noise=0.1, window=400), "shift", "share their pixels"),
    ],
)
def test_identity_is_kept_with_the_reason(points, model, reason):
    found = fit(points, BOX, model)
    assert not found.applied
    assert reason in found.reason
    if found.residual:
        assert found.residual.after == found.residual.before
    assert (residuals(points, found, BOX)[:, 1] == points.drow).all()


def test_points_that_do_not_agree():
    rng = np.random.default_rng(1)
    points = grid_of_points()
    points = dataclasses.replace(points, drow=rng.uniform(-10, 10, 48), dcol=rng.uniform(-10, 10, 48))
    found = fit(points, BOX, "affine")
    assert not found.applied
    assert "agree" in found.reason


def test_points_in_one_corner_do_not_carry_a_polynomial():
    """Extrapolated over the whole image the correction would be uncertain: it is not applied."""
    points = grid_of_points(noise=0.1, window=3)
    points = dataclasses.replace(points, rows=points.rows / 4, cols=points.cols / 4)
    found = fit(points, BOX, "polynomial2")
    assert not found.applied
    assert "in a corner" in found.reason


def test_unknown_model_or_other_grid():
    with pytest.raises(ValueError, match="choose from shift, affine, polynomial2"):
        fit(grid_of_points(), BOX, "spline")
    with pytest.raises(ValueError, match="on a geobox of"):
        fit(grid_of_points(), BOX[:50])


def test_plot():
    points = grid_of_points()
    axes = plot(points, fit(points, BOX, "affine"), BOX)
    assert "affine: RMSE 2.9" in axes.get_title()
    assert len(axes.collections) == 2
    given = Figure().add_subplot()
    assert plot(points, Geometric(applied=False, reason="too few"), BOX, ax=given) is given
    axes.figure.canvas.draw()
