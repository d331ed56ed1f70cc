"""Duplicates: every clause of the stated rule, one case each."""

from __future__ import annotations

import itertools

import pytest

from musyq_cube.catalog import Scenes, deduplicate
from musyq_cube.scene import Scene

WKT = "POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))"


def scene(name: str = "a", **fields) -> Scene:
    base = {
        "sensor": "sentinel2a-msi",
        "datetime": "2020-06-20T10:56:31Z",
        "footprint": WKT,
        "platform": "sentinel-2a",
        "tile": "31UFS",
        "quantity": "sr",
    }
    return Scene(id=name, **{**base, **fields})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"version": "02.14"}, {"version": "05.00"}),
        ({"version": "5.9"}, {"version": "5.10"}),
        ({"version": None}, {"version": "01"}),
        (
            {"version": "04.00", "created": "2021-01-01T00:00:00Z"},
            {"version": "04.00", "created": "2022-01-01T00:00:00Z"},
        ),
        ({"created": None}, {"created": "2022-01-01"}),
        ({"version": "02", "created": "2023-01-01T00:00:00Z"}, {"version": "03", "created": "2020-01-01T00:00:00Z"}),
    ],
)
def test_of_one_acquisition_the_newest_version_then_the_newest_creation_is_kept(old, new):
    a, b = scene("z-old", **old), scene("a-new", datetime="2020-06-20T10:56:31.600Z", **new)
    for order in ((a, b), (b, a)):
        found = deduplicate(order)
        assert [s.id for s in found] == ["a-new"]
        assert [(d.id, d.kept) for d in found.dropped] == [("z-old", "a-new")]
        assert found.dropped[0].reason


def test_without_any_difference_the_greater_id_is_kept():
    assert [s.id for s in deduplicate([scene("a"), scene("b")])] == ["b"]


@pytest.mark.parametrize(
    "other",
    [
        {"tile": "31UES"},
        {"quantity": "toa"},
        {"platform": "sentinel-2b", "sensor": "sentinel2b-msi"},
        {"datetime": "2020-06-20T10:56:33Z"},
        {"tile": None},
    ],
)
def test_other_tiles_levels_platforms_and_times_are_no_duplicates(other):
    assert len(deduplicate([scene("a"), scene("b", **other)])) == 2


def test_tiles_are_compared_without_case_and_signs():
    assert len(deduplicate([scene("a", tile="h18v04"), scene("b", tile="H18V04")])) == 1


def test_the_same_id_is_one_scene_wherever_it_came_from():
    one = scene("a", tile=None, version="01")
    two = scene("a", tile=None, version="02", collection="elsewhere", datetime="2020-06-20T10:57:31Z")
    assert [s.version for s in deduplicate([two, one])] == ["02"]


def test_the_order_of_the_input_does_not_matter():
    scenes = [
        scene("a", version="1"),
        scene("b", version="2"),
        scene("c", tile="x"),
        scene("d", datetime="2019-01-01T00:00:00Z"),
    ]
    results = {tuple(s.id for s in deduplicate(order)) for order in itertools.permutations(scenes)}
    assert results == {("d", "b", "c")}


def test_what_was_left_out_before_stays_known():
    scenes = Scenes([scene("a")], left_out=[("x", "no bands")])
    assert deduplicate(scenes).left_out == (("x", "no bands"),)
    assert deduplicate([]) == []
