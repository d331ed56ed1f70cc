"""Picture of a registration: tie points and what displaces them, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from musyq_cube.normalization import Geometric
    from musyq_cube.normalize._tiepoints import TiePoints

Array: TypeAlias = np.ndarray[Any, Any]

BEFORE, AFTER = "#c0504d", "#2f6f9f"


def draw(points: TiePoints, after: Array, correction: Geometric, *, ax: Axes | None, magnify: float) -> Axes:
    """Draw tie points with their displacement before and (`after`, (n, 2) columns and rows) after the correction."""
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(6, 6), layout="constrained").add_subplot()
    before = np.stack([points.dcol, points.drow], axis=1)
    if not magnify:
        longest = np.percentile(np.abs(before), 90) if len(points) else 1.0
        magnify = float(np.round(max(points.shape) / 12 / max(longest, 0.05), 0)) or 1.0
    for moved, colour, name in ((before, BEFORE, "native"), (after, AFTER, "corrected")):
        ax.quiver(
            points.cols, points.rows, *(moved * magnify).T,
            angles="xy", scale_units="xy", scale=1, width=0.004, color=colour, label=f"{name}, ×{magnify:g}",
        )  # fmt: skip
    ax.plot(points.cols, points.rows, ".", color="0.25", markersize=3)
    ax.set(xlim=(0, points.shape[1]), ylim=(points.shape[0], 0), xlabel="column", ylabel="row", aspect="equal")
    ax.set_title(_title(correction), fontsize="medium")
    ax.legend(loc="upper right", fontsize="small")
    return ax


def _title(correction: Geometric) -> str:
    found = correction.residual
    what = correction.model if correction.applied else "identity"
    if found is None:
        return f"{what}: {correction.reason}"
    return f"{what}: RMSE {found.before:.3f} → {found.after:.3f} {found.unit} (n={found.count})\n{correction.reason}"
