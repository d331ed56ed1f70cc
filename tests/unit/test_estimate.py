from __future__ import annotations

import pytest

from musyq_cube.config import config
from musyq_cube.methods import METHODS
from musyq_cube.plan.estimate import memory_limit, memory_of


def test_joint_methods_hold_all_bands_and_the_others_one() -> None:
    size = {"observations": 50, "bands": 6, "layers": 18}
    median = memory_of(METHODS["median"], (1024, 1024), 0, **size)
    geomedian = memory_of(METHODS["geomedian"], (1024, 1024), 0, **size)
    assert geomedian - median == 1024 * 1024 * 50 * 4 * 5


@pytest.mark.parametrize("name", METHODS)
def test_more_of_anything_needs_more(name: str) -> None:
    size = {"observations": 10, "bands": 4, "layers": 12}
    base = memory_of(METHODS[name], (512, 512), 0, **size)
    for more in ({"observations": 20}, {"bands": 8}, {"layers": 24}):
        assert memory_of(METHODS[name], (512, 512), 0, **(size | more)) > base
    assert memory_of(METHODS[name], (512, 512), 32, **size) > base


def test_the_limit_can_be_set() -> None:
    with config.set({"run.memory": 12345}):
        assert memory_limit() == 12345
    assert memory_limit() > 2**20
