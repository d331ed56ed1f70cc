"""Detection on a scene's own files: read it and its other dates, find the clearest, write the bits."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from musyq_cube.errors import NormalizeError
from musyq_cube.grid import get_grid
from musyq_cube.normalization import Field
from musyq_cube.normalize._detect_limits import Limits
from musyq_cube.read.angles import load_directions
from musyq_cube.read.block import group_scenes, read_block
from musyq_cube.read.warp import source_grid
from musyq_cube.types import METRES_PER_DEGREE, NEAR_INFRARED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from musyq_cube.kernels._gufunc import F32
    from musyq_cube.scene import Scene

FINEST = (60.0, 100.0)
"""Metres: scenes of smaller pixels are looked at in the largest whole multiple of theirs up to the first, or up to the
second where that would still be more than `LARGE` pixels."""
LARGE = 1 << 24
"""Pixels; detection needs about 100 bytes for each."""
USED = ("blue", "green", "red", *NEAR_INFRARED, "swir16", "cirrus", "lwir", "lwir11", "lwir12")
"""Bands that the tests know."""
_SHARP = frozenset({"blue", "green", "red", *NEAR_INFRARED})
"""Bands that have a sensor's usual resolution."""
MOST = 12
"""Other dates that are looked at: the nearest in time."""
STRIP = 1 << 22
"""Pixels of one date that are read at once."""
_NODES = 64
"""Nodes a side at which angles are computed."""
_SAME = 0.5
"""Degrees that an angle may differ over the scene to be taken for constant."""
_ALIKE = (1.05, 0.02)
"""Factor and sum by which two dates of the same ground differ at most in blue through the air."""
_LIMITS = Limits()
LAYER = "qa"
"""Name of the array in the store."""


def detect_scene(
    scene: Scene,
    others: Sequence[Scene] = (),
    *,
    out: str,
    cold: bool | None = None,
    finest: float | None = None,
    limits: Limits | None = None,
) -> Field:
    """
    Find the masks of a scene from its files and write them as a small Zarr.

    Parameters
    ----------
    scene
        Top-of-atmosphere scene; its own quality layers, if any, are not used.
    others
        Other dates of the same sensor and place within a month or two, scenes that do not overlap included: they show
        what the ground is like without clouds.
    out
        Folder or URL of the store; what is there is replaced.
    cold
        Whether snow may lie. Default: in the colder half of the year beyond 23.5° of latitude, always beyond 60°.
    finest
        Metres; the masks have pixels of the largest whole multiple of the scene's that is no larger (but no smaller
        than the scene's). Default: 60 m, or 100 m for very large scenes.
    limits
        Thresholds.

    Returns
    -------
    Field
        For `Normalization.mask`: uint16 common QA bits on the scene's native geolocation.

    Raises
    ------
    ReadError
        The scene cannot be read.
    NormalizeError
        It has no red or no near infrared.
    """
    from musyq_cube.normalize.detect import detect  # which is made of this module, too

    names = tuple(name for name in USED if name in scene.sources)
    box = mask_grid(scene, finest)
    bands, clear = _read(scene, others, names, box)
    bt = next((name for name in ("lwir11", "lwir") if name in names), None)
    qa = detect(
        bands,
        **_directions(scene, box),
        resolution=abs(box.affine.a),
        clear=clear,
        bt_clear=clear[bt] if bt and clear else None,
        cold=_cold(scene) if cold is None else cold,
        limits=limits,
    )
    return write_mask(qa, box, out)


def clearest(stack: Mapping[str, F32]) -> dict[str, F32]:
    """
    Return the clearest date of every pixel: the least blue of those that are not in shadow.

    Parameters
    ----------
    stack : mapping of common name to float32 (time, y, x)
        Reflectance of the same place on several dates, NaN where missing. Brightness temperatures (``lwir…``) give
        their largest value instead.

    Returns
    -------
    dict of float32 (y, x)
        NaN where there is no date without cloud or shadow.

    Notes
    -----
    A date is taken for shadow where it is darker than the median of the dates without cloud in red and near infrared,
    or, over water, in blue: a minimum alone would choose just these. What could be cloud by its colour even on the
    clearest date is believed to be ground only if another date is as bright.
    """
    nir = stack[next(name for name in NEAR_INFRARED if name in stack)]
    red = stack["red"]
    blue = stack.get("blue", stack.get("green", red))
    with np.errstate(invalid="ignore"):
        cloudy = blue - np.float32(0.5) * red > _LIMITS.hot
        known = np.isfinite(blue + red + nir)
        counts = known & (~cloudy | ~(known & ~cloudy).any(0))
        usual = {name: _median(values, counts) for name, values in (("blue", blue), ("red", red), ("nir", nir))}
        shaded = (nir < 0.8 * usual["nir"]) & (red < 0.85 * usual["red"])
        shaded |= (usual["nir"] < 0.11) & (blue < 0.75 * usual["blue"])
        order = np.where(known & ~shaded, blue, np.inf)
        best = np.argmin(order, 0)[None]
        lowest = np.take_along_axis(order, best, 0)[0]
        alike = (order <= _ALIKE[0] * lowest + _ALIKE[1]).sum(0) > 1
    none = ~np.isfinite(lowest) | (np.take_along_axis(cloudy, best, 0)[0] & ~alike)
    out = {}
    for name, values in stack.items():
        if name.startswith("lwir"):
            out[name] = functools.reduce(np.fmax, values)
        else:
            out[name] = np.where(none, np.float32(np.nan), np.take_along_axis(values, best, 0)[0])
    return out


def mask_grid(scene: Scene, finest: float | None = None) -> GeoBox:
    """Return the grid on which a scene is looked at: its own, or coarser by a whole factor; UTM instead of degrees."""
    if not scene.bands:
        raise NormalizeError(f"{scene.id}: the scene has no band that its sensor defines")
    box = source_grid(max(scene.bands, key=lambda band: band[0] in _SHARP)[1]).geobox
    if box.crs is not None and box.crs.geographic:
        place, metres = scene.geometry.representative_point(), abs(box.affine.e) * METRES_PER_DEGREE
        grid = get_grid(f"utm-{round(max(metres, finest or FINEST[0]))}m")
        return grid.zone(place.x, place.y).geobox(scene.geometry)
    if finest is not None:
        return _reduced(box, finest)
    small = _reduced(box, FINEST[0])
    return small if math.prod(small.shape) <= LARGE else _reduced(box, FINEST[1])


def _reduced(box: GeoBox, finest: float) -> GeoBox:
    factor = max(1, math.floor(finest / abs(box.affine.a) + 1e-6))
    shape = (math.ceil(box.shape[0] / factor), math.ceil(box.shape[1] / factor))
    return GeoBox(shape, box.affine @ box.affine.scale(factor), box.crs)


def write_mask(qa: npt.NDArray[np.uint16], box: GeoBox, href: str) -> Field:
    """Write common QA bits (uint16) with their grid as a Zarr (version 3) that the reader's ``zarr`` driver opens."""
    import zarr

    root = zarr.open_group(href.removeprefix("file://"), mode="w", zarr_format=3)
    epsg = None if box.crs is None else box.crs.epsg
    crs = {"proj:code": f"EPSG:{epsg}"} if epsg else {"proj:wkt2": str(box.crs)}
    root.attrs.update({**crs, "spatial:transform": list(box.affine[:6]), "title": "Cloud, shadow, snow and water"})
    chunks = tuple(max(1, min(1024, size)) for size in qa.shape)
    array = root.create_array(LAYER, data=qa, chunks=chunks, dimension_names=("y", "x"))
    array.attrs.update({"long_name": "common quality bits"})
    return Field(href, LAYER)


def _median(values: F32, counts: npt.NDArray[np.bool_]) -> F32:
    """Return the median over time of the values that count, NaN where none does."""
    ordered = np.sort(np.where(counts, values, np.float32(np.nan)), 0)  # NaN last
    count = counts.sum(0)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(values) - 1)
    below, above = (np.take_along_axis(ordered, at[None], 0)[0] for at in (low, high))
    return np.asarray((below + above) / 2, np.float32)


def _read(
    scene: Scene, others: Sequence[Scene], names: tuple[str, ...], box: GeoBox
) -> tuple[dict[str, F32], dict[str, F32] | None]:
    """Read the scene and the clearest of the other dates, in strips that bound the memory for many dates."""
    near = sorted((s for s in others if s.id != scene.id), key=lambda s: (abs(s.time - scene.time), s.id))
    dates = group_scenes(near)
    dates = tuple(sorted(dates, key=lambda g: abs(g[0].time - scene.time))[:MOST])
    bands = {name: np.empty(box.shape, np.float32) for name in names}
    clear = {name: np.empty(box.shape, np.float32) for name in names}
    rows = max(1, STRIP // (max(1, len(dates)) * int(box.shape[1])))
    for top in range(0, int(box.shape[0]), rows):
        part = slice(top, min(top + rows, int(box.shape[0])))
        strip = box[part, :]
        seen, _ = read_block([(scene,)], strip, names, on_error="raise")
        for name in names:
            bands[name][part] = seen[name].values[0]
        if dates:
            stack, _ = read_block(dates, strip, names)
            for name, values in clearest({name: stack[name].values for name in names}).items():
                clear[name][part] = values
    return bands, clear if dates else None


def _directions(scene: Scene, box: GeoBox) -> dict[str, Any]:
    """Return the angles that detection takes: numbers where they hardly change over the scene, else arrays."""
    small = box.zoom_to((min(int(box.shape[0]), _NODES), min(int(box.shape[1]), _NODES)))
    sza, saa, vza, vaa = load_directions(scene, small)
    turn = _convergence(box)
    found = {"sza": sza, "saa": saa - turn}
    if np.isfinite(vza).any() and np.isfinite(vaa).any():
        found |= {"vza": vza, "vaa": vaa - turn}
    return {name: _spread(values, box) for name, values in found.items()}


def _spread(values: F32, box: GeoBox) -> F32 | float:
    """Return the mean of what hardly changes, else the nearest of the nodes for every pixel."""
    turn = np.radians(values)
    east, north = np.sin(turn), np.cos(turn)
    middle = np.degrees(np.arctan2(np.nanmean(east), np.nanmean(north)))
    if np.nanmax(np.abs(np.sin(turn - np.radians(middle)))) < np.sin(np.radians(_SAME)):
        return float(middle)
    rows, columns = (np.arange(size) * nodes // size for size, nodes in zip(box.shape, values.shape, strict=True))
    return np.asarray(values[np.ix_(rows, columns)])


def _convergence(box: GeoBox) -> float:
    """Return the direction of the grid's north in the middle of the scene, degrees clockwise from true north."""
    from pyproj import Transformer

    x, y = box.affine @ (box.shape[1] / 2, box.shape[0] / 2)
    lon, lat = Transformer.from_crs(str(box.crs), "EPSG:4326", always_xy=True).transform(
        [x, x], [y, y + 100 * abs(box.affine.e)]
    )
    east = (lon[1] - lon[0]) * math.cos(math.radians(lat[0]))
    return math.degrees(math.atan2(east, lat[1] - lat[0]))


def _cold(scene: Scene) -> bool:
    """Whether snow may lie in the scene, by latitude and month alone."""
    latitude = float(scene.geometry.representative_point().y)
    winter = scene.time.month in {11, 12, 1, 2, 3, 4}
    return abs(latitude) >= 60 or (abs(latitude) > 23.5 and winter == (latitude > 0))
