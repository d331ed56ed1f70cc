"""Which files belong together as one scene, and of which sensor and product."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from musyq_cube.catalog.metadata_modis import modis_name
from musyq_cube.catalog.metadata_sentinel2 import PRODUCT_FILES
from musyq_cube.errors import CatalogError, MusyqError
from musyq_cube.sensor import sensor as get_sensor
from musyq_cube.sensor import sensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from musyq_cube.sensor import Product, Sensor

RASTERS = (".tif", ".tiff", ".gtif", ".gtiff", ".jp2")
_DATED_FOLDER = re.compile(r"(?P<doy>(?:19|20)\d{2}[0-3]\d{2})(?!\d)")


@dataclass(frozen=True)
class Candidate:
    """Files that claim to be one scene."""

    kind: str
    """``item``, ``mtl``, ``safe``, ``hdf``, ``hj`` or ``named``."""
    path: str
    """The file that describes the scene; the folder for ``named``."""
    files: tuple[str, ...]
    """Files that may belong to it, the describing one too."""
    name: str = ""
    """Scene name, where names alone tell."""
    match: tuple[str, str] | None = None
    """(sensor id, product id), where names alone tell."""


def candidates(files: Iterable[str], sensor: str | None = None) -> Iterator[Candidate]:
    """
    Group files into scenes. Files that no sensor knows are passed over.

    Metadata files are looked at first and claim what is beside them; names are what is left to judge by. STAC Items
    claim the files that their assets name.

    Parameters
    ----------
    files
        Absolute paths.
    sensor
        Only this sensor, where the names leave room for others.
    """
    left = list(files)
    for find in (_items, _safes, _mtls, _hjs, _hdfs):
        found = list(find(left))
        claimed = {file for candidate in found for file in candidate.files}
        left = [file for file in left if file not in claimed]
        yield from found
    yield from _named(left, sensor)


def choose(name: str, kind: str, sensor: str | None = None) -> tuple[Sensor, Product, re.Match[str]]:
    """
    Return the sensor and product whose pattern knows a scene name.

    Parameters
    ----------
    name
        Scene, product or file name.
    kind
        ``mtl``, ``safe``, ``hdfeos`` or ``hj-xml``: only products with that kind of metadata; empty for any.
    sensor
        Only this sensor.

    Raises
    ------
    CatalogError
        No product knows the name.
    """
    pool = [get_sensor(sensor)] if sensor else list(sensors().values())
    for each in pool:
        for product in each.products:
            if kind in ("", product.metadata) and (match := product.match(name)):
                return each, product, match
    who = f"sensor {sensor}" if sensor else "any defined sensor"
    raise CatalogError(f"{name}: no product of {who} has a pattern for this name; add one to its collection.json")


def folder_of(path: str) -> str:
    """Folder of a path, archives included."""
    return path.rpartition("/")[0]


def stem_of(path: str) -> str:
    """File name without its last suffix."""
    return PurePosixPath(path).stem


def _items(files: list[str]) -> Iterator[Candidate]:
    from musyq_cube.catalog.stacfile import item_files

    for path in files:
        if path.lower().endswith(".json") and not path.startswith("/vsizip/"):
            claimed = item_files(path)
            if claimed is not None:
                yield Candidate("item", path, (path, *claimed))


def _safes(files: list[str]) -> Iterator[Candidate]:
    """Folders of an MTD_MSI… file; and those that hold one tile as the open buckets lay it out (tileInfo.json)."""
    roots = {folder_of(p): p for p in files if PurePosixPath(p).name in PRODUCT_FILES}
    tiles = {folder_of(p): p for p in files if PurePosixPath(p).name == "tileInfo.json"}
    tiles = {
        folder: f"{folder}/metadata.xml"
        for folder in tiles
        if folder not in roots and f"{folder}/metadata.xml" in set(files)
    }
    for folder, path in {**roots, **tiles}.items():
        inside = tuple(f for f in files if f.startswith(f"{folder}/"))
        yield Candidate("safe", path, inside)


def _mtls(files: list[str]) -> Iterator[Candidate]:
    """Find MTL files, the text where there is XML too, with the files of the folder that share the prefix."""
    found: dict[str, str] = {}
    for path in sorted(files, reverse=True):  # .xml before .txt, so that .txt stays
        if match := re.match(r"(.*?)[._]?MTL\.(?:txt|xml)$", path, re.IGNORECASE):
            found[match[1]] = path
        elif path.lower().endswith("metadata.xml") and not path.startswith("/vsizip/") and _is_landsat_xml(path):
            found[path[: -len("_metadata.xml")]] = path
    for prefix, path in sorted(found.items()):
        beside = tuple(f for f in files if f.startswith(prefix) and folder_of(f) == folder_of(path))
        yield Candidate("mtl", path, beside)


def _is_landsat_xml(path: str) -> bool:
    from pathlib import Path

    with Path(path).open("rb") as file:
        return b"LANDSAT_METADATA_FILE" in file.read(300)


def _hjs(files: list[str]) -> Iterator[Candidate]:
    for path in files:
        name = PurePosixPath(path).name
        if re.match(r"HJ1[AB]-CCD[12]-.*\.xml$", name, re.IGNORECASE) and "/vsizip/" not in path:
            prefix = path[: -len(".xml")]
            yield Candidate("hj", path, tuple(f for f in files if f == path or f.startswith(f"{prefix}-")))


def _hdfs(files: list[str]) -> Iterator[Candidate]:
    for path in files:
        if path.lower().endswith(".hdf"):
            yield Candidate("hdf", path, (path,))


def hdf_name(path: str) -> str:
    """Name of a granule: of its file, or written inside."""
    return modis_name(path, stem_of(path))


def _named(files: list[str], sensor: str | None) -> Iterator[Candidate]:
    """Rasters without metadata, grouped by folder, product and scene name."""
    groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for path in files:
        if not path.lower().endswith(RASTERS):
            continue
        if known := _by_name(path, sensor):
            each, product, name = known
            groups[folder_of(path), each.id, product.id, name].append(path)
        elif sensor and any(a.matches(path) for p in get_sensor(sensor).products for a in p.assets):
            yield Candidate("named", path, (path,), stem_of(path))
    for (folder, sensor_id, product_id, name), members in sorted(groups.items()):
        beside = tuple(f for f in files if folder_of(f) == folder and f not in members and stem_of(f).startswith(name))
        yield Candidate("named", folder, (*members, *beside), name, (sensor_id, product_id))


def _by_name(path: str, sensor: str | None) -> tuple[Sensor, Product, str] | None:
    """Sensor, product and scene that a raster's name, its folder's or the path tell; None where none does."""
    pure = PurePosixPath(path)
    for text in (pure.stem, pure.parent.name):
        try:
            each, product, match = choose(text, "", sensor)
        except MusyqError:
            continue
        if any(asset.matches(path) for asset in product.assets):
            name = match.group(0).rstrip("_.")
            above = product.match(pure.parent.name)
            longer = above is not None and above.group(0).startswith(name)
            return each, product, above.group(0) if longer and above else name
    return _by_folder(pure, sensor)


def _by_folder(pure: PurePosixPath, sensor: str | None) -> tuple[Sensor, Product, str] | None:
    """Recognise exports by a folder that is a day and a path that names the product (``…mod09ga…/2021224_un/…``)."""
    dated = _DATED_FOLDER.match(pure.parent.name)
    if dated is None:
        return None
    above = "/".join(pure.parts[-5:-2]).lower()
    for each in [get_sensor(sensor)] if sensor else sensors().values():
        for product in each.products:
            if product.id in above and any(asset.matches(pure.name) for asset in product.assets):
                return each, product, f"{product.id.upper()}.A{dated['doy']}"
    return None
