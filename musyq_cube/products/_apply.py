"""Apply: a kernel on DataArrays, eager or lazy, and plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr


def elementwise(kernel: Any, *given: Any, outputs: int = 1, **fixed: Any) -> Any:
    """
    Call a kernel on arrays that broadcast, as they are, and return float32, a tuple where there are several results.

    Parameters
    ----------
    kernel
        A function of arrays.
    given
        Its arguments: DataArrays, eager or lazy, arrays or numbers.
    outputs
        Number of results.
    fixed
        What it takes besides, the same for all pixels.
    """
    return xr.apply_ufunc(
        kernel,
        *given,
        kwargs=fixed,
        output_core_dims=[[]] * outputs,
        dask="parallelized",
        output_dtypes=["float32"] * outputs,
        keep_attrs=False,
    )


def apply_kernel(
    kernel: Any, *given: Any, core: list[list[str]] | None = None, out: list[list[str]] | None = None
) -> tuple[xr.DataArray, ...]:
    """
    Call a kernel; floating inputs become float32, and lazy ones are made whole along core dimensions.

    Parameters
    ----------
    kernel
        A gufunc.
    given
        Its arguments: DataArrays, arrays or numbers.
    core, out
        Core dimensions of each argument and of each result; default: none, and one result.
    """
    outputs = out or [[]]
    made = xr.apply_ufunc(
        kernel,
        *(_single(value) for value in given),
        input_core_dims=core or [[]] * len(given),
        output_core_dims=outputs,
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=["float32"] * len(outputs),
    )
    return made if len(outputs) > 1 else (made,)


def _single(value: Any) -> Any:
    if isinstance(value, float):
        return np.float32(value)
    return value.astype("float32") if isinstance(value, xr.DataArray) and value.dtype.kind == "f" else value
