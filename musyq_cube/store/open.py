"""A published product as an xarray Dataset."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pystac

from musyq_cube.errors import StoreError
from musyq_cube.store import access
from musyq_cube.store import conventions as c
from musyq_cube.store.publish import read_item
from musyq_cube.store.template import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

ItemLike: TypeAlias = "pystac.Item | str | Path"
"""An Item, or where its JSON, its folder or its store is."""


def open_item(what: ItemLike | pystac.ItemCollection | Iterable[ItemLike], *, level: int = 0) -> xr.Dataset:
    """
    Open products lazily, decoded, with their CRS.

    Parameters
    ----------
    what
        An Item; the path or URL of an Item, of its folder or of its Zarr store; or several Items (an
        `ItemCollection`) on one grid: products of one period become layers side by side, periods are joined along
        ``time``.
    level
        Pyramid level, 0 the finest.

    Returns
    -------
    xarray.Dataset
        Dask-backed, one chunk a stored chunk: reflectances and indices float32 with NaN, counts and flags integers;
        ``spatial_ref`` is a coordinate, so ``ds.odc.geobox`` and ``ds.rio.crs`` work. One product has dims (y, x) and a
        scalar ``time`` (the start of its period), several have (time, y, x).

    Raises
    ------
    StoreError
        Where there is no product, or several are not on one grid.
    """
    if isinstance(what, pystac.Item | str | Path):
        return _open_one(what, level)
    import xarray as xr

    opened = sorted((_open_one(item, level) for item in what), key=lambda ds: ds.time.values)
    if not opened:
        raise StoreError("no Items to open: the collection is empty")
    first = opened[0]
    for other in opened[1:]:
        if other.odc.geobox != first.odc.geobox:
            raise StoreError(
                f"Items are on different grids ({first.odc.geobox} and {other.odc.geobox}); open them singly"
            )
    joined = xr.concat(
        [_together(list(same)) for _, same in groupby(opened, key=lambda ds: ds.time.values)],
        dim="time",
        data_vars="all",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
    return joined.transpose("time", *c.DIMENSIONS)


def _together(products: list[xr.Dataset]) -> xr.Dataset:
    """Return the layers of several products of one period; those they share (count, qa…) are those of the first."""
    out = products[0]
    for other in products[1:]:
        out = out.assign({str(name): layer for name, layer in other.data_vars.items() if name not in out})
    return out


def data_href(what: ItemLike) -> tuple[str, pystac.Item | None]:
    """Return where the store of a product is, and its Item where it was given or found."""
    if isinstance(what, pystac.Item):
        return _asset_href(what), what
    text = str(what).rstrip("/")
    if text.endswith(".json"):
        item = read_item(text)
        return _asset_href(item), item
    if access.exists(access.join(text, "zarr.json")):
        folder = text.rpartition("/")[0]
        item_file = access.join(folder, f"{folder.rpartition('/')[2]}.json")
        return text, read_item(item_file) if folder and access.exists(item_file) else None
    item = read_item(access.join(text, f"{text.rpartition('/')[2]}.json"))
    return _asset_href(item), item


def _asset_href(item: pystac.Item) -> str:
    asset = item.assets.get(c.ASSET_DATA)
    if asset is None:
        raise StoreError(f"Item {item.id} has no asset {c.ASSET_DATA!r}; its assets are {sorted(item.assets)}")
    home = item.get_self_href()
    return access.resolve(home, asset.href) if home else asset.href


def _open_one(what: ItemLike, level: int) -> xr.Dataset:
    import xarray as xr
    from odc.geo import xr as _odc  # noqa: F401  registers ds.odc

    href, item = data_href(what)
    store: Any = access.zarr_store(href, read_only=True)
    try:
        dataset: xr.Dataset = xr.open_zarr(
            store, group=str(level), consolidated=True, zarr_format=3, decode_coords="all", chunks={}
        )
    except (FileNotFoundError, KeyError) as error:
        raise StoreError(f"no product store with level {level} at {href}: {error}") from error
    for name, variable in dataset.data_vars.items():
        if variable.dtype == np.float64:
            dataset[name] = variable.astype(np.float32, keep_attrs=True)
    root = json.loads(access.read_bytes(access.join(href, "zarr.json")))["attributes"]
    if item is not None:
        root = {"id": item.id, "title": item.properties.get("title"), **root}
        start = item.common_metadata.start_datetime
        if start is not None:
            dataset = dataset.assign_coords(time=np.datetime64(start.replace(tzinfo=None), "ns"))
    dataset = dataset[root[NAMES]]
    dataset.attrs = {name: value for name, value in root.items() if not name.startswith(_HIDDEN)}
    return dataset


_HIDDEN = ("zarr_conventions", "multiscales", "spatial:", "proj:", "musyq:template", "musyq:variables")
"""Root attributes about the layout, of no use to a person."""
