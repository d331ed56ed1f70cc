"""The optional engine: the same scenes through the stackstac package, as a second opinion on the native reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from odc.geo.xr import xr_coords

from musyq_cube.errors import ReadError
from musyq_cube.read.block import band_attrs, group_scenes, qa_attrs, time_coords
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.read.fuse import Group, GroupBy
    from musyq_cube.read.warp import Method
    from musyq_cube.scene import Scene, Source
    from musyq_cube.types import JSON

HELP = "engine='stackstac' needs the optional package: pip install 'musyq-cube[stackstac]'; or use engine='native'"


def load(
    scenes: Sequence[Scene], box: GeoBox, bands: Sequence[str], *, block: int, resampling: Method, by: GroupBy
) -> xr.Dataset:
    """
    Put scenes on one grid with stackstac: same contract as :func:`musyq_cube.cube`, without angles.

    Raises
    ------
    ReadError
        If stackstac is not installed, scenes would have to be fused, or a layer is not a plain raster.
    """
    try:
        import stackstac
    except ImportError as error:
        raise ReadError(HELP) from error
    groups = group_scenes(scenes, by)
    if any(len(group) > 1 for group in groups):
        raise ReadError("engine='stackstac' cannot fuse scenes of one overpass: say by='scene', or use engine='native'")
    left, bottom, right, top = box.boundingbox.bbox
    # plain dictionaries and pixel centres: its support of newer STAC objects and its default corners are both wrong
    options: dict[str, Any] = {
        "epsg": box.crs.to_epsg() if box.crs else None,
        "resolution": (abs(box.affine.a), abs(box.affine.e)), "rescale": False,
        "bounds": (left, bottom, right, top), "snap_bounds": False, "xy_coords": "center", "dtype": "float64",
        "fill_value": np.nan, "chunksize": (-1, 1, block, block), "sortby_date": False, "properties": False,
    }  # fmt: skip
    items = [_item(group[0], bands) for group in groups]
    values = stackstac.stack(items, assets=list(bands), resampling=_gdal(resampling), **options)
    dims = ("time", "y", "x")
    data: dict[str, Any] = {}
    for k, name in enumerate(bands):
        scale, offset = (_column([s.sources.get(name) for (s,) in groups], part) for part in ("scale", "offset"))
        data[name] = (
            dims,
            (values.data[:, k] * scale + offset).astype(np.float32),
            band_attrs(name, groups, "reflectance"),
        )
    missing = np.isnan(values.data[:, 0])
    native = (
        stackstac.stack(items, assets=["qa"], resampling=_gdal("nearest"), **options).data[:, 0]
        if _qa(groups)
        else None
    )
    qa = missing * np.uint16(QA.FILL) if native is None else native.map_blocks(_bits, groups=groups, dtype=np.uint16)
    data["qa"] = dims, qa, qa_attrs()
    coords = {name: c.variable for name, c in xr_coords(box, always_yx=True).items()}
    return xr.Dataset(data, coords | time_coords(groups)).chunk(time=-1)


def _item(scene: Scene, bands: Sequence[str]) -> JSON:
    """Return the least STAC Item that stackstac reads."""
    sources = {name: source for name, source in scene.bands if name in bands}
    if scene.qa:
        sources["qa"] = scene.qa[0].source
    odd = next((n for n, s in sources.items() if s.driver != "raster" or s.band != 1 or s.cosine or s.planck), None)
    if odd or len(scene.qa) > 1:
        raise ReadError(f"scene {scene.id}, {odd or 'qa'}: more than a plain raster layer; use engine='native'")
    assets = {name: {"href": source.href, "type": "image/tiff"} for name, source in sources.items()}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": scene.id, "collection": scene.sensor, "links": [],
        "geometry": scene.geometry.__geo_interface__, "bbox": list(scene.geometry.bounds),
        "properties": {"datetime": scene.datetime}, "assets": assets,
    }  # fmt: skip


def _column(sources: Sequence[Source | None], field: str) -> np.ndarray[Any, Any]:
    return np.array([1.0 if s is None else getattr(s, field) for s in sources])[:, None, None]


def _qa(groups: Sequence[Group]) -> bool:
    have = [bool(scene.qa) for (scene,) in groups]
    if any(have) != all(have):
        raise ReadError("some scenes have a QA layer and some have none: use engine='native'")
    return all(have)


def _bits(native: np.ndarray[Any, Any], groups: Sequence[Group], block_info: Any = None) -> np.ndarray[Any, Any]:
    """Map native QA to the common bits; each time step by the rules of its scene."""
    first = block_info[0]["array-location"][0][0] if block_info else 0
    out = np.full(native.shape, QA.FILL, np.uint16)
    for t, layer in enumerate(native):
        seen = np.isfinite(layer)
        numbers = np.where(seen, layer, 0).astype(np.int64)
        bits = np.zeros(layer.shape, np.uint16)
        for mask, value, bit in groups[first + t][0].qa[0].rules:
            bits[(numbers & mask) == value] |= np.uint16(bit)
        out[t] = np.where(seen, bits, np.uint16(QA.FILL))
    return out


def _gdal(resampling: Method) -> Any:
    from rasterio.enums import Resampling

    return Resampling["nearest" if resampling == "auto" else resampling]
