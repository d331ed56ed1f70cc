"""
Calibration: what a sensor's numbers have to become so that they agree with a better known one.

Three ways to know: from the sensor's file by date (:func:`calibration_for`), from desert targets with the whole physics
(:func:`cross_calibrate`), and from one same-day scene on pixels that did not change (:func:`relative`).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.normalization import Calibration, Residual
from musyq_cube.normalize._crosscal import Contribution, CrossCalibration, cross_calibrate
from musyq_cube.normalize._crosscal_chain import (
    Air,
    Day,
    Link,
    TableAir,
    View,
    homogeneous,
    on_slope,
    predict,
    radiance,
)
from musyq_cube.sensor import Sensor
from musyq_cube.sensor import sensor as get_sensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from musyq_cube._sensor_file import GainOffset

Array: TypeAlias = np.ndarray[Any, Any]

__all__ = [
    "Air",
    "Contribution",
    "CrossCalibration",
    "Day",
    "Link",
    "TableAir",
    "View",
    "calibration_for",
    "cross_calibrate",
    "homogeneous",
    "on_slope",
    "predict",
    "radiance",
    "relative",
]

PAIRS = 200
"""Clear pixels in common below which one scene says nothing about the calibration of another."""
CHANGED = 2.0
"""Standard deviations of the joint difference over all bands beyond which a pixel counts as changed."""
GAINS = (0.7, 1.4)
"""Relative gains beyond which the difference is no matter of calibration."""


def calibration_for(sensor: Sensor | str, time: str | dt.datetime) -> Calibration:
    """
    Return what a sensor's file says about the calibration of a scene taken at a time.

    The rule, for each band by itself: an entry with ``to`` holds unchanged from ``from`` up to, but not at, ``to``.
    Entries without ``to`` are nodes: gain, offset and uncertainty are linear in time between two of them, constant
    after the last, and there is no correction before the first. Bands without an entry for the date keep the identity.

    Parameters
    ----------
    sensor
        Sensor or its id.
    time
        Of the scene: RFC 3339, or aware.

    Returns
    -------
    Calibration
        `uncertainty` is that of the worst band that is corrected; identity, with the reason, where nothing applies.

    Examples
    --------
    >>> calibration_for("landsat8-oli", "2018-07-10T15:40:00Z").reason
    'the file of landsat8-oli has no musyq:calibration'
    """
    known = get_sensor(sensor) if isinstance(sensor, str) else sensor
    when = dt.datetime.fromisoformat(time) if isinstance(time, str) else time
    when = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
    if not known.calibration:
        return Calibration(applied=False, reason=f"the file of {known.id} has no musyq:calibration")
    found = {band.key: _at(known.calibration, band.key, when) for band in known.bands}
    valid = {band: entry for band, entry in found.items() if entry is not None}
    if not valid:
        return Calibration(applied=False, reason=f"musyq:calibration of {known.id} says nothing for {when.date()}")
    sources = dict.fromkeys(source for *_, source in valid.values())
    doubts = [doubt for _, _, doubt, _ in valid.values() if doubt is not None]
    return Calibration(
        applied=True,
        reason=f"musyq:calibration of {known.id} for {when.date()}: {'; '.join(sources)}",
        bands=tuple((band, gain, offset) for band, (gain, offset, _, _) in valid.items()),
        uncertainty=max(doubts) if len(doubts) == len(valid) else None,
    )


def _at(entries: Iterable[GainOffset], band: str, when: dt.datetime) -> tuple[float, float, float | None, str] | None:
    begun = [e for e in entries if e.band == band and e.start <= when]
    if not begun:
        return None
    last = begun[-1]
    if last.until is not None:
        return (last.gain, last.offset, last.uncertainty, last.source) if when < last.until else None
    later = next((e for e in entries if e.band == band and e.start > when), None)
    if later is None:
        return last.gain, last.offset, last.uncertainty, last.source
    share = (when - last.start) / (later.start - last.start)
    doubts = (last.uncertainty, later.uncertainty)
    doubt = None if None in doubts else _between(last.uncertainty or 0.0, later.uncertainty or 0.0, share)
    sources = " – ".join(dict.fromkeys((last.source, later.source)))
    return _between(last.gain, later.gain, share), _between(last.offset, later.offset, share), doubt, sources


def _between(first: float, second: float, share: float) -> float:
    return first + (second - first) * share


def relative(
    values: Mapping[str, Array],
    reference: Mapping[str, Array],
    *,
    clear: Array | None = None,
    cosine: float = 1.0,
    minimum: int = PAIRS,
    against: str = "reference",
) -> Calibration:
    """
    Compare a scene with a better known one of the same day on pixels that did not change between them.

    Half of the pixels (alternately) are fitted: lines with errors on both sides (the major axis), on the pixels whose
    difference from those lines, over all bands together, is small. The other half measures the residual, the median of
    absolute differences over all their pixels, so that what is kept has improved pixels that it was not made from.

    Parameters
    ----------
    values, reference
        Reflectance by common name on the same pixels, any shape, NaN where missing. Both must be alike already in
        spectrum, air and direction as far as they are to be: what is left is called calibration.
    clear
        True where both are clear.
    cosine
        Mean cosine of the sun zenith of the scene, where `values` are reflectance but the correction is for the numbers
        before the division by it (the offset is multiplied by it).
    minimum
        Pixels needed.
    against
        Id of the reference's item.

    Returns
    -------
    Calibration
        With the bands that improved; identity where none did, or with too few pixels. `uncertainty` is that of the
        comparison, in the worst band; what is wrong with the reference itself is not in it.

    Raises
    ------
    NormalizeError
        No band in common.

    Examples
    --------
    >>> truth = np.linspace(0.05, 0.4, 1000)
    >>> found = relative({"red": truth / 1.1}, {"red": truth})
    >>> found.applied, [round(x, 4) for x in found.bands[0][1:]]
    (True, [1.1, 0.0])
    """
    names = [name for name in values if name in reference]
    if not names:
        raise NormalizeError(f"no band in common: {', '.join(values)} and {', '.join(reference)}")
    x, y = (np.stack([np.asarray(m[n], np.float64).ravel() for n in names]) for m in (values, reference))
    usable = np.isfinite(x).all(0) & np.isfinite(y).all(0)
    if clear is not None:
        usable &= np.asarray(clear, bool).ravel()
    x, y = x[:, usable], y[:, usable]
    if x.shape[1] < minimum:
        return Calibration(False, f"{x.shape[1]} clear pixels in common with {against}, need {minimum}")
    lines = _invariant_lines(x[:, ::2], y[:, ::2])
    return _kept(names, lines, x[:, 1::2], y[:, 1::2], cosine, against)


def _kept(names: list[str], lines: Array, x: Array, y: Array, cosine: float, against: str) -> Calibration:
    """Keep the lines that bring unseen pixels nearer, by more than their number lets happen by chance."""
    before = np.median(np.abs(x - y), axis=1)
    after = np.median(np.abs(lines[:, :1] * x + lines[:, 1:] - y), axis=1)
    better = (after < before * (1 - 1 / np.sqrt(x.shape[1]))) & (lines[:, 0] > GAINS[0]) & (lines[:, 0] < GAINS[1])
    result = np.where(better, after, before)
    residual = Residual(float(before.mean()), float(result.mean()), "1", x.shape[1], against)
    if not better.any():
        return Calibration(False, f"no band would come nearer to {against}", residual=residual)
    bands = tuple((n, float(a), float(b * cosine)) for n, (a, b), k in zip(names, lines, better, strict=True) if k)
    doubt = float(_doubt(lines[better], x[better], y[better]).max())
    kept = ", ".join(n for n, k in zip(names, better, strict=True) if not k)
    reason = f"relative to {against} on invariant pixels" + (f"; identity in {kept}" if kept else "")
    return Calibration(True, reason, bands, doubt, residual)


def _doubt(lines: Array, x: Array, y: Array) -> Array:
    """Return by band what is left on average, with its standard error, relative to the middle value."""
    left = lines[:, :1] * x + lines[:, 1:] - y
    bias = np.median(left, axis=1)
    spread = 1.4826 * np.median(np.abs(left - bias[:, None]), axis=1)
    error = np.hypot(bias, 1.25 * spread / np.sqrt(x.shape[1]))
    return np.asarray(error / np.maximum(np.abs(np.median(y, axis=1)), 1e-6))


def _invariant_lines(x: Array, y: Array) -> Array:
    """Return (bands, 2) gain and offset on the pixels that agree with them in all bands together."""
    level = np.median(x, axis=1)
    ratio = np.divide(np.median(y, axis=1), level, out=np.ones_like(level), where=np.abs(level) > 1e-6)
    lines = np.stack([ratio, np.zeros_like(ratio)], axis=1)
    for _ in range(20):
        difference = lines[:, :1] * x + lines[:, 1:] - y
        scale = 1.4826 * np.median(np.abs(difference), axis=1, keepdims=True) + 1e-9
        joint = np.sqrt(np.mean((difference / scale) ** 2, axis=0))
        same = joint <= max(1 + CHANGED / np.sqrt(2 * len(x)), float(np.median(joint)))
        before, lines = lines, np.stack([_major_axis(a[same], b[same]) for a, b in zip(x, y, strict=True)])
        if np.abs(lines - before).max() < 1e-7:
            break
    return lines


def _major_axis(x: Array, y: Array) -> Array:
    """Return (gain, offset) of the line of least perpendicular distance."""
    x0, y0 = x.mean(), y.mean()
    sxx, syy, sxy = ((x - x0) ** 2).mean(), ((y - y0) ** 2).mean(), ((x - x0) * (y - y0)).mean()
    if sxy <= 0:
        return np.array([1.0, y0 - x0])
    gain = (syy - sxx + np.hypot(syy - sxx, 2 * sxy)) / (2 * sxy)
    return np.array([gain, y0 - gain * x0])
