"""Zarr arrays as layers: pyramids, GeoZarr and CF grids, faults."""

import numpy as np
import pytest
import zarr

from musyq_cube.errors import ReadError
from musyq_cube.read.zarr import open_layer
from musyq_cube.scene import Source, SourceGrid

TRANSFORM = [30.0, 0.0, 399_960.0, 0.0, -30.0, 4_451_640.0]
DATA = np.arange(64 * 48, dtype=np.int16).reshape(64, 48)


@pytest.fixture
def store(tmp_path):
    """A pyramid of 64 x 48, 32 x 24 and 16 x 12 pixels."""
    path = str(tmp_path / "data.zarr")
    root = zarr.create_group(path)
    for level in range(3):
        group = root.create_group(str(level))
        group.attrs.update(
            {
                "proj:code": "EPSG:32650",
                "spatial:transform": [v * 2**level if i in {0, 4} else v for i, v in enumerate(TRANSFORM)],
            }
        )
        array = group.create_array("red", data=np.ascontiguousarray(DATA[:: 2**level, :: 2**level]), chunks=(16, 16))
        array.attrs["_FillValue"] = -32768
    return path


def test_levels_are_the_groups_of_the_pyramid(store):
    layer = open_layer(Source(store, driver="zarr", layer="0/red"))
    assert layer.shape == (64, 48)
    assert layer.levels == ((64, 48), (32, 24), (16, 12))
    assert layer.dtype == np.int16
    assert layer.nodata == -32768
    assert layer.grid == SourceGrid("EPSG:32650", tuple(TRANSFORM), (64, 48))
    np.testing.assert_array_equal(layer.read(slice(5, 40), slice(3, 20), 0), DATA[5:40, 3:20])
    np.testing.assert_array_equal(layer.read(slice(0, 2), slice(1, 3), 2), DATA[0:8:4, 4:12:4])
    layer.close()


def test_a_level_of_another_area_is_not_an_overview(tmp_path):
    root = zarr.create_group(str(tmp_path / "odd.zarr"))
    for level, shape in enumerate([(65, 48), (33, 24)]):
        root.create_array(f"{level}/red", shape=shape, dtype="int16")
    assert open_layer(Source(str(tmp_path / "odd.zarr"), driver="zarr", layer="0/red")).levels == ((65, 48),)


def test_cf_coordinates_and_packed_fill_of_xarray(tmp_path):
    xr = pytest.importorskip("xarray")
    import rasterio.crs

    y, x = 4_451_625.0 - 30 * np.arange(6), 399_975.0 + 30 * np.arange(5)
    wkt = rasterio.crs.CRS.from_epsg(32650).to_wkt()
    ds = xr.Dataset(
        {"ndvi": (("y", "x"), np.full((6, 5), 0.5, "float32"), {"grid_mapping": "spatial_ref"})},
        {"y": y, "x": x, "spatial_ref": ((), 0, {"crs_wkt": wkt})},
    )
    ds.ndvi.encoding["_FillValue"] = -9999.0
    path = str(tmp_path / "cf.zarr")
    ds.to_zarr(path, zarr_format=3, consolidated=False)
    layer = open_layer(Source(path, driver="zarr", layer="ndvi"))
    assert layer.grid == SourceGrid(wkt, tuple(TRANSFORM), (6, 5))
    assert layer.nodata == -9999.0
    np.testing.assert_array_equal(layer.read(slice(0, 6), slice(0, 5), 0), 0.5)


def test_the_grid_of_the_source_wins_and_none_is_none(tmp_path):
    path = str(tmp_path / "bare.zarr")
    zarr.create_group(path).create_array("red", shape=(4, 4), dtype="u1")
    assert open_layer(Source(path, driver="zarr", layer="red")).grid is None
    stated = SourceGrid("EPSG:4326", (1, 0, 0, 0, -1, 0), (4, 4))
    assert open_layer(Source(path, driver="zarr", layer="red", grid=stated)).grid is stated


@pytest.mark.parametrize(("layer", "says"), [("0/blue", "0/blue"), ("0", "two-dimensional"), (None, "must name")])
def test_arrays_that_are_not_there(store, layer, says):
    with pytest.raises(ReadError, match=says):
        open_layer(Source(store, driver="zarr", layer=layer))


def test_no_store(tmp_path):
    with pytest.raises(ReadError, match=r"absent\.zarr"):
        open_layer(Source(str(tmp_path / "absent.zarr"), driver="zarr", layer="0/red"))


def test_a_damaged_chunk_is_a_read_error(store):
    from pathlib import Path

    Path(store, "0", "red", "c", "0", "0").write_bytes(b"not a chunk")
    layer = open_layer(Source(store, driver="zarr", layer="0/red"))
    with pytest.raises(ReadError, match="cannot be decoded"):
        layer.read(slice(0, 64), slice(0, 48), 0)
