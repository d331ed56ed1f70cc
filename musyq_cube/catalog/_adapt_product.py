"""Our own product Items as scenes: outputs are inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.catalog._adapt_item import as_nodata, as_number
from musyq_cube.scene import Angles, Quality, Scene, Source
from musyq_cube.types import QA

if TYPE_CHECKING:
    from musyq_cube.catalog._adapt_item import ItemView
    from musyq_cube.types import JSON

_COMMON_RULES = tuple((int(bit), int(bit), int(bit)) for bit in QA)
_ANGLES = ("sza", "saa", "vza", "vaa", "raa")
_EVIDENCE = {"qa", "count", "source", "day", *_ANGLES}


def is_product(view: ItemView) -> bool:
    """Whether the Item is one of our products: made by this software, data in a multiscale Zarr store."""
    ours = "musyq_cube" in (view.get("processing:software") or {}) or any(
        k.startswith("musyq:") for k in view.properties
    )
    return ours and _store(view) is not None


def adapt_product(view: ItemView) -> Scene:
    """
    Return the Scene of one of our product Items: full resolution of its Zarr store, QA already in the common bits.

    Raises
    ------
    CatalogError
        A store without ``bands``.
    """
    asset = _store(view) or {}
    bands = [b for b in asset.get("bands") or () if isinstance(b, dict) and b.get("name")]
    if not bands:
        raise view.error("assets.*.bands", "list the variables of the Zarr store as STAC bands")
    sources = {str(b["name"]): _source(view, asset, b) for b in bands}
    variables = {**{n: {} for n in asset.get("cube:variables") or {}}, **sources}
    if "qa" in variables and "qa" not in sources:
        sources["qa"] = _source(view, {**asset, "nodata": None, "raster:scale": 1, "raster:offset": 0}, {"name": "qa"})
    collection = view.collection or "product"
    return Scene(
        id=view.id,
        sensor=str(view.get("musyq:sensor") or collection),
        datetime=view.datetime(),
        footprint=view.footprint(),
        quantity=str(view.get("musyq:quantity") or _quantity(collection)),
        bands=tuple((n, s) for n, s in sources.items() if n not in _EVIDENCE and not n.endswith("_unc")),
        qa=(Quality(sources["qa"], _COMMON_RULES),) if "qa" in sources else (),
        angles=Angles(**{n: sources[n] for n in _ANGLES if n in sources}),  # type: ignore[arg-type]
        collection=view.collection,
        platform=view.get("platform"),
        tile=view.get("musyq:tile"),
        cloud_cover=view.number("eo:cloud_cover"),
        version=view.get("version", "processing:version"),
        created=view.get("processing:datetime", "created"),
    )


def _store(view: ItemView) -> JSON | None:
    for asset in view.assets.values():
        kind = str(asset.get("type") or "").replace(" ", "").casefold()
        if kind.startswith("application/vnd.zarr") and "profile=multiscales" in kind:
            return asset
    return None


def _source(view: ItemView, asset: JSON, band: JSON) -> Source:
    """Fields of the band, else those of the asset."""
    fields = {**{k: v for k, v in asset.items() if k != "bands"}, **band}
    scale, offset = (as_number(fields.get(f"raster:{n}")) for n in ("scale", "offset"))
    return Source(
        href=view.href(asset),
        grid=view.grid({k: v for k, v in asset.items() if k != "bands"}, None),
        driver="zarr",
        layer=f"0/{band['name']}",
        dtype=fields.get("data_type"),
        nodata=as_nodata(fields.get("nodata")),
        scale=1.0 if scale is None else scale,
        offset=0.0 if offset is None else offset,
    )


def _quantity(collection: str) -> str:
    """Quantity out of a collection id such as MuSQ.SR.30m; indices otherwise."""
    words = collection.casefold().replace("-", ".").split(".")
    return next((q for q in ("toa", "sr", "nbar", "lst") if q in words), "index")
