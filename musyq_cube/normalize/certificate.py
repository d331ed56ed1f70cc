"""The consistency certificate: how well sensors agree where they looked at the same place at the same time."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels.pairs import BINS, TOP
from musyq_cube.normalize._pairs import DAY, Key, Moments, Statistics, Sums, accumulate, near_pairs
from musyq_cube.normalize.direction import FIXED
from musyq_cube.read.attributes import NOT_BANDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from musyq_cube.types import JSON

__all__ = ["Certificate", "Key", "Moments", "Statistics", "Sums", "accumulate", "certificate", "near_pairs"]

_LABELS = {
    "n": ("pairs of pixels", "1"),
    "bias": ("mean difference y - x", "1"),
    "rmsd": ("root mean square difference", "1"),
    "slope": ("slope of the orthogonal regression of y on x", "1"),
    "offset": ("offset of the orthogonal regression of y on x", "1"),
    "r2": ("squared correlation", "1"),
}


@dataclass(frozen=True)
class Certificate:
    """Bias, RMSD, n and regression of each pair of sensors and band, before and after each step of normalization."""

    sums: Sums
    within: np.timedelta64 = DAY
    """Largest difference in time of a pair."""

    @property
    def steps(self) -> tuple[str, ...]:
        """States of normalization; the first one is before any step."""
        return self.sums.steps

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Sensors (x, y) that could be compared."""
        return sorted({(key.x, key.y) for key in self.sums.moments})

    @property
    def bands(self) -> list[str]:
        """Bands that could be compared, from short to long waves."""
        order = {name: k for k, name in enumerate(FIXED)}
        return sorted({key.band for key in self.sums.moments}, key=lambda band: (order.get(band, len(order)), band))

    def statistics(self, x: str, y: str, band: str, step: str) -> Statistics:
        """Return how two sensors agree in a band after a step; n = 0 where they could not be compared."""
        return self.sums.moments.get(Key(x, y, band, step), Moments()).statistics

    def to_table(self) -> xr.Dataset:
        """
        Return everything as a table for the store.

        Returns
        -------
        xarray.Dataset
            `n bias rmsd slope offset r2` on (pair, band, step), and `histogram` (pixels by reflectance of x and y) on
            (pair, band, state, bin_x, bin_y), state 0 before and 1 after all steps. The names of pairs, bands and steps
            are in the attribute ``flag_meanings`` of their coordinates. Without pairs every dimension is of size 0.
        """
        pairs, bands, steps = self.pairs, self.bands, self.steps if self.pairs else ()
        shape = (len(pairs), len(bands), len(steps))
        columns = {f.name: np.zeros(shape, np.int64 if f.name == "n" else np.float64) for f in fields(Statistics)}
        histogram = np.zeros((*shape[:2], 2 if pairs else 0, BINS, BINS), np.int64)
        for i, j, k in np.ndindex(shape):
            row = self.statistics(*pairs[i], bands[j], steps[k])
            for name, column in columns.items():
                column[i, j, k] = getattr(row, name)
        for i, j, k in np.ndindex(histogram.shape[:3]):
            counts = self.sums.moments.get(Key(*pairs[i], bands[j], steps[-k]), Moments()).histogram
            histogram[i, j, k] = 0 if counts is None else counts
        names = ("pair", "band", "step")
        out = xr.Dataset({name: (names, column, _attrs(name)) for name, column in columns.items()})
        out["histogram"] = ((*names[:2], "state", "bin_x", "bin_y"), histogram, {"long_name": "pixels", "units": "1"})
        labels = ([f"{x}/{y}" for x, y in pairs], bands, list(steps))
        for name, values in zip(names, labels, strict=True):
            attrs = {"flag_values": list(range(len(values))), "flag_meanings": " ".join(values)}
            out = out.assign_coords({name: (name, np.arange(len(values), dtype=np.int16), attrs)})
        lower = np.arange(BINS) * (TOP / BINS)
        for name in ("bin_x", "bin_y"):
            out = out.assign_coords({name: (name, lower, {"long_name": "lower edge of reflectance", "units": "1"})})
        return out.assign_attrs(title="Consistency of sensors", comment=self._rule)

    def summary(self) -> JSON:
        """Return the statistics before and after all steps as JSON values, for the Item."""
        rows = []
        for x, y in self.pairs:
            bands = {}
            for band in self.bands:
                first, last = (self.statistics(x, y, band, step) for step in (self.steps[0], self.steps[-1]))
                if first.n:
                    names = [f.name for f in fields(Statistics)][1:]
                    bands[band] = {"n": first.n} | {k: [_json(getattr(s, k)) for s in (first, last)] for k in names}
            rows.append({"sensors": [x, y], "bands": bands})
        return {"steps": list(self.steps), "rule": self._rule, "pairs": rows}

    @property
    def _rule(self) -> str:
        return (
            f"pixels clear in both sensors, at most {_days(self.within)} apart, with a value after every step; "
            "difference y - x, orthogonal regression"
        )

    def __repr__(self) -> str:
        if not self.pairs:
            return f"<Certificate: empty; no two sensors saw the same clear pixel within {_days(self.within)}>"
        lines = [f"<Certificate: {self._rule}>"]
        head = f"  {'band':<11}{'n':>10}  {'step':<12}{'bias':>9}{'rmsd':>9}{'slope':>8}{'offset':>9}{'r²':>7}"
        for x, y in self.pairs:
            lines += [f"{x} (x) and {y} (y)", head]
            for band in self.bands:
                for k, step in enumerate(self.steps):
                    n, *numbers = astuple(self.statistics(x, y, band, step))
                    label = f"  {band:<11}{n:>10}" if k == 0 else " " * 23
                    bias, rmsd, slope, offset, r2 = numbers
                    lines.append(f"{label}  {step:<12}{bias:>9.4f}{rmsd:>9.4f}{slope:>8.3f}{offset:>9.4f}{r2:>7.3f}")
        return "\n".join(lines)

    def plot(
        self,
        pair: tuple[str, str] | None = None,
        band: str | None = None,
        *,
        kind: Literal["density", "bars"] = "density",
        ax: Axes | None = None,
    ) -> Axes:
        """
        Plot one pair of sensors: the density of pixels about the 1:1 line, or the RMSD of every band after every step.

        Parameters
        ----------
        pair
            Sensors (x, y). Default: the first pair.
        band
            For ``"density"``. Default: the first band of the pair.
        kind
            ``"density"`` (after all steps in colour, before them as contours) or ``"bars"``.
        ax
            Axes to draw into. Default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        NormalizeError
            If there is nothing to plot.
        """
        if not self.pairs:
            raise NormalizeError(f"nothing to plot: {self!r}")
        pair = self.pairs[0] if pair is None else pair
        bands = [b for b in self.bands if Key(*pair, b, self.steps[0]) in self.sums.moments]
        if not bands or (band is not None and band not in bands):
            raise NormalizeError(f"{pair}, {band}: there are the pairs {self.pairs} and for this one the bands {bands}")
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(figsize=(5, 4.2), layout="constrained").subplots()
        if kind == "bars":
            return self._bars(pair, bands, ax)
        return self._density(pair, band or bands[0], ax)

    def _density(self, pair: tuple[str, str], band: str, ax: Axes) -> Axes:
        from matplotlib.colors import LogNorm

        edges = np.linspace(0, TOP, BINS + 1)
        before, after = (self.sums.moments[Key(*pair, band, step)] for step in (self.steps[0], self.steps[-1]))
        if after.histogram is None or before.histogram is None:
            raise NormalizeError(f"{pair}, {band}: no histogram was kept")
        counts = np.where(after.histogram > 0, after.histogram, np.nan).T
        ax.pcolormesh(edges, edges, counts, norm=LogNorm(1, max(2, int(np.max(after.histogram)))), cmap="viridis")
        middle = (edges[:-1] + edges[1:]) / 2
        ax.contour(middle, middle, before.histogram.T, levels=[0.5], colors="tab:red", linewidths=0.8)
        ax.axline((0, 0), slope=1, color="0.4", linewidth=0.8)
        used = np.flatnonzero((before.histogram + after.histogram).sum(axis=0) + (before.histogram).sum(axis=1))
        top = edges[min(used[-1] + 2, BINS)]
        ax.set(xlim=(0, top), ylim=(0, top), aspect="equal", xlabel=f"{pair[0]} {band}", ylabel=f"{pair[1]} {band}")
        first, last = before.statistics, after.statistics
        text = f"RMSD {first.rmsd:.4f} → {last.rmsd:.4f}, bias {first.bias:+.4f} → {last.bias:+.4f}\n{last.n:,} pixels"
        ax.set_title(text, fontsize="medium")
        return ax

    def _bars(self, pair: tuple[str, str], bands: Sequence[str], ax: Axes) -> Axes:
        width = 0.8 / len(self.steps)
        for k, step in enumerate(self.steps):
            heights = [self.statistics(*pair, band, step).rmsd for band in bands]
            ax.bar(np.arange(len(bands)) + (k + 0.5) * width - 0.4, heights, width, label=step)
        ax.set_xticks(range(len(bands)), bands)
        ax.set(ylabel="RMSD, reflectance", title=f"{pair[0]} and {pair[1]}")
        ax.legend()
        return ax


def certificate(
    steps: Mapping[str, xr.Dataset],
    *,
    within: np.timedelta64 = DAY,
    bands: Sequence[str] | None = None,
    block: int = 1024,
) -> Certificate:
    """
    Compare the sensors of a cube with each other, before and after each step of normalization.

    Parameters
    ----------
    steps
        States of the same cube in the order of the steps, the first before normalization: bands on (time, y, x) in
        reflectance, NaN where not clear; coordinates `time` and `sensor`. Lazy ones are computed block by block.
    within
        Largest difference in time of two observations that are compared, inclusive.
    bands
        Reflectances to compare. Default: all variables on (time, y, x) but quality, angles, air and heat.
    block
        Pixels of a side of what is computed at once.

    Returns
    -------
    Certificate
        Empty (and says so) where no two sensors saw the same clear pixel.

    Raises
    ------
    NormalizeError
        If the states are not of the same cube.

    Notes
    -----
    The sums are of whole numbers (reflectance in units of 1e-5), so that the certificate of blocks is exactly that of
    the whole; see :class:`Sums` to make it in parts.
    """
    if not steps:
        raise NormalizeError("no state of normalization to compare: give at least one, {'native': cube}")
    first = next(iter(steps.values()))
    for name, ds in steps.items():
        if dict(ds.sizes) != dict(first.sizes) or list(ds["sensor"].values) != list(first["sensor"].values):
            raise NormalizeError(f"step {name!r} has {dict(ds.sizes)}, the first one {dict(first.sizes)}: not one cube")
    names = [str(b) for b in (bands or _reflectances(first))]
    time, sensor = first["time"].values, [str(s) for s in first["sensor"].values]
    seen = sorted({i for pair in near_pairs(time, sensor, within) for i in pair})
    total = Sums(tuple(steps))
    for y in range(0, first.sizes["y"], block):
        for x in range(0, first.sizes["x"], block):
            part = {"time": seen, "y": slice(y, y + block), "x": slice(x, x + block)}
            stacks = _load({step: ds[names].isel(part) for step, ds in steps.items()})
            total += accumulate(stacks, time[seen], [sensor[i] for i in seen], within=within)
    return Certificate(total, within)


def _load(states: Mapping[str, xr.Dataset]) -> dict[str, dict[str, Any]]:
    """Compute all states together: what they share is read once."""
    import dask

    loaded = dask.compute(*states.values())  # type: ignore[no-untyped-call, attr-defined]
    return {
        step: {str(name): band.transpose("time", "y", "x").values for name, band in ds.data_vars.items()}
        for step, ds in zip(states, loaded, strict=True)
    }


def _reflectances(ds: xr.Dataset) -> list[str]:
    names = [str(n) for n, v in ds.data_vars.items() if set(v.dims) == {"time", "y", "x"} and n not in NOT_BANDS]
    return [n for n in names if not n.startswith("lwir") and ds[n].dtype.kind == "f"]


def _attrs(name: str) -> dict[str, str]:
    long_name, units = _LABELS[name]
    return {"long_name": long_name, "units": units}


def _days(span: np.timedelta64) -> str:
    days = float(span / np.timedelta64(1, "h")) / 24
    return f"{days:g} day{'' if days == 1 else 's'}"


def _json(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
