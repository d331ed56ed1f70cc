"""Which sensor and product an Item is, and which of its assets stands for which layer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from musyq_cube.catalog._adapt_item import fold, suffix
from musyq_cube.errors import CatalogError
from musyq_cube.sensor import sensor, sensors, sensors_path

if TYPE_CHECKING:
    from musyq_cube.catalog._adapt_item import ItemView
    from musyq_cube.sensor import Asset, Product, Sensor
    from musyq_cube.types import JSON

HDF = (".hdf", ".h4", ".hdf4")
_NAME_FIELDS = ("s2:product_uri", "sentinel:product_id", "landsat:product_id", "title", "s2:granule_id")
_PICTURES = {"thumbnail", "overview", "visual"}


@dataclass(frozen=True)
class Match:
    """What an Item was recognised as."""

    sensor: Sensor
    product: Product
    found: dict[str, JSON] = field(repr=False)
    """The Item's asset for each key of the product."""
    groups: dict[str, str]
    """Named groups of the product's pattern, where a name of the Item matched."""
    evidence: tuple[bool, int, int]
    """(has a band, how many of name and collection agree, number of known assets): the larger wins."""


def recognise(item: ItemView) -> Match:
    """
    Return the sensor, product and assets of an Item.

    Platform and instruments rule sensors out. Then the pattern of the product has to match a name (of the Item or of
    its files), or the collection id has to agree; among several, the number of known assets and the mission's period
    decide. Asset keys alone never do, because the same keys hold different encodings. ``musyq:sensor`` and
    ``musyq:product`` in the properties decide alone.

    Raises
    ------
    CatalogError
        Sensor not defined, product not defined, two products equally likely, or no known asset.
    """
    candidates = _sensors_of(item)
    texts = [item.id, *(str(item.properties[n]) for n in _NAME_FIELDS if item.properties.get(n))]
    texts += [PurePosixPath(_path(a)).name for a in item.assets.values()]
    tried = (_match(item, texts, s, p) for s in candidates for p in s.products)
    matches = sorted((m for m in tried if m), key=lambda m: m.evidence, reverse=True)
    if not matches:
        raise _unknown_product(item, candidates) if item.platforms and candidates else _unknown_sensor(item)
    equals = [m for m in matches if m.evidence == matches[0].evidence]
    if len(equals) > 1 and not item.is_combined:
        flown = [m for m in equals if m.sensor.flew(item.datetime())]
        if len(flown) != 1:
            raise _ambiguous(item, equals)
        equals = flown
    if not equals[0].evidence[0]:
        raise _no_bands(item, equals[0])
    return equals[0]


def _sensors_of(item: ItemView) -> list[Sensor]:
    if stated := item.get("musyq:sensor"):
        return [sensor(str(stated))]
    out = []
    for s in sensors().values():
        platform = not item.platforms or item.platforms & fold(list(s.platforms))
        instrument = not item.instruments or item.instruments & fold(list(s.instruments))
        if platform and instrument:
            out.append(s)
    return out


def _match(item: ItemView, texts: list[str], s: Sensor, product: Product) -> Match | None:
    stated = item.get("musyq:product")
    hit = next((m for t in texts if (m := product.match(t))), None)
    collection = any(re.fullmatch(c, item.collection or "", re.IGNORECASE) for c in product.collections)
    if stated not in (None, product.id) or not (stated or hit or collection):
        return None
    found = _assets(item, s, product)
    has_band = any(a.key in found for a in product.of_role("data"))
    groups = {k: v for k, v in hit.groupdict().items() if v} if hit else {}
    return Match(s, product, found, groups, (has_band, (hit is not None) + collection, len(found)))


def _assets(item: ItemView, s: Sensor, product: Product) -> dict[str, JSON]:
    """Match by key, then by file name, then by the band's name; whole HDF files hold every layer."""
    usable = {k: a for k, a in item.assets.items() if not _foreign(a)}
    folded = {key.casefold(): asset for key, asset in usable.items()}
    found: dict[str, JSON] = {}
    for asset in product.assets:
        hit = next((folded[k.casefold()] for k in asset.keys if k.casefold() in folded), None)
        hit = hit or next((a for a in usable.values() if asset.matches(_path(a))), None)
        hit = hit or _by_band(item, usable, s, asset)
        if hit is not None:
            found[asset.key] = hit
    if product.driver == "hdf4" and not any(a.key in found for a in product.of_role("data")):
        whole = next((a for a in item.assets.values() if suffix(str(a["href"])) in HDF), None)
        if whole is not None:
            found = {a.key: whole for a in product.assets if a.layer}
    return found


def _path(asset: JSON) -> str:
    """Return the href without query (signatures and tokens live there)."""
    return str(asset["href"]).partition("?")[0]


def _foreign(asset: JSON) -> bool:
    """Whether the asset is a container that no product here is defined for."""
    href = _path(asset).casefold()
    return ".zarr" in href or href.endswith((".nc", ".zip")) or "zarr" in str(asset.get("type") or "").casefold()


def _by_band(item: ItemView, usable: dict[str, JSON], s: Sensor, asset: Asset) -> JSON | None:
    if asset.band is None:
        return None
    band = s.band(asset.band)
    wanted = {band.name.casefold(), *((band.common_name.casefold(),) if band.common_name else ())}
    for candidate in usable.values():
        pictures = _PICTURES & {str(r).casefold() for r in candidate.get("roles") or ()}
        if not pictures and item.band_names(candidate) & wanted:
            return candidate
    return None


def _unknown_sensor(item: ItemView) -> CatalogError:
    who = f"platform {item.get('platform', 'eo:platform')!r}, instruments {item.get('instruments', 'eo:instrument')!r}"
    return CatalogError(
        f"Item {item.id}: no sensor is defined for {who}, collection {item.collection!r}. Defined: "
        f"{', '.join(sensors())}. To add one, write {sensors_path()}/<id>/collection.json and srf.csv; "
        "where the Item names no platform, set properties.platform"
    )


def _ambiguous(item: ItemView, matches: list[Match]) -> CatalogError:
    what = " or ".join(f"{m.sensor.id}/{m.product.id}" for m in matches)
    return item.error(
        "properties.platform",
        f"it could be {what}; set platform and instruments, or musyq:sensor and musyq:product",
    )


def _unknown_product(item: ItemView, candidates: list[Sensor]) -> CatalogError:
    known = "; ".join(f"{s.id}: {', '.join(p.id for p in s.products)}" for s in candidates)
    return CatalogError(
        f"Item {item.id}: no product is defined for collection {item.collection!r} with assets "
        f"{', '.join(list(item.assets)[:8]) or 'none'}. Defined: {known}. To add one, write it under musyq:products in "
        f"{candidates[0].path / 'collection.json'}"
    )


def _no_bands(item: ItemView, match: Match) -> CatalogError:
    wanted = ", ".join(a.key for a in match.product.of_role("data"))
    return item.error(
        "assets",
        f"no band of {match.sensor.id}/{match.product.id} among {', '.join(list(item.assets)[:12]) or 'its 0 assets'}; "
        f"name the assets {wanted}, or add their names under musyq:products.{match.product.id}.assets in "
        f"{match.sensor.path / 'collection.json'}",
    )
