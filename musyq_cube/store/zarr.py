"""The product store: template first, then blocks of whole chunks, then (after the pyramid) consolidated metadata."""

from __future__ import annotations

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from musyq_cube.errors import StoreError
from musyq_cube.store import access
from musyq_cube.store import conventions as c
from musyq_cube.store.packing import pack
from musyq_cube.store.template import NAMES, coordinates, documents, pyramid_levels, variable_of
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import xarray as xr
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from musyq_cube.types import JSON
    from musyq_cube.variable import Variable

_LOG = logging.getLogger(__name__)
_THREADS = 16
"""Small metadata objects in flight at once."""
_CONSOLIDATED = "consolidated_metadata"


def create(
    url: str,
    geobox: GeoBox,
    variables: Sequence[Variable],
    attrs: Mapping[str, Any] | None = None,
    chunk: int = c.CHUNK,
) -> None:
    """
    Write the empty store of a product: every group, array and coordinate of every level, no data.

    Safe to repeat, also by several processes at once: what is there already is kept, chunks are never touched.

    Parameters
    ----------
    url
        Folder, ``s3://`` or fsspec URL of the store.
    geobox
        Grid of the finest level.
    variables
        The layers, in order.
    attrs
        Extra JSON attributes of the root group; they must follow from the order alone (no time stamps).
    chunk
        Pixels along a chunk.

    Raises
    ------
    StoreError
        Where the store of another order is there already, or nothing can be written.
    """
    nodes = documents(geobox, variables, attrs or {}, chunk)
    root = nodes.pop("")
    if access.exists(access.join(url, "zarr.json")):
        if read_node(url)["attributes"].get(c.TEMPLATE) != root["attributes"][c.TEMPLATE]:
            raise StoreError(f"{url} already holds another product; choose another output or remove it first")
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda node: _write_node(url, *node), nodes.items()))
    for number, level in enumerate(pyramid_levels(geobox)):
        for name, (_, values) in coordinates(level).items():
            with access.named("write", f"{url}/{number}/{name}"):
                open_array(url, f"{number}/{name}")[...] = values
    _write_node(url, "", root)


def write_block(url: str, dataset: xr.Dataset, row: int, col: int) -> dict[str, str]:
    """
    Pack one block and write it into the finest level.

    Parameters
    ----------
    url
        A store made by :func:`create`.
    dataset
        Every variable of the store with dims ``(y, x)`` (a ``time`` of length 1 is dropped): physical values, NaN
        where missing. Where a value is out of range it is clipped and QA bit 15 of the pixel is set.
    row, col
        Pixel offset of the block in the product, on chunk edges.

    Returns
    -------
    dict
        SHA-256 of the packed little-endian bytes of each variable, for the ledger.

    Raises
    ------
    StoreError
        Where the block does not own whole chunks, lies elsewhere than its coordinates say, or lacks a variable.
    """
    root = read_node(url)
    names = root["attributes"][NAMES]
    if set(map(str, dataset.data_vars)) != set(names):
        raise StoreError(f"{url} holds {names}; the block has {sorted(map(str, dataset.data_vars))}")
    _check_position(root, dataset, row, col)
    arrays = {name: open_array(url, f"0/{name}") for name in names}
    packed = _pack_all(dataset, arrays)
    for name, stored in packed.items():
        _check_aligned(arrays[name], stored.shape, row, col)
    for name, stored in packed.items():
        with access.named("write", f"{url}/0/{name}"):
            arrays[name][row : row + stored.shape[0], col : col + stored.shape[1]] = stored
    return {name: checksum(stored) for name, stored in packed.items()}


def checksum(stored: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's little-endian bytes in C order."""
    little = np.ascontiguousarray(stored, dtype=stored.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def consolidate(url: str) -> None:
    """
    Copy the metadata of every node into the root's ``zarr.json``, and that of every level into the level's.

    One GET then opens the whole store or one level, also over plain HTTP, which cannot list.
    """
    root = read_node(url)
    names = [*root["attributes"][NAMES], *c.DIMENSIONS, c.GRID_MAPPING]
    levels = level_paths(root)
    paths = sorted([*levels, *(f"{level}/{name}" for level in levels for name in names)])
    with ThreadPoolExecutor(_THREADS) as pool:
        metadata = dict(zip(paths, pool.map(lambda path: read_node(url, path), paths), strict=True))
    for level in levels:
        metadata[level].pop(_CONSOLIDATED, None)
        children = {
            path.removeprefix(f"{level}/"): node for path, node in metadata.items() if path.startswith(f"{level}/")
        }
        _write_node(url, level, metadata[level] | {_CONSOLIDATED: _inline(children)})
    _write_node(url, "", root | {_CONSOLIDATED: _inline(metadata)})


def _inline(metadata: Mapping[str, JSON]) -> JSON:
    return {"kind": "inline", "must_understand": False, "metadata": dict(metadata)}


def missing_chunks(url: str, levels: Iterable[str] | None = None) -> list[str]:
    """
    Return the keys of data chunks that nobody has written; such a chunk would silently read as nodata.

    Parameters
    ----------
    url
        The store.
    levels
        Which levels to look at; all by default.
    """
    root = read_node(url)
    expected: set[str] = set()
    for level in levels or level_paths(root):
        for name in root["attributes"][NAMES]:
            shape = open_array(url, f"{level}/{name}").cdata_shape
            expected |= {f"{level}/{name}/c/{i}/{j}" for i, j in np.ndindex(*shape)}
    return sorted(expected - set(access.list_keys(url)))


def variables(url: str) -> list[Variable]:
    """Return the layers of a store, in order."""
    names = read_node(url)["attributes"][NAMES]
    return [variable_of(name, read_node(url, f"0/{name}")) for name in names]


def level_paths(root: JSON) -> list[str]:
    """Return the group names of the levels, finest first, from the root document."""
    return [entry["asset"] for entry in root["attributes"]["multiscales"]["layout"]]


def read_node(url: str, path: str = "") -> JSON:
    """Return the ``zarr.json`` of a node."""
    where = access.join(url, path, "zarr.json") if path else access.join(url, "zarr.json")
    try:
        return json.loads(access.read_bytes(where))  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise StoreError(f"no Zarr store at {url} ({path or 'root'}/zarr.json is missing)") from None


def open_array(url: str, path: str) -> Any:
    """Open one array for reading and writing; a chunk of nothing but nodata is written too, so absent means missing."""
    array = zarr.open_array(access.zarr_store(url), path=path, mode="r+", zarr_format=3)
    return array.with_config({"write_empty_chunks": True})


def _write_node(url: str, path: str, document: JSON) -> None:
    where = access.join(url, path, "zarr.json") if path else access.join(url, "zarr.json")
    access.write_bytes(where, json.dumps(document, indent=1, ensure_ascii=False).encode())


def _pack_all(dataset: xr.Dataset, arrays: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    packed: dict[str, NDArray[Any]] = {}
    outside: NDArray[np.bool_] | None = None
    for name, array in arrays.items():
        variable = variable_of(name, array.metadata.to_dict())
        data = dataset[name].squeeze("time") if "time" in dataset[name].dims else dataset[name]
        packed[name], clipped = pack(data.transpose(*c.DIMENSIONS).values, variable)
        if clipped.any():
            outside = clipped if outside is None else outside | clipped
    if outside is not None:
        if "qa" in packed:
            packed["qa"][outside] |= np.uint16(QA.OUT_OF_RANGE)
        else:
            _LOG.warning("%d pixels were out of range and clipped; the product has no qa to say so", outside.sum())
    return packed


def _check_aligned(array: Any, shape: tuple[int, ...], row: int, col: int) -> None:
    for axis, start, size in (("row", row, shape[0]), ("col", col, shape[1])):
        dimension = 0 if axis == "row" else 1
        chunk, total = array.chunks[dimension], array.shape[dimension]
        end = start + size
        if start < 0 or end > total or start % chunk or (end % chunk and end != total):
            raise StoreError(
                f"block {axis}s {start}…{end} of {total} do not own whole chunks of {chunk}: two writers would lose "
                f"pixels; use blocks that are multiples of {chunk}"
            )


def _check_position(root: JSON, dataset: xr.Dataset, row: int, col: int) -> None:
    """Compare the block's coordinates, where it has them, with its place in the product."""
    a, _, west, _, e, north = root["attributes"]["spatial:transform"]
    for axis, step, edge, offset in (("x", a, west, col), ("y", e, north, row)):
        if axis in dataset.coords and dataset.sizes[axis]:
            expected = edge + (offset + 0.5) * step
            found = float(dataset[axis].values[0])
            if abs(found - expected) > 0.01 * abs(step):
                raise StoreError(f"block at row {row}, col {col}: {axis} starts at {found}, the store says {expected}")
