"""Which algorithm an order gets from what the scenes have, and why one is refused: the planner table as tests."""

from __future__ import annotations

import datetime as dt

import pytest

from musyq_cube.errors import PlanError
from musyq_cube.plan.able import able, scenes_of
from musyq_cube.plan.request import Request
from musyq_cube.plan.resolve import Node, Resolver
from musyq_cube.plan.stages import divide
from musyq_cube.quantities import QUANTITIES
from musyq_cube.sensor import sensor

REQUEST = Request(("MuSQ.NDVI.1km",), "2020-07", "sinu-1km")


def node(product: str, *sensors: str, quantities: set[str] | None = None) -> Node:
    """Resolve a product for imaginary scenes of some sensors."""
    scenes = [scene for name in sensors for scene in scenes_of(sensor(name))]
    have = set(QUANTITIES) if quantities is None else quantities
    return Resolver(scenes, have, REQUEST).resolve(product)


def test_goes_13_and_15_have_no_12_um_so_no_split_window() -> None:
    """Trap 3: the 10.7 and 13.3 µm pair is no split window."""
    for name in ("goes13-imager", "goes15-imager"):
        found = node("MuSQ.LST", name)
        assert found.algorithm not in {"split_window", "generalized_split_window"}
        assert dict(found.rejected)["split_window"]


def test_two_thermal_bands_give_the_split_window() -> None:
    for name in ("noaa19-avhrr", "msg2-seviri"):
        assert node("MuSQ.LST", name).algorithm == "split_window"
    assert node("MuSQ.LST", "fy3a-virr").algorithm == "generalized_split_window"


def test_one_thermal_band_gives_single_channel() -> None:
    assert node("MuSQ.LST", "landsat5-tm").algorithm in {"single_channel", "smw"}


def test_hj1_has_no_2_1_um_so_no_dark_target() -> None:
    found = node("MuSQ.AOD", "hj1a-ccd1")
    assert found.algorithm != "dark_target"


def test_avhrr_has_no_blue() -> None:
    with pytest.raises(PlanError, match="band blue"):
        node("MuSQ.EVI", "noaa19-avhrr")
    assert node("MuSQ.EVI2", "noaa19-avhrr").algorithm == "evi2"
    assert node("MuSQ.LAI", "noaa19-avhrr").product == "MuSQ.LAI"


def test_nitrogen_and_phosphorus_need_a_site_model() -> None:
    for name in ("MuSQ.TN", "MuSQ.TP"):
        with pytest.raises(PlanError, match="site model"):
            node(name, "sentinel2a-msi", quantities=set(QUANTITIES) - {"tn_intercept", "tp_intercept"})


def test_ancillary_data_that_are_missing_are_named() -> None:
    with pytest.raises(PlanError, match="air_temperature"):
        node("MuSQ.DLR", "landsat8-oli", quantities=set())
    assert node("MuSQ.DLR", "landsat8-oli", quantities={"longwave_down"}).algorithm == "reanalysis"


def test_no_scene_of_the_right_kind_says_what_there_is() -> None:
    with pytest.raises(PlanError, match="no scene"):
        node("MuSQ.NDVI")


def test_a_chain_goes_down_to_bands_and_every_product_comes_after_what_it_needs() -> None:
    scenes = scenes_of(sensor("landsat8-oli"))
    resolver = Resolver(scenes, set(QUANTITIES), REQUEST)
    resolver.resolve("MuSQ.ET")
    order = list(resolver.nodes)
    for found in resolver.nodes.values():
        assert all(order.index(key) < order.index(found.key) for _, key in found.needs)
    names = {name for name, _ in order}
    assert {"MuSQ.ET", "MuSQ.LST", "MuSQ.LSA", "MuSQ.DSR", "MuSQ.DLR", "MuSQ.NSR", "MuSQ.LSE", "MuSQ.NDVI"} <= names
    stages = divide(resolver.nodes.values())
    place = {found.key: number for number, stage in enumerate(stages) for found in stage.nodes}
    for stage in stages:
        for found in stage.nodes:
            assert all(place[key] <= place[found.key] for _, key in found.needs)


def test_products_of_the_same_scenes_are_made_in_one_stage() -> None:
    scenes = [scene for scene in scenes_of(sensor("landsat8-oli")) if scene.quantity == "sr"]
    resolver = Resolver(scenes, set(QUANTITIES), REQUEST)
    for product in ("MuSQ.LAI", "MuSQ.FVC", "MuSQ.NDVI"):
        resolver.resolve(product)
    assert len(divide(resolver.nodes.values())) == 1


def test_an_algorithm_somebody_asks_for_is_used_or_refused() -> None:
    scenes = scenes_of(sensor("landsat8-oli"))
    forced = Resolver(scenes, set(QUANTITIES), REQUEST, {"MuSQ.LST": "smw"}).resolve("MuSQ.LST")
    assert (forced.algorithm, forced.reason) == ("smw", "asked for")
    with pytest.raises(PlanError, match="split_window"):
        Resolver(scenes, set(QUANTITIES), REQUEST, {"MuSQ.LST": "split_window"}).resolve("MuSQ.LST")


def test_every_product_can_be_made_by_some_sensor() -> None:
    from musyq_cube.products import recipes

    for product in recipes():
        if product not in {"MuSQ.TN", "MuSQ.TP"}:
            assert any(isinstance(found, Node) for found in able(product).values()), product


def test_imaginary_scenes_are_of_different_days() -> None:
    days = {scene.solar_day for scene in scenes_of(sensor("modis-terra"))}
    assert len(days) == 16
    assert min(days) >= dt.date(2020, 7, 1)
