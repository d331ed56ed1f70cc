"""Sentinel-2 granule metadata (``MTD_TL.xml``): sun and view vectors on a grid of 5 km."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from xml.etree.ElementTree import ParseError

import numpy as np

from musyq_cube.errors import ReadError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class AngleGrid:
    """The angles of one granule: unit vectors (east, north, up) at the nodes of a grid in the granule's CRS."""

    crs: str
    corner: tuple[float, float]
    """x, y of the first node, the upper left corner of the granule."""
    step: tuple[float, float]
    """Metres between columns and between rows."""
    sun: Floats
    """(3, rows, columns)."""
    view: Floats
    """(3, rows, columns), the mean of all bands and detectors; NaN everywhere where the file has no view angles."""

    def vectors(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """
        Interpolate at places in the granule's CRS, for ground anywhere in the granule.

        Parameters
        ----------
        x, y
            One-dimensional, in metres. Places outside the grid get the angles of its edge.

        Returns
        -------
        sun, view : ndarray, shape (3, n)
            Unit vectors (east, north, up); NaN where unknown or where x or y is not finite.
        """
        col, row = (x - self.corner[0]) / self.step[0], (self.corner[1] - y) / self.step[1]
        return _unit(_bilinear(self.sun, row, col)), _unit(_bilinear(self.view, row, col))


def parse_granule(content: bytes, href: str) -> AngleGrid:
    """
    Parse the angle grids of a granule's metadata, L1C or L2A, any processing baseline.

    The view angles are given for each band and detector, with gaps outside the detector's swath: the vectors are
    averaged over all that see a node, and nodes that no detector sees take the mean of their neighbours.

    Raises
    ------
    ReadError
        Not well-formed XML, XML that declares entities, or no sun angle grid in it.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(content)
        return _grid(root)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise ReadError(f"{href}: not usable Sentinel-2 granule metadata: {error!r}") from error


def _grid(root: Element) -> AngleGrid:
    sun_grid = _find(root, ".//Sun_Angles_Grid")
    sun = _vectors(sun_grid)
    total, count = np.zeros_like(sun), np.zeros(sun.shape[1:])
    for grid in root.iterfind(".//Viewing_Incidence_Angles_Grids"):
        vectors = _vectors(grid)
        known = np.isfinite(vectors[0])
        total += np.where(known, vectors, 0.0)
        count += known
    place = _find(root, ".//Geoposition")
    zenith = _find(sun_grid, "Zenith")
    return AngleGrid(
        crs=_text(root, ".//HORIZONTAL_CS_CODE").upper(),
        corner=(float(_text(place, "ULX")), float(_text(place, "ULY"))),
        step=(float(_text(zenith, "COL_STEP")), float(_text(zenith, "ROW_STEP"))),
        sun=sun,
        view=_unit(_fill(np.where(count > 0, total, np.nan))),
    )


def _vectors(grid: Element) -> Floats:
    zenith, azimuth = (np.radians(_values(_find(grid, name))) for name in ("Zenith", "Azimuth"))
    return np.stack([np.sin(zenith) * np.sin(azimuth), np.sin(zenith) * np.cos(azimuth), np.cos(zenith)])


def _values(grid: Element) -> Floats:
    return np.array([[float(v) for v in (row.text or "").split()] for row in grid.iterfind("Values_List/VALUES")])


def _find(element: Element, path: str) -> Element:
    found = element.find(path)
    if found is None:
        raise LookupError(f"no {path.rsplit('/', 1)[-1]}")
    return found


def _text(element: Element, path: str) -> str:
    return (_find(element, path).text or "").strip()


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.sqrt(vectors[0] ** 2 + vectors[1] ** 2 + vectors[2] ** 2))


def _fill(vectors: Floats) -> Floats:
    """Grow the known nodes outwards until all are known (none at all: all stay NaN)."""
    while np.isnan(vectors).any() and np.isfinite(vectors).any():
        rows, cols = vectors.shape[1:]
        padded = np.pad(vectors, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
        around = np.stack([padded[:, i : i + rows, j : j + cols] for i in range(3) for j in range(3)])
        known = np.isfinite(around)
        count = known.sum(0)
        mean = np.where(known, around, 0.0).sum(0) / np.maximum(count, 1)
        vectors = np.where(np.isnan(vectors) & (count > 0), mean, vectors)
    return vectors


def _bilinear(grid: Floats, row: Floats, col: Floats) -> Floats:
    rows, cols = grid.shape[1:]
    unknown = ~(np.isfinite(row) & np.isfinite(col))
    row, col = (np.clip(np.where(unknown, 0.0, v), 0.0, n - 1.0) for v, n in ((row, rows), (col, cols)))
    r, c = np.minimum(row.astype(np.intp), rows - 2), np.minimum(col.astype(np.intp), cols - 2)
    fr, fc = row - r, col - c
    top = grid[:, r, c] * (1 - fc) + grid[:, r, c + 1] * fc
    low = grid[:, r + 1, c] * (1 - fc) + grid[:, r + 1, c + 1] * fc
    out = top * (1 - fr) + low * fr
    out[:, unknown] = np.nan
    return out
