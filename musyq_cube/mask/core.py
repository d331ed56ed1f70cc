"""Mask a cube by its common QA bits, with a margin in metres around clouds and shadows."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from musyq_cube.errors import CompositeError
from musyq_cube.kernels.morphology import distance
from musyq_cube.read.attributes import band_names
from musyq_cube.types import METRES_PER_DEGREE, QA, UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Cover: TypeAlias = Literal["keep", "drop", "only"]
"""What happens to water or snow: kept, masked, or everything else masked."""

QaArray: TypeAlias = npt.NDArray[np.uint16]

SURROUNDED = QA.CLOUD | QA.SHADOW | QA.CIRRUS
"""Bits whose surroundings are suspect: what `dilate` grows and `cloud_distance` measures from."""


def halo(dilate: float, resolution: float, distance: float = 0.0) -> int:
    """
    Pixels of margin that a block needs so that its mask is the same as if there were no blocks.

    Parameters
    ----------
    dilate, distance
        Metres, as given to :func:`mask`.
    resolution
        Pixel size in metres (the smaller side; for degrees: their width at the highest latitude).

    Examples
    --------
    >>> halo(300.0, 30.0)
    10
    """
    return math.ceil(max(dilate, distance) / resolution - 1e-6) if max(dilate, distance) > 0 else 0


def mask(
    ds: xr.Dataset,
    *,
    bits: QA = UNCLEAR,
    dilate: float = 0.0,
    distance: float = 0.0,
    water: Cover = "keep",
    snow: Cover = "keep",
) -> xr.Dataset:
    """
    Set what is not clear to NaN.

    Parameters
    ----------
    ds
        Cube with bands and `qa` on (time, y, x), lazy or not.
    bits
        QA bits that make an observation unfit.
    dilate
        Metres around cloud, cirrus and shadow that get the bit ADJACENT: an exact disc, measured between pixel centres.
    distance
        Add `cloud_distance` (uint16, metres, capped at this reach): some composite methods weigh by it.
    water, snow
        ``"keep"``, ``"drop"`` (mask it) or ``"only"`` (mask everything else).

    Returns
    -------
    xarray.Dataset
        Same variables; `qa` keeps all its bits, gains ADJACENT, and says in its attribute ``masked`` which observations
        are gone. Blocks with a margin of :func:`halo` pixels give the same pixels as the whole.

    Raises
    ------
    CompositeError
        If there is no `qa`, or a number is negative.
    """
    if "qa" not in ds:
        raise CompositeError(f"mask needs the variable 'qa'; the dataset has {', '.join(map(str, ds.data_vars))}")
    if min(dilate, distance) < 0 or distance > 65_534:
        raise CompositeError(f"dilate={dilate}, distance={distance}: metres between 0 and 65534")
    out = ds.copy()
    if distance > 0:
        out["cloud_distance"] = cloud_distance(ds["qa"], distance)
    if dilate > 0:
        out["qa"] = ds["qa"].copy(data=_near_clouds(ds["qa"], dilate, _adjacent_block))
    rule: dict[str, Any] = {"bits": int(bits), "water": water, "snow": snow}
    clear = xr.apply_ufunc(
        partial(_clear, **rule), out["qa"], dask="parallelized", output_dtypes=[bool], keep_attrs=False
    )  # fmt: skip
    for name in band_names(ds):
        out[name] = ds[name].where(clear)
        out[name].attrs = ds[name].attrs
    out["qa"].attrs = {**ds["qa"].attrs, **{f"masked_{k}": v for k, v in rule.items()}}
    return out


def unclear(qa: QaArray, bits: int = UNCLEAR, water: Cover = "keep", snow: Cover = "keep") -> npt.NDArray[np.bool_]:
    """
    Say which observations :func:`mask` removes.

    Parameters
    ----------
    qa : uint16
        Common quality bits, any shape.
    bits, water, snow
        As given to :func:`mask`.

    Examples
    --------
    >>> unclear(np.array([0, 1, 2, 64], np.uint16)).tolist()
    [False, True, True, False]
    """
    bits = int(bits)
    for cover, bit in ((water, QA.WATER), (snow, QA.SNOW)):
        if cover not in ("keep", "drop", "only"):
            raise CompositeError(f'{bit.name.lower()}={cover!r}: choose "keep", "drop" or "only"')  # type: ignore[union-attr]
        bits |= int(bit) if cover == "drop" else 0
    out: npt.NDArray[np.bool_] = (qa & np.uint16(bits)) != 0
    for cover, bit in ((water, QA.WATER), (snow, QA.SNOW)):
        if cover == "only":
            out |= (qa & np.uint16(bit)) == 0
    return out


def _clear(qa: QaArray, **rule: Any) -> npt.NDArray[np.bool_]:
    return ~unclear(qa, **rule)


def cloud_distance(qa: xr.DataArray, reach: float) -> xr.DataArray:
    """
    Distance to the nearest cloud, cirrus or shadow of the same date.

    Parameters
    ----------
    qa
        Common quality bits on (time, y, x), with `y` in CRS units.
    reach
        Metres; what is farther has this value (rounded up), and a margin of as much makes blocks independent.

    Returns
    -------
    xarray.DataArray
        uint16, metres rounded up, on the dims of `qa`.
    """
    attrs = {"units": "m", "long_name": "distance to the nearest cloud or shadow", "comment": f"capped at {reach:g} m"}
    return xr.DataArray(_near_clouds(qa, reach, _distance_block), qa.coords, qa.dims, attrs=attrs)


def _near_clouds(qa: xr.DataArray, reach: float, block: Callable[..., QaArray]) -> Any:
    """Apply to blocks that see `reach` metres of their neighbours; xarray has no word for it, so dask's own is used."""
    dy, widths = _pixel_sizes(qa)
    dx = widths.astype(np.float32)[None, :, None]
    function = partial(block, dy=dy, reach=float(reach))
    if qa.chunks is None:
        return function(qa.values, dx)
    import dask.array as da

    rows, columns = (
        min(halo(reach, size), n) for size, n in zip((dy, float(np.min(widths))), qa.shape[1:], strict=True)
    )
    lazy = da.from_array(dx, chunks=(1, qa.chunks[1], 1))  # type: ignore[no-untyped-call]
    near = da.map_overlap(  # type: ignore[no-untyped-call]
        function, qa.data, lazy, dtype=np.uint16, boundary="none",
        meta=np.empty((0, 0, 0), np.uint16), depth=[{0: 0, 1: rows, 2: columns}, {0: 0, 1: rows, 2: 0}],
    )  # fmt: skip
    return near.rechunk(qa.chunks)  # blocks smaller than the margin were joined


def _near(layer: QaArray, dx: npt.NDArray[np.float32], dy: float, reach: float) -> npt.NDArray[np.float32]:
    return distance((layer & np.uint16(SURROUNDED)) != 0, dy, np.ascontiguousarray(dx[0, :, 0]), reach)


def _distance_block(qa: QaArray, dx: npt.NDArray[np.float32], *, dy: float, reach: float) -> QaArray:
    """Date by date, so that the float32 distances never exist for the whole stack."""
    out = np.empty(qa.shape, np.uint16)
    for layer, result in zip(qa, out, strict=True):
        result[:] = np.ceil(np.minimum(_near(layer, dx, dy, reach), reach))
    return out


def _adjacent_block(qa: QaArray, dx: npt.NDArray[np.float32], *, dy: float, reach: float) -> QaArray:
    out = qa.copy()
    for layer, result in zip(qa, out, strict=True):
        near = _near(layer, dx, dy, reach)
        result[(near > 0) & (near < np.inf)] |= np.uint16(QA.ADJACENT)
    return out


def _pixel_sizes(qa: xr.DataArray) -> tuple[float, npt.NDArray[np.float64]]:
    """Height of a pixel and its width in every row, metres."""
    step = {d: _step(qa, d) for d in ("y", "x")}
    if _geographic(qa):
        # rounded so that a row has the same width whatever block it is computed in
        latitude = np.round(qa["y"].values.astype(float), 7)
        widths = np.maximum(np.cos(np.radians(latitude)), 0.01) * step["x"] * METRES_PER_DEGREE
        return round(step["y"] * METRES_PER_DEGREE, 4), np.round(widths, 4)
    return step["y"], np.full(qa.sizes["y"], step["x"])


def _step(qa: xr.DataArray, dim: Hashable) -> float:
    values = qa[dim].values
    if values.size > 1:
        return round(abs(float(values[-1] - values[0])) / (values.size - 1), 9)
    affine = qa.coords["spatial_ref"].attrs.get("GeoTransform") if "spatial_ref" in qa.coords else None
    if affine is None:
        raise CompositeError(f"cannot tell the pixel size along {dim!r} from one pixel without a GeoTransform")
    return abs(float(affine.split()[1 if dim == "x" else 5]))


def _geographic(qa: xr.DataArray) -> bool:
    ref = qa.coords.get("spatial_ref")
    if ref is None:
        return False
    attrs = ref.attrs
    return attrs.get("grid_mapping_name") == "latitude_longitude" or str(attrs.get("crs_wkt", "")).startswith("GEOG")
