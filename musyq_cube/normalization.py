"""
Normalization: what was found out about one scene so that it agrees with all others, as plain frozen values.

Made by :func:`musyq_cube.normalize.characterize`, stored on the STAC Item in ``musyq:`` fields, carried by
:class:`musyq_cube.scene.Scene`. Every step says whether it is applied and why, with its residual before and after.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from musyq_cube.types import JSON

    Array: TypeAlias = np.ndarray[Any, Any]

EXTENSION = "https://musyq-cube.github.io/normalization/v1.0.0/schema.json"
"""Identifier of the STAC extension that defines ``musyq:normalization`` (see ``catalogs/extensions``)."""
FIELD = "musyq:normalization"
"""The Item's field."""
STEPS = ("geometric", "calibration", "atmosphere", "topography", "direction", "spectral")
"""The steps in the order in which they are applied."""


@dataclass(frozen=True)
class Residual:
    """How far a scene was from what it was compared with, before and after a step."""

    before: float
    after: float
    unit: str
    """``px``, ``m``, ``1`` (reflectance) …"""
    count: int
    """Number of tie points, pixels or pairs it was measured on."""
    against: str
    """What it was compared with: an item id, or the name of the method."""

    @property
    def improved(self) -> bool:
        """Whether the step brought it nearer."""
        return self.after < self.before


KEPT = "native geolocation kept"
"""How the reason of a registration begins that found nothing to trust."""


@dataclass(frozen=True)
class Geometric:
    """
    The correction of a scene's geolocation: a polynomial displacement in the coordinates of its own CRS.

    A place that is truly at (x, y) is found at (x + dx, y + dy) by the scene's native geolocation, with
    ``dx = Σ dx[k] uⁱ vʲ``, u = (x − origin[0]) / scale, v = (y − origin[1]) / scale, terms in the order
    1, u, v, u², uv, v².
    """

    applied: bool
    reason: str
    """Why it is applied, or why native geolocation is kept."""
    crs: str = ""
    origin: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    dx: tuple[float, ...] = (0.0,)
    """CRS units; 1, 3 or 6 terms: shift, affine, second order."""
    dy: tuple[float, ...] = (0.0,)
    residual: Residual | None = None

    @property
    def failed(self) -> bool:
        """Whether a base was there and native geolocation had to be kept all the same."""
        return not self.applied and self.reason.startswith(KEPT)

    @property
    def model(self) -> str:
        """``shift``, ``affine`` or ``polynomial2``."""
        return {1: "shift", 3: "affine", 6: "polynomial2"}[len(self.dx)]

    def displacement(self, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
        """Return (dx, dy), in CRS units, at true places (x, y) of the scene's CRS; float64, shape of `x`."""
        u = (np.asarray(x, np.float64) - self.origin[0]) / self.scale
        v = (np.asarray(y, np.float64) - self.origin[1]) / self.scale
        terms = (np.ones_like(u), u, v, u * u, u * v, v * v)[: len(self.dx)]
        dx = sum((c * t for c, t in zip(self.dx, terms, strict=True)), np.zeros_like(u))
        dy = sum((c * t for c, t in zip(self.dy, terms, strict=True)), np.zeros_like(u))
        return dx, dy


@dataclass(frozen=True)
class Calibration:
    """
    Cross-calibration: what a band's scaled number (before the division by cos(sza)) has to become.

    corrected = gain · value + offset, by band (common name); offset in the units of the value.
    """

    applied: bool
    reason: str
    bands: tuple[tuple[str, float, float], ...] = ()
    """(common name, gain, offset)."""
    uncertainty: float | None = None
    """k = 1, relative, of the corrected value."""
    residual: Residual | None = None


@dataclass(frozen=True)
class Field:
    """A gridded quantity of a scene: an array of a Zarr store, or a raster file, with its grid in its metadata."""

    href: str
    layer: str | None = None


@dataclass(frozen=True)
class Atmosphere:
    """The state of the air over a scene, and where it was learnt from."""

    applied: bool
    reason: str
    aod: float | Field = 0.1
    """Aerosol optical depth at 0.55 µm."""
    source: str = "climatology"
    """``dark-target``, ``clearest-blue``, ``reference``, ``ancillary`` or ``climatology``."""
    model: str = "continental"
    """Aerosol model: one of `musyq_cube.normalize.lut.MODELS`."""
    tcwv: float = 2.0
    """Column water vapour, g cm⁻²."""
    ozone: float = 0.3
    """Column ozone, cm-atm."""
    elevation: float | Field = 0.0
    """Of the ground: km, or a DEM in metres."""
    uncertainty: float | None = None
    """k = 1 of the AOD."""
    residual: Residual | None = None


@dataclass(frozen=True)
class Topographic:
    """
    What a scene's surface reflectance owes to the terrain (SCS+C, see `musyq_cube.normalize.topography`).

    level = ρ (cos θ cos β + C) / (cos i + C), with the incidence i of the sun (zenith θ) on a slope β.
    """

    applied: bool
    reason: str
    c: tuple[tuple[str, float], ...] = ()
    """(common name, C) of the bands that are corrected."""
    dem: Field | None = None
    """Elevation in metres that slope and aspect are made of."""
    residual: Residual | None = None


@dataclass(frozen=True)
class Simple:
    """A step that needs no coefficients of the scene (direction, spectrum): only whether and why."""

    applied: bool
    reason: str
    residual: Residual | None = None


@dataclass(frozen=True)
class Normalization:
    """All steps of one scene; None: not characterized."""

    scene: str
    """Item id."""
    geometric: Geometric | None = None
    calibration: Calibration | None = None
    atmosphere: Atmosphere | None = None
    topography: Topographic | None = None
    direction: Simple | None = None
    spectral: Simple | None = None
    mask: Field | None = None
    """Common QA bits found by our own tests, for a sensor that has none."""

    def replace(self, **changes: Any) -> Normalization:
        """Return a copy with some steps changed."""
        return dataclasses.replace(self, **changes)

    def plot(self, step: str | None = None, ax: Axes | None = None) -> Any:
        """
        Draw what was found, as far as the Item keeps it.

        Parameters
        ----------
        step
            ``"geometric"``: the displacement field; ``"calibration"``: corrected against original numbers with the 1:1
            line; ``"atmosphere"``: the map of aerosol, read from its store; ``"mask"``; others: the residual. Default:
            all steps that are applied.
        ax
            Where to draw a step; default: a figure of its own.

        Returns
        -------
        matplotlib.axes.Axes or matplotlib.figure.Figure
            The Axes of a step, the Figure of all.

        Raises
        ------
        NormalizeError
            For what is no step, or was not characterized.
        """
        import importlib

        return importlib.import_module("musyq_cube.normalize._picture").draw(self, step, ax)

    def to_dict(self) -> JSON:
        """Return plain JSON values; what is None is left out."""
        return {k: _plain(v) for k, v in dataclasses.asdict(self).items() if v is not None}

    @classmethod
    def from_dict(cls, data: JSON) -> Normalization:
        """Rebuild what `to_dict` wrote."""
        kinds = {
            "geometric": Geometric,
            "calibration": Calibration,
            "atmosphere": Atmosphere,
            "topography": Topographic,
            "mask": Field,
        }
        made = {name: _build(kinds.get(name, Simple), value) for name, value in data.items() if name != "scene"}
        return cls(data["scene"], **made)

    def __repr__(self) -> str:
        lines = [f"<Normalization of {self.scene}>"]
        for name in STEPS:
            step = getattr(self, name)
            if step is None:
                lines.append(f"  {name:<11} not characterized")
                continue
            found = step.residual
            text = (
                f"{found.before:.4g} → {found.after:.4g} {found.unit} (n={found.count}, {found.against})"
                if found
                else ""
            )
            lines.append(f"  {name:<11} {'applied' if step.applied else 'identity'} · {step.reason} {text}".rstrip())
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _build(kind: Any, data: JSON) -> Any:
    data = {
        k: tuple(tuple(i) if isinstance(i, list) else i for i in v) if isinstance(v, list) else v
        for k, v in data.items()
    }
    if data.get("residual"):
        data["residual"] = Residual(**data["residual"])
    for name in ("aod", "elevation", "dem"):
        if isinstance(data.get(name), dict):
            data[name] = Field(**data[name])
    return kind(**data)
