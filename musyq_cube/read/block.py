"""Scenes and a geobox become arrays: the block reader behind the cube and every product."""

from __future__ import annotations

import logging
import math
import os
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr
from odc.geo.xr import xr_coords

from musyq_cube.config import config
from musyq_cube.errors import MusyqError, ReadError
from musyq_cube.read.angles import load_sza
from musyq_cube.read.attributes import ANGLES, FIELDS, RELIEF, Scale, angle_attrs, band_attrs, qa_attrs, time_coords
from musyq_cube.read.fields import Terrains, fill_air, fill_angles, fill_saa
from musyq_cube.read.fuse import Group, fuse, group_scenes
from musyq_cube.read.raster import is_remote
from musyq_cube.read.warp import Method, choose_method, read_bits, read_into, read_values
from musyq_cube.types import JSON, QA, OnError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.scene import Scene, Source

__all__ = ["ANGLES", "FIELDS", "RELIEF", "Failure", "angle_attrs", "band_attrs", "group_scenes", "qa_attrs", "read_air",
           "read_angles", "read_band", "read_block", "read_qa", "read_relief", "time_coords"]  # fmt: skip

log = logging.getLogger(__name__)
Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Failure:
    """A scene that could not be read and was left out, or (step ``angles``) is there without its angles."""

    scene: str
    band: str | None
    """Common name; None where not one band failed but the QA or the angles."""
    step: str
    """``band``, ``qa``, ``air``, ``relief`` or ``angles``."""
    error: str

    def to_dict(self) -> JSON:
        """Return plain JSON values."""
        return asdict(self)


@dataclass
class _Order:
    """What is read from every scene, where it goes and what went wrong."""

    geobox: GeoBox
    bands: tuple[str, ...] = ()
    qa: bool = False
    angles: bool = False
    air: bool = False
    relief: bool = False
    resampling: Method = "auto"
    scale: Scale = "reflectance"
    on_error: OnError = "skip"
    failures: dict[tuple[int, int], Failure] = field(default_factory=dict)
    terrains: Terrains = field(default_factory=Terrains)


@dataclass
class _Step:
    """Bands (band, y, x), qa (y, x), angles (3, y, x), air (4, y, x), relief (3, y, x) of a time step; or empty."""

    bands: Array
    qa: Array
    angles: Array
    air: Array
    relief: Array


class Room:
    """Memory for the bands of one area after the other: the system clears new pages, which takes longer than a copy."""

    def __init__(self) -> None:
        self._held: Array = np.empty(0, np.float32)

    def take(self, *shape: int) -> Array:
        """Return a float32 array of any content, valid until the next is taken."""
        size = math.prod(shape)
        if size > self._held.size:
            self._held = np.empty(0, np.float32)  # never hold two
            self._held = np.empty(size, np.float32)
        return self._held[:size].reshape(shape)


def read_block(
    groups: Sequence[Group],
    geobox: GeoBox,
    bands: Sequence[str],
    *,
    resampling: Method = "auto",
    angles: bool = False,
    air: bool = False,
    relief: bool = False,
    scale: Scale = "reflectance",
    on_error: OnError = "skip",
    pool: Executor | None = None,
    room: Room | None = None,
) -> tuple[xr.Dataset, list[Failure]]:
    """
    Read bands, QA and angles of all groups on one geobox.

    The result does not depend on how an area is cut into blocks nor on the number of threads.

    Parameters
    ----------
    groups
        Time steps made by `group_scenes`.
    geobox
        Output pixels, north up.
    bands
        Common names. A band that a sensor lacks is nan, not a failure.
    resampling
        See `musyq_cube.read.warp.read_values`. QA is always nearest.
    angles
        Add sza, vza, raa (degrees).
    air
        Add aod, tcwv (g cm⁻²), ozone (cm-atm) and elevation (km), nan for scenes without `Scene.air`.
    relief
        Add saa, slope and aspect (degrees), nan for scenes without `Scene.relief`.
    scale
        ``reflectance``: physical values (reflectance 0…1, kelvin); ``dn``: as stored.
    on_error
        ``skip`` leaves out the whole scene that has an unreadable layer and lists it (where only its angles cannot be
        had, these are nan and the rest is kept); ``raise`` ends at the first.
    pool
        Threads to use; by default those of the process (configuration ``read.threads``).
    room
        Where the bands are put: the next use of the same room overwrites them.

    Returns
    -------
    Dataset
        dims (time, y, x), numpy: the bands as float32 with nan, qa uint16 with FILL where no scene has a pixel, angles
        where asked; coordinates time, sensor, scene, y, x, spatial_ref.
    list of Failure
        In order of time.

    Raises
    ------
    ReadError
        With ``on_error="raise"``: names scene, band and file.
    """
    order = _Order(geobox, tuple(bands), True, angles, air, relief, resampling, scale, on_error)
    data, qa, angle, state, ground = _read(groups, order, pool, room)
    coords: dict[str, Any] = {str(name): c.variable for name, c in xr_coords(geobox, always_yx=True).items()}
    coords |= time_coords(groups)
    dims = ("time", "y", "x")
    variables: dict[str, Any] = {
        band: (dims, data[k], band_attrs(band, groups, scale)) for k, band in enumerate(order.bands)
    }
    variables["qa"] = (dims, qa, qa_attrs())
    for k, name in enumerate(ANGLES if angles else ()):
        variables[name] = (dims, angle[k], angle_attrs(name))
    for k, name in enumerate(FIELDS if air else ()):
        variables[name] = (dims, state[k], angle_attrs(name))
    for k, name in enumerate(RELIEF if relief else ()):
        variables[name] = (dims, ground[k], angle_attrs(name))
    return xr.Dataset(variables, coords), _in_order(order)


def read_band(
    groups: Sequence[Group],
    band: str,
    geobox: GeoBox,
    *,
    resampling: Method = "auto",
    scale: Scale = "reflectance",
    on_error: OnError = "skip",
    pool: Executor | None = None,
) -> Array:
    """Read one band of all groups: float32 (time, y, x), as `read_block` does; skipped scenes are logged."""
    order = _Order(geobox, (band,), resampling=resampling, scale=scale, on_error=on_error)
    data: Array = _read(groups, order, pool)[0][0]
    _log(order)
    return data


def read_qa(
    groups: Sequence[Group], geobox: GeoBox, *, on_error: OnError = "skip", pool: Executor | None = None
) -> Array:
    """Read the common QA bits of all groups: uint16 (time, y, x), as `read_block` does; skipped scenes are logged."""
    order = _Order(geobox, qa=True, on_error=on_error)
    data: Array = _read(groups, order, pool)[1]
    _log(order)
    return data


def read_angles(
    groups: Sequence[Group], geobox: GeoBox, *, on_error: OnError = "skip", pool: Executor | None = None
) -> tuple[Array, Array, Array]:
    """Read (sza, vza, raa) of all groups: float32 (time, y, x) degrees, nan where no scene has a pixel."""
    order = _Order(geobox, qa=True, angles=True, on_error=on_error)
    sza, vza, raa = _read(groups, order, pool)[2]
    _log(order)
    return sza, vza, raa


def read_air(groups: Sequence[Group], geobox: GeoBox, *, on_error: OnError = "skip") -> Array:
    """Read (aod, tcwv, ozone, elevation) of all groups: float32 (4, time, y, x), nan where no scene has a pixel."""
    order = _Order(geobox, qa=True, air=True, on_error=on_error)
    state: Array = _read(groups, order, None)[3]
    _log(order)
    return state


def read_relief(groups: Sequence[Group], geobox: GeoBox, *, on_error: OnError = "skip") -> Array:
    """Read (saa, slope, aspect) of all groups: float32 (3, time, y, x) degrees, nan where no scene has a pixel."""
    order = _Order(geobox, qa=True, relief=True, on_error=on_error)
    ground: Array = _read(groups, order, None)[4]
    _log(order)
    return ground


def _read(
    groups: Sequence[Group], order: _Order, pool: Executor | None, room: Room | None = None
) -> tuple[Array, Array, Array, Array, Array]:
    shape = (len(groups), *order.geobox.shape)
    data = (room or Room()).take(len(order.bands), *shape)
    qa = np.empty(shape if order.qa else (shape[0], 0, 0), np.uint16)
    angles = np.empty((len(ANGLES) if order.angles else 0, *shape), np.float32)
    air = np.empty((len(FIELDS) if order.air else 0, *shape), np.float32)
    relief = np.empty((len(RELIEF) if order.relief else 0, *shape), np.float32)

    def one(t: int) -> None:
        _read_group(t, groups[t], _Step(data[:, t], qa[t], angles[:, t], air[:, t], relief[:, t]), order)

    jobs = range(len(groups))
    if len(groups) == 1 and pool is None:
        one(0)
        return data, qa, angles, air, relief
    for future in [(pool or _pool(_threads(groups))).submit(one, t) for t in jobs]:
        future.result()
    return data, qa, angles, air, relief


def _read_group(t: int, group: Group, step: _Step, order: _Order) -> None:
    first = True
    for number, scene in enumerate(group):
        target = step if first else _Step(*(np.empty_like(getattr(step, f.name)) for f in fields(step)))
        failure = _read_scene(scene, target, order)
        if failure is not None:
            order.failures[t, number] = failure
        if failure is not None and failure.step != "angles":
            continue
        if first:
            first = False
        else:
            _fuse(step, target, order)
    if first:
        step.bands[...] = np.nan
        step.qa[...] = QA.FILL
        for values in (step.angles, step.air, step.relief):
            values[...] = np.nan


def _fuse(step: _Step, more: _Step, order: _Order) -> None:
    fuse(step.bands, more.bands)
    if order.qa:
        empty = (step.qa & QA.FILL) != 0
        np.copyto(step.qa, more.qa, where=empty)
        for ours, theirs in ((step.angles, more.angles), (step.air, more.air), (step.relief, more.relief)):
            np.copyto(ours, theirs, where=empty)


def _read_scene(scene: Scene, step: _Step, order: _Order) -> Failure | None:
    """
    Read one scene into `step`; what stops it is returned, or raised where the order says so.

    Angles come last, so that bands and QA are complete where only the angles fail: these are nan then.
    """
    place: tuple[str | None, str] = (None, "band")
    try:
        if not scene.bands:
            raise ReadError("the Item has no band that its sensor defines")
        sza: dict[str, Array] = {}
        for k, band in enumerate(order.bands):
            place = (band, "band")
            _read_one(scene, band, step.bands[k], order, sza)
        place = (None, "qa")
        if order.qa:
            step.qa[...] = _scene_qa(scene, step, order)
        place = (None, "air")
        if order.air:
            fill_air(step.air, scene, order.geobox, (step.qa & QA.FILL) != 0)
        place = (None, "relief")
        if order.relief:
            order.terrains.fill(step.relief[1:], scene, order.geobox, (step.qa & QA.FILL) != 0)
        place = (None, "angles")
        if order.angles:
            fill_angles(step.angles, scene, order.geobox, (step.qa & QA.FILL) != 0)
        if order.relief:
            fill_saa(step.relief[0], scene, order.geobox, (step.qa & QA.FILL) != 0)
    except (MusyqError, OSError, ValueError, RuntimeError) as error:
        name, what = place
        if order.on_error == "raise":
            raise ReadError(f"scene {scene.id}, {name or what}: {error}") from error
        step.angles[...] = np.nan
        step.relief[:1] = np.nan
        return Failure(scene.id, name, what, f"{type(error).__name__}: {error}")
    return None


def _read_one(scene: Scene, band: str, out: Array, order: _Order, sza: dict[str, Array]) -> None:
    source = scene.sources.get(band)
    if source is None:
        out[...] = np.nan
        return
    physical = order.scale == "reflectance"
    touched = read_into(out, source, order.geobox, resampling=order.resampling, scale="physical" if physical else "dn")
    if not (touched and physical):
        return
    if source.cosine:
        if "cos" not in sza:
            sza["cos"] = _cos_sza(scene, order.geobox)
        out /= sza["cos"]
    if source.planck is not None:
        _to_kelvin(out, source)


def _cos_sza(scene: Scene, geobox: GeoBox) -> Array:
    """Return the cosine of the solar zenith angle, nan where the sun is below the horizon."""
    constant = scene.angles.sza
    if isinstance(constant, int | float) and not scene.angles.metadata:
        cosine: Array = np.full((1, 1), np.cos(np.radians(constant)), np.float32)
    else:
        cosine = np.cos(np.radians(load_sza(scene, geobox)), dtype=np.float32)
    return np.where(cosine > 0, cosine, np.float32(np.nan))


def _to_kelvin(radiance: Array, source: Source) -> None:
    """Turn radiance into brightness temperature in place: T = K2 / ln(K1 / L + 1); nan where L is not positive."""
    k1, k2 = (np.float32(k) for k in source.planck or (np.nan, np.nan))
    radiance[~(radiance > 0)] = np.nan
    np.divide(k1, radiance, out=radiance)
    np.log1p(radiance, out=radiance)
    np.divide(k2, radiance, out=radiance)


def _scene_qa(scene: Scene, step: _Step, order: _Order) -> Array:
    """Return the bits of all native QA layers; FILL where the data are missing if no native rule says where."""
    bits: Array = np.zeros(order.geobox.shape, np.uint16)
    for quality in scene.qa:
        bits |= read_bits(quality, order.geobox)
    if not any(meaning & QA.FILL for quality in scene.qa for _, _, meaning in quality.rules):
        bits[_missing(scene, step, order)] |= np.uint16(QA.FILL)
    return bits | np.where(bits & QA.FILL, np.uint16(0), np.uint16(scene.flags)) if scene.flags else bits


def _missing(scene: Scene, step: _Step, order: _Order) -> Array:
    """Return where the first band has no pixel; of temperatures (day and night have own gaps) where none has."""
    bands = scene.bands if scene.quantity == "lst" else scene.bands[:1]
    missing = _band_missing(*bands[0], step, order)
    for name, source in bands[1:]:
        missing &= _band_missing(name, source, step, order)
    return missing


def _band_missing(name: str, source: Source, step: _Step, order: _Order) -> Array:
    """Return where a band has no pixel at the nearest place, without reading it twice if possible."""
    computed = source.cosine or source.planck is not None
    # all methods but average are missing exactly where nearest is (see kernels.gather)
    if name in order.bands and not computed and choose_method(source, order.geobox, order.resampling) != "average":
        values: Array = step.bands[order.bands.index(name)]
    else:
        values = read_values(source, order.geobox, resampling="nearest", scale="dn")
    missing: Array = np.isnan(values)
    return missing


def _threads(groups: Sequence[Group]) -> int:
    """Return the number of reading threads: the cores, more where they mostly wait for a network."""
    if (threads := config.get("read.threads")) is not None:
        return int(threads)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    first = next((source.href for group in groups for scene in group for _, source in scene.bands[:1]), "")
    return min(16, 4 * cores) if is_remote(first) else cores


_POOL_LOCK = threading.Lock()


def _pool(threads: int) -> Executor:
    with _POOL_LOCK:
        return _make_pool(threads, os.getpid())


@cache
def _make_pool(threads: int, _process: int) -> Executor:
    """Return the reading threads of this process, shared by all blocks so that their number is bounded."""
    return ThreadPoolExecutor(threads, thread_name_prefix="musyq-read")


def _in_order(order: _Order) -> list[Failure]:
    return [order.failures[key] for key in sorted(order.failures)]


def _log(order: _Order) -> None:
    for failure in _in_order(order):
        fate = "is without angles" if failure.step == "angles" else "left out"
        log.warning("scene %s %s (%s): %s", failure.scene, fate, failure.band or failure.step, failure.error)
