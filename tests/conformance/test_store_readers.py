"""What other people's clients make of a published store: xarray, odc-geo, rioxarray, rio-tiler, zarr, zarr-cm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rioxarray  # noqa: F401  registers ds.rio
import xarray as xr
import zarr
import zarr_cm
from odc.geo import xr as _odc  # noqa: F401  registers ds.odc

from musyq_cube.store import access
from musyq_cube.store import zarr as store

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Made, Served


@pytest.fixture(params=["product", "index_product"])
def made(request: pytest.FixtureRequest) -> Made:
    return request.getfixturevalue(request.param)


pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),  # odc-geo, rioxarray on affine 3
    pytest.mark.filterwarnings("ignore:This module is experimental"),  # rio-tiler says so on import
]


def levels(made: Made) -> list[str]:
    return store.level_paths(store.read_node(made.store))


def test_every_group_fulfils_the_zarr_conventions(made: Made) -> None:
    """Independent truth: the validators of zarr-cm, on the documents as they are stored."""
    root = store.read_node(made.store)
    for module in (zarr_cm.proj, zarr_cm.spatial, zarr_cm.multiscales):
        module.validate_group_metadata(root)
    for level in levels(made):
        node = store.read_node(made.store, level)
        for module in (zarr_cm.proj, zarr_cm.spatial):
            module.validate_group_metadata(node)


def test_geobox_of_every_level_is_the_zoomed_out_grid(made: Made) -> None:
    for number, level in enumerate(levels(made)):
        dataset = xr.open_zarr(made.store, group=level, decode_coords="all")
        factor = 2**number
        a, b, west, d, e, north = list(made.geobox.transform)[:6]
        found = dataset.odc.geobox
        assert tuple(found.shape) == tuple(-(-size // factor) for size in made.geobox.shape)
        expected = (a * factor, b, west, d, e * factor, north)
        np.testing.assert_allclose(list(found.transform)[:6], expected, rtol=1e-12, atol=1e-6)
        assert found.crs == made.geobox.crs


def test_rioxarray_finds_the_crs_and_the_grid(made: Made) -> None:
    dataset = xr.open_zarr(made.store, group="0", decode_coords="all")
    assert dataset.rio.crs is not None
    assert dataset.rio.crs == made.geobox.crs.proj.to_wkt()
    np.testing.assert_allclose(list(dataset.rio.transform())[:6], list(made.geobox.transform)[:6], atol=1e-6)


def test_plain_xarray_decodes_to_the_truth_within_half_a_step(made: Made) -> None:
    dataset = xr.open_zarr(made.store, group="0", decode_coords="all")
    for variable in made.variables:
        truth, found = made.truth[variable.name].values, dataset[variable.name].values
        if variable.scale is None and variable.name != "day":
            np.testing.assert_array_equal(found, truth)
            assert found.dtype == truth.dtype
        elif variable.name == "day":
            np.testing.assert_array_equal(np.nan_to_num(found, nan=-1), truth)
        else:
            np.testing.assert_allclose(found, truth, atol=variable.scale / 2 * 1.0001)


def test_fill_value_equals_cf_fill_value(made: Made) -> None:
    for level in levels(made):
        for variable in made.variables:
            node = store.read_node(made.store, f"{level}/{variable.name}")
            assert node["fill_value"] == variable.fill_value
            assert node["attributes"].get("_FillValue") == variable.nodata
            assert node["dimension_names"] == ["y", "x"]
            assert node["attributes"]["grid_mapping"] == "spatial_ref"


def test_flags_are_cf_flags_and_stac_bitfields(product: Made) -> None:
    attributes = store.read_node(product.store, "0/qa")["attributes"]
    assert attributes["flag_masks"] == [1 << bit for bit in range(16)]
    names = attributes["flag_meanings"].split()
    assert (names[0], names[15]) == ("FILL", "OUT_OF_RANGE")
    bands = {band["name"]: band for band in product.item.assets["data"].extra_fields["bands"]}
    assert [field["name"] for field in bands["qa"]["classification:bitfields"]] == names
    assert [field["name"] for field in bands["source"]["classification:bitfields"]] == ["landsat8-oli", "sentinel2-msi"]


def test_chunks_are_compressed_as_the_conventions_say(product: Made) -> None:
    array = zarr.open_array(product.store, path="0/red", mode="r")
    codec = array.metadata.to_dict()["codecs"][-1]
    assert array.chunks == (512, 512)
    assert (codec["name"], codec["configuration"]["cname"], codec["configuration"]["clevel"]) == ("blosc", "zstd", 1)
    assert codec["configuration"]["shuffle"] == "shuffle"


def test_datatree_opens_over_http_with_two_gets_at_most(product: Made, served: Served) -> None:
    """Thanks to consolidation the root document is enough; coordinates are read when they are used."""
    url = f"{served.url}{product.store.removeprefix(product.out)}"
    tree = xr.open_datatree(
        url,
        engine="zarr",
        zarr_format=3,
        consolidated=True,
        decode_coords="all",
        chunks={},
        create_default_indexes=False,
    )
    assert sorted(tree.children) == levels(product)
    assert sum(served.requests.values()) <= 2, served.requests
    assert np.isfinite(tree["2"].red.values).any()


def test_datatree_opens_without_options(product: Made, served: Served) -> None:
    """Asked for no format, zarr also probes the three documents of version 2; x, y and CRS of each level are read."""
    url = f"{served.url}{product.store.removeprefix(product.out)}"
    tree = xr.open_datatree(url, engine="zarr", decode_coords="all")
    assert "spatial_ref" in tree["0"].coords
    documents = [path for path in served.requests if path.rpartition("/")[2].startswith((".z", "zarr.json"))]
    assert len(documents) <= 4, served.requests


def test_zarr_python_opens_over_http_with_one_get(product: Made, served: Served) -> None:
    url = f"{served.url}{product.store.removeprefix(product.out)}"
    group = zarr.open_group(access.zarr_store(url), mode="r", zarr_format=3, use_consolidated=True)
    assert group["0/red"].shape == product.geobox.shape
    assert sum(served.requests.values()) == 1, served.requests


def test_rio_tiler_renders_a_tile_whose_mask_is_the_nodata_mask(product: Made) -> None:
    """
    Independent truth: rio-tiler's GeoZarr reader finds grid, level and nodata from our metadata alone.

    The mask is made from the nodata value that rio-tiler reports: its own mask of a *warped* tile is all valid with
    GDAL 3.12, which moves the mask's zeros off the destination nodata 0 (its unwarped read is masked right).
    """
    from morecantile import TileMatrixSet
    from pyproj import CRS
    from rio_tiler.experimental.zarr import ArrayReader, GroupReader

    box = product.geobox.boundingbox
    size = 256 * 30.0
    extent = [box.left, box.top - size, box.left + size, box.top]
    grid = TileMatrixSet.custom(extent, CRS.from_user_input("EPSG:32650"), tile_width=256, tile_height=256, maxzoom=0)
    reader = GroupReader(zarr.open_group(product.store, mode="r"), tms=grid)
    image = reader.tile(0, 0, 0, variables=["red", "green", "blue"])
    single = ArrayReader(
        zarr.open_array(product.store, path="0/red", mode="r"), crs=reader.crs, transform=product.geobox.transform
    )
    nodata = single.info().nodata_value
    for number, name in enumerate(("red", "green", "blue")):
        stored = zarr.open_array(product.store, path=f"0/{name}", mode="r")[:256, :256]
        np.testing.assert_array_equal(image.data[number], stored)
        np.testing.assert_array_equal(image.data[number] == nodata, np.isnan(product.truth[name].values[:256, :256]))


def test_rio_tiler_uses_the_pyramid(product: Made) -> None:
    """A tile that shows four times the pixels comes from level 2: its nearest pixels are pixels of that level."""
    from morecantile import TileMatrixSet
    from pyproj import CRS
    from rio_tiler.experimental.zarr import GroupReader

    box = product.geobox.boundingbox
    size = 200 * 120.0
    extent = [box.left, box.top - size, box.left + size, box.top]
    grid = TileMatrixSet.custom(extent, CRS.from_user_input("EPSG:32650"), tile_width=200, tile_height=200, maxzoom=0)
    image = GroupReader(zarr.open_group(product.store, mode="r"), tms=grid).tile(0, 0, 0, variables=["red"])
    np.testing.assert_array_equal(image.data[0], zarr.open_array(product.store, path="2/red", mode="r")[:200, :200])


def test_consolidated_metadata_is_valid_for_each_level_alone(product: Made, served: Served) -> None:
    url = f"{served.url}{product.store.removeprefix(product.out)}"
    dataset = xr.open_zarr(f"{url}/1", decode_coords="all", chunks={})
    assert dataset.red.shape == (450, 550)


def test_documents_are_plain_json(product: Made, tmp_path: Path) -> None:
    for key in access.list_keys(product.store):
        if key.endswith("zarr.json"):
            json.loads(access.read_bytes(access.join(product.store, key)), parse_constant=pytest.fail)
