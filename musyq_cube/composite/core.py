"""Composites of xarray cubes, lazy or not, by the array functions of this package."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from musyq_cube.composite.bands import reduce_band
from musyq_cube.composite.joint import MADS, reduce_joint
from musyq_cube.composite.observations import EVIDENCE, Observations, reduce_qa
from musyq_cube.errors import CompositeError
from musyq_cube.mask import cloud_distance
from musyq_cube.methods import Method, get_method
from musyq_cube.period import Period, parse_period, split
from musyq_cube.read.attributes import band_names
from musyq_cube.types import NEAR_INFRARED, QA

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from musyq_cube.kernels._gufunc import Array
    from musyq_cube.period import PeriodLike

BY_BAND = ("median", "percentile", "mean", "weighted")
"""Methods that reduce each band for itself."""

REACH = {"best_pixel": 1500.0, "weighted": 2000.0}
"""Metres of `cloud_distance` that a method looks at by default."""


def composite(
    ds: xr.Dataset,
    every: str | None = None,
    method: str = "geomedian",
    anchor: dt.date | str | None = None,
    *,
    period: PeriodLike | None = None,
    **options: Any,
) -> xr.Dataset:
    """
    Make one image per period out of the clear observations of a cube.

    Parameters
    ----------
    ds
        Cube on (time, y, x): bands (float32, NaN where masked), `qa`; best after :func:`musyq_cube.mask`. Lazy or not;
        a lazy one must have all its dates in one chunk.
    every
        ``"P5D"``, ``"P1M"``, ``"P1Y"``, ``"season"``…; None: one image of everything.
    method
        A name of :data:`METHODS`.
    anchor
        A date on which a window begins (see :func:`musyq_cube.period.split`).
    period
        What to divide, and where to cut. Default: whole windows around all observations.
    **options
        Of the method: `q` (percentile, percent); `eps`, `maxiter`, `mads` (geomedian); `target`, `doy_sigma`, `reach`,
        `sensor_scores` (best_pixel); `max_vza` (max_ndvi); `width`, `reach`, `aod_weight`, `sensor_sigma` (weighted).

    Returns
    -------
    xarray.Dataset
        On (time, y, x) with the starts of the windows as time and their labels as coordinate `period`: every band,
        ``<band>_unc`` (one standard error), `count` of observations, `source` (bits of the sensors), `day` (from the
        start of the window) and `qa`. See :func:`reduce`.

    Raises
    ------
    CompositeError
        If the method, an option or the period is not possible, or time is in several chunks.
    """
    _check(ds, method)
    observations = Observations.of(ds)
    if method in REACH and "cloud_distance" not in ds:
        ds = ds.assign(cloud_distance=cloud_distance(ds["qa"], options.get("reach", REACH[method])))
    whole = _span(observations) if period is None else parse_period(period)
    windows = split(whole, every, anchor, clip=period is not None)
    parts = [_one_period(ds, observations, window, method, options) for window in windows]
    time = xr.Variable("time", [np.datetime64(w.start.replace(tzinfo=None), "ns") for w in windows])
    out = xr.concat(parts, dim="time", data_vars="all", coords="minimal", compat="override", join="override")
    out = out.assign_coords(time=time, period=("time", [w.label for w in windows]))
    return out.transpose("time", "y", "x").assign_attrs(
        ds.attrs, composite_method=method, composite_every=every or "all"
    )


def reduce(
    ds: xr.Dataset,
    method: str = "geomedian",
    *,
    period: PeriodLike | None = None,
    sensors: Sequence[str] | None = None,
    pool: Executor | None = None,
    **options: Any,
) -> xr.Dataset:
    """
    Make one image out of all observations of a cube.

    Parameters
    ----------
    ds
        Cube as for :func:`composite`. Variables `vza` and `cloud_distance` are used by the methods that know them.
    method
        A name of :data:`METHODS`.
    period
        What `day` is counted from and where the middle of the period lies. Default: the days of the observations.
    sensors
        All sensors of the product, in the order of the bits of `source`. Default: the attribute `sensors`
        of `ds`, else those that occur. Blocks of one
        product must be given the same period and sensors.
    pool
        Threads to share the pixels of a block.
    **options
        Of the method, as for :func:`composite`.

    Returns
    -------
    xarray.Dataset
        On (y, x), NaN where nothing was clear:

        ``<band>``
            float32, unit of the cube.
        ``<band>_unc``
            float32, one standard error; NaN for fewer than two observations. With s = 1.4826·MAD about the result:
            s·√(π/2)/√n for geomedian and median, s·√(q(1-q))/φ(Φ⁻¹(q))/√n about the median for percentiles, s for
            methods that select one observation, s/√n of the standard deviation for the mean.
        ``count``
            uint16, observations that took part: clear by `qa` and, in methods that look at all bands, complete.
        ``source``
            uint16, bits of the sensors that took part (of the chosen observation, in methods that select).
        ``day``
            int16, days from the start of the period: of the chosen observation, or the (lower) median; -1 for none.
        ``qa``
            uint16, bits of the chosen observation, or those that more than half carry; FILL where nothing was clear.

    Raises
    ------
    CompositeError
        If the method or an option is not possible, or time is in several chunks.
    """
    _check(ds, method)
    return _reduce(ds, Observations.of(ds, period, sensors), get_method(method), options, pool)


def _one_period(ds: xr.Dataset, observations: Observations, window: Period, method: str, options: Any) -> xr.Dataset:
    start, end = (np.datetime64(t.replace(tzinfo=None), "us") for t in (window.start, window.end))
    times = np.array(observations.times, "datetime64[ns]")
    found = np.flatnonzero((times >= start) & (times < end))
    if not found.size:
        return _reduce(_nothing(ds), observations.take(slice(0, 1), window), get_method(method), options, None)
    # a slice is a view; an index array would copy the cube
    whole = found[-1] - found[0] + 1 == found.size
    index = slice(int(found[0]), int(found[-1]) + 1) if whole else found
    return _reduce(ds.isel(time=index), observations.take(index, window), get_method(method), options, None)


def _nothing(ds: xr.Dataset) -> xr.Dataset:
    """One date on which nothing was observed: for periods without any (Dask has no blocks of no dates)."""
    one = ds.isel(time=slice(0, 1))
    blank = {n: xr.full_like(one[n], int(QA.FILL) if n == "qa" else np.nan) for n in [*band_names(ds), "qa"]}
    return one.assign(blank)


def _reduce(
    ds: xr.Dataset, observations: Observations, method: Method, options: dict[str, Any], pool: Executor | None
) -> xr.Dataset:
    by_band = method.name in BY_BAND
    made = (_by_band if by_band else _jointly)(ds, observations, method.name, options, pool)
    out = xr.Dataset(made).drop_vars(["time", "sensor", "scene"], errors="ignore")
    for name in band_names(ds):
        out[name].attrs = dict(ds[name].attrs)
        out[f"{name}_unc"].attrs = {
            "long_name": f"uncertainty of {name}, one standard error",
            "units": ds[name].attrs.get("units", "1"),
        }
    return _describe(out, observations).assign_attrs(ds.attrs)


def _by_band(
    ds: xr.Dataset, observations: Observations, method: str, options: dict[str, Any], pool: Executor | None
) -> dict[str, xr.DataArray]:
    qa = ds["qa"]
    settings: dict[str, Any] = {"observations": observations, "pool": pool}
    made = dict(zip(EVIDENCE, _apply(partial(_qa_block, **settings), [qa], [*EVIDENCE.values()]), strict=True))
    extras = [n for n in ("qa", "vza", "cloud_distance") if n in ds] if method == "weighted" else []
    function = partial(_band_block, names=extras, method=method, options=options, **settings)
    for name in band_names(ds):
        inputs = [ds[name], *(ds[n] for n in extras)]
        made[name], made[f"{name}_unc"] = _apply(function, inputs, [np.float32] * 2)
    order = [*band_names(ds), *(f"{n}_unc" for n in band_names(ds)), *EVIDENCE]
    return {name: made[name] for name in order}


def _jointly(
    ds: xr.Dataset, observations: Observations, method: str, options: dict[str, Any], pool: Executor | None
) -> dict[str, xr.DataArray]:
    names = band_names(ds)
    wanted = {"best_pixel": ("cloud_distance",), "max_ndvi": ("vza",)}.get(method, ())
    extras = [n for n in wanted if n in ds]
    outputs: dict[str, type[np.generic]] = dict.fromkeys([*names, *(f"{n}_unc" for n in names)], np.float32)
    outputs |= EVIDENCE
    outputs |= dict.fromkeys(MADS, np.float32) if options.get("mads") and method == "geomedian" else {}
    thermal = frozenset(n for n in names if ds[n].attrs.get("units") == "K")
    function = partial(
        _joint_block, names=names, extras=extras, method=method, observations=observations, thermal=thermal,
        options=options, pool=pool,
    )  # fmt: skip
    made = _apply(function, [ds[n] for n in (*names, "qa", *extras)], [*outputs.values()])
    return dict(zip(outputs, made, strict=True))


def _apply(function: Callable[..., Any], inputs: list[xr.DataArray], dtypes: list[Any]) -> tuple[xr.DataArray, ...]:
    return xr.apply_ufunc(  # type: ignore[no-any-return]
        partial(_over_blocks, function, dtypes), *inputs, input_core_dims=[["time"]] * len(inputs),
        output_core_dims=[[]] * len(dtypes), dask="allowed", join="exact",
    )  # fmt: skip


def _over_blocks(function: Callable[..., Any], dtypes: list[Any], *arrays: Any) -> tuple[Any, ...]:
    """Apply to lazy arrays as apply_ufunc's ``dask="parallelized"`` would, which copies every block of all dates."""
    if not any(hasattr(array, "dask") for array in arrays):
        return tuple(function(*arrays))
    import dask.array as da

    together = [part for array in arrays for part in (array, "yxt")]
    _, same = da.unify_chunks(*together)  # type: ignore[no-untyped-call]
    pairs = [part for array in same for part in (array, "yxt")]
    many: Any = da.blockwise(partial(_only_blocks, function), "yx", *pairs, meta=np.empty((0, 0)), align_arrays=False)  # type: ignore[no-untyped-call]
    return tuple(
        da.blockwise(itemgetter(k), "yx", many, "yx", dtype=dtype, meta=np.empty((0, 0), dtype))  # type: ignore[no-untyped-call]
        for k, dtype in enumerate(dtypes)
    )


def _only_blocks(function: Callable[..., Any], *blocks: list[Array]) -> tuple[Array, ...]:
    return tuple(function(*(block for (block,) in blocks)))


def _time_first(arrays: Sequence[Array]) -> list[Array]:
    """Undo what apply_ufunc did to the axes: views, nothing is copied."""
    return [np.moveaxis(a, -1, 0) for a in arrays]


def _qa_block(qa: Array, **settings: Any) -> tuple[Array, ...]:
    return tuple(reduce_qa(np.moveaxis(qa, -1, 0), **settings).values())


def _band_block(*arrays: Array, names: list[str], method: str, options: dict[str, Any], **settings: Any) -> Any:
    values, *extras = _time_first(arrays)
    return reduce_band(values, method, extras=dict(zip(names, extras, strict=True)), **settings, **options)


def _joint_block(
    *arrays: Array, names: list[str], extras: list[str], options: dict[str, Any], **settings: Any
) -> tuple[Array, ...]:
    inputs = _time_first(arrays)
    bands = dict(zip(names, inputs, strict=False))
    more = dict(zip(extras, inputs[len(names) + 1 :], strict=True))
    return tuple(reduce_joint(bands, inputs[len(names)], extras=more, **settings, **options).values())


def _describe(out: xr.Dataset, observations: Observations) -> xr.Dataset:
    table = observations.table
    out["count"].attrs = {"long_name": "number of observations", "units": "1"}
    out["source"].attrs = {
        "long_name": "sensors that took part",
        "flag_masks": np.array([1 << i for i in range(len(table))], np.uint16),
        "flag_meanings": " ".join(table),
    }
    out["day"].attrs = {"long_name": "day of observation", "units": f"days since {observations.start.astype('M8[D]')}"}
    out["qa"].attrs = {
        "long_name": "quality bits",
        "flag_masks": np.array([b.value for b in QA], np.uint16),
        "flag_meanings": " ".join(str(b.name).lower() for b in QA),
    }
    return out


def _span(observations: Observations) -> Period:
    if not observations.times:
        raise CompositeError("the cube has no observations: search again, or give the period")
    return parse_period(tuple(str(t)[:10] for t in (observations.start, observations.end - np.timedelta64(1, "D"))))  # type: ignore[arg-type]


def _check(ds: xr.Dataset, method: str) -> None:
    have = set(band_names(ds))
    missing = set(get_method(method).bands) - have - ({"nir"} if have.intersection(NEAR_INFRARED) else set())
    if "qa" not in ds or not band_names(ds) or missing:
        wanted = ", ".join(sorted(missing)) or "qa and at least one band on (time, y, x)"
        raise CompositeError(f"method {method!r} needs {wanted}; the dataset has {', '.join(map(str, ds.data_vars))}")
    chunks = max(len(v.chunksizes.get("time", ())) for v in ds.data_vars.values())
    if chunks > 1:
        raise CompositeError(
            f"time is in {chunks} chunks: a composite needs all dates at once. Build the cube with its dates in one "
            "chunk (mc.cube does), or call ds.chunk(time=-1) knowing that it moves all the data"
        )
