"""Pictures of what was found out about a scene, as far as its Item keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.normalization import STEPS, Field
from musyq_cube.normalize._geometric_plot import AFTER, BEFORE
from musyq_cube.normalize.aerosol import AodField, field_source
from musyq_cube.read.zarr import open_layer
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from musyq_cube.normalization import Normalization

Array: TypeAlias = np.ndarray[Any, Any]

NODES = 9
"""Vectors along a side of the picture of a displacement."""
LENGTH = 0.6
"""Of the longest vector, in distances between vectors."""


def draw(found: Normalization, step: str | None = None, ax: Axes | None = None) -> Any:
    """
    Draw one step into Axes, or all that are known as a Figure.

    Raises
    ------
    NormalizeError
        For what is no step, a step that was not found, or Axes without a step.
    ReadError
        Where the field of aerosol or the mask cannot be read.
    """
    if step is None:
        if ax is not None:
            raise NormalizeError("ax: name the step to draw into it, such as plot('atmosphere', ax=ax)")
        return _all(found)
    if step not in {*STEPS, "mask"}:
        raise NormalizeError(f"step={step!r}: there are {', '.join((*STEPS, 'mask'))}")
    if getattr(found, step) is None:
        raise NormalizeError(f"{found.scene}: {step} was not characterized")
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(5, 4.2), layout="constrained").add_subplot()
    return _DRAW.get(step, _residual)(found, step, ax)


def _all(found: Normalization) -> Figure:
    from matplotlib.figure import Figure

    steps = [step for step in STEPS if getattr(found, step) is not None and _drawable(found, step)]
    steps += ["mask"] if found.mask is not None else []
    figure = Figure(figsize=(4.6 * max(len(steps), 1), 4.4), layout="constrained")
    figure.suptitle(found.scene if steps else f"{found.scene}: no step is applied", fontsize="medium")
    for number, step in enumerate(steps):
        draw(found, step, figure.add_subplot(1, len(steps), number + 1))
    return figure


def _drawable(found: Normalization, step: str) -> bool:
    """Whether a step is applied and has more to show than a word."""
    value = getattr(found, step)
    return bool(value.applied) and (step in _DRAW or value.residual is not None)


def _geometric(found: Normalization, step: str, ax: Axes) -> Axes:
    """Draw the displacement over the scene, and its residual: tie points are not kept on the Item."""
    correction = found.geometric
    if correction is None or not correction.applied:
        return _residual(found, step, ax)
    (x0, y0), reach = correction.origin, correction.scale
    line = np.linspace(-1, 1, NODES) * reach
    x, y = np.meshgrid(x0 + line, y0 + line)
    dx, dy = correction.displacement(x, y)
    longest = float(np.hypot(dx, dy).max())
    magnify = LENGTH * (2 * reach / (NODES - 1)) / longest if longest else 1.0
    ax.quiver(x, y, dx * magnify, dy * magnify, angles="xy", scale_units="xy", scale=1, width=0.004, color=BEFORE)
    ax.set(aspect="equal", xlabel=f"x, {correction.crs}", ylabel="y")
    ax.ticklabel_format(useOffset=False, style="plain")
    ax.tick_params(axis="x", rotation=30)
    _title(ax, found, step, f"{correction.model}, at most {longest:.3g} CRS units, drawn ×{magnify:.3g}")
    return ax


def _calibration(found: Normalization, step: str, ax: Axes) -> Axes:
    """Draw corrected against original numbers, with the 1:1 line."""
    bands = found.calibration.bands if found.calibration else ()
    if not bands:
        return _residual(found, step, ax)
    ax.axline((0, 0), slope=1, color="0.4", linewidth=0.8, label="1:1")
    values = np.array([0.0, 1.0])
    for name, gain, offset in bands:
        ax.plot(values, gain * values + offset, label=f"{name}: {gain:.4g} · x {offset:+.4g}")
    ax.set(xlabel="as the file says, share of full scale", ylabel="corrected", aspect="equal")
    ax.legend(fontsize="small")
    _title(ax, found, step, f"{len(bands)} bands")
    return ax


def _atmosphere(found: Normalization, step: str, ax: Axes) -> Axes:
    """Draw the map of aerosol, or say the one number."""
    state = found.atmosphere
    if state is None or not state.applied:
        return _residual(found, step, ax)
    if isinstance(state.aod, Field):
        _read_aod(state.aod, state.source).plot(ax)
    else:
        ax.imshow([[state.aod]], vmin=0, vmax=max(0.3, state.aod), cmap="YlOrBr")
        ax.text(0, 0, f"AOD {state.aod:.3f}\neverywhere", ha="center", va="center")
        ax.set(xticks=[], yticks=[])
    _title(ax, found, step, f"{state.source}, {state.model}, {state.tcwv:.2g} g cm⁻², {state.ozone:.2g} cm-atm")
    return ax


def _read_aod(field: Field, source: str) -> AodField:
    layers: dict[str, Array] = {}
    for name in ("aod", "uncertainty", "qa"):
        layer = open_layer(field_source(field.href, layer=(field.layer or "aod") if name == "aod" else name))
        layers[name] = layer.read(slice(None), slice(None), 0)
        grid = layer.grid
    if grid is None:
        raise NormalizeError(f"{field.href}: the store does not say its grid; run `musyq normalize --redo`")
    seen = (layers["qa"] & np.uint16(QA.GAP_FILLED)) == 0
    return AodField(layers["aod"], layers["qa"], layers["uncertainty"], seen.astype(np.int32), grid, source)


def _mask(found: Normalization, _step: str, ax: Axes) -> Axes:
    """Draw the mask of a sensor that has none of its own: clear, water, snow, shadow, cloud."""
    from matplotlib.colors import ListedColormap

    if found.mask is None:  # pragma: no cover  (draw has asked)
        raise NormalizeError(f"{found.scene}: no mask was made")
    bits = open_layer(field_source(found.mask.href, layer=found.mask.layer or "qa")).read(slice(None), slice(None), 0)
    kinds = (QA.WATER, QA.SNOW, QA.SHADOW, QA.CLOUD, QA.FILL)
    shown = np.zeros(bits.shape, np.uint8)
    for number, bit in enumerate(kinds, 1):
        shown[(bits & np.uint16(bit)) != 0] = number
    colours = ListedColormap(["#dfe8d0", "#7fb2d9", "#ffffff", "#55506a", "#f2b441", "#202020"])
    image = ax.imshow(shown, cmap=colours, vmin=-0.5, vmax=5.5, interpolation="nearest")
    figure = ax.get_figure()
    if figure is not None:
        bar = figure.colorbar(image, ax=ax, ticks=range(6))
        bar.ax.set_yticklabels(["clear", *((bit.name or "").lower() for bit in kinds)])
    clear = float(np.mean(shown <= 1))
    ax.set(title=f"own mask: {100 * clear:.0f} % clear", xticks=[], yticks=[])
    return ax


def _residual(found: Normalization, step: str, ax: Axes) -> Axes:
    """Draw the residual before and after, or say why there is none."""
    value = getattr(found, step)
    if value.residual is None:
        ax.text(0.5, 0.5, value.reason, ha="center", va="center", wrap=True, transform=ax.transAxes)
        ax.set_axis_off()
    else:
        heights = [value.residual.before, value.residual.after]
        ax.bar(["before", "after"], heights, color=[BEFORE, AFTER], width=0.6)
        ax.set(ylabel=f"residual, {value.residual.unit}")
    _title(ax, found, step, value.reason if value.residual else "")
    return ax


def _title(ax: Axes, found: Normalization, step: str, detail: str) -> None:
    value = getattr(found, step)
    lines = [f"{step}: {'applied' if value.applied else 'identity'}"]
    if value.residual:
        r = value.residual
        lines.append(f"{r.before:.3g} → {r.after:.3g} {r.unit} (n={r.count})")
    ax.set_title("\n".join([*lines, *([detail] if detail else [])]), fontsize="small")


_DRAW: dict[str, Callable[[Normalization, str, Axes], Axes]] = {
    "geometric": _geometric,
    "calibration": _calibration,
    "atmosphere": _atmosphere,
    "mask": _mask,
}
