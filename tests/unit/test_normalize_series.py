"""Which scenes are one series, and their views on one grid."""

import numpy as np

from musyq_cube.normalize._series import aligned, series_of
from musyq_cube.normalize.aerosol import View
from musyq_cube.scene import Scene, SourceGrid


def scene(name: str, tile: str | None, box: tuple[float, float, float, float], sensor: str = "landsat8-oli") -> Scene:
    west, south, east, north = box
    ring = f"{west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}"
    return Scene(name, sensor, "2018-07-01T10:00:00Z", f"POLYGON (({ring}))", tile=tile)


def view(left: float, top: float, rows: int, columns: int) -> View:
    grid = SourceGrid("EPSG:32650", (100.0, 0.0, left, 0.0, -100.0, top), (rows, columns))
    toa = {"blue": np.full((rows, columns), left / 1e6, np.float32)}
    return View(toa, np.full((rows, columns), 30.0, np.float32), 0.0, 90.0, grid, np.zeros((rows, columns), np.uint16))


def test_a_series_is_one_tile_or_nearly_the_same_footprint() -> None:
    here, nearly, beside = (0, 0, 1, 1), (0.05, 0, 1.05, 1), (0.5, 0, 1.5, 1)
    scenes = [
        scene("a", "1", here),
        scene("b", "1", (0, 0, 0.3, 1)),
        scene("c", "2", nearly),
        scene("d", "3", beside),
        scene("e", "1", here, "sentinel2a-msi"),
        scene("f", None, here),
    ]
    assert series_of(scenes) == [[0, 1, 2, 5], [3], [4]]


def test_views_of_other_extents_come_onto_one_grid() -> None:
    made = aligned([view(1000, 5000, 3, 4), view(1200, 5100, 4, 4)])
    assert made is not None
    assert {v.grid for v in made} == {SourceGrid("EPSG:32650", (100.0, 0.0, 1000.0, 0.0, -100.0, 5100.0), (4, 6))}
    first, second = (v.toa["blue"] for v in made)
    assert np.isfinite(first).sum() == 12
    assert np.isfinite(first[1:, :4]).all()
    assert np.isfinite(second[:, 2:]).all()
    assert made[0].qa is not None
    assert made[0].qa[0, 0] == 1  # no data there
    assert made[0].vza == 0.0


def test_pixels_that_do_not_fall_on_one_another_are_no_series() -> None:
    assert aligned([view(1000, 5000, 3, 4), view(1030, 5000, 3, 4)]) is None
