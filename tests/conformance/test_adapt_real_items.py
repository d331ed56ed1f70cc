"""Every real Item at hand adapts or is refused with the missing field; nothing else happens."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from musyq_cube.catalog.adapt import adapt
from musyq_cube.errors import CatalogError
from musyq_cube.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXPECTED = {
    # folder of the provider: (adapted, refused)
    "opendatacube__odc-stac": (7, 2),  # refused: an airborne elevation model, a three-platform percentile product
    "stac-utils__stac-geoparquet": (1, 1),  # refused: an Item without id
    "stactools-packages__goes": (0, 8),
    "stactools-packages__hls": (2, 0),
    "stactools-packages__landsat": (22, 11),  # refused: the multispectral scanner
    "stactools-packages__modis": (20, 36),  # refused: products that no file here defines (snow, fire, LAI, GPP ...)
    "stactools-packages__sentinel2": (19, 0),
    "stactools-packages__viirs": (0, 11),
}


def items(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (provider, Item) of a folder of Items, FeatureCollections and wrapped Items."""
    for path in sorted(root.rglob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            continue
        found = data.get("features") if data.get("type") == "FeatureCollection" else None
        single = data if data.get("type") == "Feature" else data.get("item")
        for item in found or ([single] if isinstance(single, dict) else []):
            yield path.relative_to(root).parts[0], item


@pytest.fixture(scope="module")
def outcome(data: Callable[[str], Path]) -> list[tuple[str, dict[str, Any], Scene | CatalogError]]:
    """Adapt everything; another exception than CatalogError ends the test."""
    out: list[tuple[str, dict[str, Any], Scene | CatalogError]] = []
    for provider, item in items(data("stac_items")):
        try:
            out.append((provider, item, adapt(item)))
        except CatalogError as error:
            out.append((provider, item, error))
    return out


def test_counts_by_provider(outcome: list[tuple[str, dict[str, Any], Scene | CatalogError]]) -> None:
    counts = Counter((provider, isinstance(result, Scene)) for provider, _, result in outcome)
    found = {p: (counts[p, True], counts[p, False]) for p, _ in counts}
    assert {p: n for p, n in found.items() if p in EXPECTED} == {p: EXPECTED[p] for p in found if p in EXPECTED}


def test_scenes_are_usable(outcome: list[tuple[str, dict[str, Any], Scene | CatalogError]]) -> None:
    for _, item, scene in outcome:
        if not isinstance(scene, Scene):
            continue
        assert scene.bands, item["id"]
        assert scene.time.tzinfo is not None
        assert not scene.geometry.is_empty
        assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene
        west, south, east, north = scene.geometry.bounds
        assert -180 <= west <= east <= 180
        assert -90 <= south <= north <= 90
        for _, source in scene.bands:
            assert source.nodata is not None
            assert 0 < source.scale < 1
            assert source.grid is None or source.grid.geobox.shape == source.grid.shape


def test_refusals_say_what_to_do(outcome: list[tuple[str, dict[str, Any], Scene | CatalogError]]) -> None:
    for _, item, error in outcome:
        if isinstance(error, Scene):
            continue
        text = str(error)
        named = any(word in text for word in ("no sensor is defined", "no product is defined", "is missing", "no id"))
        assert named, text
        if "defined" in text:
            assert "To add one" in text
        if item.get("id"):
            assert item["id"] in text


def test_grid_agrees_with_the_files(data: Callable[[str], Path]) -> None:
    """A COG written beside its Item covers what the Item says, at the decimated pixel size of the copy."""
    import rasterio

    folder = next(data("s2_l2a_cog_29rkh_and_l1c_preview").rglob("S2A_29RKH_20200219_0_L2A.json")).parent
    scene = adapt(json.loads((folder / f"{folder.name}.json").read_text()))
    assert (scene.sensor, scene.tile, scene.quantity) == ("sentinel2a-msi", "29RKH", "sr")
    for name, file in (("red", "B04.tif"), ("nir08", "B8A.tif"), ("coastal", "B01.tif")):
        grid = scene.sources[name].grid
        assert grid is not None
        with rasterio.open(folder / file) as found:
            assert found.crs.to_string() == grid.crs
            assert tuple(found.bounds) == pytest.approx(tuple(grid.geobox.boundingbox), abs=600)
