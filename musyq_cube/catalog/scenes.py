"""One recognised scene: sensor, product, its files by layer, and what its metadata say."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from musyq_cube.catalog.metadata import Metadata
from musyq_cube.catalog.metadata_hj import hj_calibration, hj_metadata, read_hj
from musyq_cube.catalog.metadata_landsat import landsat_calibration, landsat_metadata, read_mtl
from musyq_cube.catalog.metadata_modis import modis_metadata
from musyq_cube.catalog.metadata_sentinel2 import PRODUCT_FILES, sentinel2_metadata
from musyq_cube.catalog.recognise import choose, folder_of, hdf_name
from musyq_cube.errors import CatalogError
from musyq_cube.hdfeos import hdfeos_grids
from musyq_cube.sensor import sensor as get_sensor

if TYPE_CHECKING:
    from musyq_cube.catalog.recognise import Candidate
    from musyq_cube.sensor import Asset, Product, Sensor
    from musyq_cube.types import JSON


@dataclass(frozen=True)
class Scene:
    """Everything found out about one scene before its pixels are looked at."""

    sensor: Sensor
    product: Product
    metadata: Metadata
    files: tuple[tuple[Asset, str], ...]
    """Layers that are there."""
    documents: tuple[str, ...] = ()
    """Metadata files."""
    exact: bool = True
    """Whether the time of day is known; else the nominal overpass is taken."""

    @property
    def name(self) -> str:
        """Name of the scene."""
        return self.metadata.name

    @property
    def tiled(self) -> bool:
        """Whether the name says where the scene is."""
        return "grid:code" in self.metadata.properties


def describe(candidate: Candidate, sensor: str | None = None) -> Scene:
    """
    Find out sensor, product, metadata and files of a candidate.

    Raises
    ------
    CatalogError
        Metadata that cannot be read or that no sensor knows, or no image file beside them.
    """
    scene = _READERS[candidate.kind](candidate, sensor)
    if not any(asset.role == "data" for asset, _ in scene.files):
        raise CatalogError(
            f"{candidate.path}: recognised as {scene.sensor.id} {scene.product.id}, but no image file of it is there"
        )
    return scene


def _mtl(candidate: Candidate, sensor: str | None) -> Scene:
    mtl = read_mtl(candidate.path)
    metadata = landsat_metadata(mtl, candidate.path)
    each, product, _ = choose(metadata.name, "mtl", sensor)
    calibration = landsat_calibration(mtl, each, product, _instant(metadata))
    documents = tuple(f for f in candidate.files if re.search(r"MTL\.\w+$", f, re.IGNORECASE)) or (candidate.path,)
    return Scene(each, product, replace(metadata, calibration=calibration), _files(product, candidate), documents)


def _safe(candidate: Candidate, sensor: str | None) -> Scene:
    whole = candidate.path if PurePosixPath(candidate.path).name in PRODUCT_FILES else None
    tiles = [f for f in candidate.files if PurePosixPath(f).name == "MTD_TL.xml"] if whole else [candidate.path]
    if len(tiles) != 1:
        raise CatalogError(
            f"{candidate.path}: {len(tiles)} tile metadata files (MTD_TL.xml); a SAFE of one tile has one"
        )
    metadata = sentinel2_metadata(whole, tiles[0])
    each, product, _ = choose(metadata.name, "safe", sensor)
    documents = (whole,) if whole else ()
    return Scene(each, product, metadata, _files(product, candidate), documents)


def _hj(candidate: Candidate, sensor: str | None) -> Scene:
    facts = read_hj(candidate.path)
    metadata = hj_metadata(facts, candidate.path)
    each, product, match = choose(metadata.name, "hj-xml", sensor)
    calibration = hj_calibration(facts, each, _instant(metadata), candidate.path)
    properties = {"processing:version": _group(match, "version"), **metadata.properties}
    metadata = replace(metadata, calibration=calibration, properties=properties)
    return Scene(each, product, metadata, _files(product, candidate), (candidate.path,))


def _hdf(candidate: Candidate, sensor: str | None) -> Scene:
    name = hdf_name(candidate.path)
    each, product, match = choose(name, "hdfeos", sensor)
    metadata = modis_metadata(name, candidate.path)
    grids = hdfeos_grids(candidate.path)
    files = tuple((asset, candidate.path) for asset in product.assets if asset.layer in grids)
    return Scene(each, product, _completed(metadata, match), files, exact=metadata.end is not None)


def _named(candidate: Candidate, sensor: str | None) -> Scene:
    if candidate.match is None:
        raise CatalogError(
            f"{candidate.path}: its name tells neither scene nor date as {sensor} names them; put it into a folder "
            "named after the scene, or its metadata file beside"
        )
    sensor_id, product_id = candidate.match
    each = get_sensor(sensor_id)
    product = each.product(product_id)
    match = product.match(candidate.name)
    metadata = modis_metadata(candidate.name) if product.metadata == "hdfeos" else Metadata(candidate.name)
    exact = match is not None and bool(_group(match, "time") or _group(match, "datetime"))
    metadata = _completed(metadata, match)
    return Scene(each, product, metadata, _files(product, candidate), exact=exact or metadata.end is not None)


# Before Collection 1 some providers wrote LC8…LGN00_band4.tif for …_B4.TIF; …_sr_band4.tif is something else
_BAND_WORD = re.compile(r"^(L[A-Z]\d{14,15}[A-Z]{3}\d{2})_band(\d+)(?=\.tif)", re.IGNORECASE)

_READERS = {"mtl": _mtl, "safe": _safe, "hj": _hj, "hdf": _hdf, "named": _named}


def _files(product: Product, candidate: Candidate) -> tuple[tuple[Asset, str], ...]:
    """Return the file of each layer of the product; the first by name where several fit."""
    folder = folder_of(candidate.path) if candidate.kind != "named" else candidate.path
    below = [(path, _BAND_WORD.sub(r"\1_B\2", path.removeprefix(f"{folder}/"))) for path in candidate.files]
    found = ((asset, next((p for p, part in below if asset.matches(part)), None)) for asset in product.assets)
    return tuple((asset, path) for asset, path in found if path is not None)


def _completed(metadata: Metadata, match: re.Match[str] | None) -> Metadata:
    """Add what the pattern's named groups say to what the metadata say."""
    if match is None:
        return metadata
    properties: JSON = {}
    if tile := _group(match, "tile"):
        properties["grid:code"] = _grid_code(tile)
    if version := _group(match, "version"):
        properties["processing:version"] = version
    if created := _created(_group(match, "created")):
        properties["created"] = created
    return replace(metadata, start=metadata.start or _date(match), properties={**properties, **metadata.properties})


def _group(match: re.Match[str], name: str) -> str | None:
    """Value of the first of the groups `name`, `name2`, `name3` … that took part in the match."""
    groups = match.groupdict()
    return next((v for k, v in groups.items() if v and re.fullmatch(rf"{name}\d*", k)), None)


def _date(match: re.Match[str]) -> dt.datetime | None:
    forms = {"datetime": "%Y%m%dT%H%M%S", "date": "%Y%m%d", "doy": "%Y%j"}
    for name, form in forms.items():
        if text := _group(match, name):
            text = text.replace("-", "")
            time = _group(match, "time") if name != "datetime" else None
            try:
                return _parse(text + (time or ""), form + ("%H%M%S" if time else ""))
            except ValueError as error:
                raise CatalogError(f"{match.group(0)}: {text!r} is not a date ({error})") from error
    return None


def _created(text: str | None) -> str | None:
    """Time of production as names write it: 20180207, 20200219T123947 or 2017018074804 (year and day of year)."""
    forms = {8: "%Y%m%d", 13: "%Y%j%H%M%S", 15: "%Y%m%dT%H%M%S"}
    if text is None or len(text) not in forms:
        return None
    try:
        return _parse(text, forms[len(text)]).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None


def _parse(text: str, form: str) -> dt.datetime:
    return dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)


def _instant(metadata: Metadata) -> dt.datetime:
    if metadata.start is None:
        raise CatalogError(f"{metadata.name}: its metadata state no time")
    return metadata.start


def _grid_code(tile: str) -> str:
    if re.fullmatch(r"\d{6}", tile):
        return f"WRS2-{tile}"
    if re.fullmatch(r"h\d{2}v\d{2}", tile, re.IGNORECASE):
        return f"MSIN-{tile[1:3]}{tile[4:6]}"
    return f"MGRS-{tile}" if re.fullmatch(r"\d{2}[A-Z]{3}", tile) else f"TILE-{tile}"
