"""However an output is cut, every block is given every scene that can reach it."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from musyq_cube.plan import plan
from musyq_cube.testing import make_scene

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


def scene(number: int, left: int, top: int) -> object:
    box = GeoBox.from_bbox((left, top - 6000, left + 9000, top), "EPSG:32650", shape=(200, 300))
    files = {"red": "/r.tif", "nir08": "/n.tif"}
    return make_scene(box, files, id=f"s{number}", datetime=f"2020-07-{1 + number:02d}T03:00:00Z")


places = st.lists(st.tuples(st.integers(440_000, 470_000), st.integers(4_390_000, 4_420_000)), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(places=places, block=st.sampled_from([64, 128, 320]), dilate=st.sampled_from([0.0, 300.0]))
def test_no_block_misses_a_scene(places: list[tuple[int, int]], block: int, dilate: float) -> None:
    scenes = [scene(n, left, top) for n, (left, top) in enumerate(places)]
    made = plan("MuSQ.NDVI", None, "2020-07", scenes=scenes, grid="utm-30m", chunk=64, block=block, dilate=dilate)
    covered = 0
    for part in made.blocks():
        window = shapely.box(*part.geobox.pad(made.halo).boundingbox.bbox)
        for i, one in enumerate(made.scenes):
            rectangle = shapely.box(*one.bands[0][1].grid.geobox.boundingbox.bbox)
            if rectangle.intersects(window):
                assert i in part.scenes
        covered += part.geobox.shape[0] * part.geobox.shape[1]
    rows, cols = made.parts[0].grid.shape
    assert covered == rows * cols
