"""What a scene shows to the aerosol retrieval: bands, angles and air on a pixel size of some tens of a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from odc.geo.geobox import GeoBox

from musyq_cube.errors import NormalizeError
from musyq_cube.read import group_scenes, read_block
from musyq_cube.read.warp import source_grid
from musyq_cube.scene import SourceGrid
from musyq_cube.sensor import sensor as get_sensor
from musyq_cube.types import METRES_PER_DEGREE, QA, UNCLEAR

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    import numpy.typing as npt

    from musyq_cube.scene import Scene

Array: TypeAlias = np.ndarray[Any, Any]
F32: TypeAlias = "npt.NDArray[np.float32]"

UNFIT = UNCLEAR | QA.SNOW | QA.WATER | QA.SATURATED | QA.LOW_SUN
"""Bits of pixels from which no aerosol is learnt."""
PIXELS = 24
"""Pixels along the side of a window at which a scene is read: 125 m for windows of 3 km."""
FINE, COARSE = 3_000.0, 10_000.0
"""Size of a window in metres for sensors finer than 250 m, and for all others."""
BRIGHT = 0.30
"""Blue reflectance at the top of the atmosphere above which a pixel is taken for cloud or snow that QA has missed."""


class Tables(Protocol):
    """
    What the air does to light in the bands of a sensor.

    Arrays broadcast; reflectance 0…1, angles in degrees (`raa` 0 towards the hot spot), water vapour in g cm⁻², ozone
    in cm-atm, elevation in km.
    """

    def correct(
        self,
        toa: Mapping[str, Array],
        sza: Array,
        vza: Array,
        raa: Array,
        aod: Array,
        *,
        tcwv: Any = ...,
        ozone: Any = ...,
        elevation: Any = ...,
    ) -> Mapping[str, Array]:
        """Return surface reflectance under reflectance at the top of the atmosphere, by band."""

    def simulate(
        self,
        surface: Mapping[str, Array],
        sza: Array,
        vza: Array,
        raa: Array,
        aod: Array,
        *,
        tcwv: Any = ...,
        ozone: Any = ...,
        elevation: Any = ...,
    ) -> Mapping[str, Array]:
        """Return reflectance at the top of the atmosphere over surface reflectance, by band."""  # fmt: skip


@dataclass(frozen=True, eq=False)
class View:
    """
    One scene as the retrieval sees it: arrays (y, x) on one north-up grid.

    Angles and the state of the air may be plain numbers where they hardly change.
    """

    toa: Mapping[str, F32]
    """Common name to reflectance at the top of the atmosphere; NaN is missing."""
    sza: F32 | float
    vza: F32 | float
    raa: F32 | float
    grid: SourceGrid
    qa: npt.NDArray[np.uint16] | None = None
    tcwv: F32 | float = 2.0
    ozone: F32 | float = 0.3
    elevation: F32 | float = 0.0
    sensor: str = ""
    id: str = ""
    time: dt.datetime | None = None
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.grid.shape

    @property
    def clear(self) -> npt.NDArray[np.bool_]:
        """Where a pixel may tell of aerosol: blue and red known, no disturbing QA bit, not bright."""
        if "clear" not in self._cache:
            fit = np.isfinite(self.toa["blue"]) & np.isfinite(self.toa["red"]) & (self.toa["blue"] < BRIGHT)
            if self.qa is not None:
                fit &= (self.qa & np.uint16(UNFIT)) == 0
            self._cache["clear"] = fit
        return np.asarray(self._cache["clear"])

    @property
    def nir(self) -> F32 | None:
        """The near infrared, narrow or broad."""
        return self.toa.get("nir08", self.toa.get("nir"))

    def layer(self, name: str) -> F32:
        """Return an angle or a quantity of the air as an array (y, x)."""
        values = np.asarray(getattr(self, name), np.float32)
        if name == "elevation":  # tables begin at the sea; ground below it is as near as makes no difference
            values = np.maximum(values, 0)
        return np.broadcast_to(values, self.shape)


def view(
    scene: Scene,
    *,
    window: float | None = None,
    tcwv: float = 2.0,
    ozone: float = 0.3,
    elevation: Any = 0.0,
) -> View:
    """
    Read what the retrieval needs of one scene, averaged to about `PIXELS` pixels a window.

    Parameters
    ----------
    scene
        Of quantity ``toa``, with blue and red bands.
    window
        Metres; default: :func:`window_of` its sensor.
    tcwv, ozone
        g cm⁻², cm-atm.
    elevation
        km, or a function of a geobox that returns it (see :func:`musyq_cube.normalize.ancillary.elevation`).

    Raises
    ------
    NormalizeError
        The scene is not at the top of the atmosphere or lacks blue or red.
    ReadError
        It cannot be read.
    """
    if scene.quantity != "toa":
        raise NormalizeError(f"{scene.id}: aerosol is found in scenes of quantity 'toa', not {scene.quantity!r}")
    wanted = [b for b in ("blue", "green", "red", "nir08", "nir", "swir12", "swir22") if b in scene.sources]
    if missing := {"blue", "red"} - set(wanted):
        raise NormalizeError(f"{scene.id}: no band {' or '.join(sorted(missing))}, which aerosol is found with")
    geobox = _geobox(source_grid(scene.sources["blue"]), window or window_of(scene.sensor))
    ds, _ = read_block(group_scenes([scene]), geobox, wanted, angles=True, on_error="raise")
    layers = {name: ds[name].to_numpy()[0] for name in (*wanted, "sza", "vza", "raa", "qa")}
    return View(
        {name: layers[name] for name in wanted}, layers["sza"], layers["vza"], layers["raa"],
        SourceGrid(str(geobox.crs), tuple(geobox.affine)[:6], (geobox.height, geobox.width)),
        layers["qa"], tcwv, ozone, np.nan_to_num(elevation(geobox)) if callable(elevation) else elevation,
        scene.sensor, scene.id, scene.time,
    )  # fmt: skip


def window_of(sensor_id: str) -> float:
    """
    Return the size of the windows for a sensor, metres.

    Examples
    --------
    >>> window_of("landsat8-oli"), window_of("modis-terra")
    (3000.0, 10000.0)
    """
    sizes = [band.gsd for band in get_sensor(sensor_id).bands if band.gsd and band.key in {"blue", "red"}]
    return COARSE if sizes and min(sizes) >= 250 else FINE


def _geobox(grid: SourceGrid, window: float) -> GeoBox:
    """Return a scene's grid at a whole multiple of its pixel size, edges at multiples of it from the CRS origin."""
    native = abs(grid.transform[0])
    geographic = grid.geobox.crs is not None and grid.geobox.crs.geographic
    size = window / METRES_PER_DEGREE if geographic else window
    step = native * max(1, round(size / PIXELS / native))
    return GeoBox.from_bbox(grid.geobox.extent.boundingbox, grid.crs, resolution=step)
