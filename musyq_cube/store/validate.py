"""Is a published product whole, and is it what its Item says? One printable answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pystac
import zarr_cm

from musyq_cube.errors import MusyqError, StoreError
from musyq_cube.store import access
from musyq_cube.store import conventions as c
from musyq_cube.store import zarr as store
from musyq_cube.store.open import ItemLike, data_href
from musyq_cube.store.pyramid import halve
from musyq_cube.store.template import NAMES, geobox_of, pyramid_levels, variable_of

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Check:
    """One question and its answer; `problem` is empty where all is well."""

    name: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


@dataclass(frozen=True)
class Report:
    """All checks of one product."""

    href: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        checks = [{"name": check.name, "ok": check.ok, "problem": check.problem} for check in self.checks]
        return {"href": self.href, "ok": self.ok, "checks": checks}

    def __str__(self) -> str:
        lines = [f"{'ok  ' if k.ok else 'FAIL'}  {k.name}{'' if k.ok else ': ' + k.problem}" for k in self.checks]
        return "\n".join([self.href, *lines])


@dataclass(frozen=True)
class _Product:
    item: pystac.Item
    url: str
    root: dict[str, Any]

    @property
    def names(self) -> list[str]:
        return list(self.root["attributes"][NAMES])

    @property
    def levels(self) -> list[str]:
        return store.level_paths(self.root)


_Problems: TypeAlias = Iterator[str]


def validate(what: ItemLike, *, ledger: str | Path | None = None) -> Report:
    """
    Check a product against its conventions, its Item, and itself.

    Parameters
    ----------
    what
        An Item, or where it is.
    ledger
        Folder or URL of the run's ledger: one JSON object a block with ``row``, ``col``, ``shape`` and ``checksums``
        ({item or product id: {variable: sha256}}); by default the run that the Item names, where it is still there.

    Returns
    -------
    Report
        Printable; `ok` is the verdict.
    """
    url, item = data_href(what)
    if item is None:
        raise StoreError(f"{url} has no Item beside it: not a published product")
    product = _Product(item, url, store.read_node(url))
    checks = [_run(name, check, product) for name, check in _CHECKS.items()]
    where = str(ledger) if ledger else _ledger_of(item)
    if where and access.list_keys(where):
        checks.append(_run("checksums equal the ledger's", lambda p: _checksums(p, where), product))
    return Report(item.get_self_href() or url, tuple(checks))


def _run(name: str, check: Callable[[_Product], _Problems], product: _Product) -> Check:
    try:
        problems = list(check(product))
    except (MusyqError, KeyError, ValueError, TypeError, OSError) as error:
        problems = [f"{type(error).__name__}: {error}"]
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return Check(name, "; ".join(problems[:3]) + more)


def _core(product: _Product) -> _Problems:
    from pystac.validation import validate_dict

    document = product.item.to_dict(transform_hrefs=False) | {"stac_extensions": []}
    try:
        validate_dict(document)
    except pystac.STACValidationError as error:
        yield str(error).splitlines()[0]


def _fields(product: _Product) -> _Problems:
    """Compare what the Item says with the strings of the conventions and with the store."""
    document = product.item.to_dict(transform_hrefs=False)
    if missing := set(c.extensions_of(document)) - set(document["stac_extensions"]):
        yield f"extensions used but not declared: {sorted(missing)}"
    asset = document["assets"][c.ASSET_DATA]
    if asset.get("type") != c.MEDIA_MULTISCALES:
        yield f"media type is {asset.get('type')!r}, not {c.MEDIA_MULTISCALES!r}"
    named = [band["name"] for band in asset["bands"]]
    if named != product.names:
        yield f"bands {named} are not the arrays {product.names}"
    for render in document["properties"]["renders"].values():
        if unknown := set(render["bands"]) - set(named):
            yield f"a render wants bands that do not exist: {sorted(unknown)}"


def _conventions(product: _Product) -> _Problems:
    wanted: dict[str, list[Any]] = {"": ["proj", "spatial", "multiscales"]}
    wanted |= {level: ["proj", "spatial"] for level in product.levels}
    for path, names in wanted.items():
        node = store.read_node(product.url, path)
        try:
            zarr_cm.validate_many(node["attributes"], names)
        except (ValueError, TypeError, KeyError) as error:
            yield f"{path or 'root'}: {error}"


def _consolidated(product: _Product) -> _Problems:
    metadata = product.root.get("consolidated_metadata", {}).get("metadata", {})
    for level in product.levels:
        for name in [*product.names, *c.DIMENSIONS, c.GRID_MAPPING]:
            path = f"{level}/{name}"
            if metadata.get(path) != store.read_node(product.url, path):
                yield f"{path} is not the same in the consolidated metadata"


def _fill_values(product: _Product) -> _Problems:
    for level in product.levels:
        for name in product.names:
            node = store.read_node(product.url, f"{level}/{name}")
            declared = node["attributes"].get("_FillValue", node["fill_value"])
            if declared != node["fill_value"]:
                yield f"{level}/{name}: fill_value {node['fill_value']} but _FillValue {declared}"


def _grid(product: _Product) -> _Problems:
    geobox = geobox_of(product.root)
    fields = product.item.assets[c.ASSET_DATA].extra_fields
    if fields["proj:shape"] != list(geobox.shape) or fields["proj:transform"] != list(geobox.transform)[:6]:
        yield f"the Item's grid {fields['proj:shape']}, {fields['proj:transform']} is not the store's"
    if any(fields.get(name) != value for name, value in c.projection(geobox.crs).items()):
        yield "the Item's CRS is not the store's"
    levels = pyramid_levels(geobox)
    if len(levels) != len(product.levels):
        yield f"{len(product.levels)} levels, {len(levels)} expected"
    for number, level in enumerate(levels):
        shape = store.read_node(product.url, f"{number}/{product.names[0]}")["shape"]
        if shape != list(level.shape):
            yield f"level {number} has shape {shape}, not {list(level.shape)}"


def _chunks(product: _Product) -> _Problems:
    yield from (f"chunk {key} was never written" for key in store.missing_chunks(product.url))


def _pyramid(product: _Product) -> _Problems:
    """Make the first chunk row of every level again and compare."""
    for number in range(1, len(product.levels)):
        for name in product.names:
            target = store.open_array(product.url, f"{number}/{name}")
            source = store.open_array(product.url, f"{number - 1}/{name}")
            rows = min(target.chunks[0], target.shape[0])
            expected = halve(source[: 2 * rows], variable_of(name, target.metadata.to_dict()))
            if not np.array_equal(expected, target[:rows]):
                yield f"{number}/{name} is not made of level {number - 1}"


def _files(product: _Product) -> _Problems:
    home = product.item.get_self_href()
    for name, asset in product.item.assets.items():
        expected = asset.extra_fields.get("file:checksum")
        if expected is None or home is None:
            continue
        where = access.resolve(home, asset.href)
        try:
            if expected != c.multihash(access.read_bytes(where)):
                yield f"asset {name} ({where}) has changed"
        except FileNotFoundError:
            yield f"asset {name} ({where}) is gone"


def _checksums(product: _Product, ledger: str) -> _Problems:
    """Compare what is stored with what each block's writer recorded, where the ledger says where the block lies."""
    for key in (key for key in access.list_keys(ledger) if key.endswith(".json")):
        entry = json.loads(access.read_bytes(access.join(ledger, key)))
        if "shape" not in entry:
            continue
        row, col, (ny, nx) = entry["row"], entry["col"], entry["shape"]
        sums = entry["checksums"]
        names = (product.item.id, product.item.properties.get("musyq:product"))
        for name, expected in next((sums[known] for known in names if known in sums), {}).items():
            array = store.open_array(product.url, f"0/{name}")
            if store.checksum(array[row : row + ny, col : col + nx]) != expected:
                yield f"{name} of block {key} is not what was written"


def _ledger_of(item: pystac.Item) -> str | None:
    """Return the ledger beside the plan that the Item names."""
    home, link = item.get_self_href(), item.get_single_link("processing-expression")
    return access.resolve(access.resolve(home, link.href), "ledger") if home and link else None


_CHECKS: dict[str, Callable[[_Product], _Problems]] = {
    "Item is valid STAC 1.1": _core,
    "Item fields agree with conventions and store": _fields,
    "groups fulfil the Zarr conventions": _conventions,
    "consolidated metadata is that of the nodes": _consolidated,
    "fill_value equals _FillValue": _fill_values,
    "grid of Item, store and levels agree": _grid,
    "every chunk is there": _chunks,
    "levels are made of each other": _pyramid,
    "files have their checksums": _files,
}
