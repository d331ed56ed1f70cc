from __future__ import annotations

import pytest

from musyq_cube.config import config
from musyq_cube.methods import METHODS
from musyq_cube.normalize.rules import Rules
from musyq_cube.plan.estimate import PRODUCT_BYTES, field_bytes, memory_limit, memory_of, observed_bytes


def test_joint_methods_hold_all_bands_and_the_others_one() -> None:
    size = {"observations": 50, "bands": 6}
    median = observed_bytes(METHODS["median"], (1024, 1024), 0, **size)
    geomedian = observed_bytes(METHODS["geomedian"], (1024, 1024), 0, **size)
    assert geomedian - median == 1024 * 1024 * 50 * 4 * 5


def test_observations_of_a_large_block_are_never_held_at_once() -> None:
    size = {"observations": 50, "bands": 6, "layers": 18}
    large, small = (memory_of(METHODS["geomedian"], (side, side), 0, **size) for side in (1024, 512))
    assert large - small < 1024 * 1024 * (18 * PRODUCT_BYTES + 64)


@pytest.mark.parametrize("name", METHODS)
def test_more_of_anything_needs_more(name: str) -> None:
    size = {"observations": 10, "bands": 4, "layers": 12}
    base = memory_of(METHODS[name], (512, 512), 0, **size)
    for more in ({"observations": 20}, {"bands": 8}, {"layers": 24}):
        assert memory_of(METHODS[name], (512, 512), 0, **(size | more)) > base
    assert memory_of(METHODS[name], (512, 512), 32, **size) > base


def test_the_fields_of_normalization_are_counted() -> None:
    size = {"observations": 10, "bands": 4}
    orders = (None, Rules(), Rules(("atmosphere", "topography")))
    method = METHODS["median"]
    need = [observed_bytes(method, (256, 256), 0, **size, fields=field_bytes(r, method, 4, 1)) for r in orders]
    assert need[0] < need[1]
    assert need[2] - need[1] >= 256 * 256 * 10 * 3 * 4  # saa, slope, aspect
    # of two sensors the certificate holds every band before and after each of three steps
    joint = METHODS["geomedian"]
    assert field_bytes(Rules(), joint, 6, 2) - field_bytes(Rules(), joint, 6, 1) == 4 * 6 * 4


def test_the_limit_can_be_set() -> None:
    with config.set({"run.memory": 12345}):
        assert memory_limit() == 12345
    assert memory_limit() > 2**20
