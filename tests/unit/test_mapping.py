"""Mappings: exact on the same CRS, deterministic at domain edges, windows that hold all that a block needs."""

import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.errors import GridError
from musyq_cube.grid import SINUSOIDAL, get_grid
from musyq_cube.read.mapping import BITS, lattice, mapping, ratio
from musyq_cube.scene import SourceGrid

BOX = GeoBox((100, 120), Affine(30, 0, 600000, 0, -30, 4500000), "EPSG:32650")


def positions(places):
    """Coordinates (row, col) of every pixel from nodes and exact cells, in plain numpy."""
    nodes = places.lattice
    j, i = np.arange(nodes.top, nodes.top + nodes.shape[0]), np.arange(nodes.left, nodes.left + nodes.shape[1])
    found = []
    for lattice_values, dense in ((places.rows, places.dense_rows), (places.cols, places.dense_cols)):
        v = lattice_values / 2.0**BITS
        (cj, tj), (ci, ti) = ((k // nodes.step, (k % nodes.step) / nodes.step) for k in (j, i))
        upper = v[np.ix_(cj, ci)] * (1 - ti) + v[np.ix_(cj, ci + 1)] * ti
        lower = v[np.ix_(cj + 1, ci)] * (1 - ti) + v[np.ix_(cj + 1, ci + 1)] * ti
        value = upper * (1 - tj[:, None]) + lower * tj[:, None]
        number = nodes.dense[np.ix_(cj, ci)]
        if dense.size:
            exact = dense[number, (j % nodes.step)[:, None], i % nodes.step] / 2.0**BITS
            value = np.where(number >= 0, exact, value)
        found.append(value)
    return found


def test_same_crs_is_an_affine_without_rounding():
    source = SourceGrid("EPSG:32650", (10.0, 0, 599995.0, 0, -10.0, 4500020.0), (500, 500))
    rows, cols = positions(mapping(source, BOX))
    np.testing.assert_array_equal(cols[0], 0.5 + 1.5 + np.arange(120) * 3)
    np.testing.assert_array_equal(rows[:, 0], 2 + 1.5 + np.arange(100) * 3)


def test_equal_crs_in_other_words_needs_no_projection():
    source = SourceGrid(pyproj.CRS(32650).to_wkt(), (30.0, 0, 600000.0, 0, -30.0, 4500000.0), (100, 120))
    rows, cols = positions(mapping(source, BOX))
    assert (cols[7] == np.arange(120) + 0.5).all()
    assert (rows[:, 9] == np.arange(100) + 0.5).all()


def test_rotated_source():
    source = SourceGrid("EPSG:32650", (0.0, 30.0, 600000.0, -30.0, 0.0, 4500000.0), (200, 200))
    rows, cols = positions(mapping(source, BOX))
    assert rows[0, 0] == cols[0, 0] == 0.5
    assert rows[0, 5] == 5.5
    assert cols[5, 0] == 5.5


def test_overviews_cover_the_same_area():
    source = SourceGrid("EPSG:32650", (30.0, 0, 600000.0, 0, -30.0, 4500000.0), (101, 121))
    rows, _ = positions(mapping(source, BOX, (51, 61)))
    np.testing.assert_allclose(rows[:, 0], (np.arange(100) + 0.5) * 51 / 101, atol=1e-6)


@pytest.mark.parametrize(
    ("crs", "box"),
    [
        ("EPSG:32601", GeoBox((64, 64), Affine(0.01, 0, 179.7, 0, -0.01, 10), "EPSG:4326")),
        (SINUSOIDAL, GeoBox((64, 64), Affine(500, 0, 150000, 0, -500, 8000000), "EPSG:32701")),
        ("EPSG:4326", GeoBox((64, 64), Affine(1000, 0, -32000, 0, -1000, 32000), "EPSG:3413")),
        ("EPSG:32650", GeoBox((64, 64), Affine(463.3, 0, 20000000, 0, -463.3, 20000), SINUSOIDAL)),
    ],
    ids=[
        "latlon beyond 180",
        "utm over 180",
        "the north pole from latlon",
        "the edge of the sinusoidal world",
    ],
)
def test_hard_places_are_evaluated_exactly(crs, box):
    degrees = crs == "EPSG:4326"
    transform = (0.5, 0, -180.0, 0, -0.5, 90.0) if degrees else (500.0, 0, -2.1e7, 0, -500.0, 1e7)
    source = SourceGrid(crs, transform, (10**5, 10**5))
    places = mapping(source, box)
    rows, cols = positions(places)
    j, i = np.mgrid[:64, :64] + 0.5
    x, y = box.affine.c + i * box.affine.a, box.affine.f + j * box.affine.e
    x, y = pyproj.Transformer.from_crs(str(box.crs), crs, always_xy=True).transform(x, y)
    known = np.isfinite(x)
    a, _, c, _, e, f = source.transform
    assert np.abs(((x - c) / a - cols)[known]).max() < 0.01
    assert np.abs(((y - f) / e - rows)[known]).max() < 0.01
    assert (cols[~known] < 0).all()


def test_nodes_do_not_depend_on_the_block():
    whole = lattice("EPSG:32651", BOX)
    part = lattice("EPSG:32651", BOX[37:80, 50:101])
    at = {(x, y) for x, y in zip(whole.x.ravel(), whole.y.ravel(), strict=True)}
    assert {(x, y) for x, y in zip(part.x.ravel(), part.y.ravel(), strict=True)} <= at


def test_windows_are_tight_and_clipped():
    source = SourceGrid("EPSG:32650", (30.0, 0, 600000.0, 0, -30.0, 4500000.0), (50, 500))
    assert mapping(source, BOX[10:30, 20:40]).window(2) == (slice(8, 32), slice(18, 42))
    assert mapping(source, BOX).window(0) == (slice(0, 50), slice(0, 120))
    assert mapping(SourceGrid("EPSG:32650", (30.0, 0, 7e5, 0, -30.0, 4500000.0), (50, 50)), BOX).window() is None
    assert mapping(SourceGrid("EPSG:3031", (30.0, 0, 0.0, 0, -30.0, 0.0), (50, 50)), BOX).window() is None


def test_ratio_of_pixel_sizes():
    grid = SourceGrid("EPSG:32651", (10.0, 0, 300000.0, 0, -10.0, 4500000.0), (1000, 1000))
    assert ratio(grid, "EPSG:32650", 30.0) == pytest.approx(3, rel=0.01)
    assert ratio(grid, "EPSG:32650", 5.0) == pytest.approx(0.5, rel=0.01)


def test_grids_that_cannot_be():
    flat = SourceGrid("EPSG:32650", (0.0, 0, 6e5, 0, 0.0, 4.5e6), (10, 10))
    with pytest.raises(GridError, match="no area"):
        mapping(flat, BOX)
    turned = GeoBox((10, 10), Affine(30, 5, 600000, 5, -30, 4500000), "EPSG:32650")
    with pytest.raises(GridError, match="north-up"):
        mapping(SourceGrid("EPSG:32650", (30.0, 0, 6e5, 0, -30.0, 4.5e6), (10, 10)), turned)
    with pytest.raises(GridError, match="CRS"):
        lattice("EPSG:32650", GeoBox((10, 10), BOX.affine, None))


@pytest.mark.parametrize(
    ("west", "columns", "seen"), [(-180.0, 40, 20), (-181.0, 40, 40), (179.0, 40, 40), (178.0, 40, 20)]
)
def test_a_geographic_source_is_found_on_both_sides_of_the_antimeridian(west, columns, seen):
    """The same meridian has many numbers: 181 is -179."""
    source = SourceGrid("EPSG:4326", (0.05, 0, west, 0, -0.05, 10.0), (40, columns))
    output = get_grid("latlon-0.05").geobox((179, 8.5, -179, 9.5))
    _, cols = positions(mapping(source, output))
    inside = (cols[3] > 0) & (cols[3] < columns)
    assert inside.sum() == seen
    longitudes = west + cols[3][inside] * 0.05
    expected = output.affine.c + 0.05 * (np.flatnonzero(inside) + 0.5)
    np.testing.assert_allclose((longitudes - expected + 180) % 360 - 180, 0, atol=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4258"])
def test_a_global_source_has_no_gap_at_the_antimeridian(crs):
    source = SourceGrid(crs, (0.5, 0, -180.0, 0, -0.5, 90.0), (360, 720))
    output = get_grid("latlon-0.05").geobox((177, -2, -177, 2))
    whole = positions(mapping(source, output))
    longitudes = -180 + whole[1] * 0.5
    expected = output.affine.c + 0.05 * (np.arange(output.shape[1]) + 0.5)
    np.testing.assert_allclose((longitudes - expected + 180) % 360 - 180, 0, atol=1e-6)
    part = positions(mapping(source, output[5:, 37:]))
    for found, all_of_it in zip(part, whole, strict=True):
        np.testing.assert_array_equal(found, all_of_it[5:, 37:])


def test_a_global_source_from_zero_to_360_covers_the_western_half():
    source = SourceGrid("EPSG:4326", (0.5, 0, 0.0, 0, -0.5, 90.0), (360, 720))
    _, cols = positions(mapping(source, get_grid("latlon-0.05").geobox((-3, -1, 3, 1))))
    longitudes = cols * 0.5
    expected = -3 + 0.05 * (np.arange(120) + 0.5)
    np.testing.assert_allclose((longitudes - expected + 180) % 360 - 180, 0, atol=1e-6)
    assert ((longitudes >= 0) & (longitudes <= 360)).all()
