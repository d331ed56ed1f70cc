"""Outputs are inputs: published products adapt, and their sources lead to the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pystac
import zarr

from musyq_cube.catalog.adapt import adapt
from musyq_cube.types import QA

if TYPE_CHECKING:
    from .conftest import Made


def test_mosaic_adapts_to_its_pixels(product: Made) -> None:
    scene = adapt(pystac.Item.from_file(product.href))
    assert [name for name, _ in scene.bands] == ["blue", "green", "red", "nir08"]
    red = scene.sources["red"]
    assert red.driver == "zarr"
    assert red.grid is not None
    assert red.grid.geobox == product.geobox
    packed = zarr.open_array(red.href, path=red.layer, mode="r")[:]
    values = np.where(packed == red.nodata, np.nan, packed * red.scale + red.offset)
    np.testing.assert_allclose(values, product.truth["red"], atol=red.scale / 2 + 1e-6)
    quality = zarr.open_array(scene.qa[0].source.href, path=scene.qa[0].source.layer, mode="r")[:]
    mapped = sum((((quality & m) == v) * b for m, v, b in scene.qa[0].rules), start=np.zeros_like(quality))
    np.testing.assert_array_equal(mapped, product.truth["qa"])
    assert (mapped & QA.FILL).any()


def test_index_on_the_sinusoidal_grid_adapts(index_product: Made) -> None:
    scene = adapt(pystac.Item.from_file(index_product.href))
    assert scene.quantity == "index"
    assert [name for name, _ in scene.bands] == ["ndvi"]
    grid = scene.sources["ndvi"].grid
    assert grid is not None
    assert grid.shape == index_product.geobox.shape
    np.testing.assert_allclose(grid.transform, index_product.geobox.affine[:6])
    assert grid.geobox.crs == index_product.geobox.crs
