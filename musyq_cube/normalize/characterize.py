"""Characterize: find out what has to be done to scenes so that they agree with all others."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from musyq_cube.catalog.storage import absolute
from musyq_cube.errors import MusyqError, NormalizeError
from musyq_cube.normalization import (
    STEPS,
    Atmosphere,
    Calibration,
    Field,
    Geometric,
    Normalization,
    Simple,
    Topographic,
)
from musyq_cube.normalize._relative import against_base
from musyq_cube.normalize._relief import find_topography
from musyq_cube.normalize._series import aligned, series_of
from musyq_cube.normalize.aerosol import retrieve, retrieve_series, view, with_field, write_field
from musyq_cube.normalize.ancillary import Ancillary
from musyq_cube.normalize.calibration import calibration_for
from musyq_cube.normalize.detect import detect_scene
from musyq_cube.normalize.geometric import register
from musyq_cube.normalize.lut import MODELS
from musyq_cube.normalize.rules import VERSION
from musyq_cube.read.prepare import native_bits, prepare
from musyq_cube.scene import Scene
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from musyq_cube.normalize.aerosol import AodField, View

    Progress: TypeAlias = Callable[[int, int, str], None]

log = logging.getLogger(__name__)

FAULTS = (MusyqError, OSError, ValueError, RuntimeError)
"""What keeps a step from being found for one scene; the others go on."""
SERIES = 3
"""Dates of one sensor and grid from which the clearest blue of all says what the ground is."""
BASES = 3
"""Scenes of the base, the clearest, whose median says where things are."""
PARTNER = 30.0
"""Days from which dates are taken into the series of a scene."""


def characterize(
    scenes: Scene | Iterable[Scene],
    base: Scene | Iterable[Scene] | None = None,
    ancillary: Ancillary | None = None,
    *,
    partners: Sequence[Scene] = (),
    steps: Sequence[str] = STEPS,
    model: str = "continental",
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Any:
    """
    Find the coefficients that make scenes agree with all others, without changing a pixel.

    Parameters
    ----------
    scenes
        One scene or several. Several dates of one sensor and place help each other: clouds and aerosol are found by
        comparing them.
    base
        Scenes whose geolocation is taken for right (Landsat for 10–30 m, MODIS for 250 m and coarser). Without a base
        the native geolocation is kept.
    ancillary
        DEM, aerosol grid (CAMS, MERRA-2), water vapour and ozone, where known. Default: climatologies by latitude and
        season, sea level, and no topographic correction.
    partners
        Other dates of the same sensors and places that have been characterized before: they help, and stay as they are.
    steps
        Which steps to find; those that are not named keep what the scene has already.
    model
        Aerosol model, one of `musyq_cube.normalize.lut.MODELS`.
    out
        Folder for gridded fields (aerosol, masks): a store for every scene. Default: a folder in the temporary one.
    progress
        Called with (done, total, scene id).

    Returns
    -------
    Normalization or list of Normalization
        In the order of the scenes; put it on a scene with ``scene.replace(normalization=…)`` or into a catalogue with
        :func:`musyq_cube.catalog.remember`. A step that could not be found, or that would not make the scene better,
        is not applied and says why.

    Raises
    ------
    NormalizeError
        For unknown steps or an unknown aerosol model.

    Examples
    --------
    >>> characterize(scene)  # doctest: +SKIP
    <Normalization of LC08_…>
      geometric   identity · no base was given
      atmosphere  applied · dark-target in 3120 of 3721 windows
    """
    wanted = check_order(steps, model)
    many = [scenes] if isinstance(scenes, Scene) else list(scenes)
    folder = absolute(out if out is not None else Path(tempfile.gettempdir(), "musyq-normalization"))
    bases = () if base is None else (base,) if isinstance(base, Scene) else tuple(base)
    work = _Work(many, tuple(partners), bases, ancillary or Ancillary(), wanted, model, folder, progress)
    found = work.run()
    return found[0] if isinstance(scenes, Scene) else found


def check_order(steps: Sequence[str], model: str) -> tuple[str, ...]:
    """Return the steps, or raise NormalizeError for a step or an aerosol model that there is not."""
    if model not in MODELS:
        raise NormalizeError(f"no aerosol model {model!r}; there are {', '.join(MODELS)}")
    wanted = (steps,) if isinstance(steps, str) else tuple(steps)
    if unknown := [step for step in wanted if step not in STEPS]:
        raise NormalizeError(f"steps={', '.join(unknown)}: there are {', '.join(STEPS)}")
    return wanted


@dataclasses.dataclass
class _Work:
    """The scenes and what has been found of each so far."""

    scenes: list[Scene]
    partners: tuple[Scene, ...]
    bases: tuple[Scene, ...]
    known: Ancillary
    steps: tuple[str, ...]
    model: str
    folder: str
    progress: Progress | None

    def run(self) -> list[Normalization]:
        """Find step after step: masks, calibration and position of all scenes, then their air."""
        found = [scene.normalization or Normalization(scene.id) for scene in self.scenes]
        for i, scene in enumerate(self.scenes):
            found[i] = self._alone(scene, found[i])
            self._tell(i, scene)
        if "atmosphere" in self.steps:
            found = self._air(found)
            found = self._calibrate(found)
        if "topography" in self.steps:
            found = [one.replace(topography=self._relief(s, one)) for s, one in zip(self.scenes, found, strict=True)]
        return [self._rest(scene, one) for scene, one in zip(self.scenes, found, strict=True)]

    def _alone(self, scene: Scene, found: Normalization) -> Normalization:
        if scene.quantity == "toa" and "atmosphere" in self.steps and ~native_bits(scene) & (QA.CLOUD | QA.SHADOW):
            found = found.replace(mask=self._mask(scene))
        if "calibration" in self.steps:
            found = found.replace(calibration=calibration_for(scene.sensor, scene.datetime))
        if "geometric" in self.steps:
            found = found.replace(
                geometric=self._position(prepare(scene.replace(normalization=found), ("calibration",)))
            )
        return found

    def _calibrate(self, found: list[Normalization]) -> list[Normalization]:
        """
        Compare sensors whose file says nothing with the base, under the air that was found.

        The air is not found again: gain and air come from the same numbers, and what they leave together was compared.
        """
        ready = [b for b in self.bases if b.normalization is not None and b.normalization.atmosphere is not None]
        if "calibration" not in self.steps or not ready:
            return found
        sensors = sorted({s.sensor for s in self.scenes if s.quantity == "toa"} - {b.sensor for b in self.bases})
        for sensor in sensors:
            mine = [i for i, s in enumerate(self.scenes) if s.sensor == sensor and not _is_calibrated(found[i])]
            try:
                made = against_base([self.scenes[i].replace(normalization=found[i]) for i in mine], ready)
            except FAULTS as error:
                made = Calibration(False, f"could not be compared with the base: {error}")
            for i in mine if made is not None else ():
                found[i] = found[i].replace(calibration=made)
        return found

    def _mask(self, scene: Scene) -> Field | None:
        others = [
            s for s in (*self.scenes, *self.partners) if s is not scene and s.sensor == scene.sensor and _near(s, scene)
        ]
        try:
            name = _digest(*sorted(s.replace(normalization=None).key for s in (scene, *others)), VERSION)
            return detect_scene(scene, others, out=f"{self.folder}/{scene.id}-{name}.mask.zarr")
        except FAULTS as error:
            log.warning("scene %s: no mask could be made: %s", scene.id, error)
            return None

    def _position(self, scene: Scene) -> Geometric:
        bases = [b for b in self.bases if b.geometry.intersects(scene.geometry)]
        if not self.bases:
            return Geometric(applied=False, reason="no base was given")
        if scene.id in {b.id for b in self.bases}:
            return Geometric(applied=False, reason="is the base")
        if not bases:
            return Geometric(applied=False, reason="no base overlaps it")
        band = next((b for b in ("nir08", "nir", "red") if b in scene.sources), scene.bands[0][0])
        try:
            clearest = sorted(bases, key=lambda b: (100.0 if b.cloud_cover is None else b.cloud_cover, b.id))
            return register(scene, [b.lend((band,)) for b in clearest[:BASES]], band=band)[0]
        except FAULTS as error:
            return Geometric(applied=False, reason=f"native geolocation kept: {error}")

    def _air(self, found: list[Normalization]) -> list[Normalization]:
        own = len(self.scenes)
        scenes = [*self.scenes, *self.partners]
        found = [*found, *(scene.normalization or Normalization(scene.id) for scene in self.partners)]
        views: dict[int, View] = {}
        for i, scene in enumerate(scenes):
            if scene.quantity != "toa":
                found[i] = found[i].replace(atmosphere=Atmosphere(False, f"is {scene.quantity} already"))
                continue
            try:
                ready = prepare(scene.replace(normalization=_absolute(found[i])), ("calibration", "geometric"))
                views[i] = view(ready, **self.known.over(scene))
            except FAULTS as error:
                found[i] = found[i].replace(atmosphere=Atmosphere(False, f"not found: {error}"))
                continue
        for group in series_of(scenes):
            members = [i for i in group if i in views]
            for i, (atmosphere, field) in zip(members, self._of_series([views[i] for i in members]), strict=True):
                if i < own:
                    found[i] = found[i].replace(atmosphere=self._kept(scenes[i], atmosphere, field))
        return found[:own]

    def _of_series(self, views: list[View]) -> list[tuple[Atmosphere, AodField]]:
        """Dark targets date by date; where most dates have none, the clearest blue of the series; then what is left."""
        alone = [self._alone_in(seen) for seen in views]
        if len(views) >= SERIES and 2 * sum(found is not None for found in alone) <= len(views):
            together = aligned(views)
            try:
                found = [None] * len(views) if together is None else retrieve_series(together, model=self.model)
                alone = [a or b for a, b in zip(found, alone, strict=True)]
            except FAULTS as error:
                log.warning("%s: no aerosol from the series of dates: %s", views[0].id, error)
        return [one or self._anyhow(seen) for seen, one in zip(views, alone, strict=True)]

    def _alone_in(self, seen: View) -> tuple[Atmosphere, AodField] | None:
        if "swir22" not in seen.toa:
            return None
        try:
            return retrieve(seen, model=self.model, methods=("dark-target",))
        except NormalizeError:
            return None

    def _anyhow(self, seen: View) -> tuple[Atmosphere, AodField]:
        """Find the aerosol by whatever is left; an ancillary grid of another time is as good as none."""
        try:
            return retrieve(seen, ancillary=self.known.aerosol_of, model=self.model)
        except NormalizeError as error:
            log.warning("scene %s: %s", seen.id, error)
            return retrieve(seen, model=self.model)

    def _kept(self, scene: Scene, atmosphere: Atmosphere, field: AodField) -> Atmosphere:
        if field.aod.size > 1 and atmosphere.source != "climatology":
            # the name says what is in it: products of another field have another key
            name = _digest(field.aod.tobytes(), field.qa.tobytes(), repr(field.grid))
            written, _ = write_field(field, f"{self.folder}/{scene.id}-{name}.aod.zarr")
            atmosphere = with_field(atmosphere, written)
        dem = self.known.dem
        if not isinstance(dem, str):  # none, or tiles: then the median stands for all pixels
            return atmosphere
        return dataclasses.replace(atmosphere, elevation=Field(absolute(dem)))

    def _relief(self, scene: Scene, found: Normalization) -> Topographic:
        dem = self.known.dem
        if not isinstance(dem, str):
            return Topographic(False, "no DEM was given" if dem is None else "the DEM is in tiles: give one raster")
        try:
            return find_topography(scene.replace(normalization=found), Field(absolute(dem)))
        except FAULTS as error:
            return Topographic(False, f"not found: {error}")

    def _rest(self, scene: Scene, found: Normalization) -> Normalization:
        reflective = scene.quantity in {"toa", "sr"}
        if "direction" in self.steps:
            reason = "c-factor with fixed coefficients" if reflective else f"is {scene.quantity} already"
            found = found.replace(direction=Simple(reflective, reason))
        if "spectral" in self.steps:
            found = found.replace(spectral=Simple(True, "linear, by band and sensor"))
        return found

    def _tell(self, done: int, scene: Scene) -> None:
        if self.progress is not None:
            self.progress(done + 1, len(self.scenes), scene.id)


def _digest(*parts: str | bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() if isinstance(part, str) else part)
    return found.hexdigest()[:8]


def _absolute(found: Normalization) -> Normalization:
    """Return what was found without a calibration relative to a base: that was found under the air, not before it."""
    relative = found.calibration is not None and found.calibration.residual is not None
    return found.replace(calibration=None) if relative else found


def _is_calibrated(found: Normalization) -> bool:
    return found.calibration is not None and found.calibration.applied


def _near(one: Scene, other: Scene) -> bool:
    """Whether two scenes show the same place within a month or two of each other."""
    days = abs((one.time - other.time).total_seconds()) / 86400
    return 0 < days <= 2 * PARTNER and one.geometry.intersects(other.geometry)
