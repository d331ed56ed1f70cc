"""
Aerosol of a scene: found in the scene itself, in its series, from a reference or an ancillary grid, else climatology.

The field is a small grid of windows (3 km for sensors finer than 250 m, else 10 km) whose edges are multiples of their
size from the CRS origin, without gaps, smooth, written as a small Zarr that the reader resamples like any other layer.

References
----------
See :mod:`musyq_cube.normalize._aerosol_methods` for the relations; Yuan et al. (2014) and Zhong et al. (2007) for the
series of dates in the system that this one continues.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels.brdf import kernels
from musyq_cube.normalization import Atmosphere, Field, Residual
from musyq_cube.normalize._aerosol_lattice import Lattice, fill_gaps, lattice, outliers, smooth
from musyq_cube.normalize._aerosol_methods import Found, clearest, dark_target, known_ground
from musyq_cube.normalize._aerosol_view import Tables, View, view, window_of
from musyq_cube.normalize.lut import load
from musyq_cube.normalize.rules import HAZY
from musyq_cube.scene import Source, SourceGrid
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

__all__ = ["AodField", "Tables", "View", "field_source", "plot", "retrieve", "retrieve_series", "view", "window_of",
           "write_field"]  # fmt: skip

Array: TypeAlias = np.ndarray[Any, Any]
F32: TypeAlias = "npt.NDArray[np.float32]"
Known: TypeAlias = "Callable[[View, SourceGrid], F32 | None]"

CLIMATOLOGY = 0.1
"""AOD where nothing is known."""
BACKGROUND = 0.05
"""AOD of the clearest date of a series."""
CHANGE = 0.15
"""Change of NDVI between a date and the clearest one beyond which the ground is not the same."""
MIN_WINDOWS = 0.05
"""Share of the windows with data in which a method must succeed to be used for a scene."""
BLUE_SHAPE = (0.0774, 0.0372, 0.0079)
"""Isotropic, volume and geometric weights of blue reflectance (Roy et al. 2016, doi:10.1016/j.rse.2016.01.023)."""
_ANCILLARY_UNCERTAINTY, _CLIMATOLOGY_UNCERTAINTY = 0.1, 0.15


@dataclass(frozen=True, eq=False)
class AodField:
    """Aerosol optical depth at 0.55 µm on a lattice of windows."""

    aod: F32
    """Without gaps."""
    qa: npt.NDArray[np.uint16]
    """GAP_FILLED, CLIMATOLOGY_AOD, HIGH_AOD."""
    uncertainty: F32
    """One sigma."""
    count: npt.NDArray[np.int32]
    """Pixels that each window was learnt from; 0 where filled."""
    grid: SourceGrid
    method: str

    @property
    def plain(self) -> float:
        """The median: what stands for the whole scene in one number."""
        return float(np.median(self.aod))

    def __repr__(self) -> str:
        rows, columns = self.grid.shape
        found = int((self.count > 0).sum())
        return (
            f"<AodField {self.method} · {rows} x {columns} windows of {abs(self.grid.transform[0]):g}, {found} seen · "
            f"AOD {np.min(self.aod):.2f} … {self.plain:.2f} … {np.max(self.aod):.2f}>"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the field, see :func:`plot`."""
        return plot(self, ax)


def retrieve(
    seen: View,
    *,
    tables: Tables | None = None,
    reference: F32 | None = None,
    ancillary: Known | None = None,
    model: str = "continental",
    window: float | None = None,
    methods: Sequence[str] = ("dark-target", "reference", "ancillary", "climatology"),
) -> tuple[Atmosphere, AodField]:
    """
    Find the aerosol over one scene by the first of some methods that works.

    Parameters
    ----------
    seen
        The scene, made by :func:`view` or of arrays.
    tables
        What the air does in the bands of its sensor; default: the tables of the package.
    reference : float32 (y, x)
        Blue surface reflectance of the same ground on the grid of `seen`, already brought to its band
        (``reference``). NaN where unknown or not homogeneous.
    ancillary
        Function of the view and a grid that returns AOD at its pixels, or None where it knows nothing
        (:meth:`musyq_cube.normalize.ancillary.Ancillary.aerosol_of`).
    model
        Aerosol model.
    window
        Metres; default: of the sensor.
    methods
        In order of preference. A series of dates has :func:`retrieve_series`.

    Returns
    -------
    Atmosphere, AodField
        `Atmosphere.aod` is the median of the field; store the field with :func:`write_field`.

    Raises
    ------
    NormalizeError
        A method is unknown, or none gives anything.
    """
    tables = tables or load(seen.sensor, model)
    windows = lattice(seen.grid, window or window_of(seen.sensor))
    refused: list[str] = []
    for method in methods:
        if method == "dark-target":
            found: Found | None = dark_target(seen, windows, tables)
        elif method == "reference":
            found = None if reference is None else known_ground(seen, windows, tables, reference, "reference")
        elif method == "ancillary":
            known = None if ancillary is None else ancillary(seen, windows.grid)
            if known is not None and np.isfinite(known).any():
                return _from_grid(seen, windows, known, model, refused)
            refused += [] if known is None else ["ancillary: no data here"]
            continue
        elif method == "climatology":
            return _climatology(seen, windows, model, refused)
        else:
            raise NormalizeError(f"methods={method!r}: there are dark-target, reference, ancillary and climatology")
        if found is not None and _enough(found, seen, windows):
            return _finish(seen, windows, found, model, refused)
        if found is not None:
            refused.append(_why_not(found, seen, windows))
    why = "; ".join(refused) or "nothing to learn from"
    raise NormalizeError(f"{seen.id}: no aerosol by {', '.join(methods)}: {why}")


def retrieve_series(
    series: Sequence[View],
    *,
    tables: Tables | None = None,
    background: float = BACKGROUND,
    model: str = "continental",
    window: float | None = None,
) -> list[tuple[Atmosphere, AodField] | None]:
    """
    Find the aerosol of every date of a series from the clearest blue of all.

    Parameters
    ----------
    series
        Views of the same ground on the same grid by one sensor (or its twins), from about 30–60 days: three clear
        observations of a pixel at least, eight are good.
    tables, model, window
        As in :func:`retrieve`.
    background
        AOD of the clearest date.

    Returns
    -------
    list
        By date; None where a date shows too little ground.

    Raises
    ------
    NormalizeError
        Fewer than three views, or of different grids.
    """
    if len(series) < 3:
        raise NormalizeError(f"{len(series)} dates: the clearest blue needs three at least, or use `retrieve`")
    if len({v.grid for v in series}) > 1:
        raise NormalizeError("the dates of a series must be on one grid: give scenes of one tile")
    tables = tables or load(series[0].sensor, model)
    windows = lattice(series[0].grid, window or window_of(series[0].sensor))
    ground = clearest(series, tables, background, _to_nadir(series))
    first = [known_ground(v, windows, tables, g, "clearest-blue") for v, g in zip(series, ground, strict=True)]
    same = _unchanged(series, windows, tables, first)
    made: list[tuple[Atmosphere, AodField] | None] = []
    for seen, blue, unchanged in zip(series, ground, same, strict=True):
        found = known_ground(seen, windows, tables, np.where(unchanged, blue, np.nan), "clearest-blue")
        made.append(_finish(seen, windows, found, model, []) if _enough(found, seen, windows) else None)
    return made


def _to_nadir(series: Sequence[View]) -> F32:
    """Return what brings blue reflectance of every date to nadir view and its common sun, (time, y, x)."""
    iso, volume, geometric = BLUE_SHAPE
    sun = float(np.mean([np.nanmean(v.layer("sza")) for v in series]))
    k0 = [float(k) for k in kernels(sun, 0.0, 0.0)]
    goal = iso + volume * k0[0] + geometric * k0[1]
    made = []
    for seen in series:
        vol, geo = kernels(*(seen.layer(name) for name in ("sza", "vza", "raa")))
        made.append((goal / (iso + volume * vol + geometric * geo)).astype(np.float32))
    return np.stack(made)


def _unchanged(series: Sequence[View], windows: Lattice, tables: Tables, found: Sequence[Found]) -> list[Array]:
    """Say where the NDVI of the ground is that of the series (its median), under the aerosol found so far."""
    if any(v.nir is None for v in series):
        return [np.ones(v.shape, bool) for v in series]
    stack = []
    for seen, first in zip(series, found, strict=True):
        aod = fill_gaps(first.aod)
        spread = np.repeat(np.repeat(aod, windows.pixels, 0), windows.pixels, 1)
        top, left = windows.before
        spread = spread[top : top + seen.shape[0], left : left + seen.shape[1]]
        name = "nir08" if "nir08" in seen.toa else "nir"
        air = {n: seen.layer(n) for n in ("tcwv", "ozone", "elevation")}
        sza, vza, raa = (seen.layer(n) for n in ("sza", "vza", "raa"))
        ground = tables.correct({b: seen.toa[b] for b in ("red", name)}, sza, vza, raa, spread, **air)
        ndvi = (ground[name] - ground["red"]) / np.maximum(ground[name] + ground["red"], 1e-3)
        stack.append(np.where(seen.clear, ndvi, np.nan))
    ordered = np.sort(np.stack(stack), 0)
    middle = np.take_along_axis(ordered, (np.isfinite(ordered).sum(0) // 2)[None].clip(0, len(stack) - 1), 0)[0]
    return [~(np.abs(ndvi - middle) > CHANGE) for ndvi in stack]


def _seen_windows(seen: View, windows: Lattice) -> Array:
    """Say which windows have any pixel with data."""
    return np.asarray(np.isfinite(windows.fold(seen.toa["blue"])).any(-1))


def _enough(found: Found, seen: View, windows: Lattice) -> bool:
    return bool(np.isfinite(found.aod).sum() >= max(1, MIN_WINDOWS * _seen_windows(seen, windows).sum()))


def _why_not(found: Found, seen: View, windows: Lattice) -> str:
    n, total = int(np.isfinite(found.aod).sum()), int(_seen_windows(seen, windows).sum())
    critical = int(found.critical.sum())
    return f"{found.method}: {n} of {total} windows" + (f", {critical} too bright in blue" if critical else "")


def _finish(
    seen: View, windows: Lattice, found: Found, model: str, refused: Sequence[str]
) -> tuple[Atmosphere, AodField]:
    """Drop outliers, fill gaps, smooth."""
    aod = np.where(outliers(found.aod), np.nan, found.aod)
    gap = ~np.isfinite(aod)
    filled = smooth(fill_gaps(aod))
    uncertainty = fill_gaps(np.where(gap, np.nan, found.uncertainty)) * np.where(gap, 1.5, 1.0)
    count = np.where(gap, 0, found.count).astype(np.int32)
    field = _field(filled, np.where(gap, QA.GAP_FILLED, 0), uncertainty, count, windows.grid, found.method)
    n = int((~gap).sum())
    reason = "; ".join([f"{found.method} in {n} of {gap.size} windows", *refused])
    left = np.hypot(found.rms, found.slope * (filled - found.aod))
    before, after = (round(float(np.sqrt(np.mean(v[~gap] ** 2))), 6) for v in (found.before, left))
    residual = Residual(before, after, "1", n, f"{found.method}, surface relation")
    return _atmosphere(seen, field, found.method.partition(" ")[0], model, reason, residual), field


def _from_grid(
    seen: View, windows: Lattice, aod: F32, model: str, refused: Sequence[str]
) -> tuple[Atmosphere, AodField]:
    gap = ~np.isfinite(aod)
    filled = fill_gaps(aod)
    unc = np.hypot(_ANCILLARY_UNCERTAINTY, 0.2 * filled)
    count = np.zeros(aod.shape, np.int32)
    field = _field(filled, np.where(gap, QA.GAP_FILLED, 0), unc, count, windows.grid, "ancillary")
    return _atmosphere(seen, field, "ancillary", model, "; ".join(["ancillary grid", *refused])), field


def _climatology(seen: View, windows: Lattice, model: str, refused: Sequence[str]) -> tuple[Atmosphere, AodField]:
    aod = np.full(windows.shape, CLIMATOLOGY, np.float32)
    unc, count = np.full(windows.shape, _CLIMATOLOGY_UNCERTAINTY), np.zeros(windows.shape, np.int32)
    qa = np.full(windows.shape, QA.CLIMATOLOGY_AOD)
    field = _field(aod, qa, unc, count, windows.grid, "climatology")
    return _atmosphere(seen, field, "climatology", model, "; ".join([f"climatology {CLIMATOLOGY}", *refused])), field


def _field(aod: Array, qa: Array, uncertainty: Array, count: Array, grid: SourceGrid, method: str) -> AodField:
    bits = qa.astype(np.uint16) | np.where(aod > HAZY, np.uint16(QA.HIGH_AOD), np.uint16(0))
    return AodField(aod.astype(np.float32), bits, uncertainty.astype(np.float32), count, grid, method)


def _atmosphere(
    seen: View, field: AodField, source: str, model: str, reason: str, residual: Residual | None = None
) -> Atmosphere:
    plain = {name: round(float(np.nanmedian(seen.layer(name))), 4) for name in ("tcwv", "ozone", "elevation")}
    return Atmosphere(
        True, reason, round(field.plain, 4), source, model, **plain,
        uncertainty=round(float(np.median(field.uncertainty)), 4), residual=residual,
    )  # fmt: skip


def write_field(field: AodField, href: str) -> tuple[Field, Source]:
    """
    Write a field as a small Zarr (version 3) with the arrays `aod`, `uncertainty` and `qa`.

    Parameters
    ----------
    field
        To write.
    href
        Folder or URL of the store; what is there is replaced.

    Returns
    -------
    Field, Source
        For :class:`~musyq_cube.normalization.Atmosphere`, and what the reader opens.
    """
    import zarr

    root = zarr.open_group(href.removeprefix("file://"), mode="w", zarr_format=3)
    root.attrs.update(
        {
            "proj:code" if field.grid.crs.upper().startswith("EPSG:") else "proj:wkt2": field.grid.crs,
            "spatial:transform": list(field.grid.transform),
            "title": f"Aerosol optical depth at 0.55 µm ({field.method})",
        }
    )
    for name, units in (("aod", "1"), ("uncertainty", "1"), ("qa", None)):
        values = getattr(field, name)
        array = root.create_array(name, data=values, chunks=values.shape, dimension_names=("y", "x"))
        array.attrs.update({"long_name": f"aerosol optical depth: {name}"} | ({"units": units} if units else {}))
    return Field(href, "aod"), field_source(href, field.grid)


def field_source(href: str, grid: SourceGrid | None = None, layer: str = "aod") -> Source:
    """Return a written field as a layer that the reader resamples (bilinear for `aod`)."""
    return Source(href, grid, driver="zarr", layer=layer, dtype="uint16" if layer == "qa" else "float32")


def plot(field: AodField, ax: Axes | None = None) -> Axes:
    """
    Draw a field as a map; windows that were filled are hatched.

    Returns
    -------
    Axes
        The given axes, or those of a new figure.
    """
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    ax = ax or Figure(figsize=(5, 4), layout="constrained").add_subplot()
    a, _, x0, _, e, y0 = field.grid.transform
    rows, columns = field.grid.shape
    top = max(float(np.max(field.aod)), 0.3)
    image = ax.imshow(
        field.aod, extent=(x0, x0 + a * columns, y0 + e * rows, y0), norm=Normalize(0, top), cmap="YlOrBr",
        interpolation="nearest",
    )  # fmt: skip
    for row, column in np.argwhere((field.qa & np.uint16(QA.GAP_FILLED)) != 0):
        place = (x0 + a * column, y0 + e * (row + 1))
        ax.add_patch(Rectangle(place, a, -e, fill=False, hatch="///", linewidth=0, edgecolor="grey"))
    figure = ax.get_figure()
    if figure is not None:
        figure.colorbar(image, ax=ax, label="AOD at 0.55 µm")
    ax.set_title(f"{field.method}: median {field.plain:.2f}")
    ax.set_aspect("equal")
    return ax


def with_field(atmosphere: Atmosphere, field: Field) -> Atmosphere:
    """Return an atmosphere that refers to a written field instead of its median."""
    return dataclasses.replace(atmosphere, aod=field)
