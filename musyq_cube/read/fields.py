"""Fields of a scene besides its bands: its angles, the air over it, the ground below it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.kernels.terrain import slope_aspect
from musyq_cube.read.angles import load_angles, load_saa
from musyq_cube.read.attributes import FIELDS
from musyq_cube.read.mapping import y_centres
from musyq_cube.read.warp import read_into, read_values, source_window
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from musyq_cube.scene import Scene, Source

Array: TypeAlias = np.ndarray[Any, Any]


class Terrains:
    """Slope and aspect on the grid of one block, made once for all its scenes, by whichever thread is first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Source, tuple[Array, Array]] = {}

    def fill(self, out: Array, scene: Scene, geobox: GeoBox, filled: Array) -> None:
        """Write slope and aspect into `out` (2, y, x): nan for a scene without relief and where it has no pixel."""
        out[...] = np.nan
        if scene.relief is None or filled.all():
            return
        for target, values in zip(out, self._of(scene.relief.dem, geobox), strict=True):
            np.copyto(target, values, where=~filled)

    def _of(self, dem: Source, geobox: GeoBox) -> tuple[Array, Array]:
        with self._lock:
            if dem not in self._made:
                self._made[dem] = read_terrain(dem, geobox)
            return self._made[dem]


def read_terrain(dem: Source, geobox: GeoBox) -> tuple[Array, Array]:
    """
    Return slope and aspect of an elevation model on an output grid.

    Elevation is brought to the grid first, with one pixel more on each side, so that any block gives the same pixels.

    Parameters
    ----------
    dem
        Metres.
    geobox
        Output pixels, north up, in metres or degrees; the grid's north is taken for north.

    Returns
    -------
    slope, aspect : float32 (y, x)
        Degrees; aspect downhill, clockwise from north. NaN where the elevation of a neighbour is missing.

    Raises
    ------
    ReadError
        The elevation model cannot be read.
    """
    heights = read_values(dem, geobox.pad(1))
    width, height = abs(geobox.affine.a), abs(geobox.affine.e)
    if geobox.crs is None or not geobox.crs.geographic:
        return slope_aspect(heights, width, height)
    shrink = np.cos(np.radians(y_centres(geobox)))[:, None]
    widths = (width * METRES_PER_DEGREE * shrink).astype(np.float32)
    return slope_aspect(heights, widths, height * METRES_PER_DEGREE)


def fill_angles(out: Array, scene: Scene, geobox: GeoBox, filled: Array) -> None:
    """Write sza, vza and raa into `out` (3, y, x): nan where the scene has no pixel."""
    out[...] = np.nan
    if source_window(scene.bands[0][1], geobox) is not None:
        for target, angle in zip(out, load_angles(scene, geobox), strict=True):
            np.copyto(target, angle, where=~filled)


def fill_air(out: Array, scene: Scene, geobox: GeoBox, filled: Array) -> None:
    """Write the air into `out` (4, y, x); bilinear, so that what is known every few kilometres has no edges."""
    out[...] = np.nan
    if scene.air is None:
        return
    for k, name in enumerate(FIELDS):
        value = getattr(scene.air, name)
        if isinstance(value, int | float):
            out[k] = value
        else:
            read_into(out[k], value, geobox, resampling="auto")
        out[k][filled] = np.nan


def fill_saa(out: Array, scene: Scene, geobox: GeoBox, filled: Array) -> None:
    """Write the solar azimuth into `out` (y, x): nan for a scene without relief and where it has no pixel."""
    out[...] = np.nan
    if scene.relief is not None and source_window(scene.bands[0][1], geobox) is not None:
        np.copyto(out, load_saa(scene, geobox), where=~filled)
