"""Picture of what makes two sensors alike: responses and regression, band by band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.normalize._bandpass import library

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from musyq_cube.normalize._bandpass_table import Line
    from musyq_cube.sensor import Sensor

_COLOURS = {"plant": "tab:green", "soil": "tab:brown", "water": "tab:blue", "snow": "tab:cyan", "mixture": "0.6"}


def draw(lines: tuple[Line, ...], own: Sensor, other: Sensor, figure: Figure | None) -> Figure:
    """Draw one column of two panels per line."""
    if figure is None:
        from matplotlib.figure import Figure as NewFigure

        figure = NewFigure(figsize=(2.6 * len(lines) + 1, 5.2), layout="constrained")
    axes = figure.subplots(2, len(lines), squeeze=False)
    for column, line in zip(axes.T, lines, strict=True):
        _responses(column[0], line, own, other)
        _regression(column[1], line, own, other)
    axes[0, 0].set_ylabel("relative response")
    axes[1, 0].set_ylabel(f"{other.title}")
    axes[1, 0].legend(fontsize="x-small", markerscale=3)
    figure.suptitle(f"{own.title} → {other.title}")
    return figure


def _responses(ax: Axes, line: Line, own: Sensor, other: Sensor) -> None:
    for which, band, colour in ((own, line.band, "tab:orange"), (other, line.reference_band, "k")):
        x, s = which.srf(band)
        ax.fill_between(x, s, color=colour, alpha=0.3, lw=0)
        ax.plot(x, s, color=colour, lw=1, label=which.id)
    ax.set(xlabel="µm", title=f"{line.band} → {line.reference_band}, {line.distance:.0f} nm")
    ax.legend(fontsize="x-small")


def _regression(ax: Axes, line: Line, own: Sensor, other: Sensor) -> None:
    spectra = library()
    x, y = spectra.means(own.srf(line.band)), spectra.means(other.srf(line.reference_band))
    for kind, colour in _COLOURS.items():
        chosen = spectra.kind == kind
        ax.scatter(x[chosen], y[chosen], s=2, color=colour, label=kind, lw=0)
    ends = np.array([0.0, float(np.max(x))])
    ax.plot(ends, ends, color="0.5", lw=0.8, ls=":")
    ax.plot(ends, line.slope * ends + line.offset, color="tab:red", lw=1)
    ax.set_xlabel(own.title)
    ax.set_title(f"{line.slope:.4f} ρ {line.offset:+.4f} ({line.method})", fontsize="small")
