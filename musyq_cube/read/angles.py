"""
Sun and view angles of a scene on an output grid.

Angles come, in this order, from the scene's angle file (Sentinel-2 MTD_TL.xml, Landsat ANG.txt), from angle layers,
from constants, and for an unknown sun from its position at the place and time (NREL SPA); an unknown view stays NaN.
What is computed is computed at the nodes of the reader's lattice and interpolated in between.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.catalog.storage import read_bytes
from musyq_cube.catalog.xmlfile import read_text
from musyq_cube.errors import CatalogError, ReadError
from musyq_cube.kernels.gather import gather
from musyq_cube.kernels.lattice import expand
from musyq_cube.read._angles_landsat import AngleModel, parse_angles
from musyq_cube.read._angles_sentinel2 import AngleGrid, parse_granule
from musyq_cube.read.layer import POOL
from musyq_cube.read.mapping import Lattice, Mapping, lattice, mapping
from musyq_cube.read.raster import is_remote
from musyq_cube.read.retry import retrying
from musyq_cube.read.solar import sun_angles
from musyq_cube.read.warp import source_grid, source_window
from musyq_cube.scene import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from musyq_cube.scene import Scene, SourceGrid

Field: TypeAlias = "NDArray[np.float32]"
Azimuth: TypeAlias = "tuple[NDArray[np.floating], NDArray[np.floating]]"
"""Sine and cosine, so that interpolation never crosses the jump from 360 to 0 degrees."""


def load_angles(scene: Scene, geobox: GeoBox) -> tuple[Field, Field, Field]:
    """
    Return the angles of a scene for each pixel of an output block.

    Every block of a grid gives the same value for the same pixel, bit for bit.

    Parameters
    ----------
    scene
        Scene whose `angles` say where they come from.
    geobox
        Output pixels, north up.

    Returns
    -------
    sza, vza, raa : ndarray of float32, dims (y, x)
        Solar zenith, view zenith and relative azimuth in degrees, NaN where unknown. `raa` is folded to 0…180 and 0 is
        the hot spot (sun and sensor on the same side).

    Raises
    ------
    ReadError
        The angle file or an angle layer cannot be read.
    """
    if scene.angles.metadata:
        sun, view, nodes = _at_nodes(scene.angles.metadata, geobox)
        raa = _relative((sun[0], sun[1]), (view[0], view[1]))
        return _expand(_zenith(sun), nodes), _expand(_zenith(view), nodes), _expand(raa, nodes)
    sza, sun_azimuth = _sun(scene, geobox)
    # MODIS signs view zeniths by the side of the track: the sign must be there while nadir is interpolated across
    vza = _unknown(geobox) if scene.angles.vza is None else np.abs(_values(scene.angles.vza, geobox))
    return sza, vza, _relative_azimuth(scene, geobox, sun_azimuth)


def load_sza(scene: Scene, geobox: GeoBox) -> Field:
    """
    Return the solar zenith angle alone, as `load_angles` does: what the division by its cosine needs.

    Returns
    -------
    ndarray of float32, dims (y, x)
        Degrees.

    Raises
    ------
    ReadError
        The angle file or an angle layer cannot be read.
    """
    if scene.angles.metadata:
        sun, _, nodes = _at_nodes(scene.angles.metadata, geobox)
        return _expand(_zenith(sun), nodes)
    if scene.angles.sza is not None:
        return _values(scene.angles.sza, geobox)
    (sza, _), nodes = _computed_sun(scene, geobox)
    return _expand(sza, nodes)


def load_saa(scene: Scene, geobox: GeoBox) -> Field:
    """
    Return the solar azimuth alone: what the incidence on slopes needs besides the zenith.

    Returns
    -------
    ndarray of float32, dims (y, x)
        Degrees clockwise from true north, -180…180.

    Raises
    ------
    ReadError
        The angle file or an angle layer cannot be read.
    """
    if scene.angles.metadata:
        sun, _, nodes = _at_nodes(scene.angles.metadata, geobox)
        return _azimuth((_expand(sun[0], nodes), _expand(sun[1], nodes)))
    if scene.angles.saa is not None:
        return _azimuth(_azimuths(scene.angles.saa, geobox))
    (_, azimuth), nodes = _computed_sun(scene, geobox)
    turn = np.radians(azimuth)
    return _azimuth((_expand(np.sin(turn), nodes), _expand(np.cos(turn), nodes)))


def load_directions(scene: Scene, geobox: GeoBox) -> tuple[Field, Field, Field, Field]:
    """
    Return where the sun and the sensor stand as seen from each pixel of an output block.

    Returns
    -------
    sza, saa, vza, vaa : ndarray of float32, dims (y, x)
        Zeniths and azimuths (clockwise from true north, -180…180) in degrees, NaN where unknown.

    Raises
    ------
    ReadError
        The angle file or an angle layer cannot be read.
    """
    angles = scene.angles
    if angles.metadata:
        sun, view, nodes = _at_nodes(angles.metadata, geobox)
        found = [_expand(_zenith(v), nodes) for v in (sun, view)]
        turns = [_azimuth((_expand(v[0], nodes), _expand(v[1], nodes))) for v in (sun, view)]
        return found[0], turns[0], found[1], turns[1]
    sza, saa = _sun(scene, geobox)
    vza = _unknown(geobox) if angles.vza is None else np.abs(_values(angles.vza, geobox))
    vaa = _unknown(geobox) if angles.vaa is None else _azimuth(_azimuths(angles.vaa, geobox))
    return sza, _azimuth(saa), vza, vaa


def _azimuth(turn: Azimuth) -> Field:
    return np.degrees(np.arctan2(turn[0], turn[1])).astype(np.float32)


def _sun(scene: Scene, geobox: GeoBox) -> tuple[Field, Azimuth]:
    angles = scene.angles
    if angles.sza is not None and angles.saa is not None:
        return _values(angles.sza, geobox), _azimuths(angles.saa, geobox)
    (zenith, azimuth), nodes = _computed_sun(scene, geobox)
    sza = _expand(zenith, nodes) if angles.sza is None else _values(angles.sza, geobox)
    if angles.saa is not None:
        return sza, _azimuths(angles.saa, geobox)
    turn = np.radians(azimuth)
    return sza, (_expand(np.sin(turn), nodes), _expand(np.cos(turn), nodes))


def _relative_azimuth(scene: Scene, geobox: GeoBox, sun: Azimuth) -> Field:
    angles = scene.angles
    if angles.raa is not None:
        # any convention in degrees (-180…180, 0…360, sun minus view or the reverse) folds to the same angle
        return _layer(angles.raa, geobox, lambda v: (np.abs((v + 180.0) % 360.0 - 180.0),))[0]
    if angles.vaa is None:
        return _unknown(geobox)
    return _relative(sun, _azimuths(angles.vaa, geobox)).astype(np.float32)


def _relative(sun: Azimuth, view: Azimuth) -> NDArray[np.floating]:
    """Angle between two azimuths, 0…180 degrees; each given by sine and cosine up to a common positive factor."""
    across = sun[0] * view[1] - sun[1] * view[0]
    along = sun[0] * view[0] + sun[1] * view[1]
    return np.degrees(np.abs(np.arctan2(across, along)))


def _zenith(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.degrees(np.arctan2(np.hypot(vectors[0], vectors[1]), vectors[2])))


def _at_nodes(href: str, geobox: GeoBox) -> tuple[NDArray[np.float64], NDArray[np.float64], Lattice]:
    """Sun and view vectors (3, j, i) of the scene's angle file at the nodes of an output block."""
    model = _model(href)
    nodes = lattice(model.crs, geobox)
    sun, view = model.vectors(nodes.x.ravel(), nodes.y.ravel())
    return sun.reshape(3, *nodes.x.shape), view.reshape(3, *nodes.x.shape), nodes


@lru_cache(maxsize=256)
def _model(href: str) -> AngleModel | AngleGrid:
    try:
        content = retrying(lambda: _content(href), remote=is_remote(href))
    except CatalogError as error:
        raise ReadError(f"{href}: the angle file cannot be read ({error})") from error
    if content.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"<":
        return parse_granule(content, href)
    return parse_angles(content.decode("ascii", errors="replace"), href)


def _content(href: str) -> bytes:
    return read_text(href).encode() if href.startswith("/vsizip/") else read_bytes(href)


def _computed_sun(scene: Scene, geobox: GeoBox) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], Lattice]:
    nodes = lattice("EPSG:4326", geobox)
    return sun_angles(scene.time, nodes.x, nodes.y), nodes


def _expand(values: NDArray[np.floating], nodes: Lattice) -> Field:
    """Interpolate node values (j, i) to the pixels of the block; unknown nodes drop out of the mean."""
    known = np.isfinite(values)
    if known.all():
        return _bilinear(values, nodes)
    weight = _bilinear(known.astype(np.float64), nodes)
    total = _bilinear(np.where(known, values, 0.0), nodes)
    return np.divide(total, weight, out=np.full(nodes.shape, np.nan, np.float32), where=weight > 1e-6)


def _bilinear(values: NDArray[np.floating], nodes: Lattice) -> Field:
    return expand(values, (nodes.top, nodes.left), nodes.shape, nodes.step)


def _values(origin: float | Source, geobox: GeoBox) -> Field:
    if isinstance(origin, Source):
        return _layer(origin, geobox, lambda v: (v,))[0]
    return np.full(geobox.shape, origin, np.float32)


def _azimuths(origin: float | Source, geobox: GeoBox) -> Azimuth:
    if isinstance(origin, Source):
        sin, cos = _layer(origin, geobox, lambda v: (np.sin(np.radians(v)), np.cos(np.radians(v))))
        return sin, cos
    turn = np.radians(origin)
    return np.full(geobox.shape, np.sin(turn), np.float32), np.full(geobox.shape, np.cos(turn), np.float32)


def _unknown(geobox: GeoBox) -> Field:
    return np.full(geobox.shape, np.nan, np.float32)


@lru_cache(maxsize=8)
def _place(grid: SourceGrid, geobox: GeoBox) -> Mapping:
    """Return the mapping of a grid: the angle layers of a scene share it."""
    return mapping(grid, geobox)


def _layer(
    source: Source, geobox: GeoBox, parts: Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]
) -> tuple[Field, ...]:
    """Read an angle layer and resample each of its `parts` (functions of the angle in degrees) bilinearly."""
    place = _place(source.grid or source_grid(source), geobox)
    window = source_window(source, geobox)
    if window is None:
        return tuple(_unknown(geobox) for _ in parts(np.zeros((1, 1), np.float32)))

    def read() -> tuple[NDArray[Any], float | None]:
        with POOL.borrow(source) as layer:
            return layer.read(*window, 0), layer.nodata

    numbers, stated = retrying(read, remote=is_remote(source.href))
    nodata = stated if source.nodata is None else source.nodata
    degrees = numbers.astype(np.float32) * np.float32(source.scale) + np.float32(source.offset)
    if nodata is not None:
        degrees[numbers == nodata] = np.nan
    if source.valid is not None:
        degrees[(numbers < source.valid[0]) | (numbers > source.valid[1])] = np.nan
    corner = (window[0].start, window[1].start)
    return tuple(_gathered(np.ascontiguousarray(part, np.float32), corner, place) for part in parts(degrees))


def _gathered(window: NDArray[np.float32], corner: tuple[int, int], place: Mapping) -> Field:
    cells = place.lattice
    out = np.empty(place.shape, np.float32)
    gather(
        "bilinear",
        window,
        corner,
        (place.rows, place.cols),
        (cells.dense, place.dense_rows, place.dense_cols),
        (place.height, place.width),
        (cells.step, cells.top, cells.left),
        out,
    )
    return out
