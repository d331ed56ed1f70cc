"""Physical values to stored integers and back, bit-exact everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musyq_cube.variable import Variable


def pack(values: NDArray[Any], variable: Variable) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """
    Turn physical values into the stored integers.

    Parameters
    ----------
    values
        Any shape; float with NaN where missing, or integers (then a value equal to `nodata` is missing).
    variable
        The layer.

    Returns
    -------
    stored
        Integers of ``variable.dtype``, same shape; missing pixels hold ``variable.fill_value``.
    outside
        True where a value (infinities included) lay outside the valid or the storable range and was clipped.

    Notes
    -----
    stored = round((value - offset) / scale) in float64, halves to even: one IEEE result on every machine.

    Examples
    --------
    >>> from musyq_cube.variable import reflectance
    >>> stored, outside = pack(np.array([0.25, np.nan, 9.0]), reflectance("red"))
    >>> stored.tolist(), outside.tolist()
    ([2500, -32768, 16000], [False, False, True])
    """
    dtype = np.dtype(variable.dtype)
    missing = _missing(values, variable)
    if variable.scale is None and values.dtype == dtype and variable.valid is None:
        return values.copy(), np.zeros(values.shape, bool)
    low, high = stored_range(variable)
    scaled = values.astype(np.float64)
    if variable.scale is not None:
        scaled = (scaled - variable.offset) / variable.scale
    scaled = np.rint(scaled)
    outside = ((scaled < low) | (scaled > high)) & ~missing
    clipped = np.clip(scaled, low, high)
    clipped[missing] = variable.fill_value
    return clipped.astype(dtype), outside


def unpack(stored: NDArray[Any], variable: Variable) -> NDArray[Any]:
    """
    Turn stored integers into physical values.

    Returns
    -------
    values
        float32 with NaN where missing; layers without scale and without `nodata` stay as they are.
    """
    if variable.scale is None and variable.nodata is None:
        return stored
    values = stored.astype(np.float64)
    if variable.scale is not None:
        values = values * variable.scale + variable.offset
    if variable.nodata is not None:
        values[stored == variable.nodata] = np.nan
    return values.astype(np.float32)


def stored_range(variable: Variable) -> tuple[int, int]:
    """Return the smallest and largest integer a valid value may be stored as; never the nodata value."""
    limits = np.iinfo(np.dtype(variable.dtype))
    low, high = int(limits.min), int(limits.max)
    if variable.nodata == low:
        low += 1
    if variable.nodata == high:
        high -= 1
    if variable.valid is not None:
        scale = variable.scale or 1.0
        first, last = (round((value - variable.offset) / scale) for value in variable.valid)
        low, high = max(low, first), min(high, last)
    return low, high


def _missing(values: NDArray[Any], variable: Variable) -> NDArray[np.bool_]:
    if np.issubdtype(values.dtype, np.floating):
        return np.isnan(values)
    if variable.nodata is not None and variable.scale is None:
        return np.asarray(values == variable.nodata)
    return np.zeros(values.shape, bool)
