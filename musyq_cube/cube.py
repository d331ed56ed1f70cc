"""The lazy cube: scenes on one grid as an xarray Dataset, one task per variable and block."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import dask.array as da
import numpy as np
import shapely
import xarray as xr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from odc.geo.xr import xr_coords
from pyproj import CRS, Transformer

from musyq_cube.errors import GridError, ReadError
from musyq_cube.grid import Grid, as_region, blocks, contiguous, get_grid
from musyq_cube.read.block import (
    ANGLES,
    FIELDS,
    RELIEF,
    angle_attrs,
    band_attrs,
    group_scenes,
    qa_attrs,
    read_air,
    read_angles,
    read_band,
    read_qa,
    read_relief,
    time_coords,
)
from musyq_cube.read.prepare import READ_STEPS, prepare
from musyq_cube.sensor import sensor
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.read.fuse import Group, GroupBy
    from musyq_cube.read.warp import Method
    from musyq_cube.scene import Scene, Source

log = logging.getLogger(__name__)

Engine: TypeAlias = Literal["native", "stackstac"]
"""What reads: our own block reader, or the stackstac package."""

MARGIN = 0.1
"""
Share of its size by which a footprint grows before it is compared with a block.

Catalogues round footprints; a scene too many costs a header, a scene too few would cost pixels.
"""


BLOCKS = (1024, 512, 256)
"""Sizes of chunks that are chosen from: large ones decode fewer source tiles twice, small ones need less memory."""
CHUNK_BYTES = 64 * 2**20
"""Bytes of a band in a chunk, all dates."""


def cube(
    scenes: Sequence[Scene],
    grid: str | Grid | None = None,
    region: Any = None,
    bands: Sequence[str] | None = None,
    *,
    geobox: GeoBox | None = None,
    block: int | None = None,
    resampling: Method = "auto",
    by: GroupBy = "solar_day",
    angles: bool = True,
    corrections: Sequence[str] = READ_STEPS,
    engine: Engine = "native",
) -> xr.Dataset:
    """
    Put scenes on one grid, lazily.

    Parameters
    ----------
    scenes
        What :func:`musyq_cube.search` returned.
    grid
        A named grid. Default: UTM in the zone of the middle, at the finest pixel size that all scenes have (it is
        logged).
    region
        What to cover (see :func:`musyq_cube.grid.as_region`). Default: all scenes.
    bands
        Common names. Default: every band of every scene. A scene that has only one of ``nir08`` and ``nir`` gives it
        for the other where that is named here, so that sensors share one near infrared.
    geobox
        Exact output pixels, instead of grid and region.
    block
        Pixels along the sides of a chunk. Chunks hold all dates. Default: 1024, 512 or 256, so that a chunk of a band
        has at most 64 MiB (where 256 is small enough).
    resampling
        ``"auto"``, ``"nearest"``, ``"bilinear"``, ``"cubic"`` or ``"average"``; QA is always nearest.
    by
        ``"solar_day"`` fuses the scenes of one overpass; ``"scene"`` keeps each as a time step.
    angles
        Add sza, vza, raa (degrees; raa folded, 0 is the hot spot).
    corrections
        Of what :func:`musyq_cube.characterize` found: ``"geometric"`` and ``"calibration"`` are applied while reading,
        ``"atmosphere"`` adds aod, tcwv, ozone and elevation for :func:`musyq_cube.normalize` to use, and
        ``"topography"`` (optional) saa, slope and aspect; scenes of one overpass are then time steps of their own
        wherever they differ in C. Name fewer to switch some off; scenes that were not characterized are read as they
        are.
    engine
        ``"native"``, or ``"stackstac"`` (an optional extra; needs ``by="scene"``; no angles).

    Returns
    -------
    xarray.Dataset
        On (time, y, x), backed by Dask: bands float32 (reflectance 0…1 or kelvin, NaN where missing), `qa`
        uint16, angles; coordinates time, sensor, scene, y, x, spatial_ref. One task per variable and block (one more
        per angle), which knows only the scenes that may reach it. A scene that cannot be read is logged and left out.

    Raises
    ------
    GridError
        If there are no scenes, or grid and region do not fit.

    Examples
    --------
    >>> cube([], "utm50n-30m", (116, 39, 117, 40))
    Traceback (most recent call last):
    musyq_cube.errors.GridError: no scenes: search again with a larger region or period
    """
    if not scenes:
        raise GridError("no scenes: search again with a larger region or period")
    if geobox is not None and geobox.crs is None:
        raise GridError("the geobox has no CRS: give it one, or name a grid")
    names = list(bands) if bands is not None else _all_bands(scenes)
    scenes = [prepare(scene, corrections) for scene in scenes]
    if bands is not None:
        scenes = [scene.lend(names) for scene in scenes]
    elif uneven := [n for n in names if not all(n in scene.sources for scene in scenes)]:
        log.warning("not every scene has %s: name bands that all have before a joint composite", ", ".join(uneven))
    if len(kinds := sorted({scene.quantity for scene in scenes})) > 1:
        log.warning(
            "scenes of several quantities (%s): search for one, or never composite them together", ", ".join(kinds)
        )
    box, name = (geobox, None) if geobox is not None else _choose(scenes, grid, region, names)
    if engine == "stackstac":
        from musyq_cube._stackstac import load

        size = block or _block_size(len(scenes))
        out = load(scenes, box, names, block=size, resampling=resampling, by=by)
    elif engine == "native":
        groups = group_scenes(scenes, by)
        size = block or _block_size(len(groups))
        out = _native(groups, box, names, block=size, resampling=resampling, angles=angles)
    else:
        raise ReadError(f'engine={engine!r}: choose "native" or "stackstac"')
    if "topography" in corrections and "topography" not in out.coords:  # asked for, and no scene is better for it
        out = out.assign_coords(topography=("time", np.full(out.sizes["time"], "")))
    attrs = {
        "sensors": sorted({scene.sensor for scene in scenes}),
        "proj:code": _code(box),
        "proj:transform": list(box.affine)[:6],
        "proj:shape": list(box.shape),
    }
    return out.assign_attrs(attrs | ({"grid": name} if name else {}))


@dataclass(frozen=True)
class BlockRead:
    """The work of one task: one variable of one block, all dates."""

    variable: str
    """A band, ``qa``, ``angles``, ``air`` or ``relief``."""
    geobox: GeoBox
    groups: tuple[Group, ...]
    """Scenes that reach this block, by time step; none where it is empty."""
    resampling: Method

    def __call__(self) -> np.ndarray[Any, Any]:
        """Read: (time, y, x), or (3, time, y, x) for the angles and the relief, (4, time, y, x) for the air."""
        if self.variable == "qa":
            return read_qa(self.groups, self.geobox)
        if self.variable == "angles":
            return np.stack(read_angles(self.groups, self.geobox))
        if self.variable == "air":
            return read_air(self.groups, self.geobox)
        if self.variable == "relief":
            return read_relief(self.groups, self.geobox)
        return read_band(self.groups, self.variable, self.geobox, resampling=self.resampling)


_BAND: tuple[tuple[int, ...], type[np.generic]] = ((), np.float32)
_KINDS: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    "qa": ((), np.uint16),
    "angles": ((len(ANGLES),), np.float32),
    "air": ((len(FIELDS),), np.float32),
    "relief": ((len(RELIEF),), np.float32),
}


def _native(
    groups: tuple[Group, ...], box: GeoBox, names: list[str], *, block: int, resampling: Method, angles: bool
) -> xr.Dataset:
    tasks = _tasks(groups, box, block)
    air = angles and any(scene.air for group in groups for scene in group)
    relief = angles and any(scene.relief for group in groups for scene in group)
    fields = [n for n, there in (("angles", angles), ("air", air), ("relief", relief)) if there]
    variables = [*names, "qa", *fields]
    arrays = {v: _lazy(v, tasks, groups=groups, box=box, size=block, resampling=resampling) for v in variables}
    dims = ("time", "y", "x")
    data: dict[str, Any] = {n: (dims, arrays[n], band_attrs(n, groups, "reflectance")) for n in names}
    data["qa"] = (dims, arrays["qa"], qa_attrs())
    for kind in fields:
        for k, name in enumerate({"angles": ANGLES, "air": FIELDS, "relief": RELIEF}[kind]):
            data[name] = (dims, arrays[kind][k], angle_attrs(name))
    coords = {name: c.variable for name, c in xr_coords(box, always_yx=True).items()}
    return xr.Dataset(data, coords | time_coords(groups))


Task: TypeAlias = "tuple[tuple[int, int], GeoBox, tuple[Group, ...]]"


def _tasks(groups: tuple[Group, ...], box: GeoBox, size: int) -> list[Task]:
    """Place, geobox and scenes by time step of every block; only the scenes that may reach it."""
    owners = [(t, scene) for t, group in enumerate(groups) for scene in group]
    tree = shapely.STRtree(_outlines([scene for _, scene in owners], box))
    out: list[Task] = []
    for part in blocks(box, size):
        hits = np.sort(tree.query(shapely.box(*part.geobox.boundingbox.bbox), predicate="intersects"))
        by_step: dict[int, list[Scene]] = {}
        for hit in hits.tolist():
            by_step.setdefault(owners[hit][0], []).append(owners[hit][1])
        members = tuple(tuple(by_step.get(t, ())) for t in range(len(groups)))
        out.append(((part.row, part.col), part.geobox, members))
    return out


def _lazy(
    variable: str, tasks: list[Task], *, groups: tuple[Group, ...], box: GeoBox, size: int, resampling: Method
) -> da.Array:
    lead, dtype = _KINDS.get(variable, _BAND)
    keys = " ".join(scene.key for group in groups for scene in group)
    place = (_code(box), tuple(box.affine), tuple(box.shape))
    name = f"read-{variable}-{tokenize(keys, len(groups), place, size, resampling)}"
    zeros = (0,) * (len(lead) + 1)
    graph: dict[Any, Any] = {
        (name, *zeros, *at): (BlockRead(variable, part, members, resampling),) for at, part, members in tasks
    }
    chunks = (*((n,) for n in lead), (len(groups),), *(_cut(n, size) for n in box.shape))
    return da.Array(HighLevelGraph.from_collections(name, graph), name, chunks, dtype=dtype)  # type: ignore[no-untyped-call]


def _block_size(times: int) -> int:
    return next((size for size in BLOCKS if 4 * times * size**2 <= CHUNK_BYTES), BLOCKS[-1])


def _code(box: GeoBox) -> str:
    """EPSG code or WKT; the text of a CRS object depends on what was asked of it before."""
    crs = cast("Any", box.crs)
    return f"EPSG:{code}" if (code := crs.to_epsg()) else str(crs.to_wkt())


def _cut(length: int, size: int) -> tuple[int, ...]:
    return tuple(min(size, length - i) for i in range(0, length, size))


def _outlines(scenes: list[Scene], box: GeoBox) -> np.ndarray[Any, Any]:
    """Footprints in the CRS of the output, with a margin; the whole plane where they have no finite image."""
    shapes = shapely.segmentize(shapely.from_wkt([scene.footprint for scene in scenes]), 0.5)
    crs = CRS.from_user_input(_code(box))
    to_grid = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    x, y = to_grid.transform(points[:, 0], points[:, 1])
    lost = np.zeros(len(scenes), bool)
    lost[owner[~(np.isfinite(x) & np.isfinite(y))]] = True
    shapes[lost] = shapely.box(*box.boundingbox.bbox)
    kept = ~lost[owner]
    shapes[~lost] = shapely.set_coordinates(shapes[~lost], np.column_stack([x, y])[kept])
    west, south, east, north = shapely.bounds(shapes).T
    resolution = max(abs(box.affine.a), abs(box.affine.e))
    margin = MARGIN * np.maximum(east - west, north - south) + 2 * resolution
    grown = shapely.box(west - margin, south - margin, east + margin, north + margin)
    if not crs.is_geographic:
        return grown  # type: ignore[no-any-return]
    # a region across the antimeridian has longitudes beyond 180
    turns = [shapely.transform(grown, lambda c, t=t: c + np.array([t, 0.0])) for t in (-360.0, 360.0)]
    return shapely.union_all([grown, *turns], axis=0)  # type: ignore[no-any-return]


def _choose(scenes: Sequence[Scene], grid: str | Grid | None, region: Any, bands: list[str]) -> tuple[GeoBox, str]:
    """Geobox and grid name for what the user said, with defaults for what was left open."""
    if region is None:
        area = as_region(contiguous(shapely.union_all([s.geometry for s in scenes])).envelope)
    else:
        area = as_region(region)
    chosen = get_grid(grid) if isinstance(grid, str) else grid
    if chosen is None:
        chosen = get_grid(f"utm-{_common_size(scenes, bands):g}m")
    middle = contiguous(area.geometry).centroid
    concrete = chosen.zone(middle.x, middle.y)
    if grid is None:
        log.warning("no grid given: using %s", concrete.name)
    return concrete.geobox(area), concrete.name


def _common_size(scenes: Sequence[Scene], bands: list[str]) -> float:
    """Metres of the finest pixel that every scene has in one of the bands."""
    sizes = {}
    for scene in scenes:
        key = (scene.sensor, scene.collection, scene.quantity)
        if key not in sizes:
            found = [size for n, s in scene.bands if n in bands and (size := _size(scene, n, s)) is not None]
            sizes[key] = min(found, default=None)
    known = [size for size in sizes.values() if size is not None]
    if not known:
        raise GridError("no grid given, and the scenes do not say their pixel size: name a grid, for example utm-30m")
    return max(known)


def _size(scene: Scene, name: str, source: Source) -> float | None:
    if source.grid is not None:
        step = abs(source.grid.transform[0])
        return (
            round(step * METRES_PER_DEGREE, 0) if CRS.from_user_input(source.grid.crs).is_geographic else round(step, 3)
        )
    return next((b.gsd for b in sensor(scene.sensor).bands if b.key == name), None)


def _all_bands(scenes: Sequence[Scene]) -> list[str]:
    return list(dict.fromkeys(name for scene in scenes for name, _ in scene.bands))
