"""Cross-calibration over homogeneous targets: gain and offset of a sensor, and what they are worth."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize._crosscal_chain import Air, Day, Link, TableAir, predict
from musyq_cube.normalize._crosscal_fit import Line, robust_line, solve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from musyq_cube.types import JSON

Array: TypeAlias = np.ndarray[Any, Any]

MINIMUM = 200
"""Pixels below which a regression is refused."""
CLEAREST = 0.01
"""AOD that a perturbation does not go below."""


@dataclass(frozen=True)
class Contribution:
    """What one doubt does to the result, k = 1."""

    source: str
    step: str
    """By how much it was changed."""
    gain: float
    """Relative, of A."""
    offset: float
    """Of L0, W m⁻² sr⁻¹ µm⁻¹."""
    radiance: float
    """Relative, of the radiance at the median number."""


@dataclass(frozen=True, eq=False)
class CrossCalibration:
    """
    What the numbers of a band mean: L = DN / gain + offset (W m⁻² sr⁻¹ µm⁻¹).

    Made by :func:`cross_calibrate`.
    """

    band: str
    """``sensor/band`` of the target."""
    reference: str
    gain: float
    """A: numbers per radiance."""
    offset: float
    """L0."""
    gain_uncertainty: float
    """k = 1 of the regression alone; `budget` has the rest."""
    offset_uncertainty: float
    r2: float
    count: int
    """Pixels that the regression used."""
    dates: int
    budget: tuple[Contribution, ...]
    dn: Array = field(repr=False)
    """Of every pixel, float64."""
    radiance: Array = field(repr=False)
    """That the reference says, shape of `dn`."""
    weight: Array = field(repr=False)
    """In the regression, 0 where it is an outlier."""
    day: Array = field(repr=False)
    """Index of the date of each pixel."""

    @property
    def total(self) -> Contribution:
        """All contributions to the uncertainty, k = 1, summed in quadrature."""
        sums = (math.hypot(*(getattr(c, name) for c in self.budget)) for name in ("gain", "offset", "radiance"))
        return Contribution("all", "k = 1", *sums)

    def calibrate(self, dn: Array) -> Array:
        """Return radiance from numbers."""
        return np.asarray(np.asarray(dn, np.float64) / self.gain + self.offset)

    def correction(self, gain: float, offset: float, esun: float | None = None) -> tuple[float, float]:
        """
        Return (gain, offset) that turn values made with other coefficients into values made with these.

        Parameters
        ----------
        gain, offset
            A and L0 that the values were made with: those in the scene's own metadata.
        esun
            W m⁻² µm⁻¹, for values that are reflectance times the cosine of the sun zenith, as a sensor's file wants
            them (at 1 AU: within 3.4 % of a small number for the rest of the year); None for radiance.
        """
        ratio = gain / self.gain
        shift = self.offset - ratio * offset
        return ratio, shift if esun is None else shift * math.pi / esun

    def table(self) -> str:
        """Return the uncertainty budget as text."""
        lines = [f"{'source':<20} {'step':<9} {'A %':>6} {'L0':>6} {'L %':>6}"]
        lines += [
            f"{c.source:<20} {c.step:<9} {100 * c.gain:6.2f} {c.offset:6.2f} {100 * c.radiance:6.2f}"
            for c in (*self.budget, self.total)
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"<CrossCalibration of {self.band} against {self.reference}: L = DN / {self.gain:.4f} + {self.offset:.3f}"
            f" (u {self.gain_uncertainty:.4f}, {self.offset_uncertainty:.3f}), r² {self.r2:.4f},"
            f" {self.count} pixels on {self.dates} dates>\n{self.table()}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot what the target measures, calibrated, against what the reference says, with the 1:1 line."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(figsize=(5, 5))[1]
        mine, used = self.calibrate(self.dn), self.weight > 0
        ax.scatter(self.radiance[~used], mine[~used], s=6, marker="x", color="0.6", label="left out")
        ax.scatter(self.radiance[used], mine[used], s=6, c=self.day[used], cmap="viridis", label="used, by date")
        ends = [float(min(self.radiance.min(), mine.min())), float(max(self.radiance.max(), mine.max()))]
        ax.plot(ends, ends, color="black", linewidth=1, label="1:1")
        ax.set(
            xlabel=f"radiance by {self.reference} (W m⁻² sr⁻¹ µm⁻¹)",
            ylabel=f"{self.band}: DN/A + L0",
            title=f"A {self.gain:.4f}, L0 {self.offset:.2f}, r² {self.r2:.4f}, n {self.count}",
        )
        ax.legend(fontsize="small")
        return ax


def cross_calibrate(
    days: Sequence[Day],
    link: Link,
    air: Air | None = None,
    *,
    offset: float | None = None,
    minimum: int = MINIMUM,
    sbaf_uncertainty: float = 0.01,
    reference_uncertainty: float = 0.05,
) -> CrossCalibration:
    """
    Find gain and offset of a sensor from a better known one over homogeneous ground.

    For every pixel :func:`predict` says which radiance the target must have measured; ``L = DN/A + L0`` is fitted by
    robust regression. Every doubt is propagated by changing its input and fitting again: AOD ± 0.05, water ± 20 %,
    registration ± 0.5 px (where pixels are given as images), SBAF, and the calibration of the reference itself.

    Parameters
    ----------
    days
        Dates with both sensors; numbers that span a range, or nothing separates gain from offset.
    link
        The two bands and what ties them: SBAF, BRDF parameters, solar irradiance.
    air
        Atmosphere, with `to_surface` and `to_toa`; the project's own tables for desert aerosol where None.
    offset
        L0 where it is known (from dark frames or the producer), not fitted: then even one kind of ground is enough.
    minimum
        Pixels that the regression needs.
    sbaf_uncertainty, reference_uncertainty
        k = 1, relative.

    Returns
    -------
    CrossCalibration

    Raises
    ------
    NormalizeError
        Too few pixels, too small a range, or a slope that is not positive.
    """
    fitted = _Fit(days, link, air or TableAir(), offset)
    if fitted.x.size < minimum:
        raise NormalizeError(
            f"{'/'.join(link.target)}: {fitted.x.size} usable pixels on {len(days)} dates, need {minimum}; "
            "add dates or targets, or loosen the homogeneity"
        )
    line = robust_line(fitted.x, fitted.y, offset, fitted.day)
    if line.slope <= 0:
        raise NormalizeError(f"{'/'.join(link.target)}: radiance falls with the numbers (slope {line.slope:.4g})")
    used = line.weight > 0
    return CrossCalibration(
        band="/".join(link.target),
        reference="/".join(link.reference),
        gain=1 / line.slope,
        offset=line.intercept,
        gain_uncertainty=float(np.sqrt(line.covariance[0, 0])) / line.slope**2,
        offset_uncertainty=float(np.sqrt(line.covariance[1, 1])),
        r2=line.r2,
        count=int(used.sum()),
        dates=len(np.unique(fitted.day[used])),
        budget=_budget(fitted, line, sbaf_uncertainty, reference_uncertainty),
        dn=fitted.x,
        radiance=fitted.y,
        weight=line.weight,
        day=fitted.day,
    )


class _Fit:
    """The pixels of all dates as long rows, and the same rows again when something is changed."""

    def __init__(self, days: Sequence[Day], link: Link, air: Air, offset: float | None) -> None:
        self.days, self.link, self.air, self.offset = days, link, air, offset
        numbers = [np.asarray(d.dn, np.float64).ravel() for d in days]
        rows = self._rows(days, link)
        self.usable = np.isfinite(np.concatenate([*numbers, []])) & np.isfinite(rows)
        self.x = np.concatenate([*numbers, []])[self.usable]
        self.y = rows[self.usable]
        self.day = np.repeat(np.arange(len(days)), [n.size for n in numbers])[self.usable]

    def _rows(self, days: Sequence[Day], link: Link) -> Array:
        rows = [np.broadcast_to(predict(d, link, self.air), np.shape(d.dn)).ravel() for d in days]
        return np.concatenate([*rows, []]).astype(np.float64)

    def again(self, weight: Array, days: Sequence[Day] | None = None, link: Link | None = None) -> Array:
        """Return (slope, intercept) of changed inputs with the weights of the unchanged fit."""
        y = self._rows(days or self.days, link or self.link)[self.usable]
        known = np.isfinite(y)
        return np.array(solve(self.x, np.where(known, y, 0.0), weight * known, self.offset))


def _budget(fitted: _Fit, line: Line, sbaf: float, reference: float) -> tuple[Contribution, ...]:
    def days(change: Callable[[Day], JSON]) -> Array:
        return fitted.again(line.weight, [dataclasses.replace(d, **change(d)) for d in fitted.days])

    def scaled(factor: float) -> Array:
        return fitted.again(line.weight, link=dataclasses.replace(fitted.link, sbaf=fitted.link.sbaf * factor))

    changed: list[tuple[str, str, list[Array]]] = [
        ("AOD", "± 0.05", [days(lambda d, s=s: {"aod": max(d.aod + s, CLEAREST)}) for s in (-0.05, 0.05)]),  # type: ignore[misc]
        ("water vapour", "± 20 %", [days(lambda d, s=s: {"tcwv": d.tcwv * s}) for s in (0.8, 1.2)]),  # type: ignore[misc]
    ]
    if all(np.ndim(d.toa) == 2 for d in fitted.days):
        for axis, name in enumerate(("rows", "columns")):
            moved = [days(lambda d, a=axis, s=s: {"toa": _half_pixel(d.toa, a, s)}) for s in (-1, 1)]  # type: ignore[misc]
            changed.append((f"registration {name}", "± 0.5 px", moved))
    changed.append(("SBAF", f"± {100 * sbaf:g} %", [scaled(1 - sbaf), scaled(1 + sbaf)]))
    factors = (1 - reference, 1 + reference)
    moved = [days(lambda d, s=s: {"toa": np.asarray(d.toa) * s}) for s in factors]  # type: ignore[misc]
    changed.append(("reference", f"± {100 * reference:g} %", moved))
    x = float(np.median(fitted.x[line.weight > 0]))
    found = [_contribution(name, step, line, results, x) for name, step, results in changed]
    return (*found, _of_the_fit(line, x))


def _contribution(name: str, step: str, line: Line, results: list[Array], x: float) -> Contribution:
    level = line.slope * x + line.intercept
    gain = max(abs(line.slope / slope - 1) for slope, _ in results)
    offset = max(abs(at_zero - line.intercept) for _, at_zero in results)
    radiance = max(abs((slope * x + at_zero) / level - 1) for slope, at_zero in results)
    return Contribution(name, step, float(gain), float(offset), float(radiance))


def _of_the_fit(line: Line, x: float) -> Contribution:
    slope, intercept = np.sqrt(np.diag(line.covariance))
    level = line.slope * x + line.intercept
    return Contribution(
        "regression", "k = 1", float(slope / line.slope), float(intercept), line.uncertainty(x) / abs(level)
    )


def _half_pixel(values: Array, axis: int, direction: int) -> Array:
    """Return an image moved by half a pixel: each the mean of itself and its neighbour, itself at the border."""
    values = np.asarray(values, np.float64)
    other = np.roll(values, direction, axis)
    edge: list[Any] = [slice(None)] * values.ndim
    edge[axis] = 0 if direction > 0 else -1
    other[tuple(edge)] = values[tuple(edge)]
    return np.where(np.isfinite(other), (values + other) / 2, values)
