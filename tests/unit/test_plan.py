from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest
from odc.geo.geobox import GeoBox

from musyq_cube.errors import PlanError
from musyq_cube.methods import METHODS
from musyq_cube.plan import Plan, estimate, plan
from musyq_cube.plan.footprints import reach
from musyq_cube.plan.select import reflective
from musyq_cube.read.raster import GDAL_OPTIONS
from musyq_cube.testing import make_scene

BANDS = ("blue", "green", "red", "nir08")


def scene(name: str, left: float = 450_000.0, day: int = 1, bands: tuple[str, ...] = BANDS, **fields: Any) -> Any:
    box = GeoBox.from_bbox((left, 4_400_000, left + 30_000, 4_430_000), "EPSG:32650", resolution=30)
    files = {band: f"/archive/{name}_{band}.tif" for band in bands}
    when = f"2020-07-{day:02d}T03:00:00Z"
    return make_scene(box, files, id=name, datetime=when).replace(platform="landsat-8", tile=name, **fields)


SCENES = [scene("a", day=1), scene("b", left=480_000.0, day=1), scene("c", day=9, cloud_cover=90.0)]


def order(products: Any = "MuSQ.NDVI", period: str = "2020-07", **options: Any) -> Plan:
    return plan(products, options.pop("region", None), period, **({"scenes": SCENES, "grid": "utm-30m"} | options))


def test_the_key_says_what_is_made_and_not_how() -> None:
    base = order()
    same = {"out": "elsewhere", "block": 1024, "workers": 7, "memory": 2**33, "on_error": "raise"}
    assert order(**same).key == base.key
    assert order(scenes=SCENES[::-1]).key == base.key
    for change in ({"method": "median"}, {"dilate": 60.0}, {"resampling": "nearest"}, {"scenes": SCENES[:2]}):
        assert order(**change).key != base.key, change
    assert order(method="percentile", options={"q": 25}).key != order(method="percentile", options={"q": 75}).key


def test_round_trip_and_diff(tmp_path: Any) -> None:
    made = order(["MuSQ.TOA", "MuSQ.NDVI"], every="P1W", dilate=90.0)
    again = Plan.load(made.save(tmp_path / "plan.json"))
    assert again == made
    assert again.key == made.key
    assert made.diff(again) == {}
    assert made.diff(order(every="P1W", method="median", scenes=SCENES[:2]))["method"] == (None, "median")


def test_a_plan_changed_by_hand_is_refused() -> None:
    data = order().to_dict()
    data["request"]["dilate"] = 500.0
    with pytest.raises(PlanError, match="was changed"):
        Plan.from_dict(data)


def test_blocks_cover_each_part_once_with_the_scenes_that_reach_them() -> None:
    made = order(region=(116.42, 39.75, 117.1, 40.0), block=512)
    rows, cols = made.parts[0].grid.shape
    assert sum(b.geobox.shape[0] * b.geobox.shape[1] for b in made.blocks()) == rows * cols
    assert len(list(made.blocks())) == made.task_count
    first, last = (block for block in made.blocks() if block.y == 0 and block.x in {0, cols - cols % 512})
    assert {made.scenes[i].id for i in first.scenes} == {"a", "c"}
    assert {made.scenes[i].id for i in last.scenes} == {"b"}


def test_one_output_per_product_extent_and_period() -> None:
    made = order(["MuSQ.TOA", "MuSQ.NDVI"], every="P1D", out="s3://bucket/products/")
    assert len(made.outputs) == 4
    output = made.outputs[0]
    assert output.item_id == f"MuSQ.TOA.30m_all_2020-07-01_{output.key[:8]}"
    assert output.href == f"s3://bucket/products/MuSQ.TOA.30m/{output.item_id}/{output.item_id}.json"


def test_a_new_month_does_not_change_the_old_one() -> None:
    both = [*SCENES, scene("d", day=20)]
    first = order(every="P1W").outputs[0]
    assert order(every="P1W", scenes=both).outputs[0].key == first.key


def test_what_is_left_out_says_why() -> None:
    mixed = [*SCENES, scene("sr", quantity="sr"), scene("far", left=4_000_000.0), scene("blind", bands=("red",))]
    made = order("MuSQ.TOA", scenes=mixed, max_cloud=80.0, region=(116.42, 39.75, 117.1, 40.0))
    why = {item.scene: item.reason for item in made.left_out}
    assert "cloud cover 90 %" in why["c"]
    assert "the others are top-of-atmosphere" in why["sr"]
    assert "does not reach" in why["far"]
    assert made.bands == ("blue", "green", "red", "nir08")
    assert "has no band" in why["blind"]


def test_surface_reflectance_is_preferred_and_never_mixed() -> None:
    made = order(scenes=[*SCENES, scene("sr", quantity="sr")])
    assert made.quantity == "sr"
    assert [s.id for s in made.scenes] == ["sr"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"products": "MuSQ.NDWI"}, "did you mean MuSQ.NDVI"),
        ({"products": "MuSQ.NDVI.1km"}, "but the grid is 30m"),
        ({"period": "2019"}, "the nearest is a of 2020-07-01"),
        ({"region": (0, 0, 1, 1)}, "lies outside all 3 scenes"),
        ({"region": (5, 5, 5, 5)}, "has no area"),
        ({"products": "MuSQ.SR"}, "MuSQ.TOA could be made"),
        ({"products": ["MuSQ.SR", "MuSQ.TOA"]}, "never mix"),
        ({"bands": ("swir16",)}, "no scene has the band swir16"),
        ({"method": "mode"}, "unknown composite method"),
        ({"every": "monthly"}, "ISO 8601"),
        ({"block": 500}, "multiple of the chunk"),
        ({"scenes": []}, "no scene at all"),
        ({"scenes": [scene("x", bands=("red",))]}, "needs the band nir08 or nir"),
        ({"memory": 2**20}, "GiB"),
        ({"dilate": -1.0}, "dilate"),
        ({"out": "s3://"}, "name a folder or s3://bucket"),
        ({"method": "median", "options": {"q": 25}}, "median takes no option"),
        ({"options": {"esp": 1e-5}}, "geomedian takes mads, eps, maxiter"),
        ({"grid": "utm-30"}, "grid"),
    ],
)
def test_impossible_orders_say_what_is_possible(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        order(**change)


def options_of(*functions: Any) -> set[str]:
    """Names of the options that some functions take, besides what every reduction gives them."""
    given = {"observations", "vza", "cloud_distance", "options"}
    found = [inspect.signature(function).parameters.values() for function in functions]
    return {p.name for parameters in found for p in parameters if p.default is not p.empty} - given


def test_the_options_of_the_methods_are_those_of_their_functions() -> None:
    from musyq_cube.composite import bands, joint, scores

    functions = {name: (function,) for name, function in {**bands._METHODS, **joint._METHODS}.items()}
    functions["weighted"] += (scores.weights,)
    functions["best_pixel"] += (scores.bap_score,)
    assert functions.keys() == METHODS.keys()
    for name, method in METHODS.items():
        assert set(method.options) == options_of(*functions[name]), name


class _Fake:
    """A catalogue of which only the address matters."""

    def __init__(self, href: str) -> None:
        self.href = href

    def __call__(self, *_: Any, **__: Any) -> _Fake:
        return self


@pytest.mark.parametrize(("href", "searches"), [("https://example.com/stac", 1), ("/archive", 3)])
def test_what_is_nearest_is_looked_for_within_limits(monkeypatch: Any, href: str, searches: int) -> None:
    from musyq_cube.catalog.dedupe import Scenes

    asked: list[Any] = []

    def search(_: Any, region: Any = None, period: Any = None, **__: Any) -> Scenes:
        asked.append((region, period))
        return Scenes([])

    monkeypatch.setattr("musyq_cube.catalog.search", search)
    monkeypatch.setattr("musyq_cube.catalog.open_catalog", _Fake(href))
    with pytest.raises(PlanError, match="no scene"):
        order(scenes=None, catalog=href, region=(10, 10, 11, 11))
    assert len(asked) == searches
    assert all(region is not None and period is not None for region, period in asked)


def test_a_scene_across_the_antimeridian_reaches_both_sides() -> None:
    import shapely

    half = shapely.MultiPolygon([shapely.box(179, -17, 180, -16), shapely.box(-180, -17, -179, -16)])
    wide = scene("w").replace(footprint=half.wkt, bands=())
    for west in (179.5, 180.5, -179.5):
        assert reach(wide, "EPSG:4326", 0.0).contains(shapely.Point(west, -16.5))
    utm = reach(wide, "EPSG:32701", 0.0)
    assert utm.bounds[2] - utm.bounds[0] < 400_000


def test_a_scene_over_the_pole_reaches_it() -> None:
    import shapely

    cap = scene("pole").replace(footprint=shapely.box(-180, -90, 180, -80).wkt, bands=())
    shape = reach(cap, "EPSG:3031", 0.0)
    assert shape is None or shape.contains(shapely.Point(0, 0))


def test_explain_in_a_notebook_and_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    made = order(out=str(tmp_path), max_cloud=80.0)
    made.explain()
    text = capsys.readouterr().out
    for word in ("geomedian", "observations", "GiB", "new", "cloud cover"):
        assert word in text
    assert "<table>" in made._repr_html_()
    assert "MuSQ.NDVI.30m" in repr(made)


def test_a_plan_needs_neither_arrays_nor_a_cluster() -> None:
    heavy = {"xarray", "dask.array", "distributed", "numba", "zarr"}
    code = f"import musyq_cube.plan, sys; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_temperatures_and_emissivities_are_no_part_of_a_reflectance_mosaic() -> None:
    """Landsat Collection 2 Level 2 has surface temperature beside reflectance, the MODIS file has layers of MOD11."""
    landsat = scene("x", bands=(*BANDS, "lwir11", "lst"), quantity="sr")
    made = order("MuSQ.SR", scenes=[landsat.replace(sensor="landsat8-oli")])
    assert set(made.bands) == set(BANDS)
    modis = scene("y", bands=("red", "swir12", "ndvi", "lst", "lst_night", "emis_31", "emis_32"))
    assert reflective(modis.replace(sensor="modis-terra")) == ("red", "swir12")
    assert reflective(modis.replace(sensor="MuSQ.LST", bands=modis.bands[3:])) == ()


def test_a_lent_near_infrared_is_reflective() -> None:
    lent = scene("x", bands=("red", "nir")).replace(sensor="landsat5-tm").lend(["nir08"])
    assert reflective(lent) == ("red", "nir", "nir08")


def test_the_projection_counts_the_cache_that_the_reader_asks_for() -> None:
    assert int(GDAL_OPTIONS["GDAL_CACHEMAX"]) * 2**20 == estimate.CACHE_BYTES
    method = METHODS["geomedian"]
    sizes = {"observations": 40, "bands": 4, "layers": 9}
    small, large = (estimate.memory_of(method, (n, n), 0, **sizes) for n in (64, 2048))
    assert small < estimate.CACHE_BYTES < large
